"""The window of appends that were sent to a peer and not yet acknowledged (etcd's ``tracker.Inflights``).

The compiled twin of ``inflights.py``; the two agree in everything, errors included. The index of its last entry
identifies an append. Invariants: 0 <= count <= size; indexes never fall; ``bytes`` is the sum over the window.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from ..errors import InvariantError
from ..wire.whole import has_one_owner, keep_whole


@cython.final
cdef class Inflights:
    """A window of at most ``size`` appends and, unless ``max_bytes`` is 0, about ``max_bytes`` bytes.

    The limit on bytes is soft: the append that crosses it still enters. The window is a ring that grows on demand, so a
    large ``size`` costs no memory until it is used. Raises ValueError if a limit is negative.
    """

    def __init__(self, size, max_bytes=0):
        if size < 0 or max_bytes < 0:
            raise ValueError("size and max_bytes must not be negative")
        self._size = size
        self._max_bytes = max_bytes
        self._start = 0
        self._count = 0
        self._bytes = 0

    def __dealloc__(self):
        PyMem_Free(self._ring)

    cdef _grow(self):
        # Double the room, up to the size of the window. Until then no append has wrapped around, so none has to move.
        cdef uint64_t room = <uint64_t>self._room * 2 if self._room else 4
        cdef Sent *ring
        if room > self._size:
            room = self._size
        ring = <Sent *>PyMem_Realloc(self._ring, room * sizeof(Sent))
        if ring is NULL:
            raise MemoryError()
        self._ring = ring
        self._room = <Py_ssize_t>room

    cpdef add(self, uint64_t index, uint64_t size_bytes):
        """Record an append up to ``index`` with ``size_bytes`` bytes. Raises InvariantError if the window is full."""
        cdef uint64_t at
        if self.full():
            raise InvariantError("cannot add into a Full inflights")
        at = <uint64_t>self._start + <uint64_t>self._count
        if at >= self._size:
            at -= self._size
        if at >= <uint64_t>self._room:
            self._grow()
        self._ring[at].index = index
        self._ring[at].size_bytes = size_bytes
        self._count += 1
        self._bytes += size_bytes

    cpdef free_le(self, uint64_t to):
        """Remove every append whose index is at most ``to``."""
        cdef Py_ssize_t freed = 0
        cdef Py_ssize_t at = self._start
        while freed < self._count and self._ring[at].index <= to:
            self._bytes -= self._ring[at].size_bytes
            at += 1
            if <uint64_t>at >= self._size:
                at = 0
            freed += 1
        self._count -= freed
        self._start = at if self._count else 0

    cpdef bint full(self) noexcept:
        """Whether the window is full, by number or by bytes, so that no append may be sent."""
        return <uint64_t>self._count == self._size or (self._max_bytes != 0 and self._bytes >= self._max_bytes)

    cpdef Py_ssize_t count(self) noexcept:
        """Return the number of appends in the window."""
        return self._count

    cpdef reset(self):
        """Empty the window."""
        self._start = 0
        self._count = 0
        self._bytes = 0

    cpdef Inflights clone(self):
        """Return an independent copy."""
        cdef Inflights copy = Inflights(self._size, self._max_bytes)
        if self._room:
            copy._ring = <Sent *>PyMem_Realloc(NULL, self._room * sizeof(Sent))
            if copy._ring is NULL:
                raise MemoryError()
            memcpy(copy._ring, self._ring, self._room * sizeof(Sent))
            copy._room = self._room
        copy._start = self._start
        copy._count = self._count
        copy._bytes = self._bytes
        return copy

    def window(self):
        """Return the appends as ``(index, bytes)``, oldest first."""
        cdef list sent = []
        cdef Py_ssize_t at = self._start
        cdef Py_ssize_t _
        for _ in range(self._count):
            sent.append((self._ring[at].index, self._ring[at].size_bytes))
            at += 1
            if <uint64_t>at >= self._size:
                at = 0
        return sent

    @property
    def size(self):
        """The limit on the number of appends."""
        return self._size

    @property
    def max_bytes(self):
        """The limit on bytes; 0 means no limit."""
        return self._max_bytes

    @property
    def bytes(self):
        """Bytes in the window."""
        return self._bytes

    def __eq__(self, other):
        cdef Inflights theirs
        if not isinstance(other, Inflights):
            return NotImplemented
        theirs = other
        return (
            self._size == theirs._size and self._max_bytes == theirs._max_bytes and self.window() == theirs.window()
        )

    __hash__ = None

    def __repr__(self):
        return f"Inflights({self._size}, {self._max_bytes}, window={self.window()})"


keep_whole(Inflights)
has_one_owner(Inflights)
