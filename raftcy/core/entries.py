"""Computes sizes of entries, how many fit into a limit, and whether they form a run.

The pure twin of ``entries.pyx``; the two agree in everything, errors included. An entry's size is the length of its
encoding in etcd's raft v3.7.0, to which only present fields count. A payload is ``data`` alone.
"""

from ..wire import consts as k
from ..wire.messages import Entry


def varint_size(value: int) -> int:
    """Return the bytes that an unsigned 64-bit number takes as a varint: 1 to 10."""
    return 1 if value < 128 else (value.bit_length() + 6) // 7


def entry_size(e: Entry) -> int:
    """Return the encoded size of an entry, in bytes (``proto.Size``)."""
    present = e._present
    size = 0
    if present & k.E_TYPE:
        kind = e._type
        size += 1 + (varint_size(kind) if kind >= 0 else 10)
    if present & k.E_TERM:
        size += 1 + varint_size(e.term)
    if present & k.E_INDEX:
        size += 1 + varint_size(e.index)
    if present & k.E_DATA:
        n = len(e.data)
        size += 1 + varint_size(n) + n
    if e._unknown is not None:
        size += len(e._unknown)
    return size


def entries_size(entries: list[Entry]) -> int:
    """Return the sum of the encoded sizes, in bytes (etcd's ``entsSize``)."""
    size = 0
    for e in entries:
        size += entry_size(e)
    return size


def fitting(entries: list[Entry], at: int, end: int, max_size: int) -> int:
    """Return how far ``entries[at:end]`` can be taken within ``max_size`` encoded bytes (etcd's ``limitSize``).

    Returns the end of the part that fits, which has at least one entry, even one that is too large. Copies nothing, so
    that a small limit on a long list costs little.
    """
    if end - at <= 1 or max_size == k.NO_LIMIT:
        return end
    size = 0
    for place in range(at, end):
        size += entry_size(entries[place])
        if size > max_size and place > at:
            return place
    return end


def payload_size(e: Entry) -> int:
    """Return the size of an entry's data, in bytes (etcd's ``payloadSize``)."""
    return len(e.data)


def payloads_size(entries: list[Entry]) -> int:
    """Return the sum of the payloads, in bytes (etcd's ``payloadsSize``)."""
    size = 0
    for e in entries:
        size += len(e.data)
    return size


def contiguous(entries: list[Entry], index: int, term: int) -> bool:
    """Whether entries may follow the entry (``index``, ``term``): indexes have no gap, and terms never fall."""
    for e in entries:
        if index == k.NO_LIMIT:
            return False
        index += 1
        if e.index != index or e.term < term:
            return False
        term = e.term
    return True
