"""What tests claim in their docstrings, and the tables in tests/ that `catalogue` and `parity` write from it.

A claim is a line with a word and names, as in `answers: TestCommit, TestRestore`. The names go on in the next line
after a comma.
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
    """The tests and the tables contradict each other; the text has a line for each contradiction."""


class Table(NamedTuple):
    """A file of tests/ and the module of tools/ that writes it, with the functions that do so."""

    file: str
    tool: str
    read: Callable[[], Claimed]
    render: Callable[[Claimed], str]
    undecided: Callable[[Claimed], list[str]]


def claims(path: Path, root: Path, word: str) -> Iterator[tuple[str, str, list[str]]]:
    """For each test in a file that has such a line: its pytest id, what is wrong with it if anything, and the names."""
    relative = path.relative_to(root).as_posix()
    text = path.read_text(encoding="utf-8")
    if f"{word}:" not in text:
        return  # most files; to parse them would take most of the time
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
    """The functions and classes of a module or class, with the classes that they are in."""
    for node in tree.body:
        if isinstance(node, Definition):
            yield node, scope
        if isinstance(node, ast.ClassDef):
            yield from defined(node, (*scope, node.name))


def claimed(tests: Path, word: str, objection: Callable[[str], str]) -> tuple[Claimed, list[str]]:
    """The tests of a folder by the names that they claim with a word, and what is wrong with the claims.

    ``objection`` tells what speaks against a name: "'x', which is no row"; or nothing.
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
    """What is wrong with the claims and with the table in the tree."""
    wrong = table.undecided(found)
    path = TESTS / table.file
    if not path.exists() or path.read_text(encoding="utf-8") != table.render(found):
        wrong.append(f"tests/{table.file} is out of date: run `python -m tools.{table.tool}`")
    return wrong


def main(table: Table, usage: str | None, arguments: list[str]) -> str | int:
    """Write the table, or with --check compare it; what to exit with."""
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
