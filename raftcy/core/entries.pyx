"""Computes sizes of entries, how many fit into a limit, and whether they form a run.

The compiled twin of ``entries.py``; the two agree in everything, errors included. An entry's size is the length of its
encoding in etcd's raft v3.7.0, to which only present fields count. A payload is ``data`` alone.
"""

from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t

from ..wire cimport consts as k
from ..wire.messages cimport Entry


cpdef uint64_t varint_size(uint64_t value) noexcept:
    """Return the bytes that an unsigned 64-bit number takes as a varint: 1 to 10."""
    cdef uint64_t size = 1
    while value >= 128:
        value >>= 7
        size += 1
    return size


cpdef uint64_t entry_size(Entry e) noexcept:
    """Return the encoded size of an entry, in bytes (``proto.Size``)."""
    cdef uint32_t present = e._present
    cdef uint64_t size = 0
    cdef uint64_t n
    if present & k.E_TYPE:
        size += 1 + (varint_size(<uint64_t>e._type) if e._type >= 0 else 10)
    if present & k.E_TERM:
        size += 1 + varint_size(e.term)
    if present & k.E_INDEX:
        size += 1 + varint_size(e.index)
    if present & k.E_DATA:
        n = <uint64_t>PyBytes_GET_SIZE(e.data)
        size += 1 + varint_size(n) + n
    if e._unknown is not None:
        size += <uint64_t>PyBytes_GET_SIZE(e._unknown)
    return size


cpdef uint64_t entries_size(list entries) except? 0:
    """Return the sum of the encoded sizes, in bytes (etcd's ``entsSize``)."""
    cdef uint64_t size = 0
    cdef Entry e
    for e in entries:
        size += entry_size(e)
    return size


cpdef Py_ssize_t fitting(list entries, Py_ssize_t at, Py_ssize_t end, uint64_t max_size) except -1:
    """Return how far ``entries[at:end]`` can be taken within ``max_size`` encoded bytes (etcd's ``limitSize``).

    Returns the end of the part that fits, which has at least one entry, even one that is too large. Copies nothing, so
    that a small limit on a long list costs little.
    """
    cdef uint64_t size = 0
    cdef Py_ssize_t place
    cdef Entry e
    if end - at <= 1 or max_size == k.NO_LIMIT:
        return end
    for place in range(at, end):
        e = entries[place]
        size += entry_size(e)
        if size > max_size and place > at:
            return place
    return end


cpdef uint64_t payload_size(Entry e) noexcept:
    """Return the size of an entry's data, in bytes (etcd's ``payloadSize``)."""
    return <uint64_t>PyBytes_GET_SIZE(e.data)


cpdef uint64_t payloads_size(list entries) except? 0:
    """Return the sum of the payloads, in bytes (etcd's ``payloadsSize``)."""
    cdef uint64_t size = 0
    cdef Entry e
    for e in entries:
        size += <uint64_t>PyBytes_GET_SIZE(e.data)
    return size


cpdef bint contiguous(list entries, uint64_t index, uint64_t term) except -1:
    """Whether entries may follow the entry (``index``, ``term``): indexes have no gap, and terms never fall."""
    cdef Entry e
    for e in entries:
        if index == k.NO_LIMIT:
            return False
        index += 1
        if e.index != index or e.term < term:
            return False
        term = e.term
    return True
