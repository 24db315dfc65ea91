"""The faults fit the core, and the tools that make and run them work."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from .edit import ROOT, Edit, Moved, edited, edited_files
from .faults import FAULTS, MODULES
from .named import outcome_of
from .rows import ROWS
from .sample import PARTS, part_of
from .tree import run, tree

pytestmark = pytest.mark.once


@cache
def unedited(file: str) -> str:
    """A file of the package, written the way an edited one is."""
    return ast.unparse(ast.parse((ROOT / "raftcy" / file).read_text(encoding="utf-8"))) + "\n"


@pytest.mark.parametrize("name", FAULTS)
def test_fault_fits(name: str) -> None:
    """Each edit has its place, and the edited source compiles to a different program."""
    for file, text in edited_files(FAULTS[name].edits).items():
        compile(text, file, "exec")
        assert text != unedited(file)


def test_names_are_unique() -> None:
    assert len(FAULTS) == sum(len(module.FAULTS) for module in MODULES)
    assert len({fault.edits for fault in FAULTS.values()}) == len(FAULTS)


def test_faults_bring_back_bugs_of_the_catalogue() -> None:
    assert {name for fault in FAULTS.values() for name in fault.rows} <= {row.name for row in ROWS}


def test_every_part_comes_in_turn() -> None:
    """In each state of the source about a sixth is taken, and soon everything was."""
    parts = [{name for name in FAULTS if part_of(name, str(state)) == 0} for state in range(60)]
    assert all(abs(len(part) - len(FAULTS) / PARTS) < len(FAULTS) / 8 for part in parts)
    assert set().union(*parts) == set(FAULTS)


SOURCE = """
limit = 1

class Box:
    def put(self, x):  # not in any anchor
        if self.full and (
            x > limit  # nor is this
        ):
            self.drop(x)
            return
        self.x = x; self.n += 1
        self.log(f"{x > limit}")

    @property
    def size(self):
        return self.n

    @size.setter
    def size(self, n):
        self.n = n

def put(x):
    return x
"""

CONDITION = "self.full and (\n            x > limit  # nor is this\n        )"


def same(one: str, two: str) -> bool:
    """Whether two sources are the same program."""
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(two))


def after(function: str, old: str, new: str, nth: int = 0) -> str:
    """SOURCE after an edit."""
    module = ast.parse(SOURCE)
    edited(Edit("box.py", function, old, new, nth), module)
    return ast.unparse(module)


@pytest.mark.parametrize(
    ("function", "old", "new", "nth", "text", "becomes"),
    [
        # An expression in any layout; its replacement keeps the order of evaluation.
        ("Box.put", "self.full and x>limit", "self.full", 0, CONDITION, "self.full"),
        ("Box.put", "self.full", "a or b", 0, "self.full", "(a or b)"),
        ("Box.put", "x > limit", "x", 1, "x > limit  # nor", "x  # nor"),
        ("Box.put", "x > limit", "x", 2, "{x > limit}", "{x}"),
        # One or more statements; a block that would be empty gets a pass.
        ("Box.put", "self.x = x", "", 0, "self.x = x; ", ""),
        ("Box.put", "self.x = x\nself.n += 1", "self.n = x", 0, "self.x = x; self.n += 1", "self.n = x"),
        ("Box.put", "self.drop(x)", "", 0, "self.drop(x)\n            return", "return"),
        ("Box.put", "self.drop(x)\nreturn", "", 0, "self.drop(x)\n            return", "pass"),
        ("Box.put", "self.drop(x)", "if x: self.drop(x)", 0, "self.drop(x)", "if x: self.drop(x)"),
        ("Box.put", "return", "self.n = 0\nreturn", 0, "return\n        self.x", "self.n = 0; return\n        self.x"),
        # In this function only, of the module or of a class. Both functions of a property count.
        ("put", "return x", "return 1", 0, "return x", "return 1"),
        ("", "limit = 1", "limit = 2", 0, "limit = 1", "limit = 2"),
        ("Box", "x > limit", "x", 1, "x > limit  # nor", "x  # nor"),
        ("Box.size", "self.n = n", "", 0, "self.n = n", "pass"),
    ],
)  # fmt: skip
def test_an_edit_is_made_where_it_says(function: str, old: str, new: str, nth: int, text: str, becomes: str) -> None:
    assert SOURCE.count(text) == 1
    assert same(after(function, old, new, nth), SOURCE.replace(text, becomes))


@pytest.mark.parametrize(
    ("function", "old", "new", "nth", "match"),
    [
        ("Box.put", "x > limit", "x", 0, r"^box.py has this 2 times in Box.put instead of once, .*\nx > limit$"),
        ("Box.put", "x > limit", "x", 3, "has this 2 times in Box.put instead of at least 3 times"),
        ("Box.put", "x < limit", "x", 0, "has this 0 times in Box.put instead of once"),
        ("put", "self.drop(x)", "", 0, "has this 0 times in put"),
        ("", "limit = 2", "limit = 1", 0, "has this 0 times in the module"),
        # Statements are not an expression, and an expression inside a statement is not a statement.
        ("Box.put", "self.full", "", 0, "has this 0 times"),
        ("Box.put", "self.full", "x = 1", 0, "has this 0 times"),
        # Statements of two blocks, or not consecutive.
        ("Box.put", "return\nself.x = x", "", 0, "has this 0 times"),
        ("Box.put", "self.drop(x)\nself.x = x", "", 0, "has this 0 times"),
        ("Box.get", "x", "y", 0, "^box.py has no Box.get, "),
        ("Bag.put", "x", "y", 0, "^box.py has no Bag.put, "),
        ("Box.put", "self.x = x", "self.x=x  # the same", 0, "changes nothing"),
        ("Box.put", "", "self.x = x", 0, "changes nothing"),
    ],
)
def test_an_edit_must_fit(function: str, old: str, new: str, nth: int, match: str) -> None:
    module = ast.parse(SOURCE)
    with pytest.raises(Moved, match=match):
        edited(Edit("box.py", function, old, new, nth), module)
    assert same(ast.unparse(module), SOURCE)


def test_edits_of_a_file_are_made_one_after_the_other() -> None:
    """The second edit finds what the first one left; the edits of a file follow the order of the source."""
    module = ast.parse(SOURCE)
    edited(Edit("box.py", "Box.put", "self.full and x > limit", "x > limit and x > limit"), module)
    edited(Edit("box.py", "Box.put", "x > limit", "x > 9", 3), module)
    edited(Edit("box.py", "Box.put", "x > limit and x > limit", "x"), module)
    assert "if x:" in ast.unparse(module)
    assert "{x > 9}" in ast.unparse(module)


def test_a_copy_runs_its_own_source() -> None:
    """The copy runs the pure build of the edited files, and the original stays unchanged."""
    before = (ROOT / "raftcy/wire/consts.py").read_text(encoding="utf-8")
    ask = "import raftcy.wire.consts as k; import raftcy; print(k.NO_LIMIT, raftcy.BUILD, k.__file__)"
    with tree([Edit("wire/consts.py", "", "NO_LIMIT = 2**64 - 1", "NO_LIMIT = 7")]) as folder:
        done = run(folder, ["-c", ask], 60)
        assert done.stdout.split() == ["7", "pure", str(folder / "raftcy/wire/consts.py")]
    assert not folder.exists()
    assert (ROOT / "raftcy/wire/consts.py").read_text(encoding="utf-8") == before


def test_a_test_that_cannot_run_is_not_red() -> None:
    """A missing test, or a package that cannot be imported, does not prove anything."""
    good, missing = "tests/unit/core/test_util.py::test_limit_size", "tests/unit/core/test_util.py::test_nothing"
    done = outcome_of([], [good, missing])
    assert (done.red, done.broken != []) == (set(), True)
    done = outcome_of([Edit("wire/consts.py", "", "NO_LIMIT = 2**64 - 1", "NO_LIMIT = 1 + None")], [good])
    assert (done.red, done.broken != []) == (set(), True)


PARAMETERS = """
import pytest

@pytest.mark.parametrize("n", range(4))
def test_some(n):
    assert n != 1

def test_other():
    pass
"""


def test_a_red_test_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "test_parameters.py").write_text(PARAMETERS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.first_red", "--rootdir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "1 failed, 2 passed, 2 skipped" in done.stdout, done.stdout + done.stderr
