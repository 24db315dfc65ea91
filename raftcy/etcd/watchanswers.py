"""The answers of watches, encoded: the events once for all watchers that get the same, the rest for each.

A WatchResponse is ``header + answer(…) + events``; the parts here leave out the header, which is field 1.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from . import schema
from .encoding import field, number, tag
from .history import History
from .items import CREATE, FRAMED, MOD, PREV_TAG, VERSION, Item

INVALID_ID: Final = -1

_WATCH_ID: Final = tag(2, 0)
_EVENTS: Final = tag(11)
_DELETE: Final = tag(1, 0) + b"\x01"
FRAGMENT: Final = tag(7, 0) + b"\x01"


class Flavour(NamedTuple):
    """Which events a watcher gets, and how."""

    wants_puts: bool
    wants_deletes: bool
    prev_kv: bool


def watch_id_of(watch_id: int) -> bytes:
    """The field that names the watch; -1 for all of a stream."""
    return number(_WATCH_ID, watch_id)


def control(
    watch_id: int, *, created: bool = False, canceled: bool = False, compacted: int = 0, why: str = ""
) -> bytes:
    """An answer without events."""
    return schema.WatchResponse(
        watch_id=watch_id, created=created, canceled=canceled, compact_revision=compacted, cancel_reason=why
    ).SerializeToString()


def encode(items: Sequence[Item], flavour: Flavour, history: History) -> list[bytes]:
    """The events of these writes, each as an encoded field of a WatchResponse."""
    puts, deletes, prev_kv = flavour
    found = []
    for item in items:
        if item[VERSION]:
            if not puts:
                continue
            event = item[FRAMED]
            if prev_kv and item[CREATE] != item[MOD]:
                event += _before(item, history)
        elif deletes:
            event = _DELETE + item[FRAMED]
            if prev_kv:
                event += _before(item, history)
        else:
            continue
        found.append(field(_EVENTS, event))
    return found


def _before(item: Item, history: History) -> bytes:
    before = history.before(item)
    return PREV_TAG + before[FRAMED][1:] if before is not None else b""


class Fragmenter:
    """Puts encoded events into bodies of less than ``max_bytes`` each, unless one event alone is longer.

    All bodies but the last say that more follow.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bodies: list[bytes] = []
        self._last: list[bytes] = []
        self._size = 0

    def add(self, events: Iterable[bytes]) -> None:
        """Add events behind the others."""
        for event in events:
            if self._last and self._size + len(event) >= self._max_bytes:
                self._bodies.append(FRAGMENT + b"".join(self._last))
                self._last, self._size = [], 0
            self._last.append(event)
            self._size += len(event)

    def end(self) -> list[bytes]:
        """Return the bodies."""
        return [*self._bodies, b"".join(self._last)]


def fragments(events: Iterable[bytes], max_bytes: int) -> list[bytes]:
    """Return the bodies of all events; see `Fragmenter`."""
    made = Fragmenter(max_bytes)
    made.add(events)
    return made.end()
