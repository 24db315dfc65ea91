"""A store as bytes: a head, and blocks of items in the order of keys and revisions.

head: ``raftcy-etcd-kv 1\\n``, then revision and compact revision as signed 64-bit numbers, little-endian
block: the number of items, not 0; for each its place in its transaction; for each the length of its framed KeyValue,
all as 32-bit numbers; then the framed KeyValues, which together are an encoded RangeResponse
end: a block of 0 items, followed by the number of all items as a 64-bit number

Equal stores give equal bytes. Pieces may be cut anywhere on the way. A thread may read and write it beside an event
loop: nothing here is one long call, which would keep the loop from running.
"""

import struct
from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError

from ..errors import Corruption
from . import schema
from .history import History
from .items import FRAMED, MOD, SUB, VERSION, Item
from .keyindex import KeyIndex
from .views import View

HEAD = b"raftcy-etcd-kv 1\n"
_REVISIONS = struct.Struct("<qq")
_COUNT = struct.Struct("<I")
_TOTAL = struct.Struct("<Q")
MAX_BLOCK_ITEMS = 1 << 20  # a damaged count must not ask for all memory


def pieces_of(view: View) -> Iterator[bytes]:
    """Write a view."""
    yield HEAD + _REVISIONS.pack(view.revision, view.compacted)
    total = 0
    for block in view.kept():
        total += len(block)
        numbers = [len(block), *(item[SUB] for item in block), *(len(item[FRAMED]) for item in block)]
        yield struct.pack(f"<{len(numbers)}I", *numbers) + b"".join([item[FRAMED] for item in block])
    yield _COUNT.pack(0) + _TOTAL.pack(total)


class _Reader:
    """Reads exact numbers of bytes from pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def take(self, size: int) -> bytes:
        parts = [self._rest]
        have = len(self._rest)
        while have < size:
            piece = next(self._pieces, None)
            if piece is None:
                raise Corruption("the captured store ends early")
            parts.append(piece)
            have += len(piece)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def at_end(self) -> bool:
        return not self._rest and not any(self._pieces)


def read_pieces(pieces: Iterable[bytes]) -> tuple[int, History]:
    """Read what `pieces_of` wrote: the revision, and the history. Corruption if it is anything else."""
    reader = _Reader(pieces)
    if reader.take(len(HEAD)) != HEAD:
        raise Corruption("no captured store, or one of a later format")
    revision, compacted = _REVISIONS.unpack(reader.take(_REVISIONS.size))
    items: list[Item] = []
    while count := _COUNT.unpack(reader.take(_COUNT.size))[0]:
        if count > MAX_BLOCK_ITEMS:
            raise Corruption(f"a block of {count} items in a captured store")
        items += _read_block(reader, count)
    if _TOTAL.unpack(reader.take(_TOTAL.size))[0] != len(items) or not reader.at_end():
        raise Corruption("a captured store of another length than it says")
    return revision, _history_of(items, compacted, revision)


def _read_block(reader: _Reader, count: int) -> Iterator[Item]:
    numbers = struct.unpack(f"<{2 * count}I", reader.take(8 * count))
    lengths = numbers[count:]
    data = reader.take(sum(lengths))
    try:
        messages = schema.RangeResponse.FromString(data).kvs
    except DecodeError as error:
        raise Corruption("a block of a captured store cannot be decoded") from error
    if len(messages) != count:
        raise Corruption("a block of a captured store has another number of items than it says")
    start = 0
    for sub, length, kv in zip(numbers, lengths, messages, strict=False):
        framed = data[start : start + length]
        start += length
        yield (kv.mod_revision, sub, kv.key, framed, kv.create_revision, kv.version, kv.lease)


def _history_of(items: list[Item], compacted: int, revision: int) -> History:
    """The history that has these items, which come in the order of keys and revisions."""
    history = History()
    history.compacted = history.freed = compacted
    history.last = revision
    last = None
    keys: list[bytes] = []
    for item in items:
        key, before = item[2], last
        if before is not None and before[2] == key:
            if before >= item:
                raise Corruption(f"the items of {key!r} in a captured store are out of order")
            history.supersede(key, before)
        else:
            if before is not None and before[2] > key:
                raise Corruption("the keys of a captured store are out of order")
            keys.append(key)
        history.newest[key] = item
        history.size += len(item[FRAMED])
        last = item
    history.index = KeyIndex(keys, (key for key in keys if not history.newest[key][VERSION]))
    logged: dict[int, list[Item]] = {}
    for item in items:
        if item[MOD] > revision:
            raise Corruption(f"a captured store of revision {revision} has an item of {item[MOD]}")
        if item[MOD] >= compacted:
            logged.setdefault(item[MOD], []).append(item)
    if sum(mod > compacted for mod in logged) != revision - max(compacted, 1):
        raise Corruption("a captured store does not have all revisions since its compaction")
    for mod in range(max(compacted, 0), revision + 1):
        for item in sorted(logged.pop(mod, ())):
            history.log.append(item)
    return history
