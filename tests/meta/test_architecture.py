"""docs/architecture.md is true: its drawing, its tables of modules, its walks through the code, its five answers."""

import ast
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import pytest

from tests.support.needs import ROOT

from ._source import PACKAGE, import_graph, tree

pytestmark = pytest.mark.once

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
QUESTIONS = "A stranger's five questions"
FOLDERS = ("wire", "core", "machines", "replica", "storage")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def section(title: str) -> str:
    """The text below a heading, up to the next one that is not deeper."""
    match = re.search(rf"^(#+) {re.escape(title)}$\n(.*?)(?=^#{{1,2}} |^\1 |\Z)", PAGE, re.M | re.S)
    assert match is not None, f"no section {title!r}"
    return match[2]


def rows(text: str) -> list[list[str]]:
    """The cells of each row of the tables in a text, without the head rows."""
    found = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [row for place, row in enumerate(found) if place > 0 and not row[0].startswith("-")]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# -- rooms and modules -------------------------------------------------------------------------------------------


def room(dotted: str) -> str:
    return dotted.partition(".")[0] or "raftcy"


def heights(drawing: str) -> dict[str, int]:
    """The line of each room in a drawing, counted from the top."""
    return {word: line for line, text in enumerate(drawing.splitlines()) for word in re.findall(r"\w+", text)}


def drawn() -> dict[str, int]:
    match = re.search(r"^```\n(.*?)^```$", section("Rooms"), re.M | re.S)
    assert match is not None
    return heights(match[1])


def wrong_ways(lines: dict[str, int], graph: dict[str, set[str]]) -> set[tuple[str, str]]:
    """The imports that do not go down in a drawing. Private modules lie below all rooms."""
    edges = {(room(one), room(other)) for one, others in graph.items() for other in others}
    return {
        (one, other)
        for one, other in edges
        if one != other and not one.startswith("_") and not other.startswith("_") and lines[one] >= lines[other]
    }


def test_the_drawing_has_every_room_once() -> None:
    rooms = {room(each) for each in import_graph() if not each.startswith("_")}
    assert set(drawn()) == rooms
    assert sorted(name for row in rows(section("Rooms")) for name in quoted(row[0])) == sorted(rooms)


def test_imports_go_down_in_the_drawing() -> None:
    assert wrong_ways(drawn(), import_graph()) == set()


def test_a_wrong_drawing_is_seen() -> None:
    lines = drawn()
    lines["core"], lines["wire"] = lines["wire"], lines["core"]
    assert ("core", "wire") in wrong_ways(lines, import_graph())


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_stands_in_its_table(folder: str) -> None:
    listed = [name for row in rows(section(folder)) for name in quoted(row[0])]
    present = {each.partition(".")[2] for each in import_graph() if room(each) == folder and "." in each}
    present |= {path.stem for path in (PACKAGE / folder).glob("*_pb2.py")}
    assert sorted(listed) == sorted(present)


@pytest.mark.parametrize("folder", FOLDERS)
def test_modules_stand_from_the_ground_up(folder: str) -> None:
    floors = {name: floor for floor, row in enumerate(rows(section(folder))) for name in quoted(row[0])}
    wrong = [
        f"{one} imports {other}, which stands above it"
        for one, others in import_graph().items()
        for other in others
        if "." in one and "." in other and room(one) == room(other) == folder
        if floors[one.partition(".")[2]] < floors[other.partition(".")[2]]
    ]
    assert wrong == []


# -- places in the code ------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A function or class that the page names, and whether an arrow leads to it."""

    path: str
    name: str
    called: bool


def places(text: str) -> list[Place]:
    """The places that a text names: methods with their class, everything else right after its file or an arrow."""
    found: list[Place] = []
    path, due, arrow = "", False, False
    for token, dash in re.findall(r"`([^`]+)`|(→)", text):
        if dash:
            due = arrow = True
        elif re.fullmatch(r"[\w/]+\.(py|pxd)", token):
            path, due = token, True
        else:
            if path and re.fullmatch(r"([A-Z]\w+\.)?\w+" if due else r"[A-Z]\w+\.\w+", token):
                found.append(Place(path, token, arrow))
            due = arrow = False
    return found


@cache
def definitions(path: str) -> dict[str, Definition]:
    """The functions and classes of a file by name; a method's name includes its class, as in ``Raft.tick``."""
    found: dict[str, Definition] = {}
    for node in tree(PACKAGE / path).body:
        if isinstance(node, Definition):
            found[node.name] = node
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}": each for each in node.body if isinstance(each, Definition)}
    return found


def exists(place: Place) -> bool:
    if not (PACKAGE / place.path).is_file():
        return False
    if place.path.endswith(".pxd"):
        text = (PACKAGE / place.path).read_text(encoding="utf-8")
        return re.search(rf"^cdef class {place.name}\b", text, re.M) is not None
    return place.name in definitions(place.path)


def calls(place: Place) -> set[str]:
    """The last part of each name that a function calls."""
    return {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in ast.walk(definitions(place.path)[place.name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    }


def walks() -> list[str]:
    """The cells that name places."""
    return [cell for row in rows(section("Four walks through the code")) for cell in row]


def missing_calls(cells: list[str]) -> list[str]:
    wrong = []
    for cell in cells:
        found = places(cell)
        for one, other in pairwise(found):
            if other.called and other.name.rpartition(".")[2] not in calls(one):
                wrong.append(f"{one.name} does not call {other.name}")
    return wrong


def test_every_place_exists() -> None:
    named = places(section("Four walks through the code")) + places(section(QUESTIONS))
    assert len(named) > 100
    assert [each for each in named if not exists(each)] == []


def test_the_walks_follow_calls() -> None:
    assert sum(each.called for cell in walks() for each in places(cell)) > 50
    assert missing_calls(walks()) == []


def test_a_step_that_is_not_in_the_code_is_seen() -> None:
    assert missing_calls(["`core/raft.py` `Raft.tick` → `Raft._bcast_append`"])
    assert not exists(Place("core/raft.py", "Raft.tock", False))
    assert not exists(Place("core/rift.py", "Raft.tick", False))


# -- the five questions ------------------------------------------------------------------------------------------


def text_of(node: ast.AST) -> str:
    return ast.unparse(node)


def has(node: ast.AST, kind: type[ast.AST], *texts: str) -> bool:
    """Whether a part of the code is of this kind and its text matches all of these."""
    return any(
        all(re.search(each, text_of(part)) for each in texts) for part in ast.walk(node) if isinstance(part, kind)
    )


def gives_a_place(node: Definition) -> bool:
    """Gives each of some entries the node's term and the next index."""
    return has(node, ast.For, r"\b(\w+)\.term = self\.term\n\s+\1\.index = index\b")


def holds_back_votes(node: Definition) -> bool:
    """Holds the answer to a request for a vote back until the storage has written."""
    return any(
        isinstance(part, ast.If)
        and "k.VOTE_RESP" in text_of(part.test)
        and all("after_append" in text_of(each) for each in part.body[-1:])
        for part in ast.walk(node)
    )


def stores_before_it_sends(node: Definition) -> bool:
    text = text_of(node)
    return 0 <= text.find("self._store(") < text.find("self._deliver(")


def holds_requests_for_votes(node: Definition) -> bool:
    """Holds requests for votes back until the Ready that they are in is written."""
    return has(node, ast.If, r"^if .*k\.VOTE\b.*:\n\s+held\.append") and has(node, ast.Assign, r"\._messages = held$")


def refuses_long(error: str) -> Callable[[Definition], bool]:
    return lambda node: (
        isinstance(node, ast.FunctionDef)
        and any(
            isinstance(part, ast.If)
            and re.search("> (MAX_FRAME_BYTES|limit)$", text_of(part.test))
            and has(part, ast.Raise, error)
            for part in ast.walk(node)
        )
    )


def answers_a_read(node: Definition) -> bool:
    return {"add_read_state", "_send"} <= {
        part.func.attr for part in ast.walk(node) if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
    } and "k.READ_INDEX_RESP" in text_of(node)


def answers_what_is_applied(node: Definition) -> bool:
    return isinstance(node, ast.FunctionDef) and has(
        node, ast.Expr, r"self\._answered\.extend\(\[\w+ for .* if \w+\.index <= applied\]\)"
    )


def options(kind: str) -> list[str]:
    """The names of the fields of Config that have this type."""
    config = definitions("core/config.py")["Config"]
    return [
        text_of(each.target)
        for each in config.body
        if isinstance(each, ast.AnnAssign) and text_of(each.annotation) == kind
    ]


# RawNode itself reads this one.
FLAGS = sorted(set(options("bool")) - {"async_storage_writes"})


def documents_its_fields(node: Definition) -> bool:
    return (
        isinstance(node, ast.ClassDef)
        and len(FLAGS) > 5
        and all(f"``{each}``" in (ast.get_docstring(node) or "") for each in FLAGS)
        and all(has(node, ast.AnnAssign, f"^{each}: bool = False$") for each in FLAGS)
    )


def takes_the_options(node: Definition) -> bool:
    return isinstance(node, ast.FunctionDef) and all(
        has(node, ast.Assign, rf"^self\.{each} = c\.{each}$") for each in FLAGS
    )


ANSWERS: dict[str, list[Callable[[Definition], bool]]] = {
    "Where is a proposal given its index?": [gives_a_place],
    "Where is a vote made durable before it is sent?": [
        holds_back_votes,
        stores_before_it_sends,
        holds_requests_for_votes,
    ],
    "Where is a frame's size limited?": [refuses_long("RangeError"), refuses_long("DecodeError")],
    "Where is a read answered?": [answers_a_read, answers_what_is_applied],
    "Where would a new config option go?": [documents_its_fields, takes_the_options],
}
ANSWERED = {row[0]: places(row[1]) for row in rows(section(QUESTIONS))}


def test_there_are_five_questions_answered_by_names_alone() -> None:
    assert list(ANSWERED) == list(ANSWERS)
    for row in rows(section(QUESTIONS)):
        assert len(row) == 2
        assert re.sub(r"`[^`]+`|[, ]", "", row[1]) == ""


@pytest.mark.parametrize("question", ANSWERS)
def test_an_answer_is_right(question: str) -> None:
    """No other function or class of the same file fits the answer."""
    named = [each for each in ANSWERED[question] if each.path.endswith(".py")]
    assert len(named) == len(ANSWERS[question])
    for place, fits in zip(named, ANSWERS[question], strict=True):
        found = [name for name, node in definitions(place.path).items() if fits(node)]
        assert found in ([place.name], [place.name.partition(".")[0], place.name])


def test_an_option_has_its_type_in_c() -> None:
    path = [each.path for each in ANSWERED["Where would a new config option go?"]][-1]
    text = (PACKAGE / path).read_text(encoding="utf-8")
    declared = re.findall(r"bint ([\w, ]+)$", text, re.M)
    assert set(FLAGS) <= {name.strip() for line in declared for name in line.split(",")}
