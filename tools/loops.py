"""Lists the hand-written loops over a node's Readys: ``python -m tools.loops``.

`raftcy.Driver` does the round of a node: store, send, apply, advance. Code that does it by itself can forget one of the
driver's rules, so each such loop needs a reason, and there are only a few. The command prints the reason that a comment
gives, directly above the loop or at the beginning of its body:

    # A loop of its own: the script says in which order the work is done.

In a document this is an HTML comment above the program. The command fails if a loop has no reason, or if there are more
than ``LOOPS_MAX``.

One loop is a class, a function outside of classes, or the rest of a document's program, if it

- ends rounds: it calls ``advance``, or checks whether a message is for a storage thread,
- stores: it calls ``save``, ``save_ready``, ``store``, ``set_hard_state`` or ``apply_snapshot``, or ``append`` of a
  storage,
- and applies: it reads ``committed_entries``, calls ``apply_conf_change``, or does the work of the thread that applies.

It must end rounds itself. Storing and applying may happen in functions of the same file that it calls, directly or not.
A test, which is a function whose name begins with ``test_``, counts only if it does all this inside of a ``for`` or
``while``, because tests of ``advance`` take a single round in steps. Code that runs a Driver is not a loop, whether it
uses ``run`` or the steps of a round, and the driver itself is not listed.

The command reads the package, the benchmarks, the tools and the tests, the programs in their docstrings, and the
programs in the documents.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("raftcy", "bench", "tools", "tests")
DRIVER = "raftcy/replica/driver.py"
LOOPS_MAX = 8

_REASON = "A loop of its own: "
_FENCED = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
_STORES = {"save", "save_ready", "store", "set_hard_state", "apply_snapshot"}
_STORAGE = re.compile("storage|store|disk")
_TO_APPLY = {"LOCAL_APPLY_THREAD", "STORAGE_APPLY", "MSG_STORAGE_APPLY"}
_TO_STORE = {"LOCAL_APPEND_THREAD", "STORAGE_APPEND", "MSG_STORAGE_APPEND"}
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


class Loop(NamedTuple):
    """A loop: its file, the line where it begins, its name, and its reason; "" if it gives none."""

    path: str
    line: int
    name: str
    reason: str


class Program(NamedTuple):
    """A piece of Python and its surroundings: ``lines`` of ``path``, of which ``above`` come before the code."""

    path: str
    code: ast.Module
    lines: list[str]
    above: int = 0


class Marks(NamedTuple):
    """The marks of a piece of code itself, and the names that it calls."""

    ends: bool
    stores: bool
    applies: bool
    calls: frozenset[str]


def _name(node: ast.AST) -> str:
    """The last part of a name; "" if the node is not a name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def marks(code: list[ast.stmt]) -> Marks:
    """The marks of statements and everything inside of them."""
    nodes = [node for statement in code for node in ast.walk(statement)]
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    called = frozenset(map(_name, calls))
    asked = {_name(each) for node in nodes if isinstance(node, ast.Compare) for each in ast.walk(node)}
    appends = [call.value for call in calls if isinstance(call, ast.Attribute) and call.attr == "append"]
    return Marks(
        ends="advance" in called or "is_local_msg_target" in called or bool(asked & (_TO_APPLY | _TO_STORE)),
        stores=bool(called & _STORES) or any(_STORAGE.search(_name(to).lower()) for to in appends),
        applies="apply_conf_change" in called
        or bool(asked & _TO_APPLY)
        or any(_name(node) == "committed_entries" for node in nodes),
        calls=called,
    )


def loops_of(program: Program) -> list[Loop]:
    """The loops of a program."""
    functions: dict[str, list[Marks]] = {}
    for node in ast.walk(program.code):
        if isinstance(node, _FUNCTION):
            functions.setdefault(node.name, []).append(marks([node]))
    found = []
    for name, code in _parts(program):
        own = marks(code)
        reached = [own]
        waiting, seen = set(own.calls), set[str]()
        while waiting:
            called = waiting.pop()
            seen.add(called)
            reached += functions.get(called, [])
            waiting |= {each for of in functions.get(called, []) for each in of.calls} - seen
        if own.ends and any(each.stores for each in reached) and any(each.applies for each in reached):
            found.append(Loop(program.path, program.above + code[0].lineno, name, _reason(program, code[0])))
    return found


def _parts(program: Program) -> Iterator[tuple[str, list[ast.stmt]]]:
    """The parts of a program that may be a loop, with their names."""
    rest = []
    for node in program.code.body:
        if isinstance(node, _FUNCTION) and node.name.startswith("test_"):
            for each in ast.walk(node):
                if isinstance(each, ast.For | ast.While | ast.AsyncFor):
                    yield node.name, [each]
        elif isinstance(node, _FUNCTION | ast.ClassDef):
            yield node.name, [node]
        else:
            rest.append(node)
    if rest:
        yield "program", rest


def _reason(program: Program, node: ast.stmt) -> str:
    """The reason in the comment above a part or at its beginning; "" without one."""
    first = program.above + node.lineno - 1
    end = first + 1
    if isinstance(node, _FUNCTION | ast.ClassDef):
        documented = ast.get_docstring(node, clean=False) is not None and len(node.body) > 1
        end = program.above + node.body[documented].lineno
    while first > 0 and program.lines[first - 1].lstrip().startswith(("#", "@")):
        first -= 1
    lines = program.lines[first:end]
    if program.above > 1 and program.lines[program.above - 1].startswith("```"):
        lines = [program.lines[program.above - 2], *lines]
    said: list[str] = []
    for line in lines:
        text = line.strip().removeprefix("<!--").removesuffix("-->").strip("# ")
        if text.startswith(_REASON):
            said.append(text.removeprefix(_REASON))
        elif said and line.lstrip().startswith("#"):
            said.append(text)
        elif said:
            break
    return " ".join(said).strip()


def programs(root: Path = ROOT) -> Iterator[Program]:
    """All Python of a checkout except the driver."""
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name != DRIVER:
            text = path.read_text(encoding="utf-8")
            program = Program(name, ast.parse(text), text.splitlines())
            yield program
            yield from _examples(program)
    for path in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        text = path.read_text(encoding="utf-8")
        for match in _FENCED.finditer(text):
            above = text.count("\n", 0, match.start(1))
            yield Program(path.relative_to(root).as_posix(), ast.parse(match[1]), text.splitlines(), above)


def _examples(program: Program) -> Iterator[Program]:
    """The programs in docstrings: indented text after a line that ends with two colons."""
    for node in ast.walk(program.code):
        if not isinstance(node, _FUNCTION | ast.ClassDef | ast.Module) or ast.get_docstring(node, clean=False) is None:
            continue
        text = node.body[0]
        for place in range(text.lineno - 1, text.end_lineno or 0):
            line = program.lines[place].rstrip()
            if line.endswith("::"):
                margin = len(line) - len(line.lstrip())
                code = []
                for each in program.lines[place + 1 : (text.end_lineno or 0) - 1]:
                    if each.strip() and len(each) - len(each.lstrip()) <= margin:
                        break
                    code.append(each)
                try:
                    example = ast.parse(textwrap.dedent("\n".join(code)))
                except SyntaxError:  # not Python
                    continue
                yield Program(program.path, example, program.lines, place + 1)


def main() -> int:
    """Print the loops with their reasons. Returns 1 if a reason is missing or there are too many loops, else 0."""
    found = [loop for program in programs() for loop in loops_of(program)]
    for loop in found:
        print(f"{loop.path}:{loop.line} {loop.name}: {loop.reason or 'NO REASON'}")
    print(f"{len(found)} loops, at most {LOOPS_MAX}")
    return int(len(found) > LOOPS_MAX or any(not loop.reason for loop in found))


if __name__ == "__main__":
    sys.exit(main())
