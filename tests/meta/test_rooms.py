"""Imports go down only: which room may import which, and the order of modules inside the rooms at the bottom.

A room is a module or a folder directly under raftcy. To add one, or to allow an import, edit the tables here and the
drawing in docs/architecture.md.
"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.needs import ROOT

from . import _source
from ._source import Import, circles, files, functions, import_graph, imports, module, modules, name, nodes

pytestmark = pytest.mark.once

# What each room may import besides itself. "" is the package's own __init__, which may import all but TOP_MAY_NOT.
ROOMS: dict[str, set[str]] = {
    "_arguments": set(),
    "_completion": set(),
    "_statuses": set(),
    "_build": set(),
    "_progress": set(),
    "_random": set(),
    "_signature": set(),
    "errors": set(),
    "wire": {"errors", "_signature"},
    "core": {"errors", "wire", "_random"},
    "node": {"errors", "wire", "core", "_build"},
    "machines": {"errors", "wire"},
    "transport": {"errors", "wire"},
    "storage": {"errors", "wire", "core", "_arguments", "_statuses"},
    "replica": {"errors", "wire", "core", "machines", "storage", "transport", "_arguments", "_build"},
    "rafttest": {"errors", "wire", "core", "transport", "replica", "_build", "_progress", "_statuses"},
    "recorder": {"", "errors", "wire", "core", "_build", "_arguments", "_progress"},
    "demo": {"", "errors", "machines", "transport", "replica"},
    "sim": {
        *("", "errors", "wire", "core", "machines", "storage", "transport", "replica", "recorder", "etcd"),
        *("_build", "_arguments", "_progress", "_statuses"),
    },
    "etcd": {"", "errors", "machines", "storage", "transport", "replica"},
    "cli": {
        *("", "demo", "etcd", "recorder", "replica", "sim", "storage"),
        *("_arguments", "_build", "_completion", "_statuses"),
    },
    "__main__": {"cli"},
}
TOP_MAY_NOT = {"rafttest", "recorder", "demo", "etcd", "sim", "cli", "__main__"}

# The two rooms at the bottom, each from the ground up. A module imports only from lines above its own.
LAYERS = {
    "wire": """
        consts bounds gotext immutable raft_pb2
        enums
        checks whole
        messages
        blank changes origins
        kinds
        codec
        protobuf
    """,
    "core": """
        awaitables hints logger droplist observer
        ready entries hardstate inflights single_calls
        fresh
        outbox progress
        acks
        quorum
        tracker
        confchange describe readonly status storage trace
        config log_storage unstable
        log
        raft
        guards vet
        rawnode
        dump
    """,
}

OUTSIDE_WORLD = {
    *("asyncio", "datetime", "io", "os", "random", "secrets", "select", "socket", "subprocess", "threading", "time")
}
# The outside world that modules of the lower rooms may use: a Config's default source, a trace's stream, a snapshot in
# memory, the shells of a driver.
MAY_KNOW = {
    "core.config": {"random"},
    "core.trace": {"io"},
    "machines.group": {"io"},
    "replica.pump": {"asyncio", "secrets"},
    "replica.prometheus": {"asyncio", "threading"},
    "replica.aside": {"asyncio", "threading"},
    "replica.blocking": {"asyncio", "threading"},
    "replica.diskloop": {"asyncio"},
    "replica.depot": {"asyncio"},
    "replica.founding": {"asyncio"},
    "replica.host": {"asyncio", "io", "os"},
    "replica.membertable": {"io"},
    "replica.joining": {"asyncio"},
    "replica.deleting": {"asyncio"},
    "replica.memberchanges": {"asyncio"},
    "replica.recovery": {"os", "secrets", "time"},
    "replica.registrar": {"asyncio"},
    "replica.seams": {"secrets", "sys", "time"},
    "replica.session": {"asyncio"},
    "replica.transplant": {"io"},
    "replica.snapshots": {"io"},
    "replica.replica": {"asyncio"},
    "replica.waits": {"asyncio"},
}


# The same for the log on disk: its folder, its thread, its command.
STORAGE_MAY_KNOW = {
    "directory": {"os", "sys", "pathlib", "fcntl", "msvcrt", "threading"},
    "disk_log": {"os", "queue", "secrets", "threading", "time"},
    "log_command": {"sys", "pathlib"},
}


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


def test_no_imports_go_in_a_circle() -> None:
    """Imports inside functions and for types count, and so does a package's __init__ if it is imported itself."""
    assert circles(import_graph()) == []


ROUND = {
    "__init__.py": "from .low import x\n",
    "low.py": "x = 1\n",
    "late/__init__.py": "",
    "late/one.py": "def f():\n    from .two import y\n    return y\n",
    "late/two.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from . import three\n",
    "late/three.pyx": "from ..low cimport (\n    x,  # first\n    z,\n)\nfrom .four cimport (\n    y,\n)\n",
    "late/three.pxd": "",
    "late/four.pxd": "from ..near cimport up\n",
    "near/__init__.py": "from .under import up\n",
    "near/under.py": "from ..late.one import f\n",
    "top.py": "from . import near\nfrom .late import one\n",
    "self.py": "",
    "self.pyx": "from .self cimport a\n",
}


def package(monkeypatch: pytest.MonkeyPatch, folder: Path, texts: dict[str, str]) -> None:
    """Make the source readers see these files instead of the package."""
    for path, text in texts.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    monkeypatch.setattr(_source, "PACKAGE", folder)


def test_a_circle_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Finds circles through a function, a type, a multi-line cimport, a .pxd and an __init__; cutting one link ends
    them.
    """
    package(monkeypatch, tmp_path, ROUND)
    assert circles(import_graph()) == [["late.four", "late.one", "late.three", "late.two", "near", "near.under"]]
    for path in ("late/one.py", "late/two.py", "late/three.pyx", "late/four.pxd", "near/__init__.py", "near/under.py"):
        (tmp_path / path).write_text("\n")
        _source.read_anew()
        assert circles(import_graph()) == [], path
        (tmp_path / path).write_text(ROUND[path])
    _source.read_anew()
    assert len(circles(import_graph())) == 1


def names_in_two_rooms() -> dict[str, set[str]]:
    """File names that several rooms use, with those rooms. Every room may have an __init__ and a __main__."""
    rooms: dict[str, set[str]] = {}
    for path in files(".py", ".pyx", ".pxd"):
        if not path.stem.startswith("__"):
            rooms.setdefault(path.stem, set()).add(room(module(path)))
    return {each: where for each, where in rooms.items() if len(where) > 1}


def test_a_file_name_says_its_room() -> None:
    """No two rooms have files of the same name. Folders inside a room belong to it."""
    assert names_in_two_rooms() == {}


def test_a_file_name_in_two_rooms_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = ("one/__main__.py", "one/same.py", "one/same.pxd", "one/twice.py", "single.py", "two/__main__.py")
    package(monkeypatch, tmp_path, dict.fromkeys(here, ""))
    assert names_in_two_rooms() == {}
    package(monkeypatch, tmp_path, dict.fromkeys(("one/below/twice.py", "two/single.py", "two/same.pyx"), ""))
    assert names_in_two_rooms() == {"same": {"one", "two"}, "single": {"single", "two"}}


def test_the_package_imports_itself_relatively() -> None:
    """Relative imports let the same folder be loaded under a second name."""
    wrong = []
    for path in files(".py"):
        for node in nodes(path):
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
    """cibuildwheel copies only the folders that its settings list."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sources = set(settings["tool"]["cibuildwheel"]["test-sources"])
    # By text, because parsing all tests takes seconds.
    imported = {
        each
        for path in (ROOT / "tests").rglob("*.py")
        for each in re.findall(r"^\s*from (\w+)[\w.]* import ", path.read_text(encoding="utf-8"), re.M)
    }
    here = {each for each in imported if (ROOT / each).is_dir()} - {"raftcy"}
    assert here >= {"bench", "tests", "tools"}
    assert here <= sources


def test_no_source_needs_cython_at_run_time() -> None:
    wrong = []
    for path in files(".py"):
        for node in nodes(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if "cython" in {room(each.lower()) for each in names}:
                wrong.append(f"raftcy/{name(path)}:{node.lineno}")
    assert wrong == []


@pytest.mark.parametrize("folder", ["core", "wire", "machines", "replica"])
def test_the_ground_and_the_driver_know_no_outside_world(folder: str) -> None:
    """No clock, no random numbers, no files, no sockets, no threads."""
    wrong = []
    for path in files(".py", ".pyx"):
        if room(module(path)) != folder:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.replace(",", " ").split()
            if words[:1] in (["import"], ["from"], ["cimport"]):
                taken = {room(word) for word in (words[1:2] if words[0] == "from" else words[1:])} & OUTSIDE_WORLD
                if taken - MAY_KNOW.get(module(path), set()):
                    wrong.append(f"raftcy/{name(path)}:{number}: {line.strip()}")
    assert wrong == []


def test_the_log_on_disk_knows_its_platform_by_six_calls() -> None:
    """Only what is made of a folder knows the system, a clock or a thread; nothing knows an event loop."""
    wrong = []
    for path in files(".py"):
        if room(module(path)) != "storage":
            continue
        for node in nodes(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            taken = {room(each) for each in names} & (OUTSIDE_WORLD | {"fcntl", "msvcrt", "queue", "pathlib", "sys"})
            if taken - STORAGE_MAY_KNOW.get(path.stem, set()):
                wrong.append(f"raftcy/{name(path)}:{node.lineno}")
    assert wrong == []


def test_the_simulator_knows_no_event_loop() -> None:
    """It drives the same driver as services do, by virtual time."""
    found = {found.module for path in files(".py") if room(module(path)) == "sim" for found in imports(path)}
    assert "replica.driver" in found
    assert "replica.pump" not in found


@pytest.mark.parametrize("folder", ["core", "wire", "machines", "replica"])
def test_the_ground_and_the_driver_print_nothing(folder: str) -> None:
    wrong = [
        f"raftcy/{name(path)}:{node.lineno}"
        for path in files(".py")
        if room(module(path)) == folder
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input", "open")
    ]
    assert wrong == []


def test_architecture_names_every_room() -> None:
    picture = (ROOT / "docs/architecture.md").read_text()
    rooms = {room(each) for each in modules() if not room(each).startswith("_")} - {""}
    assert {each for each in rooms if each not in picture} == set()


def test_the_reader_of_imports_sees_them() -> None:
    """If the reader found no imports, the checks above would find no fault."""
    codec = {(module(path), found.module) for path in files(".py") for found in imports(path)}
    assert ("core.log", "core.unstable") in codec
    assert ("", "_build") in codec
    declared = {(name(path), found.module) for path in files(".pxd") for found in imports(path)}
    assert ("wire/messages.pxd", "wire.consts") in declared
    assert len([function for path in files(".py") for function in functions(path)]) > 100
