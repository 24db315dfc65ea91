"""The suite that checks the file format alone: its handler prints what was parsed."""

from ..wire.gotext import quote
from .datadriven import Case, to_bytes

__all__ = ["handle"]


def handle(case: Case) -> str:
    """The command, each argument and the input, a line each, with all strings quoted.

    The command ``blank`` gives lines with a blank one between them instead.
    """
    if case.command == "blank":
        return "one\n\ntwo\n"
    lines = [f"cmd {_quote(case.command)}"]
    for argument in case.arguments:
        lines.append(f"arg {_quote(argument.key)} [{' '.join(map(_quote, argument.values))}]")
    lines.append(f"input {_quote(case.input)}")
    return "\n".join(lines)


def _quote(text: str) -> str:
    return quote(to_bytes(text))
