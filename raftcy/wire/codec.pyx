"""Encodes values as protobuf and decodes them, with the bytes that etcd's raft v3.7.0 writes.

The compiled codec; ``codec.py`` is its pure twin. The writer adds up the exact size, allocates one bytes object and
fills it backwards, last field first, so that it knows the length of a submessage when it needs it. Short messages and
messages with entries take faster ways to the same bytes. The reader trusts nothing: it checks each length against the
end of the enclosing message before it builds anything.

Go's runtime defines what happens to odd input, because that is what etcd's peers do with it: the tag of an unknown
field is rewritten in its shortest form and the rest of the field is kept as read; fields of an unknown group may have
numbers up to 2**31-1.
"""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_FromStringAndSize,
    PyByteArray_GET_SIZE,
    PyByteArray_Resize,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy

from . cimport blank
from . cimport consts as k
from .messages cimport ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata, _new_entry
from . import changes, immutable
from ..errors import DecodeError, InvariantError, RangeError
from . import bounds
from .bounds import MAX_DEPTH, MAX_ITEMS, MAX_SIZE

__all__ = [
    "MAX_DEPTH",
    "MAX_ITEMS",
    "MAX_SIZE",
    "decode_conf_change",
    "decode_conf_change_single",
    "decode_conf_change_v2",
    "decode_conf_state",
    "decode_entry",
    "decode_hard_state",
    "decode_message",
    "decode_snapshot",
    "decode_snapshot_metadata",
    "encode_conf_change",
    "encode_conf_change_single",
    "encode_conf_change_v2",
    "encode_conf_state",
    "encode_entry",
    "encode_hard_state",
    "encode_message",
    "encode_snapshot",
    "encode_snapshot_metadata",
]

# Accessors that take borrowed references: an immutable value holds its bytes for as long as they are read.
cdef extern from "Python.h":
    char* held_start "PyBytes_AS_STRING"(PyObject* data) noexcept
    Py_ssize_t held_size "PyBytes_GET_SIZE"(PyObject* data) noexcept
    PyObject* list_item "PyList_GET_ITEM"(list items, Py_ssize_t i) noexcept
    PyObject* new_bytes "PyBytes_FromStringAndSize"(const char* data, Py_ssize_t size) except NULL
    int resize_bytes "_PyBytes_Resize"(PyObject** data, Py_ssize_t size) except -1


cdef struct Sink:
    # The bytes from `at` on are written, those between `start` and `at` are free. `full` is set if they did not
    # suffice, or if something must be refused, such as a Message below level `deepest`.
    unsigned char* start
    unsigned char* at
    bint full
    int deepest


cdef struct Source:
    # The start of the outermost buffer, and the count of list items so far.
    Place base
    uint64_t items


cdef enum:
    # The largest field number in a message, and in an unknown group.
    MAX_FIELD = 0x1FFFFFFF
    MAX_GROUP_FIELD = 0x7FFFFFFF
    # Levels below a Message, apart from its responses: snapshot, metadata, conf state.
    LEVELS = 3
    # The most bytes that the numbers of an entry can take, with tags.
    ENTRY_HEAD = 44
    # The fields of most entries, with or without the type.
    USUAL = k.E_TYPE | k.E_TERM | k.E_INDEX | k.E_DATA
    # The type of a normal entry and the tag of its term, read as one little-endian number. On a big-endian machine no
    # entry matches, and the fields are read one by one.
    NORMAL_AND_TERM = 0x100008
    # The most entries for which the list is allocated before they are read.
    GUESSED = 1024
    # The size in bytes of the stack buffer for messages.
    SCRATCH = 16384
    # The most bytes of entries that are written forwards.
    JOINED = 65536
    # The varint fields of a Message, as bits by field number.
    NUMBERS = 0x2D7E


cdef enum:
    ENTRY, HARD_STATE, CONF_STATE, METADATA, SNAPSHOT, MESSAGE, CONF_CHANGE, CONF_CHANGE_SINGLE, CONF_CHANGE_V2


cdef uint64_t _max_size = MAX_SIZE
cdef int _max_depth = MAX_DEPTH
cdef uint64_t _max_items = MAX_ITEMS
cdef object _new = object.__new__
cdef object _OpenSingle = immutable.open_twin(changes.ConfChangeSingle)
cdef object _OpenChange = immutable.open_twin(changes.ConfChange)
cdef object _OpenV2 = immutable.open_twin(changes.ConfChangeV2)


def encode_entry(value):
    """Encode an Entry. Raises RangeError beyond MAX_SIZE or MAX_ITEMS, and TypeError for any other value."""
    if type(value) is not Entry:
        raise bounds.not_a(Entry, value)
    cdef Sink sink
    result = open_sink(&sink, size_entry(<Entry>value))
    write_entry(&sink, <Entry>value)
    return close_sink(&sink, result)


def decode_entry(data):
    """Decode an Entry from any contiguous buffer. Raises DecodeError, or TypeError for an object of another type."""
    return decode(data, ENTRY)


def encode_hard_state(value):
    """Encode a HardState. Errors as for ``encode_entry``."""
    if type(value) is not HardState:
        raise bounds.not_a(HardState, value)
    cdef Sink sink
    result = open_sink(&sink, size_hard_state(<HardState>value))
    write_hard_state(&sink, <HardState>value)
    return close_sink(&sink, result)


def decode_hard_state(data):
    """Decode a HardState. Errors as for ``decode_entry``."""
    return decode(data, HARD_STATE)


def encode_conf_state(value):
    """Encode a ConfState. Errors as for ``encode_entry``."""
    if type(value) is not ConfState:
        raise bounds.not_a(ConfState, value)
    cdef Sink sink
    cdef uint64_t items = 0
    result = open_sink(&sink, size_conf_state(<ConfState>value, 0, &items))
    write_conf_state(&sink, <ConfState>value)
    return close_sink(&sink, result)


def decode_conf_state(data):
    """Decode a ConfState. Errors as for ``decode_entry``."""
    return decode(data, CONF_STATE)


def encode_snapshot_metadata(value):
    """Encode a SnapshotMetadata. Errors as for ``encode_entry``."""
    if type(value) is not SnapshotMetadata:
        raise bounds.not_a(SnapshotMetadata, value)
    cdef Sink sink
    cdef uint64_t items = 0
    result = open_sink(&sink, size_metadata(<SnapshotMetadata>value, 0, &items))
    write_metadata(&sink, <SnapshotMetadata>value)
    return close_sink(&sink, result)


def decode_snapshot_metadata(data):
    """Decode a SnapshotMetadata. Errors as for ``decode_entry``."""
    return decode(data, METADATA)


def encode_snapshot(value):
    """Encode a Snapshot. Errors as for ``encode_entry``."""
    if type(value) is not Snapshot:
        raise bounds.not_a(Snapshot, value)
    cdef Sink sink
    cdef uint64_t items = 0
    result = open_sink(&sink, size_snapshot(<Snapshot>value, 0, &items))
    write_snapshot(&sink, <Snapshot>value)
    return close_sink(&sink, result)


def decode_snapshot(data):
    """Decode a Snapshot. Errors as for ``decode_entry``."""
    return decode(data, SNAPSHOT)


def encode_message(value):
    """Encode a Message. Errors as for ``encode_entry``, and RangeError for responses nested deeper than MAX_DEPTH."""
    if type(value) is not Message:
        raise bounds.not_a(Message, value)
    cdef Message m = <Message>value
    cdef Sink sink
    cdef uint64_t items = 0
    cdef unsigned char scratch[SCRATCH]
    cdef unsigned char* tail
    # Most messages without entries fit into this buffer, and copying them is cheaper than adding up their size first.
    # If a message does not fit, or must be refused, the general way below writes or refuses it.
    sink.start, sink.at, sink.full = scratch, scratch + SCRATCH, False
    sink.deepest = _max_depth - LEVELS
    write_after_entries(&sink, m, 0)
    tail = sink.at
    write_before_entries(&sink, m)
    if not sink.full:
        if m._entries is None:
            return PyBytes_FromStringAndSize(<const char*>sink.at, scratch + SCRATCH - sink.at)
        result = join_entries(sink.at, tail, scratch + SCRATCH, m._entries)
        if result is not None:
            return result
    result = open_sink(&sink, size_message(m, 0, &items))
    write_message(&sink, m, 0)
    return close_sink(&sink, result)


def decode_message(data):
    """Decode a Message. Errors as for ``decode_entry``."""
    return decode(data, MESSAGE)


def encode_conf_change(value):
    """Encode a ConfChange. Errors as for ``encode_entry``."""
    if not isinstance(value, changes.ConfChange):
        raise bounds.not_a(changes.ConfChange, value)
    cdef Sink sink
    result = open_sink(&sink, size_conf_change(value))
    write_conf_change(&sink, value)
    return close_sink(&sink, result)


def decode_conf_change(data):
    """Decode a ConfChange. Errors as for ``decode_entry``."""
    return decode(data, CONF_CHANGE)


def encode_conf_change_single(value):
    """Encode a ConfChangeSingle. Errors as for ``encode_entry``."""
    if not isinstance(value, changes.ConfChangeSingle):
        raise bounds.not_a(changes.ConfChangeSingle, value)
    cdef Sink sink
    result = open_sink(&sink, size_conf_change_single(value))
    write_conf_change_single(&sink, value)
    return close_sink(&sink, result)


def decode_conf_change_single(data):
    """Decode a ConfChangeSingle. Errors as for ``decode_entry``."""
    return decode(data, CONF_CHANGE_SINGLE)


def encode_conf_change_v2(value):
    """Encode a ConfChangeV2. Errors as for ``encode_entry``."""
    if not isinstance(value, changes.ConfChangeV2):
        raise bounds.not_a(changes.ConfChangeV2, value)
    cdef Sink sink
    result = open_sink(&sink, size_conf_change_v2(value))
    write_conf_change_v2(&sink, value)
    return close_sink(&sink, result)


def decode_conf_change_v2(data):
    """Decode a ConfChangeV2. Errors as for ``decode_entry``."""
    return decode(data, CONF_CHANGE_V2)


# Sizes

cdef inline uint64_t size_number(uint64_t number) noexcept:
    return 1 + varint_size(number)


cdef inline uint64_t size_block(uint64_t size) noexcept:
    """The size of bytes or a submessage, with tag and length."""
    return 1 + varint_size(size) + size


cdef inline uint64_t size_bytes(bytes data) noexcept:
    return size_block(PyBytes_GET_SIZE(data))


cdef inline uint64_t size_unknown(bytes unknown) noexcept:
    return 0 if unknown is None else PyBytes_GET_SIZE(unknown)


cdef inline int check_items(uint64_t* items, Py_ssize_t more) except -1:
    """Count the items of one more list."""
    items[0] += more
    if items[0] > _max_items:
        raise RangeError(bounds.TOO_MANY)
    return 0


cdef uint64_t size_numbers(list numbers, uint64_t* items) except? 0:
    cdef uint64_t size = 0
    if numbers is not None:
        check_items(items, len(numbers))
        for number in numbers:
            size += size_number(number)
    return size


cdef inline uint64_t size_entry(Entry e) noexcept:
    cdef uint32_t present = e._present
    cdef uint64_t size = 0
    if e._unknown is not None:
        size = held_size(<PyObject*>e._unknown)
    if present & k.E_TYPE:
        size += size_number(<uint64_t>e._type)
    if present & k.E_TERM:
        size += size_number(e.term)
    if present & k.E_INDEX:
        size += size_number(e.index)
    if present & k.E_DATA:
        size += size_block(held_size(<PyObject*>e.data))
    return size


cdef uint64_t size_hard_state(HardState h) noexcept:
    cdef uint64_t size = size_unknown(h._unknown)
    if h._present & k.H_TERM:
        size += size_number(h.term)
    if h._present & k.H_VOTE:
        size += size_number(h.vote)
    if h._present & k.H_COMMIT:
        size += size_number(h.commit)
    return size


cdef uint64_t size_conf_state(ConfState c, int depth, uint64_t* items) except? 0:
    check_depth(depth)
    cdef uint64_t size = size_unknown(c._unknown)
    size += size_numbers(c._voters, items) + size_numbers(c._learners, items)
    size += size_numbers(c._voters_outgoing, items) + size_numbers(c._learners_next, items)
    if c._present & k.C_AUTO_LEAVE:
        size += 2
    return size


cdef uint64_t size_metadata(SnapshotMetadata d, int depth, uint64_t* items) except? 0:
    check_depth(depth)
    cdef uint64_t size = size_unknown(d._unknown)
    if d._present & k.D_CONF_STATE:
        size += size_block(size_conf_state(d._conf_state, depth + 1, items))
    if d._present & k.D_INDEX:
        size += size_number(d.index)
    if d._present & k.D_TERM:
        size += size_number(d.term)
    return size


cdef uint64_t size_snapshot(Snapshot s, int depth, uint64_t* items) except? 0:
    check_depth(depth)
    cdef uint64_t size = size_unknown(s._unknown)
    if s._present & k.S_DATA:
        size += size_bytes(s.data)
    if s._present & k.S_METADATA:
        size += size_block(size_metadata(s._metadata, depth + 1, items))
    return size


cdef uint64_t size_message(Message m, int depth, uint64_t* items) except? 0:
    check_depth(depth)
    cdef uint32_t present = m._present
    cdef uint64_t size = size_unknown(m._unknown)
    size += size_responses(m._responses, depth + 1, items)
    if present & k.P_SNAPSHOT:
        size += size_block(size_snapshot(m.snapshot, depth + 1, items))
    size += size_entries(m._entries, depth + 1, items)
    if present & k.P_TYPE:
        size += size_number(<uint64_t>m._type)
    if present & k.P_TO:
        size += size_number(m.to)
    if present & k.P_FROM:
        size += size_number(m.from_)
    if present & k.P_TERM:
        size += size_number(m.term)
    if present & k.P_LOG_TERM:
        size += size_number(m.log_term)
    if present & k.P_INDEX:
        size += size_number(m.index)
    if present & k.P_COMMIT:
        size += size_number(m.commit)
    if present & k.P_REJECT:
        size += 2
    if present & k.P_REJECT_HINT:
        size += size_number(m.reject_hint)
    if present & k.P_CONTEXT:
        size += size_bytes(m.context)
    if present & k.P_VOTE:
        size += size_number(m.vote)
    return size


cdef uint64_t size_entries(list entries, int depth, uint64_t* items) except? 0:
    cdef uint64_t size = 0
    if entries is not None:
        check_items(items, len(entries))
        for item in reversed(entries):
            if type(item) is not Entry:
                raise bounds.not_a(Entry, item)
            check_depth(depth)
            size += size_block(size_entry(<Entry>item))
    return size


cdef uint64_t size_responses(list responses, int depth, uint64_t* items) except? 0:
    cdef uint64_t size = 0
    if responses is not None:
        check_items(items, len(responses))
        for item in reversed(responses):
            if type(item) is not Message:
                raise bounds.not_a(Message, item)
            size += size_block(size_message(<Message>item, depth, items))
    return size


cdef uint64_t size_conf_change(object c) except? 0:
    cdef uint32_t present = c._present
    cdef uint64_t size = size_unknown(c._unknown)
    if present & 1:
        size += size_number(c.id)
    if present & 2:
        size += size_number(<uint64_t><int32_t>c._type)
    if present & 4:
        size += size_number(c.node_id)
    if present & 8:
        size += size_bytes(c.context)
    return size


cdef uint64_t size_conf_change_single(object c) except? 0:
    cdef uint32_t present = c._present
    cdef uint64_t size = size_unknown(c._unknown)
    if present & 1:
        size += size_number(<uint64_t><int32_t>c._type)
    if present & 2:
        size += size_number(c.node_id)
    return size


cdef uint64_t size_conf_change_v2(object c) except? 0:
    cdef uint64_t items = 0
    cdef uint32_t present = c._present
    cdef uint64_t size = size_unknown(c._unknown)
    if present & 1:
        size += size_number(<uint64_t><int32_t>c._transition)
    check_items(&items, len(c._changes))
    for single in c._changes:
        size += size_block(size_conf_change_single(single))
    if present & 4:
        size += size_bytes(c.context)
    return size


cdef inline int check_depth(int depth) except -1:
    if depth > _max_depth:
        raise RangeError(bounds.TOO_DEEP)
    return 0


# Writing, backwards

cdef bytes open_sink(Sink* sink, uint64_t size):
    """Create a bytes object of the given size, to be filled through ``sink``."""
    if size > _max_size:
        raise RangeError(bounds.TOO_LARGE)
    cdef bytes result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    sink.start = <unsigned char*>PyBytes_AS_STRING(result)
    sink.at = sink.start + size
    sink.full = False
    sink.deepest = _max_depth
    return result


cdef bytes close_sink(Sink* sink, bytes result):
    # Another thread may have changed a list after its size was added up. Nothing was written out of bounds even so.
    if sink.full or sink.at != sink.start:
        raise InvariantError(bounds.CHANGED)
    return result


cdef inline void put_number(Sink* sink, unsigned char tag, uint64_t number) noexcept:
    cdef uint32_t size = varint_size(number)
    if sink.at - sink.start <= <Py_ssize_t>size:
        sink.full = True
        return
    sink.at -= size + 1
    sink.at[0] = tag
    set_varint(sink.at + 1, number)


cdef inline void put_raw(Sink* sink, bytes data) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    if sink.at - sink.start < size:
        sink.full = True
        return
    sink.at -= size
    memcpy(sink.at, PyBytes_AS_STRING(data), size)


cdef inline void put_bytes(Sink* sink, unsigned char tag, bytes data) noexcept:
    put_raw(sink, data)
    put_number(sink, tag, PyBytes_GET_SIZE(data))


cdef inline void put_unknown(Sink* sink, bytes unknown) noexcept:
    if unknown is not None:
        put_raw(sink, unknown)


cdef int put_numbers(Sink* sink, unsigned char tag, list numbers) except -1:
    cdef Py_ssize_t i
    if numbers is not None:
        for i in range(len(numbers) - 1, -1, -1):
            put_number(sink, tag, numbers[i])
    return 0


cdef inline unsigned char* set_numbers(unsigned char* p, Entry e, uint32_t present) noexcept:
    """Write the fields in front of an entry's data."""
    if present & k.E_TYPE:
        p[0] = 0x08
        p = set_varint(p + 1, <uint64_t>e._type)
    if present & k.E_TERM:
        p[0] = 0x10
        p = set_varint(p + 1, e.term)
    if present & k.E_INDEX:
        p[0] = 0x18
        p = set_varint(p + 1, e.index)
    return p


cdef inline void set_entry(unsigned char* p, Entry e) noexcept:
    """Write an entry forwards. The caller has checked that it fits."""
    cdef uint32_t present = e._present
    cdef Py_ssize_t length
    p = set_numbers(p, e, present)
    if present & k.E_DATA:
        length = held_size(<PyObject*>e.data)
        p[0] = 0x22
        p = set_varint(p + 1, length)
        memcpy(p, held_start(<PyObject*>e.data), length)
        p += length
    if e._unknown is not None:
        memcpy(p, held_start(<PyObject*>e._unknown), held_size(<PyObject*>e._unknown))


cdef void write_entry(Sink* sink, Entry e) noexcept:
    cdef uint64_t size = size_entry(e)
    if <uint64_t>(sink.at - sink.start) < size:
        sink.full = True
        return
    sink.at -= size
    set_entry(sink.at, e)


cdef void write_entries(Sink* sink, list entries) noexcept:
    cdef unsigned char* at = sink.at
    cdef uint64_t size, block
    for item in reversed(entries):
        if type(item) is not Entry:
            sink.full = True
            break
        size = size_entry(<Entry>item)
        block = size_block(size)
        if <uint64_t>(at - sink.start) < block:
            sink.full = True
            break
        at -= block
        at[0] = 0x3A
        set_entry(set_varint(at + 1, size), <Entry>item)
    sink.at = at


cdef void write_hard_state(Sink* sink, HardState h) noexcept:
    put_unknown(sink, h._unknown)
    if h._present & k.H_COMMIT:
        put_number(sink, 0x18, h.commit)
    if h._present & k.H_VOTE:
        put_number(sink, 0x10, h.vote)
    if h._present & k.H_TERM:
        put_number(sink, 0x08, h.term)


cdef int write_conf_state(Sink* sink, ConfState c) except -1:
    put_unknown(sink, c._unknown)
    if c._present & k.C_AUTO_LEAVE:
        put_number(sink, 0x28, c.auto_leave)
    put_numbers(sink, 0x20, c._learners_next)
    put_numbers(sink, 0x18, c._voters_outgoing)
    put_numbers(sink, 0x10, c._learners)
    put_numbers(sink, 0x08, c._voters)
    return 0


cdef int write_metadata(Sink* sink, SnapshotMetadata d) except -1:
    cdef unsigned char* end
    put_unknown(sink, d._unknown)
    if d._present & k.D_TERM:
        put_number(sink, 0x18, d.term)
    if d._present & k.D_INDEX:
        put_number(sink, 0x10, d.index)
    if d._present & k.D_CONF_STATE:
        end = sink.at
        write_conf_state(sink, d._conf_state)
        put_number(sink, 0x0A, end - sink.at)
    return 0


cdef int write_snapshot(Sink* sink, Snapshot s) except -1:
    cdef unsigned char* end
    put_unknown(sink, s._unknown)
    if s._present & k.S_METADATA:
        end = sink.at
        write_metadata(sink, s._metadata)
        put_number(sink, 0x12, end - sink.at)
    if s._present & k.S_DATA:
        put_bytes(sink, 0x0A, s.data)
    return 0


cdef int write_message(Sink* sink, Message m, int depth) except -1:
    if depth > sink.deepest:
        sink.full = True
        return 0
    write_after_entries(sink, m, depth)
    if m._entries is not None:
        write_entries(sink, m._entries)
    write_before_entries(sink, m)
    return 0


cdef int write_after_entries(Sink* sink, Message m, int depth) except -1:
    cdef uint32_t present = m._present
    cdef unsigned char* end
    put_unknown(sink, m._unknown)
    if m._responses is not None:
        for item in reversed(m._responses):
            if type(item) is not Message or sink.full:
                sink.full = True
                break
            end = sink.at
            write_message(sink, <Message>item, depth + 1)
            put_number(sink, 0x72, end - sink.at)
    if present & k.P_VOTE:
        put_number(sink, 0x68, m.vote)
    if present & k.P_CONTEXT:
        put_bytes(sink, 0x62, m.context)
    if present & k.P_REJECT_HINT:
        put_number(sink, 0x58, m.reject_hint)
    if present & k.P_REJECT:
        put_number(sink, 0x50, m.reject)
    if present & k.P_SNAPSHOT:
        end = sink.at
        write_snapshot(sink, m.snapshot)
        put_number(sink, 0x4A, end - sink.at)
    if present & k.P_COMMIT:
        put_number(sink, 0x40, m.commit)
    return 0


cdef void write_before_entries(Sink* sink, Message m) noexcept:
    cdef uint32_t present = m._present
    if present & k.P_INDEX:
        put_number(sink, 0x30, m.index)
    if present & k.P_LOG_TERM:
        put_number(sink, 0x28, m.log_term)
    if present & k.P_TERM:
        put_number(sink, 0x20, m.term)
    if present & k.P_FROM:
        put_number(sink, 0x18, m.from_)
    if present & k.P_TO:
        put_number(sink, 0x10, m.to)
    if present & k.P_TYPE:
        put_number(sink, 0x08, <uint64_t>m._type)


cdef int write_conf_change(Sink* sink, object c) except -1:
    cdef uint32_t present = c._present
    put_unknown(sink, c._unknown)
    if present & 8:
        put_bytes(sink, 0x22, c.context)
    if present & 4:
        put_number(sink, 0x18, c.node_id)
    if present & 2:
        put_number(sink, 0x10, <uint64_t><int32_t>c._type)
    if present & 1:
        put_number(sink, 0x08, c.id)
    return 0


cdef int write_conf_change_single(Sink* sink, object c) except -1:
    cdef uint32_t present = c._present
    put_unknown(sink, c._unknown)
    if present & 2:
        put_number(sink, 0x10, c.node_id)
    if present & 1:
        put_number(sink, 0x08, <uint64_t><int32_t>c._type)
    return 0


cdef int write_conf_change_v2(Sink* sink, object c) except -1:
    cdef uint32_t present = c._present
    cdef unsigned char* end
    put_unknown(sink, c._unknown)
    if present & 4:
        put_bytes(sink, 0x1A, c.context)
    for single in reversed(c._changes):
        end = sink.at
        write_conf_change_single(sink, single)
        put_number(sink, 0x12, end - sink.at)
    if present & 1:
        put_number(sink, 0x08, <uint64_t><int32_t>c._transition)
    return 0


# Writing forwards: a message with entries

cdef bytes join_entries(unsigned char* head, unsigned char* tail, unsigned char* end, list entries):
    """Encode a message from three parts: the fields before its entries, the entries, and the fields after them.

    Returns None if the general way must be taken, which handles every size and refuses what must be refused.
    """
    cdef Py_ssize_t before = tail - head, after = end - tail, size, used, done, count = PyList_GET_SIZE(entries)
    cdef uint64_t block = size_blocks(entries, 0, 1)
    cdef unsigned char* p
    cdef PyObject* result
    if block == 0 or count > JOINED or block * count > JOINED:
        return None
    # Assume that all entries are as long as the first.
    size = before + block * count + after
    result = new_bytes(NULL, size)
    memcpy(held_start(result), head, before)
    p = <unsigned char*>held_start(result) + before
    done = set_entries(&p, <unsigned char*>held_start(result) + size, entries, 0)
    used = p - <unsigned char*>held_start(result)
    if done < count:
        block = size_blocks(entries, done, count)
        size = used + block + after
        resize_bytes(&result, size)
        p = <unsigned char*>held_start(result) + used
        done = set_entries(&p, p + block, entries, done)
        used = p - <unsigned char*>held_start(result)
    if used + after != size:
        resize_bytes(&result, used + after)
    memcpy(held_start(result) + used, tail, after)
    given = <bytes>result
    Py_DECREF(given)
    return given if done == count else None


cdef uint64_t size_blocks(list entries, Py_ssize_t first, Py_ssize_t stop) noexcept:
    """The size of these entries as fields of a message; 0 if another object is among them, or if it exceeds JOINED."""
    cdef uint64_t size = 0
    cdef PyObject* item
    with cython.critical_section(entries):
        while first < stop and first < PyList_GET_SIZE(entries) and size <= JOINED:
            item = list_item(entries, first)
            if type(<object>item) is not Entry:
                size = 0
                break
            size += size_block(size_entry(<Entry>item))
            first += 1
    return size if size <= JOINED else 0


cdef Py_ssize_t set_entries(unsigned char** place, unsigned char* end, list entries, Py_ssize_t first) noexcept:
    """Write as many entries as fit, from number ``first`` on, and return the number of the first not written."""
    cdef unsigned char* p = place[0]
    cdef unsigned char* after
    cdef PyObject* item
    # Borrowed references are safe: nobody else can change the list within the critical section.
    with cython.critical_section(entries):
        while first < PyList_GET_SIZE(entries):
            item = list_item(entries, first)
            if type(<object>item) is not Entry:
                break
            after = set_block(p, end, <Entry>item)
            if after is NULL:
                break
            p = after
            first += 1
    place[0] = p
    return first


cdef inline unsigned char* set_block(unsigned char* p, unsigned char* end, Entry e) noexcept:
    """Write an entry as a field of a message and return the place after it, or NULL if it does not fit."""
    cdef uint32_t present = e._present
    cdef uint64_t type = <uint64_t>e._type, term = e.term, index = e.index, size
    cdef Py_ssize_t length
    cdef const char* data
    cdef unsigned char* head
    cdef unsigned char* at
    # The entry's size is known only once its numbers are written, but how many bytes that size takes is nearly always
    # known before: leave that many free.
    if likely(present | k.E_TYPE == USUAL and e._unknown is None):
        length, data = held_size(<PyObject*>e.data), held_start(<PyObject*>e.data)
        if likely(end - p >= length + ENTRY_HEAD + 3 and length < 0x3F00):
            head = at = p + (3 if length >= 100 else 2)
            if likely(present & k.E_TYPE):
                at[0] = 0x08
                at = set_small(at + 1, type)
            at[0] = 0x10
            at = set_small(at + 1, term)
            at[0] = 0x18
            at = set_varint(at + 1, index)
            at[0] = 0x22
            at = set_varint(at + 1, length)
            size = at - head + length
            if likely((size >= 0x80) == (length >= 100)):
                p[0] = 0x3A
                set_varint(p + 1, size)
                memcpy(at, data, length)
                return at + length
    size = size_entry(e)
    if <uint64_t>(end - p) < size_block(size):
        return NULL
    p[0] = 0x3A
    p = set_varint(p + 1, size)
    set_entry(p, e)
    return p + size


# Reading

cdef object decode(object data, int kind):
    cdef Py_buffer view
    if type(data) is bytes:
        return read(<Place>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), kind)
    try:
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    except (TypeError, BufferError):
        raise bounds.not_a_buffer(data) from None
    try:
        return read(<Place>view.buf, view.len, kind)
    finally:
        PyBuffer_Release(&view)


cdef object read(Place base, Py_ssize_t size, int kind):
    cdef Place end = base + size
    cdef Source source = Source(base, 0)
    cdef Entry e
    if <uint64_t>size > _max_size:
        raise DecodeError(bounds.TOO_LARGE, 0)
    if kind == MESSAGE:
        return read_message(&source, base, end, 0)
    if kind == ENTRY:
        e = _new_entry()
        read_entry(&source, e, base, end, 0)
        return e
    if kind == HARD_STATE:
        return read_hard_state(&source, base, end)
    if kind == CONF_STATE:
        return read_conf_state(&source, base, end, 0)
    if kind == METADATA:
        return read_metadata(&source, base, end, 0)
    if kind == SNAPSHOT:
        return read_snapshot(&source, base, end, 0)
    if kind == CONF_CHANGE:
        return read_conf_change(&source, base, end)
    if kind == CONF_CHANGE_SINGLE:
        return read_conf_change_single(&source, base, end, 0)
    return read_conf_change_v2(&source, base, end)


cdef object broken(str text, Source* source, Place start):
    """Create the error for the field whose tag is at ``start``."""
    return DecodeError(text, start - source.base)


# Every `take` function reads at `p`, for the field whose tag is at `start`, and returns the place after what it read.

cdef Place take_number(Source* source, Place start, Place p, Place end, uint64_t* number) except NULL:
    cdef Place after = scan_number(p, end, number)
    if after is NULL:
        # With all ten bytes of the longest varint at hand it is too long, with fewer it is cut off.
        raise broken(bounds.TOO_LONG if end - p >= 10 else bounds.CUT_OFF, source, start)
    return after


cdef Place take_length(Source* source, Place start, Place p, Place end, uint64_t* length) except NULL:
    p = take_number(source, start, p, end, length)
    if length[0] > <uint64_t>(end - p):
        raise broken(bounds.CUT_OFF, source, start)
    return p


cdef inline Place take_block(Source* source, Place start, Place p, Place end, int depth, Place* stop) except NULL:
    """Return the place where the field's submessage begins, and set ``stop`` to where it ends."""
    cdef uint64_t length
    p = scan_length(p, end, &length)
    if p is NULL:
        explain(source, start, end)
    if depth >= _max_depth:
        raise broken(bounds.TOO_DEEP, source, start)
    stop[0] = p + length
    return p


cdef inline int count_item(Source* source, Place start) except -1:
    """Count the list item in the field whose tag is at ``start``."""
    source.items += 1
    if source.items > _max_items:
        raise broken(bounds.TOO_MANY, source, start)
    return 0


cdef int explain(Source* source, Place start, Place end) except -1:
    """Raise the error for the field with its tag at ``start`` that a `scan` function could not read."""
    cdef uint64_t tag
    cdef Place p = take_number(source, start, start, end, &tag)
    skip(source, start, p, end, tag, MAX_FIELD, 0)
    # It can be read now: another thread has changed the buffer since.
    raise broken(bounds.CUT_OFF, source, start)


cdef inline bytes copy(Place p, uint64_t length):
    return PyBytes_FromStringAndSize(<const char*>p, <Py_ssize_t>length)


cdef inline int32_t low_half(uint64_t number) noexcept:
    """An enum's number: the low 32 bits, signed."""
    return <int32_t><uint32_t>number


cdef bytearray keep(bytearray unknown, Place start, Place end):
    """Append the bytes from ``start`` to ``end``."""
    cdef Py_ssize_t size = 0, more = end - start
    if unknown is None:
        return PyByteArray_FromStringAndSize(<const char*>start, more)
    size = PyByteArray_GET_SIZE(unknown)
    PyByteArray_Resize(unknown, size + more)
    memcpy(PyByteArray_AS_STRING(unknown) + size, start, more)
    return unknown


cdef bytearray keep_field(bytearray unknown, uint64_t tag, Place p, Place end):
    """Append a field: its tag in the shortest form, then the bytes from ``p`` to ``end``."""
    cdef unsigned char head[5]
    cdef int size = 0
    while tag > 0x7F:
        head[size] = <unsigned char>(tag & 0x7F | 0x80)
        tag >>= 7
        size += 1
    head[size] = <unsigned char>tag
    return keep(keep(unknown, head, head + size + 1), p, end)


cdef Place skip(
    Source* source, Place start, Place p, Place end, uint64_t tag, uint64_t max_field, int depth
) except NULL:
    """The place after an unknown field whose tag begins at ``start`` and ends before ``p``."""
    cdef uint64_t number
    cdef uint64_t wire_type = tag & 7
    if tag >> 3 == 0 or tag >> 3 > max_field:
        raise broken(bounds.BAD_NUMBER, source, start)
    if wire_type == 0:
        return take_number(source, start, p, end, &number)
    if wire_type == 2:
        p = take_length(source, start, p, end, &number)
        return p + number
    if wire_type == 3:
        return skip_group(source, start, p, end, tag, depth + 1)
    if wire_type == 4:
        raise broken(bounds.STRAY_END, source, start)
    if wire_type > 5:
        raise broken(bounds.BAD_WIRE_TYPE, source, start)
    number = 8 if wire_type == 1 else 4
    if number > <uint64_t>(end - p):
        raise broken(bounds.CUT_OFF, source, start)
    return p + number


cdef Place skip_group(Source* source, Place start, Place p, Place end, uint64_t tag, int depth) except NULL:
    """The place after an unknown group whose tag begins at ``start`` and ends before ``p``."""
    cdef Place inner
    cdef uint64_t inner_tag
    if depth > _max_depth:
        raise broken(bounds.TOO_DEEP, source, start)
    while p < end:
        inner = p
        p = take_number(source, inner, p, end, &inner_tag)
        if inner_tag == tag + 1:
            return p
        p = skip(source, inner, p, end, inner_tag, MAX_GROUP_FIELD, depth)
    raise broken(bounds.NOT_CLOSED, source, start)


cdef inline Place scan_entry(Place p, Place end, Entry e) noexcept:
    """Read an entry in the form that etcd writes: set the other fields of ``e`` and return the place of its data.

    Returns NULL for an entry in any other form, perhaps with some fields set. May read ``ENTRY_HEAD`` bytes, even
    beyond ``end``; the caller makes sure that the buffer has them.
    """
    cdef uint64_t number
    cdef uint32_t first, present = k.E_TERM | k.E_INDEX | k.E_DATA
    memcpy(&first, p, sizeof(first))
    if likely(first & 0xFFFFFF == NORMAL_AND_TERM):
        p += 2
        present |= k.E_TYPE
    else:
        if p[0] == 0x08:
            p = scan_small(p + 1, &number)
            if p is NULL:
                return NULL
            e._type = low_half(number)
            present |= k.E_TYPE
        if p[0] != 0x10:
            return NULL
    p = scan_small(p + 1, &number)
    if not likely(p is not NULL and p[0] == 0x18):
        return NULL
    e.term = number
    p = scan_ahead(p + 1, &number)
    if not likely(p is not NULL and p[0] == 0x22):
        return NULL
    e.index = number
    p = scan_ahead(p + 1, &number)
    # If the data ends exactly at the end, everything read before it was inside.
    if not likely(p is not NULL and p <= end and number == <uint64_t>(end - p)):
        return NULL
    e._present = present
    return p


cdef Place read_entries(Source* source, Message m, Place start, Place p, Place end, int depth) except NULL:
    """Read consecutive entries of ``m``, the first with its tag at ``start``, and return the place after them."""
    cdef Place stop, data
    cdef uint64_t length, count = 0, room = 0
    cdef uint64_t left = _max_items - source.items if source.items < _max_items else 0
    cdef bint ahead
    cdef Entry e
    cdef list entries = m._entries
    if depth >= _max_depth:
        take_block(source, start, p, end, depth, &stop)
    while True:
        ahead = likely(end - p >= ENTRY_HEAD + 10)
        p = scan_ahead(p, &length) if ahead else scan_number(p, end, &length)
        if p is NULL or length > <uint64_t>(end - p):
            explain(source, start, end)
        stop = p + length
        if entries is None:
            # Assume that all entries are as long as the first.
            room = min(<uint64_t>(end - start) // <uint64_t>(stop - start), <uint64_t>GUESSED)
            entries = PyList_New(room)
        if count >= left:
            raise broken(bounds.TOO_MANY, source, start)
        e = _new_entry()
        data = scan_entry(p, stop, e) if ahead else NULL
        if likely(data is not NULL):
            e.data = copy(data, stop - data)
        else:
            read_entry(source, e, p, stop, depth + 1)
        if likely(count < room):
            Py_INCREF(e)
            PyList_SET_ITEM(entries, count, e)
        else:
            entries.append(e)
        count += 1
        p = stop
        if p >= end or p[0] != 0x3A:
            break
        start = p
        p += 1
    source.items += count
    if count < room:
        del entries[count:]
    m._entries = entries
    return p


cdef int read_entry(Source* source, Entry e, Place p, Place end, int depth) except -1:
    """Set every field of a new entry, whatever the fields held before."""
    cdef Place start = p, stop
    cdef uint64_t tag, number
    cdef uint32_t present = 0
    cdef bytearray unknown = None
    e._type = e.term = e.index = 0
    while p < end:
        start = p
        p = scan_number(p, end, &tag)
        if tag == 0x10:
            p = scan_number(p, end, &e.term)
            present |= k.E_TERM
        elif tag == 0x18:
            p = scan_number(p, end, &e.index)
            present |= k.E_INDEX
        elif tag == 0x22:
            p = scan_length(p, end, &number)
            if p is not NULL:
                e.data = copy(p, number)
                p += number
                present |= k.E_DATA
        elif tag == 0x08:
            p = scan_number(p, end, &number)
            e._type = low_half(number)
            present |= k.E_TYPE
        elif p is not NULL:
            stop = skip(source, start, p, end, tag, MAX_FIELD, depth)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
        if p is NULL:
            explain(source, start, end)
    e._present = present
    if not present & k.E_DATA:
        e.data = b""
    if unknown is not None:
        e._unknown = bytes(unknown)
    return 0


cdef HardState read_hard_state(Source* source, Place p, Place end):
    cdef HardState h = blank.hard_state()
    cdef Place start, stop
    cdef uint64_t tag
    cdef bytearray unknown = None
    while p < end:
        start = p
        p = take_number(source, start, p, end, &tag)
        if tag == 0x08:
            p = take_number(source, start, p, end, &h.term)
            h._present |= k.H_TERM
        elif tag == 0x10:
            p = take_number(source, start, p, end, &h.vote)
            h._present |= k.H_VOTE
        elif tag == 0x18:
            p = take_number(source, start, p, end, &h.commit)
            h._present |= k.H_COMMIT
        else:
            stop = skip(source, start, p, end, tag, MAX_FIELD, 0)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
    if unknown is not None:
        h._unknown = bytes(unknown)
    return h


cdef ConfState read_conf_state(Source* source, Place p, Place end, int depth):
    cdef ConfState c = blank.conf_state()
    cdef Place start, stop
    cdef uint64_t tag, number
    cdef list numbers
    cdef bytearray unknown = None
    while p < end:
        start = p
        p = take_number(source, start, p, end, &tag)
        if tag == 0x28:
            p = take_number(source, start, p, end, &number)
            c.auto_leave = number != 0
            c._present |= k.C_AUTO_LEAVE
            continue
        if tag == 0x08 or tag == 0x0A:
            numbers = c._voters
        elif tag == 0x10 or tag == 0x12:
            numbers = c._learners
        elif tag == 0x18 or tag == 0x1A:
            numbers = c._voters_outgoing
        elif tag == 0x20 or tag == 0x22:
            numbers = c._learners_next
        else:
            stop = skip(source, start, p, end, tag, MAX_FIELD, depth)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
            continue
        p = take_number(source, start, p, end, &number)
        if tag & 7 == 0:
            count_item(source, start)
            numbers.append(number)
            continue
        if number > <uint64_t>(end - p):
            raise broken(bounds.CUT_OFF, source, start)
        stop = p + number
        while p < stop:
            p = take_number(source, start, p, stop, &number)
            count_item(source, start)
            numbers.append(number)
    if unknown is not None:
        c._unknown = bytes(unknown)
    return c


cdef bytearray join(bytearray pieces, Place first, Place first_stop, Place p, Place stop):
    """Append the newest piece of a submessage that came more than once."""
    if pieces is None:
        pieces = keep(None, first, first_stop)
    return keep(pieces, p, stop)


cdef SnapshotMetadata read_metadata(Source* source, Place p, Place end, int depth):
    cdef SnapshotMetadata d = blank.metadata()
    cdef Source again
    cdef Place start, stop, first = NULL, first_stop = NULL
    cdef uint64_t tag
    cdef bytearray pieces = None, unknown = None
    while p < end:
        start = p
        p = take_number(source, start, p, end, &tag)
        if tag == 0x0A:
            p = take_block(source, start, p, end, depth, &stop)
            d._conf_state = read_conf_state(source, p, stop, depth + 1)
            if d._present & k.D_CONF_STATE:
                pieces = join(pieces, first, first_stop, p, stop)
            else:
                first, first_stop = p, stop
            p = stop
            d._present |= k.D_CONF_STATE
        elif tag == 0x10:
            p = take_number(source, start, p, end, &d.index)
            d._present |= k.D_INDEX
        elif tag == 0x18:
            p = take_number(source, start, p, end, &d.term)
            d._present |= k.D_TERM
        else:
            stop = skip(source, start, p, end, tag, MAX_FIELD, depth)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
    if pieces is not None:
        # The items were counted on the first reading.
        again = Source(<Place>PyByteArray_AS_STRING(pieces), 0)
        d._conf_state = read_conf_state(&again, again.base, again.base + PyByteArray_GET_SIZE(pieces), depth + 1)
    if unknown is not None:
        d._unknown = bytes(unknown)
    return d


cdef Snapshot read_snapshot(Source* source, Place p, Place end, int depth):
    cdef Snapshot s = blank.snapshot()
    cdef Source again
    cdef Place start, stop, first = NULL, first_stop = NULL
    cdef uint64_t tag, number
    cdef bytearray pieces = None, unknown = None
    while p < end:
        start = p
        p = take_number(source, start, p, end, &tag)
        if tag == 0x0A:
            p = take_length(source, start, p, end, &number)
            s.data = copy(p, number)
            p += number
            s._present |= k.S_DATA
        elif tag == 0x12:
            p = take_block(source, start, p, end, depth, &stop)
            s._metadata = read_metadata(source, p, stop, depth + 1)
            if s._present & k.S_METADATA:
                pieces = join(pieces, first, first_stop, p, stop)
            else:
                first, first_stop = p, stop
            p = stop
            s._present |= k.S_METADATA
        else:
            stop = skip(source, start, p, end, tag, MAX_FIELD, depth)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
    if pieces is not None:
        # The items were counted on the first reading.
        again = Source(<Place>PyByteArray_AS_STRING(pieces), 0)
        s._metadata = read_metadata(&again, again.base, again.base + PyByteArray_GET_SIZE(pieces), depth + 1)
    if unknown is not None:
        s._unknown = bytes(unknown)
    return s


cdef inline void set_number(Message m, uint64_t tag, uint64_t number) noexcept:
    """Set the field with the given tag, which must be in NUMBERS."""
    if tag == 0x08:
        m._type = low_half(number)
    elif tag == 0x10:
        m.to = number
    elif tag == 0x18:
        m.from_ = number
    elif tag == 0x20:
        m.term = number
    elif tag == 0x28:
        m.log_term = number
    elif tag == 0x30:
        m.index = number
    elif tag == 0x40:
        m.commit = number
    elif tag == 0x50:
        m.reject = number != 0
    elif tag == 0x58:
        m.reject_hint = number
    else:
        m.vote = number
    m._present |= <uint32_t>1 << ((tag >> 3) - 1)


cdef Message read_message(Source* source, Place p, Place end, int depth):
    cdef Message m = blank.message()
    cdef Source again
    cdef Place start, stop, first = NULL, first_stop = NULL
    cdef uint64_t tag, number
    cdef bytearray pieces = None, unknown = None
    while p < end:
        start = p
        p = scan_number(p, end, &tag)
        if tag == 0x3A:
            p = read_entries(source, m, start, p, end, depth)
        elif tag < 0x70 and NUMBERS >> (tag >> 3) & 1 and tag & 7 == 0:
            p = scan_number(p, end, &number)
            set_number(m, tag, number)
        elif tag == 0x72:
            p = take_block(source, start, p, end, depth, &stop)
            count_item(source, start)
            if m._responses is None:
                m._responses = []
            m._responses.append(read_message(source, p, stop, depth + 1))
            p = stop
        elif tag == 0x4A:
            p = take_block(source, start, p, end, depth, &stop)
            m.snapshot = read_snapshot(source, p, stop, depth + 1)
            if m._present & k.P_SNAPSHOT:
                pieces = join(pieces, first, first_stop, p, stop)
            else:
                first, first_stop = p, stop
            p = stop
            m._present |= k.P_SNAPSHOT
        elif tag == 0x62:
            p = take_length(source, start, p, end, &number)
            m.context = copy(p, number)
            p += number
            m._present |= k.P_CONTEXT
        elif p is not NULL:
            stop = skip(source, start, p, end, tag, MAX_FIELD, depth)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
        if p is NULL:
            explain(source, start, end)
    if pieces is not None:
        # The items were counted on the first reading.
        again = Source(<Place>PyByteArray_AS_STRING(pieces), 0)
        m.snapshot = read_snapshot(&again, again.base, again.base + PyByteArray_GET_SIZE(pieces), depth + 1)
    if unknown is not None:
        m._unknown = bytes(unknown)
    return m


cdef object read_conf_change(Source* source, Place p, Place end):
    cdef Place start, stop
    cdef uint64_t tag, number, id = 0, node_id = 0
    cdef int32_t type = 0
    cdef uint32_t present = 0
    cdef bytes context = b""
    cdef bytearray unknown = None
    while p < end:
        start = p
        p = take_number(source, start, p, end, &tag)
        if tag == 0x08:
            p = take_number(source, start, p, end, &id)
            present |= 1
        elif tag == 0x10:
            p = take_number(source, start, p, end, &number)
            type = low_half(number)
            present |= 2
        elif tag == 0x18:
            p = take_number(source, start, p, end, &node_id)
            present |= 4
        elif tag == 0x22:
            p = take_length(source, start, p, end, &number)
            context = copy(p, number)
            p += number
            present |= 8
        else:
            stop = skip(source, start, p, end, tag, MAX_FIELD, 0)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
    c = _new(_OpenChange)
    c.id = id
    c._type = type
    c.node_id = node_id
    c.context = context
    c._present = present
    c._unknown = None if unknown is None else bytes(unknown)
    immutable.freeze(c)
    return c


cdef object read_conf_change_single(Source* source, Place p, Place end, int depth):
    cdef Place start, stop
    cdef uint64_t tag, number, node_id = 0
    cdef int32_t type = 0
    cdef uint32_t present = 0
    cdef bytearray unknown = None
    while p < end:
        start = p
        p = take_number(source, start, p, end, &tag)
        if tag == 0x08:
            p = take_number(source, start, p, end, &number)
            type = low_half(number)
            present |= 1
        elif tag == 0x10:
            p = take_number(source, start, p, end, &node_id)
            present |= 2
        else:
            stop = skip(source, start, p, end, tag, MAX_FIELD, depth)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
    c = _new(_OpenSingle)
    c._type = type
    c.node_id = node_id
    c._present = present
    c._unknown = None if unknown is None else bytes(unknown)
    immutable.freeze(c)
    return c


cdef object read_conf_change_v2(Source* source, Place p, Place end):
    cdef Place start, stop
    cdef uint64_t tag, number
    cdef int32_t transition = 0
    cdef uint32_t present = 0
    cdef list steps = []
    cdef bytes context = b""
    cdef bytearray unknown = None
    while p < end:
        start = p
        p = take_number(source, start, p, end, &tag)
        if tag == 0x08:
            p = take_number(source, start, p, end, &number)
            transition = low_half(number)
            present |= 1
        elif tag == 0x12:
            p = take_block(source, start, p, end, 0, &stop)
            count_item(source, start)
            steps.append(read_conf_change_single(source, p, stop, 1))
            p = stop
            present |= 2
        elif tag == 0x1A:
            p = take_length(source, start, p, end, &number)
            context = copy(p, number)
            p += number
            present |= 4
        else:
            stop = skip(source, start, p, end, tag, MAX_FIELD, 0)
            unknown = keep_field(unknown, tag, p, stop)
            p = stop
    c = _new(_OpenV2)
    c._transition = transition
    c._changes = steps
    c.context = context
    c._present = present
    c._unknown = None if unknown is None else bytes(unknown)
    immutable.freeze(c)
    return c
