"""Imports go down only: which room may know which, and in what order the rooms at the bottom are built.

A room is a module or a folder directly under raftcy. To add one, or to allow an import, edit the tables here and the
drawing in docs/architecture.md.
"""

import ast
import tomllib

import pytest

from tests.support.needs import ROOT

from ._source import Import, files, functions, imports, module, modules, name, tree

pytestmark = pytest.mark.once

# What each room may import beside itself; "" is the package's own __init__, which may import all but TOP_MAY_NOT.
ROOMS: dict[str, set[str]] = {
    "_arguments": set(),
    "_build": set(),
    "_random": set(),
    "errors": set(),
    "wire": {"errors"},
    "core": {"errors", "wire", "_random"},
    "node": {"errors", "wire", "core"},
    "transport": {"errors", "wire", "core", "node"},
    "rafttest": {"errors", "wire", "core", "node", "transport", "_build"},
    "recorder": {"", "errors", "wire", "core", "_build", "_arguments"},
    "demo": {"", "errors", "wire", "core", "node", "transport"},
    "sim": {"", "errors", "wire", "core", "recorder", "_build", "_arguments"},
    "cli": {"", "demo", "recorder", "sim", "_arguments"},
    "__main__": {"cli"},
}
TOP_MAY_NOT = {"rafttest", "recorder", "demo", "sim", "cli", "__main__"}

# The two rooms at the bottom, each from the ground up; a module imports only from lines above its own.
LAYERS = {
    "wire": """
        consts bounds gotext immutable raft_pb2
        enums
        checks
        messages
        blank changes kinds
        codec
        protobuf
    """,
    "core": """
        logger droplist observer
        ready entries hardstate inflights
        fresh
        outbox progress
        acks
        quorum
        tracker
        confchange config describe readonly status storage trace
        unstable
        log
        raft
        vet
        rawnode
        dump
        cycle
    """,
}

OUTSIDE_WORLD = {"time", "random", "asyncio", "socket", "os", "io", "threading", "subprocess", "datetime", "select"}


def room(dotted: str) -> str:
    return dotted.partition(".")[0]


def told(path: str, found: Import) -> str:
    return f"raftcy/{path}:{found.line} imports {found.module or 'the package itself'}"


def test_every_room_has_its_row() -> None:
    present = {room(each) for each in modules()} - {""}
    assert present <= set(ROOMS), "give each new room its row in ROOMS"


def test_imports_go_down() -> None:
    wrong = []
    for path in files(".py", ".pyx", ".pxd"):
        own = module(path)
        allowed = set(ROOMS) - TOP_MAY_NOT if own == "" else ROOMS.get(room(own), set()) | {room(own)}
        for found in imports(path):
            if room(found.module) not in allowed:
                wrong.append(told(name(path), found))
    assert wrong == []


@pytest.mark.parametrize("folder", LAYERS)
def test_the_ground_is_in_layers(folder: str) -> None:
    order = {each: number for number, line in enumerate(LAYERS[folder].split("\n")) for each in line.split()}
    wrong = []
    for path in files(".py", ".pyx", ".pxd"):
        own = module(path).removeprefix(f"{folder}.")
        if room(module(path)) != folder or module(path) == folder:
            continue
        assert own in order, f"give {folder}/{own} its place in LAYERS"
        for found in imports(path):
            other = found.module.removeprefix(f"{folder}.")
            if room(found.module) == folder and other != own and not order.get(other, 99) < order[own]:
                wrong.append(told(name(path), found))
    assert wrong == []


def test_the_package_imports_itself_relatively() -> None:
    """So that the same folder can be loaded under a second name."""
    wrong = []
    for path in files(".py"):
        for node in ast.walk(tree(path)):
            absolute = isinstance(node, ast.ImportFrom) and not node.level and room(node.module or "") == "raftcy"
            plain = isinstance(node, ast.Import) and any(room(alias.name) == "raftcy" for alias in node.names)
            if absolute or plain:
                wrong.append(f"raftcy/{name(path)}:{node.lineno}")
    for path in files(".pyx", ".pxd"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.split()[:2] in (["from", "raftcy"], ["cimport", "raftcy"], ["import", "raftcy"]):
                wrong.append(f"raftcy/{name(path)}:{number}")
    assert wrong == []


def test_wheels_are_tested_with_what_the_tests_import() -> None:
    """cibuildwheel copies only the folders that it is told of."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sources = set(settings["tool"]["cibuildwheel"]["test-sources"])
    imported = {
        room(node.module or "")
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and not node.level
    }
    here = {each for each in imported if (ROOT / each).is_dir()} - {"raftcy"}
    assert here >= {"bench", "tests", "tools"}
    assert here <= sources


def test_no_source_needs_cython_at_run_time() -> None:
    wrong = []
    for path in files(".py"):
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if "cython" in {room(each.lower()) for each in names}:
                wrong.append(f"raftcy/{name(path)}:{node.lineno}")
    assert wrong == []


@pytest.mark.parametrize("folder", ["core", "wire"])
def test_core_and_codec_know_no_outside_world(folder: str) -> None:
    """No clock, no random numbers of their own, no files, no sockets, no threads."""
    allowed = {("core.config", "random"), ("core.trace", "io")}
    wrong = []
    for path in files(".py", ".pyx"):
        if room(module(path)) != folder:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.replace(",", " ").split()
            if words[:1] in (["import"], ["from"], ["cimport"]):
                taken = {room(word) for word in (words[1:2] if words[0] == "from" else words[1:])} & OUTSIDE_WORLD
                if taken and not any((module(path), each) in allowed for each in taken):
                    wrong.append(f"raftcy/{name(path)}:{number}: {line.strip()}")
    assert wrong == []


@pytest.mark.parametrize("folder", ["core", "wire"])
def test_core_and_codec_print_nothing(folder: str) -> None:
    wrong = [
        f"raftcy/{name(path)}:{node.lineno}"
        for path in files(".py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input", "open")
        if room(module(path)) == folder
    ]
    assert wrong == []


def test_architecture_names_every_room() -> None:
    picture = (ROOT / "docs/architecture.md").read_text()
    rooms = {room(each) for each in modules() if not room(each).startswith("_")} - {""}
    assert {each for each in rooms if each not in picture} == set()


def test_the_reader_of_imports_sees_them() -> None:
    """The checks above find nothing if the reader finds nothing."""
    codec = {(module(path), found.module) for path in files(".py") for found in imports(path)}
    assert ("core.log", "core.unstable") in codec
    assert ("", "_build") in codec
    declared = {(name(path), found.module) for path in files(".pxd") for found in imports(path)}
    assert ("wire/messages.pxd", "wire.consts") in declared
    assert len([function for path in files(".py") for function in functions(path)]) > 100
