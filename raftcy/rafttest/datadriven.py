"""Parses, runs and rewrites scripts: text files of directives with expected outputs.

The file format is that of cockroachdb/datadriven v1.0.2. The meaning of a directive is up to the handler, which is any
function that takes a Case and returns its output. A file looks like this::

    # a comment
    command key other=value list=(1,2)
    input, any number of lines
    ----
    the expected output, up to a blank line

Output that contains blank lines is enclosed in two double rows of dashes. A run ends at the first mismatch, because the
handler's state carries over from case to case and later outputs would differ as a consequence.

Files are UTF-8. Other bytes are preserved with Python's ``surrogateescape``, so rewriting loses nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from ..wire.gotext import WHITE_SPACE, quote

__all__ = [
    "Argument",
    "Case",
    "Handler",
    "Mismatch",
    "ScriptError",
    "parse_line",
    "rewrite_text",
    "run_file",
    "run_text",
    "to_bytes",
]

_SEPARATOR = "----"
_BLANK_LINE = re.compile(r"^[\t ]*\n", re.MULTILINE)
_PAREN_OR_COMMA = re.compile(r"[(),]")
_SHOWN_BEFORE, _SHOWN_AFTER = 5, 60


class ScriptError(AssertionError):
    """A script failed: it cannot be parsed, a directive is impossible, or its handler raised an error.

    ``position`` is ``file:line``, or empty if unknown. ``text`` says what went wrong.
    """

    def __init__(self, text: str, position: str = "") -> None:
        super().__init__(f"{position}: {text}" if position else text)
        self.text = text
        self.position = position


class Mismatch(ScriptError):
    """The output of a case differs from the expected one. The text has the first difference as a unified diff."""

    def __init__(self, case: "Case", actual: str) -> None:
        directive = " ".join([case.command, *map(str, case.arguments)])
        shown = f"{directive}\n{case.input}" if case.input else directive
        super().__init__(f"{shown}\n{_first_difference(case.expected, actual)}", case.position)
        self.case = case
        self.actual = actual


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a directive: ``key``, ``key=value`` or ``key=(value, value)``."""

    key: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.values:
            return self.key
        return f"{self.key}={self.values[0]}" if len(self.values) == 1 else f"{self.key}=({', '.join(self.values)})"


@dataclass(frozen=True, slots=True)
class Case:
    """One directive of a script.

    ``position`` is ``file:line``. ``arguments`` keeps order and repetitions. ``input`` has no white space around it.
    ``expected`` ends with a newline unless it is empty.
    """

    position: str
    command: str
    arguments: tuple[Argument, ...] = ()
    input: str = ""
    expected: str = ""

    def plain(self) -> list[str]:
        """The keys of the arguments without values, in order."""
        return [argument.key for argument in self.arguments if not argument.values]

    def values(self) -> Iterator[tuple[str, str]]:
        """Yield each value with its key, in order, with lists flattened."""
        return ((argument.key, value) for argument in self.arguments for value in argument.values)

    def value(self, key: str) -> str:
        """Return the value of the first argument with that key. Raises ScriptError unless it has exactly one value."""
        found = next((argument for argument in self.arguments if argument.key == key), None)
        if found is None:
            raise ScriptError(f"missing argument: {key}", self.position)
        if len(found.values) != 1:
            raise ScriptError(f"{key}: got 1 destinations, but {len(found.values)} values", self.position)
        return found.values[0]


Handler = Callable[[Case], str]
"""Runs one case and returns its output. The runner adds a missing final newline."""


def to_bytes(text: str) -> bytes:
    """Return the bytes of a text from a script."""
    return text.encode("utf-8", "surrogateescape")


def parse_line(line: str) -> tuple[str, tuple[Argument, ...]]:
    """Parse a directive line into command and arguments; a blank line gives ``("", ())``. Raises ScriptError."""
    line = line.strip(WHITE_SPACE)
    command, rest = _until(line, " ")
    arguments = []
    rest = rest.strip(WHITE_SPACE)
    while rest:
        argument, rest = _parse_argument(line, rest)
        arguments.append(argument)
        rest = rest.strip(WHITE_SPACE)
    return command, tuple(arguments)


def run_text(text: str, handler: Handler, name: str = "<string>") -> int:
    """Run the script ``text`` and return the number of its cases. ``name`` appears in positions.

    Raises Mismatch at the first case whose output differs, and ScriptError if the script cannot continue.
    """
    return _run(_Reader(text, name), handler, _compare)


def rewrite_text(text: str, handler: Handler, name: str = "<string>") -> str:
    """Return the script ``text`` with every expected output replaced by the actual one. Raises ScriptError."""
    reader = _Reader(text, name)

    def replace(_: Case, actual: str) -> None:
        reader.kept.append(_SEPARATOR)
        if _BLANK_LINE.search(actual):
            reader.kept += [_SEPARATOR, actual + _SEPARATOR, _SEPARATOR, ""]
        else:
            reader.kept.append(actual)

    _run(reader, handler, replace)
    new = "".join(line + "\n" for line in reader.kept)
    return new[:-1] if len(new) > 2 and new.endswith("\n\n") else new


def run_file(path: Path, handler: Handler, *, rewrite: bool = False) -> bool:
    """Run the script in a file, or with ``rewrite`` update its outputs. Returns whether the file changed.

    Raises Mismatch and ScriptError, leaving the file unchanged, and OSError.
    """
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    if not rewrite:
        run_text(text, handler, str(path))
        return False
    new = rewrite_text(text, handler, str(path))
    if new != text:
        path.write_bytes(to_bytes(new))
    return new != text


class _Reader:
    """Reads cases from a text. ``kept`` collects all lines except outputs, for the rewriter."""

    def __init__(self, text: str, name: str) -> None:
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        self._lines = [line.removesuffix("\r") for line in lines]
        self._next = 0
        self._name = name
        self.position = f"{name}:0"
        self.kept: list[str] = []

    def case(self) -> Case | None:
        """Return the next case, or None at the end."""
        while (line := self._keep()) is not None:
            self.position = f"{self._name}:{self._next}"
            line = line.strip(WHITE_SPACE)
            if line.startswith("#"):
                continue
            while line.endswith("\\") and (more := self._keep()) is not None:
                line = f"{line[:-1]} {more.strip(WHITE_SPACE)}"
            try:
                command, arguments = parse_line(line)
            except ScriptError as error:
                raise ScriptError(error.text, self.position) from None
            if command == "subtest":
                return Case(self.position, command, arguments)
            if command:
                text, separated = self._input()
                return Case(self.position, command, arguments, text, self._expected() if separated else "")
        return None

    def _take(self) -> str | None:
        if self._next == len(self._lines):
            return None
        self._next += 1
        return self._lines[self._next - 1]

    def _keep(self) -> str | None:
        line = self._take()
        if line is not None:
            self.kept.append(line)
        return line

    def _input(self) -> tuple[str, bool]:
        """Return the input, and whether a separator ended it (otherwise the file did)."""
        lines: list[str] = []
        while (line := self._take()) is not None:
            if line == _SEPARATOR:
                return "\n".join(lines).strip(WHITE_SPACE), True
            lines.append(line)
            self.kept.append(line)
        return "\n".join(lines).strip(WHITE_SPACE), False

    def _expected(self) -> str:
        line = self._take()
        if line == _SEPARATOR:
            return self._expected_with_blanks()
        found = []
        while line is not None and line.strip(WHITE_SPACE):
            found.append(line + "\n")
            line = self._take()
        return "".join(found)

    def _expected_with_blanks(self) -> str:
        found = []
        while (line := self._take()) is not None:
            found.append(line + "\n")
            if line != _SEPARATOR or (line := self._take()) is None:
                continue
            if line == _SEPARATOR:
                found.pop()
                if self._take():
                    raise ScriptError("non-blank line after end of double ---- separator section", self.position)
                break
            found.append(line + "\n")
        return "".join(found)


class _Subtests:
    """The open subtests: each name with the position of its start."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []

    def directive(self, case: Case) -> None:
        keys = [argument.key for argument in case.arguments]
        if self._open and keys[:1] == ["end"]:
            self._end(keys, case.position)
            return
        if len(keys) != 1:
            raise ScriptError("invalid syntax for subtest", case.position)
        if keys[0] == "end":
            raise ScriptError("subtest end without corresponding start", case.position)
        prefix = self._open[-1][0] + "/" if self._open else ""
        if not keys[0].startswith(prefix):
            text = f"name of nested subtest must begin with {quote(to_bytes(prefix))}"
            raise ScriptError(text, case.position)
        self._open.append((keys[0], case.position))

    def _end(self, keys: list[str], position: str) -> None:
        name = self._open.pop()[0]
        if len(keys) > 2:
            raise ScriptError("invalid syntax for subtest end", position)
        if keys[1:] not in ([], [name]):
            expected, got = quote(to_bytes(keys[1])), quote(to_bytes(name))
            raise ScriptError(f"mismatched subtest end directive: expected {expected}, got {got}", position)

    def finish(self, position: str) -> None:
        if self._open:
            start = self._open[-1][1]
            text = f"EOF encountered without subtest end directive\n{start}: subtest started here"
            raise ScriptError(text, position)


def _run(reader: _Reader, handler: Handler, check: Callable[[Case, str], None]) -> int:
    subtests = _Subtests()
    count = 0
    while (case := reader.case()) is not None:
        if case.command == "subtest":
            subtests.directive(case)
            continue
        actual = _call(handler, case)
        check(case, actual if actual == "" or actual.endswith("\n") else actual + "\n")
        count += 1
    subtests.finish(reader.position)
    return count


def _call(handler: Handler, case: Case) -> str:
    try:
        return handler(case)
    except ScriptError as error:
        raise ScriptError(error.text, error.position or case.position) from error.__cause__
    except Exception as error:
        # An error in a handler fails only this script. The cause keeps the traceback.
        raise ScriptError(f"{case.command}: {type(error).__name__}: {error}", case.position) from error


def _compare(case: Case, actual: str) -> None:
    if actual != case.expected:
        raise Mismatch(case, actual)


def _first_difference(expected: str, actual: str) -> str:
    """Return a unified diff from shortly before the first difference on. Comparing two long outputs whole is slow."""
    old, new = expected.split("\n"), actual.split("\n")
    pairs = enumerate(zip(old, new, strict=False))
    first = next((i for i, (a, b) in pairs if a != b), min(len(old), len(new)))
    start = max(0, first - _SHOWN_BEFORE)
    old, new = old[start : first + _SHOWN_AFTER], new[start : first + _SHOWN_AFTER]
    heading = f"expected, from line {start + 1} of the output"
    return "\n".join(unified_diff(old, new, heading, "actual", lineterm="", n=_SHOWN_BEFORE))


def _until(text: str, stops: str) -> tuple[str, str]:
    """Split ``text`` before the first character in ``stops``."""
    end = min((at for at in map(text.find, stops) if at >= 0), default=len(text))
    return text[:end], text[end:]


def _parse_argument(line: str, rest: str) -> tuple[Argument, str]:
    """Parse the first argument of ``rest``, which is the end of ``line``. Returns it and the text after it."""
    key, after = _until(rest, " =")
    if not key:
        raise _cannot_parse(line, rest)
    if not after.startswith("="):
        return Argument(key), after
    after = after[1:]
    if not after.startswith("("):
        value, after = _until(after, " ")
        return Argument(key, (value,)), after
    values, after = _parse_list(line, after)
    return Argument(key, values), after


def _parse_list(line: str, rest: str) -> tuple[tuple[str, ...], str]:
    values = []
    start, depth = 1, 1
    for found in _PAREN_OR_COMMA.finditer(rest, 1):
        if found[0] == "(":
            depth += 1
        elif found[0] == ")":
            depth -= 1
        if depth == 0 or (found[0] == "," and depth == 1):
            values.append(rest[start : found.start()])
            start = found.end()
            if depth == 0:
                return tuple(values), rest[start:]
            start += len(rest) - start - len(rest[start:].lstrip(" "))
    raise _cannot_parse(line, rest)


def _cannot_parse(line: str, rest: str) -> ScriptError:
    column = len(to_bytes(line)) - len(to_bytes(rest)) + 1
    return ScriptError(f"cannot parse directive at column {column}: {line}")
