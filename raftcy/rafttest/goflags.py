"""Parses command lines as Go's ``flag`` package does, so that peers of both implementations start the same way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag: its default, which determines its type (bool, int or str), its help, and the least value of a number."""

    default: Any
    help: str
    least: int = 0


class FlagError(Exception):
    """The command line is wrong. The text says why, in Go's words."""


class HelpAsked(Exception):
    """``-h`` or ``-help`` was given."""


def parse(flags: dict[str, Flag], argv: Sequence[str]) -> dict[str, Any]:
    """Parse a command line: ``-name value``, ``-name=value``, or ``-name`` for a bool; two dashes mean the same.

    Parsing ends at the first word that is not a flag, or after ``--``. Raises FlagError and HelpAsked.
    """
    values = {name: flag.default for name, flag in flags.items()}
    words = list(argv)
    while words and len(words[0]) > 1 and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            break
        name, equals, text = word.removeprefix("-").removeprefix("-").partition("=")
        if name in ("h", "help") and name not in flags:
            raise HelpAsked
        if name not in flags:
            raise FlagError(f"flag provided but not defined: -{name}")
        if not equals:
            if isinstance(flags[name].default, bool):
                text = "true"
            elif words:
                text = words.pop(0)
            else:
                raise FlagError(f"flag needs an argument: -{name}")
        values[name] = _value(name, flags[name], text)
    return values


def usage(program: str, flags: dict[str, Flag]) -> str:
    """Return the help text."""
    lines = [f"Usage of {program}:"]
    for name, flag in sorted(flags.items()):
        kind = "" if isinstance(flag.default, bool) else f" {type(flag.default).__name__}"
        shown = f" (default {flag.default})" if flag.default else ""
        lines += [f"  -{name}{kind}", f"    \t{flag.help}{shown}"]
    return "\n".join(lines) + "\n"


def _value(name: str, flag: Flag, text: str) -> Any:
    read: Callable[[str, Flag], Any] = _READERS[type(flag.default)]
    try:
        return read(text, flag)
    except ValueError as error:
        raise FlagError(f'invalid value "{text}" for flag -{name}: {error}') from None


def _bool(text: str, flag: Flag) -> bool:
    if text not in _TRUE + _FALSE:
        raise ValueError("parse error")
    return text in _TRUE


def _int(text: str, flag: Flag) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        raise ValueError("parse error") from None
    if not flag.least <= number < 2**64:
        raise ValueError("value out of range")
    return number


def _str(text: str, flag: Flag) -> str:
    return text


_READERS: dict[type, Callable[[str, Flag], Any]] = {bool: _bool, int: _int, str: _str}
