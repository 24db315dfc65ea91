"""The loops over a node's Readys that are written out by hand: ``python -m tools.loops``.

`raftcy.Driver` does the round of a node: store, send, apply, advance. Whoever writes it out instead has to keep its
rules again, so each such loop needs a reason, and there are few. This lists them, each with the comment that stands
directly above it or at its beginning:

    # A loop of its own: the script's text says in which order the work is done.

(in a document, an HTML comment above the program). Exits with status 1 if one has no reason, or if there are more than
``LOOPS_MAX``.

A loop is a class, or a function outside of classes with all functions inside of it, or what else is in a program of a
document, which

- ends a round itself: calls ``advance``, or tells a storage thread's message by its target or type,
- and stores and applies what the round holds, itself or in what it calls in the same file. To store is to call
  ``save``, ``set_hard_state`` or ``apply_snapshot``, or ``append`` of a storage; to apply is to read
  ``committed_entries`` or to call ``apply_conf_change``, or to handle what a storage thread is to apply.

So a test that calls ``advance`` to see what it does is none, nor is what drives a Driver by its steps. Read are all
files of Python, the programs in docstrings and those in the documents. The driver itself is not counted.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = ("raftcy", "bench", "tools", "tests")
LOOPS_MAX = 8
DRIVER = "raftcy/replica/driver.py"

_REASON = re.compile(r"A loop of its own: *(.*)")
_FENCED = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
_STORES = {"save", "set_hard_state", "apply_snapshot", "store"}
_STORAGES = re.compile(r"storage|store|disk", re.I)
_WRITTEN = {"LOCAL_APPEND_THREAD", "STORAGE_APPEND", "MSG_STORAGE_APPEND"}
_APPLIED = {"LOCAL_APPLY_THREAD", "STORAGE_APPLY", "MSG_STORAGE_APPLY"}
_EITHER = {"is_local_msg_target"}


class Loop(NamedTuple):
    """A loop: its file, the line where it begins, its name, and why it is not the driver's; "" without a reason."""

    path: str
    line: int
    name: str
    reason: str


class Program(NamedTuple):
    """A piece of Python, the text that it stands in, and the line of that text where it begins, from 0."""

    path: str
    tree: ast.Module
    lines: list[str]
    first: int
    whole: bool  # what is outside of functions may be a loop, too


class Marks(NamedTuple):
    """What code does, and the names of what it calls."""

    ends: bool
    stores: bool
    applies: bool
    calls: frozenset[str]


def _name(node: ast.expr) -> str:
    """The last name of a name or an attribute; "" for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def marks(code: list[ast.stmt]) -> Marks:
    """The marks of some statements, with all that is inside of them."""
    names, calls, appends, compared = set(), set(), False, set()
    for node in (each for statement in code for each in ast.walk(statement)):
        if isinstance(node, ast.Attribute | ast.Name):
            names.add(_name(node))
        if isinstance(node, ast.Compare):
            compared |= {_name(each) for each in ast.walk(node) if isinstance(each, ast.Attribute | ast.Name)}
        if isinstance(node, ast.Call):
            calls.add(_name(node.func))
            if isinstance(node.func, ast.Attribute) and node.func.attr == "append":
                appends |= bool(_STORAGES.search(_name(node.func.value)))
    return Marks(
        ends="advance" in calls or bool(compared & (_WRITTEN | _APPLIED)) or bool(calls & _EITHER),
        stores=appends or bool(calls & _STORES),
        applies="committed_entries" in names or "apply_conf_change" in calls or bool(compared & _APPLIED),
        calls=frozenset(calls),
    )


def units(program: Program) -> Iterator[tuple[ast.stmt | None, str, list[ast.stmt]]]:
    """The parts of a program that may be loops: node, name and code; None for the code outside of functions."""
    outside = []
    for node in program.tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, node.name, [node]
        else:
            outside.append(node)
    if program.whole and outside:
        yield None, "program", outside


def loops_of(program: Program) -> list[Loop]:
    """The loops of a program."""
    bodies: dict[str, list[Marks]] = {}
    for node in ast.walk(program.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            bodies.setdefault(node.name, []).append(marks([node]))
    found = []
    for node, name, code in units(program):
        own = marks(code)
        if not own.ends:
            continue
        seen, more = set[str](), set(own.calls)
        stores, applies = own.stores, own.applies
        while more:
            called = more.pop()
            if called in seen:
                continue
            seen.add(called)
            for each in bodies.get(called, []):
                stores, applies = stores or each.stores, applies or each.applies
                more |= each.calls
        if stores and applies:
            line = program.first + (0 if node is None else node.lineno - 1)
            found.append(Loop(program.path, line + 1, name, reason(program, node)))
    return found


def reason(program: Program, node: ast.stmt | None) -> str:
    """What the comment above a loop, or at its beginning, says; "" if it has none."""
    above = program.first + (0 if node is None else node.lineno - 1) - 1
    if node is None or program.first:
        above = program.first - 1
        while above >= 0 and (not program.lines[above].strip() or program.lines[above].startswith("```")):
            above -= 1
    begin = above
    while begin >= 0 and program.lines[begin].strip().startswith(("#", "@", "<!--")):
        begin -= 1
    text = _comment(program.lines[begin + 1 : above + 1])
    if text or node is None:
        return text
    body = getattr(node, "body")
    first = body[1] if len(body) > 1 and ast.get_docstring(node, clean=False) is not None else body[0]
    start = program.first + node.lineno
    return _comment(program.lines[start : program.first + first.lineno])


def _comment(lines: list[str]) -> str:
    said: list[str] = []
    for line in lines:
        text = line.strip().removeprefix("<!--").removesuffix("-->").strip("# ")
        if (match := _REASON.search(text)) and not said:
            said.append(match[1].strip())
        elif said and line.strip().startswith("#"):
            said.append(text)
    return " ".join(said)


def programs(root: Path = ROOT) -> Iterator[Program]:
    """All Python of a checkout."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if name != DRIVER:
                text = path.read_text(encoding="utf-8")
                tree = ast.parse(text)
                yield Program(name, tree, text.splitlines(), 0, False)
                yield from _examples(name, tree, text.splitlines())
    for path in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        text = path.read_text(encoding="utf-8")
        for match in _FENCED.finditer(text):
            first = text[: match.start(1)].count("\n")
            yield Program(path.relative_to(root).as_posix(), ast.parse(match[1]), text.splitlines(), first, True)


def _examples(name: str, tree: ast.Module, lines: list[str]) -> Iterator[Program]:
    """The programs in docstrings: what is indented after a line that ends with two colons."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is None:
            continue
        first, last = node.body[0].lineno, node.body[0].end_lineno
        text = lines[first - 1 : last]
        for place, line in enumerate(text):
            if line.rstrip().endswith("::"):
                indent = len(line) - len(line.lstrip())
                code = []
                for each in text[place + 1 :]:
                    if each.strip() and len(each) - len(each.lstrip()) <= indent:
                        break
                    code.append(each)
                try:
                    tree = ast.parse(textwrap.dedent("\n".join(code)))
                except SyntaxError:
                    continue
                yield Program(name, tree, lines, first + place, True)


def main() -> int:
    """Print the loops with their reasons."""
    found = [loop for program in programs() for loop in loops_of(program)]
    for loop in found:
        print(f"{loop.path}:{loop.line} {loop.name}: {loop.reason or 'NO REASON'}")
    print(f"{len(found)} loops")
    return int(len(found) > LOOPS_MAX or not all(loop.reason for loop in found))


if __name__ == "__main__":
    sys.exit(main())
