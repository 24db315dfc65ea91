"""Rules that no linter has: sizes, and code and files that must not be in the package or the tree."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.needs import ROOT, needs_tracked_files

from ._source import files, functions, name, nodes, tree

pytestmark = pytest.mark.once

LINE_LENGTH_MAX = 120
FUNCTION_LENGTH_MAX = 70
MODULE_LENGTH_MAX = 1500

# Folders of one machine. A file that names one of these works, or is true, on that machine only.
MACHINE_PATH = re.compile(r"(?<![.\w])/(?:work|root|home/\w+|Users/\w+)/")


def tracked() -> list[Path]:
    return [ROOT / each for each in needs_tracked_files() if (ROOT / each).is_file()]


def text_of(path: Path) -> str | None:
    data = path.read_bytes()
    return None if b"\0" in data else data.decode("utf-8")


def test_lines_are_short() -> None:
    wrong = [
        f"raftcy/{name(path)}:{number} has {len(line)} columns"
        for path in files(".py", ".pyx", ".pxd")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LINE_LENGTH_MAX
    ]
    assert wrong == []


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    first, last = node.lineno, node.end_lineno or node.lineno
    doc = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    return last - first + 1 - ((doc.end_lineno or doc.lineno) - doc.lineno + 1 if doc else 0)


def test_functions_are_short() -> None:
    wrong = [
        f"raftcy/{name(path)}:{node.lineno} {node.name} has {length(node)} lines"
        for path in files(".py")
        for node in functions(path)
        if length(node) > FUNCTION_LENGTH_MAX
    ]
    assert wrong == []


def ends_block(line: str, indent: int) -> bool:
    """A line that is no deeper than the `def` above it and is not just the closing bracket of its parameters."""
    return bool(line.strip()) and len(line) - len(line.lstrip()) <= indent and not line.strip().startswith(")")


def test_kernel_functions_are_short() -> None:
    """Cython gives no syntax tree, so a function is the text from one `def`, `cdef` or `cpdef` to the next line that is
    not deeper.
    """
    wrong = []
    for path in files(".pyx"):
        lines = path.read_text(encoding="utf-8").splitlines()
        starts = [number for number, line in enumerate(lines) if re.match(r"\s*(c|cp)?def .*[(]", line)]
        for start in starts:
            indent = len(lines[start]) - len(lines[start].lstrip())
            rest = lines[start + 1 :]
            size = next((n for n, line in enumerate(rest) if ends_block(line, indent)), len(rest))
            if size > FUNCTION_LENGTH_MAX:
                wrong.append(f"raftcy/{name(path)}:{start + 1} has {size} lines")
    assert wrong == []


def test_modules_have_one_subject() -> None:
    wrong = {name(path): len(path.read_text().splitlines()) for path in files(".py", ".pyx")}
    assert {path: lines for path, lines in wrong.items() if lines > MODULE_LENGTH_MAX} == {}


def test_every_module_says_what_it_is() -> None:
    empty = [name(path) for path in files(".py") if path.read_text().strip() and not ast.get_docstring(tree(path))]
    assert empty == []


def test_there_is_no_assert() -> None:
    """`python -O` drops asserts, and Cython may; an invariant is `if …: raise InvariantError`."""
    wrong = [
        f"raftcy/{name(path)}:{node.lineno}"
        for path in files(".py")
        for node in nodes(path)
        if isinstance(node, ast.Assert)
    ]
    for path in files(".pyx"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r"\s*assert\b", line):
                wrong.append(f"raftcy/{name(path)}:{number}")
    assert wrong == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    wrong = []
    for path in tracked():
        text = text_of(path) or ""
        for match in MACHINE_PATH.finditer(text):
            wrong.append(f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}")
    assert wrong == []
    assert MACHINE_PATH.search("in " + "/home" + "/me/raftcy")


def test_no_build_result_is_tracked() -> None:
    assert [
        path.name for path in tracked() if path.suffix in (".so", ".pyd", ".c", ".o", ".html", ".pyc", ".whl")
    ] == []
