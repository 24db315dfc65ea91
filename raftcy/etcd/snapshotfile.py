"""A snapshot as `etcdctl snapshot save` stores it: the state, padded to whole sectors, and the SHA-256 of all that.

etcdctl takes a file whose length is a multiple of 512 bytes and 32 more for one with a checksum. What the file holds is
our own: it cannot be read by etcd's tools, nor can theirs be read here.

::

    "raftcy-etcd-snapshot 1\\n"  block ...  0 (4 bytes)  zeros up to a multiple of 512  SHA-256
    block: length (4 bytes)  bytes of the machine's capture
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import Corruption
from ..machines.statemachine import read_full

MAGIC = b"raftcy-etcd-snapshot 1\n"
SECTOR = 512
BLOB_BYTES = 1 << 18
"""The most bytes of one answer of Snapshot. Clients limit the size of an answer, some to 4 MiB."""
_DIGEST_BYTES = 32


def blobs(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return the file of a capture in parts of at most ``BLOB_BYTES``. The digest is a part by itself, the last one."""
    digest = hashlib.sha256()
    size = 0
    for part in _contents(pieces):
        for at in range(0, len(part), BLOB_BYTES):
            blob = part[at : at + BLOB_BYTES]
            digest.update(blob)
            size += len(blob)
            yield blob
    if size % SECTOR:
        padding = bytes(SECTOR - size % SECTOR)
        digest.update(padding)
        yield padding
    yield digest.digest()


def _contents(pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield MAGIC
    for piece in pieces:
        if piece:
            yield len(piece).to_bytes(4, "big") + piece
    yield bytes(4)


def verify(file: Any) -> None:
    """Check the length and the digest of a snapshot's file, from its beginning. Raises Corruption."""
    size = file.seek(0, 2)
    if size % SECTOR != _DIGEST_BYTES:
        raise Corruption(f"a snapshot of {size} bytes was cut off: it is no multiple of {SECTOR} and a digest")
    file.seek(0)
    digest = hashlib.sha256()
    left = size - _DIGEST_BYTES
    while left:
        data = file.read(min(left, 1 << 20))
        if not data:
            raise Corruption("a snapshot was cut off while it was read")
        digest.update(data)
        left -= len(data)
    if file.read(_DIGEST_BYTES) != digest.digest():
        raise Corruption("the SHA-256 of a snapshot does not fit its contents")
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise Corruption("this is no snapshot of raftcy's etcd, or one of a later format")
    file.seek(0)


class StateInSnapshot:
    """The machine's capture within a snapshot's file, as a file that is read once."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = 0
        self._is_over = False
        if file.read(len(MAGIC)) != MAGIC:
            raise Corruption("this is no snapshot of raftcy's etcd, or one of a later format")

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fewer than ``size`` only at the end."""
        parts = []
        while size and not self._is_over:
            if not self._left:
                self._left = int.from_bytes(self._exactly(4), "big")
                self._is_over = not self._left
                continue
            data = self._exactly(self._left if size < 0 else min(size, self._left))
            self._left -= len(data)
            size -= len(data) if size > 0 else 0
            parts.append(data)
        return b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        data = read_full(self._file, size)
        if len(data) != size:
            raise Corruption("a snapshot ends early")
        return data
