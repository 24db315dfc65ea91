"""Items: what one write made of one key. Plain tuples, because a store has millions of them.

A tuple of numbers and bytes is no work for the garbage collector: it stops tracking one after its first look. An object
with attributes it would visit in every full collection, which takes 50 ms and more at a million keys.
"""

from typing import Final, TypeAlias

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
