"""The numbers of the protocol are written three times and agree each time.

`consts.py` has them for the pure build, `consts.pxd` for the compiled one, and `enums.py` gives them names for people.
If the first two differed, the builds would behave differently, and no compiler would notice.
"""

import ast
import re
from enum import IntEnum
from typing import NamedTuple

import pytest

from raftcy_pure.wire import consts, enums

from ._source import PACKAGE, tree

pytestmark = pytest.mark.once

CONSTS = {name: value for name, value in vars(consts).items() if name[0] != "_"}
# These have their own numbers: they appear only in calls of the API, not in the state machine's state.
OF_THE_API = {"ProgressType", "SnapshotStatus"}


def declared(text: str) -> dict[str, int]:
    """The numbers that a .pxd declares: the items of its enum, and macros under their names in Cython."""
    found = {name: int(number, 0) for name, number in re.findall(r"^    ([A-Z]\w*) = (\w+)$", text, re.M)}
    macros = dict(re.findall(r"^ *#define (\w+) (\d+)ULL$", text, re.M))
    found |= {name: int(macros[macro]) for name, macro in re.findall(r'^ *const uint64_t (\w+) "(\w+)"$', text, re.M)}
    return found


def test_c_has_the_numbers_of_python() -> None:
    text = (PACKAGE / "wire/consts.pxd").read_text(encoding="utf-8")
    assert declared(text) == CONSTS
    written = [line for line in text.splitlines() if re.match(r"    \w.*( = |uint64_t )", line)]
    assert len(written) == len(CONSTS), "this test cannot parse a line of consts.pxd"


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (("APP = 3", "APP = 4"), {("APP", 4)}),
        (("    APP = 3\n", ""), set()),
        (("    APP = 3\n", "    APP = 3\n    NEW = 99\n"), {("NEW", 99)}),
        (("18446744073709551614ULL", "18446744073709551615ULL"), {("LOCAL_APPLY_THREAD", 2**64 - 1)}),
    ],
)
def test_a_difference_is_seen(change: tuple[str, str], differs: set[tuple[str, int]]) -> None:
    text = (PACKAGE / "wire/consts.pxd").read_text(encoding="utf-8")
    assert change[0] in text
    found = declared(text.replace(*change))
    assert found != CONSTS
    assert found.items() - CONSTS.items() == differs


class Member(NamedTuple):
    """A member of an enum that is defined by one of the numbers."""

    enum: str
    name: str
    const: str


def members() -> list[Member]:
    found = []
    for node in tree(PACKAGE / "wire/enums.py").body:
        for each in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(each, ast.Assign) and isinstance(each.value, ast.Attribute):
                name = each.targets[0]
                assert isinstance(name, ast.Name)
                found.append(Member(node.name, name.id, each.value.attr))  # type: ignore[union-attr]
    return found


def groups() -> dict[str, list[str]]:
    """The numbers, grouped by the comment above them."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in (PACKAGE / "wire/consts.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            title = line
        elif match := re.match(r"([A-Z]\w*) = ", line):
            found.setdefault(title, []).append(match[1])
    return found


def test_enums_have_the_numbers_of_their_names() -> None:
    """A member has the number of its name, and each number that a comment assigns to an enum has one member."""
    for member in members():
        assert member.name.endswith(member.const) or member.const.endswith(member.name), member
        kind: type[IntEnum] = getattr(enums, member.enum)
        assert kind[member.name] == CONSTS[member.const], member
    used = [member.const for member in members()]
    assert len(used) == len(set(used))
    numbered = {name: re.findall(r"\((\w+)\)", title) for title, names in groups().items() for name in names}
    assert {name for name, kinds in numbered.items() if kinds} == set(used)
    for member in members():
        assert member.enum in numbered[member.const], member


def test_every_enum_is_of_these_numbers() -> None:
    kinds = {name for name, value in vars(enums).items() if isinstance(value, type) and issubclass(value, IntEnum)}
    assert kinds - {"IntEnum"} - {member.enum for member in members()} == OF_THE_API
    for name in kinds - {"IntEnum"} - OF_THE_API:
        assert len(getattr(enums, name)) == sum(member.enum == name for member in members()), name
