"""The hash of a store at one revision, by which members are compared."""

from collections.abc import Generator
from zlib import crc32

from .items import FRAMED, SUB
from .views import View


def hash_of(view: View) -> Generator[None, None, int]:
    """The CRC32 of everything that is kept, in the order of keys and revisions.

    It depends on the log alone: not on how far compacted space is freed, nor on whether the member has restored a
    snapshot. It is not etcd's number, which comes from the pages of its database file.
    """
    value = 0
    for items in view.kept():
        value = crc32(b"".join([b"%d" % item[SUB] + item[FRAMED] for item in items]), value)
        yield
    return value
