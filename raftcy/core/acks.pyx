"""Keeps which number each member has acknowledged, and computes which one a majority has.

The compiled twin of ``acks.py``; the two agree in everything, errors included. A majority has acknowledged a number if
more than half of the members have acknowledged it or a higher one. Without members, every number counts as
acknowledged.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport uint64_t
from libc.string cimport memmove

from ..wire cimport consts as k
from ..wire.whole import has_one_owner, keep_whole
from .progress cimport Progress


cdef enum:
    # Up to this many numbers are sorted on the stack.
    FEW = 32


@cython.final
cdef class Acks:
    """The highest number that each id has acknowledged, 0 if it has acknowledged none."""

    def __init__(self):
        self._count = 0
        self._room = 0

    def __dealloc__(self):
        PyMem_Free(self._table)

    cdef Py_ssize_t _place(self, uint64_t id) noexcept:
        # Return the first place whose id is not lower. Invariant: ids ascend.
        cdef Py_ssize_t low = 0, high = self._count, middle
        while low < high:
            middle = (low + high) >> 1
            if self._table[middle].id < id:
                low = middle + 1
            else:
                high = middle
        return low

    cdef _insert(self, Py_ssize_t place, uint64_t id):
        cdef Py_ssize_t room
        cdef Ack *table
        if self._count == self._room:
            room = self._room * 2 if self._room else 4
            table = <Ack *>PyMem_Realloc(self._table, room * sizeof(Ack))
            if table is NULL:
                raise MemoryError()
            self._table = table
            self._room = room
        memmove(&self._table[place + 1], &self._table[place], (self._count - place) * sizeof(Ack))
        self._table[place].id = id
        self._table[place].number = 0
        self._count += 1

    cpdef uint64_t get(self, uint64_t id) noexcept:
        """Return the highest number that ``id`` has acknowledged."""
        cdef Py_ssize_t place = self._place(id)
        if place < self._count and self._table[place].id == id:
            return self._table[place].number
        return 0

    cpdef raise_to(self, uint64_t id, uint64_t number):
        """Record that ``id`` has acknowledged ``number``. A number that is not higher than before changes nothing."""
        cdef Py_ssize_t place = self._place(id)
        if place == self._count or self._table[place].id != id:
            if number == 0:
                return
            self._insert(place, id)
        if self._table[place].number < number:
            self._table[place].number = number

    cpdef uint64_t majority(self, tuple ids) except? 0:
        """Return the highest number that a majority of ``ids``, which must ascend, has acknowledged.

        Returns 2**64-1 without ids.
        """
        cdef Py_ssize_t n = len(ids), i, place = 0
        cdef uint64_t few[FEW]
        cdef uint64_t *numbers
        cdef uint64_t id
        if n == 0:
            return k.NO_LIMIT
        numbers = room_for(n, few)
        try:
            for i in range(n):
                id = ids[i]
                while place < self._count and self._table[place].id < id:
                    place += 1
                numbers[i] = self._table[place].number if place < self._count and self._table[place].id == id else 0
            return reached_by_majority(numbers, n)
        finally:
            if n > FEW:
                PyMem_Free(numbers)

    def items(self):
        """Return ``(id, number)`` for each id that has acknowledged a number, by ascending id."""
        return [(self._table[i].id, self._table[i].number) for i in range(self._count)]

    def __len__(self):
        return self._count

    def __eq__(self, other):
        if not isinstance(other, Acks):
            return NotImplemented
        return self.items() == other.items()

    __hash__ = None

    def __repr__(self):
        return f"Acks({self.items()})"


cpdef uint64_t majority_match(tuple peers) except? 0:
    """Return the highest index that a majority of ``peers`` has stored, or 2**64-1 without peers."""
    cdef Py_ssize_t n = len(peers), i
    cdef uint64_t few[FEW]
    cdef uint64_t *matches
    cdef uint64_t result
    if n == 0:
        return k.NO_LIMIT
    matches = room_for(n, few)
    for i in range(n):
        matches[i] = (<Progress>peers[i]).match
    result = reached_by_majority(matches, n)
    if n > FEW:
        PyMem_Free(matches)
    return result


cpdef bytes pack_number(uint64_t number):
    """Encode a number in 8 bytes, little endian."""
    cdef bytes context = PyBytes_FromStringAndSize(NULL, 8)
    cdef unsigned char *at = <unsigned char *>PyBytes_AS_STRING(context)
    cdef int i
    for i in range(8):
        at[i] = <unsigned char>(number >> (8 * i))
    return context


cpdef uint64_t read_number(bytes context) except? 0:
    """Decode the number in the first 8 bytes of ``context``. Raises IndexError if it is shorter."""
    cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(context)
    cdef uint64_t number = 0
    cdef int i
    if PyBytes_GET_SIZE(context) < 8:
        raise IndexError("index out of range")
    for i in range(8):
        number |= <uint64_t>at[i] << (8 * i)
    return number


cdef uint64_t *room_for(Py_ssize_t n, uint64_t *few) except NULL:
    """Return room for n numbers: ``few``, or if n exceeds FEW, memory that the caller must free."""
    if n <= FEW:
        return few
    cdef uint64_t *numbers = <uint64_t *>PyMem_Malloc(n * sizeof(uint64_t))
    if numbers is NULL:
        raise MemoryError()
    return numbers


cdef uint64_t reached_by_majority(uint64_t *numbers, Py_ssize_t n) noexcept nogil:
    """Return the highest number that at least n // 2 + 1 of the numbers reach. Reorders them."""
    cdef Py_ssize_t place = n - (n // 2 + 1), low = 0, high = n - 1, i, j
    cdef uint64_t pivot
    # Quickselect: the number at ``place`` in sorted order stays between low and high.
    while high - low > 8:
        pivot = numbers[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while numbers[i] < pivot:
                i += 1
            while numbers[j] > pivot:
                j -= 1
            if i <= j:
                numbers[i], numbers[j] = numbers[j], numbers[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            return numbers[place]
    for i in range(low + 1, high + 1):
        pivot = numbers[i]
        j = i - 1
        while j >= low and numbers[j] > pivot:
            numbers[j + 1] = numbers[j]
            j -= 1
        numbers[j + 1] = pivot
    return numbers[place]


keep_whole(Acks)
has_one_owner(Acks)
