from libc.stdint cimport uint64_t

from ..wire.messages cimport Entry


cpdef uint64_t varint_size(uint64_t value) noexcept
cpdef uint64_t entry_size(Entry e) noexcept
cpdef uint64_t entries_size(list entries) except? 0
cpdef Py_ssize_t fitting(list entries, Py_ssize_t at, Py_ssize_t end, uint64_t max_size) except -1
cpdef uint64_t payload_size(Entry e) noexcept
cpdef uint64_t payloads_size(list entries) except? 0
cpdef bint contiguous(list entries, uint64_t index, uint64_t term) except -1
