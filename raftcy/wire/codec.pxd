# Varints for codec.pyx, written and read in place.
from libc.stdint cimport uint32_t, uint64_t

ctypedef const unsigned char* Place


cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define raftcy_varint_size(n) ((unsigned)((63 ^ __builtin_clzll((n) | 1)) * 9 + 73) >> 6)
    #else
    static unsigned raftcy_varint_size(unsigned long long n) {
        unsigned size = 1;
        while (n > 0x7F) { n >>= 7; size++; }
        return size;
    }
    #endif
    """
    uint32_t varint_size "raftcy_varint_size"(uint64_t number) noexcept nogil
    # Tells the C compiler which way a branch nearly always goes.
    bint likely(bint condition) noexcept nogil


cdef inline unsigned char* set_long_varint(unsigned char* p, uint64_t number) noexcept nogil:
    while number > 0x7F:
        p[0] = <unsigned char>(number | 0x80)
        number >>= 7
        p += 1
    p[0] = <unsigned char>number
    return p + 1


cdef inline unsigned char* set_varint(unsigned char* p, uint64_t number) noexcept nogil:
    if number < 0x80:
        p[0] = <unsigned char>number
        return p + 1
    p[0] = <unsigned char>(number | 0x80)
    if number < 0x4000:
        p[1] = <unsigned char>(number >> 7)
        return p + 2
    p[1] = <unsigned char>(number >> 7 | 0x80)
    if number < 0x200000:
        p[2] = <unsigned char>(number >> 14)
        return p + 3
    return set_long_varint(p + 2, number >> 14)


cdef inline unsigned char* set_small(unsigned char* p, uint64_t number) noexcept nogil:
    """Like ``set_varint``, for numbers that nearly always take one byte."""
    if likely(number < 0x80):
        p[0] = <unsigned char>number
        return p + 1
    return set_varint(p, number)


# Every `scan` function reads at `p` and returns the place after what it read. If the input is broken it returns NULL
# and sets the number to 0, which is not the tag of any field; `explain` then raises the error.

cdef inline Place scan_long_number(Place p, Place end, uint64_t* number) noexcept nogil:
    cdef Place limit = p + 10 if end - p > 10 else end
    cdef uint64_t byte, found = 0
    cdef int shift = 0
    number[0] = 0
    while p < limit:
        byte = p[0]
        p += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            if shift == 63 and byte > 1:
                return NULL
            number[0] = found
            return p
        shift += 7
    return NULL


cdef inline Place scan_number(Place p, Place end, uint64_t* number) noexcept nogil:
    if p < end and p[0] < 0x80:
        number[0] = p[0]
        return p + 1
    if end - p > 1 and p[1] < 0x80:
        number[0] = <uint64_t>p[1] << 7 | p[0] & 0x7F
        return p + 2
    return scan_long_number(p, end, number)


cdef inline Place scan_ahead(Place p, uint64_t* number) noexcept nogil:
    """Like ``scan_number``, where at least ten bytes can be read without checking for the end."""
    cdef uint64_t long_number, found = p[0]
    if found < 0x80:
        number[0] = found
        return p + 1
    found = found & 0x7F | <uint64_t>p[1] << 7
    if p[1] < 0x80:
        number[0] = found
        return p + 2
    found = found & 0x3FFF | <uint64_t>p[2] << 14
    if p[2] < 0x80:
        number[0] = found
        return p + 3
    # Do not pass `number` on, so that the compiler can keep it in a register.
    p = scan_long_number(p, p + 10, &long_number)
    number[0] = long_number
    return p


cdef inline Place scan_small(Place p, uint64_t* number) noexcept nogil:
    """Like ``scan_ahead``, for numbers that nearly always take one byte."""
    number[0] = p[0]
    return p + 1 if likely(p[0] < 0x80) else scan_ahead(p, number)


cdef inline Place scan_length(Place p, Place end, uint64_t* length) noexcept nogil:
    p = scan_number(p, end, length)
    if p is NULL or length[0] > <uint64_t>(end - p):
        return NULL
    return p
