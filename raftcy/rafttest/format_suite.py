"""The suite of the file format: its handler prints what was parsed."""

from ..wire.gotext import quote
from .datadriven import Case, to_bytes

__all__ = ["handle"]


def handle(case: Case) -> str:
    """Print the command, each argument and the input on a line each, with all strings quoted.

    The command ``blank`` prints two lines with a blank line between them instead.
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
