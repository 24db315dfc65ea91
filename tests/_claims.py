"""What tests say of themselves: a line of a docstring with a word and names, as in `answers: TestCommit, TestRestore`.

The names go on in the next line after a comma.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def claims(path: Path, root: Path, word: str) -> Iterator[tuple[str, str, list[str]]]:
    """For each test in a file that has such a line: its pytest id, what is wrong with it if anything, and the names."""
    relative = path.relative_to(root).as_posix()
    for node, scope in defined(ast.parse(path.read_text(encoding="utf-8"), str(path)), ()):
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
