"""Parses the arguments of directives, and finds the nodes that they name."""

from ..conversions import parse_int
from ..datadriven import Case, ScriptError
from ..environment import CommandError, EnvNode, InteractionEnv


def number(case: Case, place: int) -> int:
    """Return the key of the argument at ``place`` as a number. Raises ScriptError if it is missing, or ValueError."""
    return parse_int(text(case, place))


def text(case: Case, place: int) -> str:
    """Return the key of the argument at ``place``. Raises ScriptError if it is missing."""
    if place >= len(case.arguments):
        raise ScriptError(f"{case.command} needs {place + 1} arguments")
    return case.arguments[place].key


def single_values(case: Case) -> dict[str, str]:
    """Return the values of all arguments with exactly one value, by key. For a repeated key the last one counts."""
    return {argument.key: argument.values[0] for argument in case.arguments if len(argument.values) == 1}


def first_node(env: InteractionEnv, case: Case) -> EnvNode:
    """Return the node that the first argument names."""
    return env.node(number(case, 0))


def nodes(env: InteractionEnv, case: Case) -> list[EnvNode]:
    """Return the nodes that the arguments without values name."""
    return [env.node(parse_int(key)) for key in case.plain()]


def extended_nodes(env: InteractionEnv, case: Case, count: int) -> list[EnvNode]:
    """Return the nodes that the arguments of an ``x-`` command name. Raises CommandError for fewer than ``count``.

    Arguments that do not name an existing node are skipped.
    """
    found = []
    for argument in case.arguments:
        try:
            id = parse_int(argument.key) if len(argument.values) != 1 else 0
        except ValueError:
            continue
        if 1 <= id <= len(env.nodes):
            found.append(env.node(id))
    if len(found) < count:
        raise CommandError(f"{case.command}: not enough nodes")
    return found
