"""The key-value store with its history (signatures only, for now)."""

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

from .items import Item


class Leases(Protocol):
    """What the store needs of a lessor."""

    def exists(self, lease: int, /) -> bool:
        """Whether a key may be attached to this lease."""

    def attach(self, lease: int, key: bytes, /) -> None:
        """A put has attached the key to the lease."""

    def detach(self, lease: int, key: bytes, /) -> None:
        """A put or a delete has detached the key from the lease."""


class WriteTxn:
    """One write transaction: all its writes get one revision, that of the store plus 1."""

    revision: int  # what the writes of this transaction get

    def put(self, key: bytes, value: bytes, lease: int = 0) -> Item:
        """Write a key, and attach it to the lease, which must exist."""
        raise NotImplementedError

    def delete(self, key: bytes) -> bool:
        """Delete one key; whether it was there."""
        raise NotImplementedError

    def delete_range(self, key: bytes, end: bytes, prev: list[bytes] | None = None) -> Generator[None, None, int]:
        """Delete a range in steps of a few milliseconds, and return how many keys it had.

        With ``prev``, the framed KeyValues that are deleted are appended to it.
        """
        raise NotImplementedError

    def end(self) -> Sequence[Item]:
        """Publish the writes, and return them in order; nothing and no revision if there are none."""
        raise NotImplementedError


class View:
    """The store at one revision: it stays as it is while transactions and compactions go on, until it is closed.

    Reading it on another thread is safe. A compaction frees nothing that an open view shows; close it soon.
    """

    revision: int
    compacted: int

    def keys(self, key: bytes, end: bytes) -> Iterator[Item]:
        """The live items of a range, in the order of their keys."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the revision. May be called twice."""
        raise NotImplementedError


class Store:
    """Keys with their values at all revisions since the last compaction."""

    revision: int  # of the last write transaction; 1 at first
    compacted: int  # of the last compaction; -1 at first, as etcd reports it
    size: int  # logical bytes: what all kept KeyValues are long together

    def __init__(self, leases: Leases) -> None:
        raise NotImplementedError

    def begin(self) -> WriteTxn:
        """Begin a write transaction. There is one at a time; reads see nothing of it until it has ended."""
        raise NotImplementedError

    def get(self, key: bytes) -> Item | None:
        """The item of a live key at the present revision."""
        raise NotImplementedError

    def count(self, key: bytes, end: bytes) -> int:
        """How many live keys a range has at the present revision."""
        raise NotImplementedError

    def view(self, revision: int = 0) -> View:
        """The store at a revision, 0 for the present one; Refused if it is compacted or in the future."""
        raise NotImplementedError

    def compact(self, revision: int) -> None:
        """Compact: from now on, older revisions are refused. Their space is freed by `work`.

        Refused if the revision is compacted already, or in the future.
        """
        raise NotImplementedError

    def work(self) -> bool:
        """Free some of what is compacted, for at most a few milliseconds; whether more remains."""
        raise NotImplementedError

    def hash_kv(self, revision: int = 0) -> Generator[None, None, tuple[int, int, int]]:
        """Hash all that is kept up to a revision, in steps; returns hash, compact revision and hash revision.

        Members that have applied the same log get the same, however far each of them has freed compacted space.
        """
        raise NotImplementedError

    def capture(self) -> Iterator[bytes]:
        """The whole store as it is now, in pieces of bytes that are made when they are asked for, on any thread."""
        raise NotImplementedError

    def restore(self, pieces: Iterator[bytes]) -> None:
        """Become the store of a capture. Attaches every live key to its lease: restore the lessor first."""
        raise NotImplementedError
