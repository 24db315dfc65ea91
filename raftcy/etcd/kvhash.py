"""The hashes of a store at one revision, by which members are compared.

Neither is etcd's number, which comes from the records of its database file.
"""

from collections.abc import Generator, Iterable, Sequence
from zlib import crc32

from .items import FRAMED, SUB, Item


def hash_of(portions: Iterable[Sequence[Item]]) -> Generator[None, None, int]:
    """The CRC32 of items in the order of keys and revisions, in steps."""
    value = 0
    for items in portions:
        value = crc32(b"".join([b"%d" % item[SUB] + item[FRAMED] for item in items]), value)
        yield
    return value
