"""Reads what tests claim in their docstrings, and writes the tables in tests/ for `catalogue` and `parity`.

A claim is a line with a word and names, such as `answers: TestCommit, TestRestore`. After a comma at its end, the names
continue on the next line.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Claimed = dict[str, list[str]]


class Wrong(Exception):
    """The tests and the tables contradict each other. The text has a line for each contradiction."""


class Table(NamedTuple):
    """A file in tests/, the module in tools/ that writes it, and the functions that this takes."""

    file: str
    tool: str
    read: Callable[[], Claimed]
    render: Callable[[Claimed], str]
    undecided: Callable[[Claimed], list[str]]


def claims(path: Path, root: Path, word: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield for each test with such a line: its pytest id, what is wrong with the claim, if anything, and the names."""
    relative = path.relative_to(root).as_posix()
    text = path.read_text(encoding="utf-8")
    if f"{word}:" not in text:
        return  # most files, and parsing them would take most of the time
    for node, scope in defined(ast.parse(text, str(path)), ()):
        told = re.search(rf"^\s*{word}:((?:.*,\s*\n)*.*)$", ast.get_docstring(node) or "", re.M)
        if told is None:
            continue
        fault = ""
        if not node.name.startswith("Test" if isinstance(node, ast.ClassDef) else "test_"):
            fault = "is no test"
        elif any(re.search(r"\bmark\.(skip|xfail)\b(?!if)", ast.unparse(each)) for each in node.decorator_list):
            fault = "is always skipped or expected to fail"
        yield "::".join((relative, *scope, node.name)), fault, [each.strip() for each in told[1].split(",")]


def defined(tree: ast.Module | ast.ClassDef, scope: tuple[str, ...]) -> Iterator[tuple[Definition, tuple[str, ...]]]:
    """Yield the functions and classes of a module or class, with the classes that enclose them."""
    for node in tree.body:
        if isinstance(node, Definition):
            yield node, scope
        if isinstance(node, ast.ClassDef):
            yield from defined(node, (*scope, node.name))


def claimed(tests: Path, word: str, objection: Callable[[str], str]) -> tuple[Claimed, list[str]]:
    """Return the tests of a folder by the names that they claim with a word, and what is wrong with the claims.

    ``objection`` returns what is wrong with a name, such as "'x', which is not a row", or an empty text.
    """
    found = defaultdict(list)
    wrong = []
    for path in sorted(tests.rglob("*.py")):
        for test, fault, names in claims(path, tests.parent, word):
            if fault:
                wrong.append(f"{test} {fault}")
            for name in names:
                if told := objection(name):
                    wrong.append(f"{test} {word} {told}")
                found[name].append(test)
    return found, wrong


def check(table: Table, found: Claimed) -> list[str]:
    """Return what is wrong with the claims and with the table in the tree."""
    wrong = table.undecided(found)
    path = TESTS / table.file
    if not path.exists() or path.read_text(encoding="utf-8") != table.render(found):
        wrong.append(f"tests/{table.file} is out of date: run `python -m tools.{table.tool}`")
    return wrong


def main(table: Table, usage: str | None, arguments: list[str]) -> str | int:
    """Write the table, or with --check compare it. Returns the argument for sys.exit."""
    if arguments not in ([], ["--check"]):
        return usage or ""
    try:
        found = table.read()
    except Wrong as error:
        return str(error)
    if arguments:
        wrong = check(table, found)
        print("\n".join(wrong) if wrong else f"tests/{table.file}: ok")
        return 1 if wrong else 0
    (TESTS / table.file).write_text(table.render(found), encoding="utf-8")
    return 0
