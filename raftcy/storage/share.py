"""The contents of one group's record: items, each with its kind and its length.

A crash leaves a record whole or not at all, and so the hard state, the entries and the snapshot of one save. The items
take effect in their order.
"""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from ..core.entries import contiguous
from ..errors import Corruption, DecodeError
from ..wire.messages import Entry, HardState, Message, Snapshot
from .layout import FILLER

# The kinds of items. A number is never used again for another kind.
BEGIN, RECEIVED, ENTRIES, HARD, MADE, COMPACT, NEWEST, OLDER, PREFIX, DROP, FALL_BACK = range(1, 12)
NAMES = {
    BEGIN: "begin",
    RECEIVED: "received",
    ENTRIES: "entries",
    HARD: "hard state",
    MADE: "made",
    COMPACT: "compact",
    NEWEST: "newest",
    OLDER: "older",
    PREFIX: "prefix",
    DROP: "drop",
    FALL_BACK: "fall back",
}

FILLER_START = bytes((FILLER,))
_ITEM = struct.Struct("<BI")
_RUN = struct.Struct("<QQ")
_SPAN = struct.Struct("<QQI")
_BEGIN = struct.Struct("<QQQQQQI")
_INDEX = struct.Struct("<Q")
# Entries in one item: far fewer than an encoding may hold.
_ENTRIES_MAX = 1 << 16


class Begin(NamedTuple):
    """The beginning of a group: where it stands, so that a reader does not need the removed records before.

    The log is retained after (``floor``, ``floor_term``) and visible after (``base``, ``base_term``). This record holds
    the entries up to ``prefix``; earlier records, in segments that still exist, hold the entries from there to
    ``last``. ``runs`` says where each term begins.
    """

    floor: int
    floor_term: int
    base: int
    base_term: int
    prefix: int
    last: int
    runs: list[tuple[int, int]]


class Span(NamedTuple):
    """The entries of an item: the first and the last index, where each term begins, and their encoding."""

    first: int
    last: int
    runs: list[tuple[int, int]]
    encoded: memoryview

    def decode(self) -> list[Entry]:
        """The entries."""
        return Message.decode(self.encoded).entries


# Shared by all that have none. They stay empty.
NO_SNAPSHOTS: list[Snapshot] = []
_NO_ENTRIES: list[Entry] = []


class Share:
    """The staged changes of a group since its last record. Later changes replace the earlier ones they outdate."""

    __slots__ = ("compact", "dropped", "entries", "fallen", "hard", "made", "received", "size")

    def __init__(self) -> None:
        # Snapshots that nothing needs any more once this share is durable.
        self.dropped: list[Snapshot] = NO_SNAPSHOTS
        # Whether the older snapshot has replaced the newest one, before all other changes.
        self.fallen = False
        self.received: Snapshot | None = None
        self.entries: list[Entry] = _NO_ENTRIES
        self.hard: HardState | None = None
        self.made: list[Snapshot] = NO_SNAPSHOTS
        self.compact = 0
        self.size = 0

    def receive(self, snapshot: Snapshot) -> None:
        """Stage a snapshot that replaces the log, and drop the staged entries."""
        self.received = snapshot
        self.entries = _NO_ENTRIES
        self.made = NO_SNAPSHOTS
        self.compact = 0
        self.size = len(snapshot.data)

    def put(self, new: list[Entry]) -> None:
        """Stage entries. They replace staged ones from the first one's index on."""
        if self.entries:
            keep = new[0].index - self.entries[0].index
            del self.entries[max(keep, 0) :]
        else:
            self.entries = []
        self.entries += new

    def encode(self) -> bytes:
        """The body of the record."""
        parts: list[bytes] = []
        if self.fallen:
            add(parts, FALL_BACK, b"")
        if self.received is not None:
            add(parts, RECEIVED, self.received.encode())
        add_entries(parts, ENTRIES, self.entries)
        if self.hard is not None:
            add(parts, HARD, self.hard.encode())
        for each in self.made:
            add(parts, MADE, each.encode())
        if self.compact:
            add(parts, COMPACT, _INDEX.pack(self.compact))
        return b"".join(parts)


def add(parts: list[bytes], kind: int, payload: bytes) -> None:
    """Append an item."""
    parts += (_ITEM.pack(kind, len(payload)), payload)


def add_begin(parts: list[bytes], begin: Begin) -> None:
    """Append the item with a beginning."""
    head = _BEGIN.pack(*begin[:-1], len(begin.runs))
    add(parts, BEGIN, head + b"".join(_RUN.pack(*run) for run in begin.runs))


def add_entries(parts: list[bytes], kind: int, entries: list[Entry]) -> None:
    """Append entries with consecutive indexes; an empty list appends nothing."""
    for at in range(0, len(entries), _ENTRIES_MAX):
        some = entries[at : at + _ENTRIES_MAX] if len(entries) > _ENTRIES_MAX else entries
        first, last = some[0], some[-1]
        runs = runs_of(some)
        head = _SPAN.pack(first.index, last.index, len(runs))
        add(parts, kind, b"".join((head, *(_RUN.pack(*run) for run in runs), Message(entries=some).encode())))


def runs_of(entries: list[Entry]) -> list[tuple[int, int]]:
    """Return where each term begins, as index and term."""
    first = entries[0]
    runs = [(first.index, first.term)]
    # Nearly always there is one term. Terms that do not fall are equal if the first and the last one are.
    if entries[-1].term != first.term or not contiguous(entries, first.index - 1, first.term):
        runs += [(e.index, e.term) for before, e in pairwise(entries) if e.term != before.term]
    return runs


def items(body: bytes) -> Iterator[tuple[int, memoryview]]:
    """Yield the items of a record; a filler has none. Raises Corruption for bytes that no writer writes."""
    view = memoryview(body)
    at = len(body) if body[:1] == FILLER_START else 0
    while at < len(body):
        if len(body) - at < _ITEM.size:
            raise Corruption("an item of a record is cut off")
        kind, length = _ITEM.unpack_from(body, at)
        at += _ITEM.size
        if length > len(body) - at or kind not in NAMES:
            raise Corruption(f"a record has an item of kind {kind} and length {length}")
        yield kind, view[at : at + length]
        at += length


def begin_of(payload: memoryview) -> Begin:
    """Decode an item of the kind BEGIN."""
    if len(payload) < _BEGIN.size:
        raise Corruption("a beginning is cut off")
    floor, floor_term, base, base_term, prefix, last, count = _BEGIN.unpack_from(payload)
    if len(payload) != _BEGIN.size + count * _RUN.size:
        raise Corruption(f"a beginning of {len(payload)} bytes has {count} terms")
    runs = [_RUN.unpack_from(payload, _BEGIN.size + n * _RUN.size) for n in range(count)]
    return Begin(floor, floor_term, base, base_term, prefix, last, runs)


def index_of(payload: memoryview) -> int:
    """Decode an item of the kind COMPACT."""
    index: int = _unpacked(_INDEX, payload)[0]
    return index


def span_of(payload: memoryview) -> Span:
    """Decode an item of the kind ENTRIES or PREFIX, without decoding the entries themselves."""
    if len(payload) < _SPAN.size:
        raise Corruption("an item with entries is cut off")
    first, last, count = _SPAN.unpack_from(payload)
    at = _SPAN.size + count * _RUN.size
    if len(payload) < at or not 0 < count <= last - first + 1:
        raise Corruption(f"an item with the entries {first} to {last} has {count} terms")
    runs = [_RUN.unpack_from(payload, _SPAN.size + n * _RUN.size) for n in range(count)]
    return Span(first, last, runs, payload[at:])


def snapshot_of(payload: memoryview) -> Snapshot:
    """The snapshot in an item."""
    try:
        return Snapshot.decode(payload)
    except DecodeError as error:
        raise Corruption(f"a snapshot cannot be decoded: {error}") from error


def hard_state_of(payload: memoryview) -> HardState:
    """The hard state in an item."""
    try:
        return HardState.decode(payload)
    except DecodeError as error:
        raise Corruption(f"a hard state cannot be decoded: {error}") from error


def _unpacked(form: struct.Struct, payload: memoryview) -> tuple[int, ...]:
    if len(payload) != form.size:
        raise Corruption(f"an item of {len(payload)} bytes where {form.size} are due")
    return form.unpack(payload)
