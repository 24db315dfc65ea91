"""Reads the package's files as text and as syntax trees, without importing the package."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.needs import ROOT

PACKAGE = ROOT / "raftcy"
GENERATED = {"wire/raft_pb2.py", "wire/raft_pb2.pyi"}
# Names in parentheses may continue on further lines.
_CIMPORT = re.compile(
    r"^(?P<indent>[ \t]*)from[ \t]+(?P<dots>\.+)(?P<module>[\w.]*)[ \t]+c?import[ \t]*"
    r"(?P<names>\([^)]*\)|[^#\n]+)",
    re.M,
)


class Import(NamedTuple):
    """One name that a file takes from another module of the package."""

    module: str  # relative to the package, "core.log"
    line: int
    lazy: bool  # inside a function


def files(*suffixes: str) -> list[Path]:
    """The package's source files with one of these suffixes, without generated ones."""
    found = [path for suffix in suffixes for path in PACKAGE.rglob(f"*{suffix}")]
    return sorted(path for path in found if name(path) not in GENERATED)


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def module(path: Path) -> str:
    """The module of a file, relative to the package; a package's __init__ is the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def read_anew() -> None:
    """Forget what was read: files may have changed since."""
    tree.cache_clear()
    nodes.cache_clear()


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file's tree, kept because walking takes longer than parsing."""
    return tuple(ast.walk(tree(path)))


def modules() -> frozenset[str]:
    return _modules(PACKAGE)


@cache
def _modules(package: Path) -> frozenset[str]:
    return frozenset(module(path) for path in package.rglob("*.p*") if path.suffix in (".py", ".pyx", ".pxd"))


def imports(path: Path) -> list[Import]:
    """What a file imports or cimports from the package itself."""
    found = _python_imports(path) if path.suffix == ".py" else _cython_imports(path)
    return sorted(set(found))


def _python_imports(path: Path) -> Iterator[Import]:
    lazy = {id(node) for function in functions(path) for node in ast.walk(function)}
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [alias.name for alias in node.names]
            for target in _targets(path, node.level, node.module or "", names):
                yield Import(target, node.lineno, id(node) in lazy)


def _cython_imports(path: Path) -> Iterator[Import]:
    text = path.read_text(encoding="utf-8")
    for match in _CIMPORT.finditer(text):
        listed = re.sub(r"#.*", "", match["names"]).strip("() \t\n")
        names = [part.split()[0] for part in listed.split(",") if part.strip()]
        line = text.count("\n", 0, match.start()) + 1
        for target in _targets(path, len(match["dots"]), match["module"], names):
            yield Import(target, line, bool(match["indent"]))


def _targets(path: Path, level: int, dotted: str, names: list[str]) -> Iterator[str]:
    folders = path.relative_to(PACKAGE).parts[:-1]
    base = folders[: len(folders) - (level - 1)]
    stem = ".".join((*base, *(part for part in dotted.split(".") if part)))
    for each in names:
        below = f"{stem}.{each}".lstrip(".")
        yield below if below in modules() else stem


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def import_graph() -> dict[str, set[str]]:
    """The modules that each module imports. The .py, the .pyx and the .pxd of one module count as one."""
    graph: dict[str, set[str]] = {}
    for path in files(".py", ".pyx", ".pxd"):
        own = module(path)
        graph.setdefault(own, set()).update(found.module for found in imports(path) if found.module != own)
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The sets of modules that import each other in a circle, each sorted; empty if all imports go one way."""
    reach = {each: _reached(graph, each) for each in graph}
    found = {frozenset({each, *(end for end in ends if each in reach.get(end, ()))}) for each, ends in reach.items()}
    return sorted(sorted(members) for members in found if len(members) > 1)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen
