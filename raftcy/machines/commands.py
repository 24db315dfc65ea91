"""Commands of a state machine, made from log entries."""

from typing import Any

from ..wire.messages import Entry
from .envelope import MARK

_new = tuple.__new__


def plain_commands(entries: list[Entry], time_ms: int, kind: type) -> list[Any] | None:
    """Return a command of ``kind`` for each entry, without a session; None if any entry is marked (``envelope``)."""
    commands: list[Any] = []
    for e in entries:
        if e.data[0] == MARK:
            return None
        commands.append(_new(kind, (e.index, e.term, e.data, time_ms, 0)))
    return commands
