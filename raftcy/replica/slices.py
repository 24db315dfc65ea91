"""Cuts committed entries into pieces that a machine can apply without stopping the event loop for long."""

from collections.abc import Iterator

from ..wire import consts as k
from ..wire.messages import Entry

SLICE_ENTRIES = 512
SLICE_BYTES = 1 << 20


def slices(entries: list[Entry], count: int = SLICE_ENTRIES, size_bytes: int = SLICE_BYTES) -> Iterator[list[Entry]]:
    """Cut entries, in order, into runs for one call each.

    A run has one of three contents: entries with data for the machine, at most ``count`` of them with at most
    ``size_bytes`` of data (a single entry may have more); one configuration change; or empty entries. The machine gets
    only runs of the first kind.
    """
    first = 0
    while first < len(entries):
        end = end_of_run(entries, first, count, size_bytes)
        yield entries if first == 0 and end == len(entries) else entries[first:end]
        first = end


def end_of_run(entries: list[Entry], first: int, count: int, size_bytes: int) -> int:
    """Return where the run ends that begins with ``entries[first]``."""
    e = entries[first]
    kind = _kind(e)
    if kind == _CHANGE:
        return first + 1
    size = len(e.data)
    for place in range(first + 1, len(entries)):
        e = entries[place]
        size += len(e.data)
        if _kind(e) != kind or (kind == _DATA and (place - first >= count or size > size_bytes)):
            return place
    return len(entries)


_EMPTY, _DATA, _CHANGE = range(3)


def _kind(e: Entry) -> int:
    if e._type != k.NORMAL:
        return _CHANGE
    return _DATA if len(e.data) > 0 else _EMPTY


def is_change(run: list[Entry]) -> bool:
    """Whether a run is a configuration change."""
    return _kind(run[0]) == _CHANGE


def has_data(run: list[Entry]) -> bool:
    """Whether a run is for the machine."""
    return _kind(run[0]) == _DATA
