"""Items: what one write made of one key. Plain tuples, because a store has millions of them.

A tuple of numbers and bytes is no work for the garbage collector, which stops tracking one at its first look. An object
with attributes it would visit in every full collection, and a million of them take longer than a slice of work may.
"""

from typing import Final, TypeAlias

from . import schema
from .encoding import field, tag, varint

# (mod_revision, sub, key, framed, create_revision, version, lease)
#
# `mod_revision` and `sub` order all writes: the revision of the transaction, and the place in it, from 0 on.
# `framed` is the KeyValue as it stands in a RangeResponse or an Event: the tag of field 2, the length, the message.
# A deleted key has version 0; its KeyValue has only key and mod_revision.
Item: TypeAlias = tuple[int, int, bytes, bytes, int, int, int]

MOD: Final = 0
SUB: Final = 1
KEY: Final = 2
FRAMED: Final = 3
CREATE: Final = 4
VERSION: Final = 5
LEASE: Final = 6

KV_TAG: Final = tag(2)  # `kvs` of a RangeResponse, `kv` of an Event, `prev_kv` of a PutResponse
PREV_TAG: Final = tag(3)  # `prev_kvs` of a DeleteRangeResponse, `prev_kv` of an Event

_KeyValue = schema.KeyValue
_KEY_TAG: Final = tag(1)
_CREATE_TAG: Final = tag(2, 0)
_MOD_TAG: Final = tag(3, 0)
_VERSION_TAG: Final = tag(4, 0)
_VALUE_TAG: Final = tag(5)
_LEASE_TAG: Final = tag(6, 0)


def written(mod: int, sub: int, key: bytes, value: bytes, create: int, version: int, lease: int) -> Item:
    """The item of a key that was put."""
    # As protobuf encodes it, in a third of the time. Revisions and versions are never 0; empty fields are left out.
    parts = [
        *(_KEY_TAG, varint(len(key)), key, _CREATE_TAG, varint(create), _MOD_TAG, varint(mod)),
        *(_VERSION_TAG, varint(version)),
    ]
    if value:
        parts += (_VALUE_TAG, varint(len(value)), value)
    if lease:
        parts += (_LEASE_TAG, varint(lease))
    return (mod, sub, key, field(KV_TAG, b"".join(parts)), create, version, lease)


def deleted(mod: int, sub: int, key: bytes) -> Item:
    """The item of a key that was deleted."""
    return (mod, sub, key, field(KV_TAG, _KeyValue(key=key, mod_revision=mod).SerializeToString()), 0, 0, 0)


def message_of(item: Item) -> schema.KeyValue:
    """The KeyValue of an item, decoded."""
    return schema.KeyValue.FromString(plain(item))


def plain(item: Item) -> bytes:
    """The encoded KeyValue of an item, without tag and length."""
    framed = item[FRAMED]
    start = 1
    while framed[start] & 0x80:
        start += 1
    return framed[start + 1 :]


def value_of(item: Item) -> bytes:
    """The value of an item."""
    return message_of(item).value
