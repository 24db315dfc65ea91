"""The key-value store with its history.

Rules:

- A write transaction gives all its writes one revision, the store's plus 1. There is one at a time; nobody sees any of
  it before its end. It may take many steps, because an item with a revision above the store's is not there for readers.
- Reads at older revisions are refused once a compaction has passed them, though the items may be there for a while.
- A key is attached to a lease as long as its newest item names it. The lessor hears of each change.
- The same transactions and compactions give the same store, however the steps fall: what is freed, and when, shows only
  in ``size``.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

from ..errors import InvariantError
from .counting import Operations
from .history import History
from .items import CREATE, LEASE, VERSION, Item, deleted, written
from .kvhash import hash_of
from .pages import Pages
from .refusals import refused
from .storefile import pieces_of, read_pieces
from .views import PAGE, View

STEP_WRITES = 1000  # of a delete or of freeing, in one step: a few milliseconds


class Leases(Protocol):
    """What the store needs of a lessor."""

    def exists(self, lease: int, /) -> bool:
        """Whether a key may be attached to this lease."""

    def attach(self, lease: int, key: bytes, /) -> object:
        """A put has attached the key to the lease."""

    def detach(self, lease: int, key: bytes, /) -> object:
        """A put or a delete has detached the key from the lease."""


def _put(history: History, leases: Leases, mod: int, sub: int, key: bytes, value: bytes, lease: int) -> Item:
    before = history.newest.get(key)
    if before is not None and before[VERSION]:
        create, version, former = before[CREATE], before[VERSION] + 1, before[LEASE]
    else:
        create, version, former = mod, 1, 0
    item = written(mod, sub, key, value, create, version, lease)
    history.write(item, before)
    if former != lease:
        if former:
            leases.detach(former, key)
        if lease:
            leases.attach(lease, key)
    return item


class WriteTxn:
    """One write transaction: all its writes get one revision, that of the store plus 1."""

    __slots__ = ("_before", "_events", "_history", "_leases", "_many", "_store", "revision")

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._history = store.history
        self._leases = store.leases
        self._events: list[Item] = []
        self._many: Pages | None = None  # the first events of very many
        self._before = 0  # how many they are
        self.revision = store.revision + 1

    @property
    def seen(self) -> int:
        """The revision that reads within the transaction see: its own once it has written, else the store's."""
        return self.revision if self._events or self._before else self.revision - 1

    def get(self, key: bytes) -> Item | None:
        """The item of a live key, with the writes of this transaction."""
        item = self._history.newest.get(key)
        return item if item is not None and item[VERSION] else None

    def put(self, key: bytes, value: bytes, lease: int = 0) -> Item:
        """Write a key, and attach it to the lease, which must exist."""
        sub = self._before + len(self._events)
        item = _put(self._history, self._leases, self.revision, sub, key, value, lease)
        self._events.append(item)
        return item

    def delete(self, key: bytes) -> Item | None:
        """Delete one key, and return its item; None if it is not there."""
        before = self._history.newest.get(key)
        if before is None or not before[VERSION]:
            return None
        events = self._events
        item = deleted(self.revision, self._before + len(events), key)
        self._history.write(item, before)
        events.append(item)
        if before[LEASE]:
            self._leases.detach(before[LEASE], key)
        return before

    def delete_range(self, key: bytes, end: bytes) -> Generator[None, None, Pages]:
        """Delete a range in steps, and return the items that it had, in order."""
        gone = Pages()
        index = self._history.index
        page = index.page(key, end, PAGE)
        while page:
            gone.extend([item for item in map(self.delete, page) if item is not None])
            if len(page) < PAGE:
                break
            self.settle()
            yield
            page = index.page(page[-1], end, PAGE, after=True)
        return gone

    def settle(self) -> None:
        """Put away what was written so far, so that nobody has to look at it again. Call it between steps."""
        if self._many is None:
            self._many = Pages()
        self._many.extend(self._events)
        self._events = []
        self._before = len(self._many)

    def end(self) -> Sequence[Item] | Pages:
        """Publish the writes, and return them in order. Without any, the store keeps its revision."""
        self._store.publish(self, bool(self._events) or self._before > 0)
        if self._many is None:
            return self._events
        self.settle()
        return self._many


class Store:
    """Keys with their values at all revisions since the last compaction.

    ``revision`` is that of the last write transaction, 1 at first, and ``compacted`` that of the last compaction, -1 at
    first, as etcd has it. ``size`` is the length of all KeyValues, old ones too: it falls as compacted space is freed.
    """

    __slots__ = ("_txn", "counts", "history", "leases", "revision")

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.counts = Operations()
        self.history = History()
        self.revision = 1
        self._txn: WriteTxn | None = None

    @property
    def compacted(self) -> int:
        """The last compact revision."""
        return self.history.compacted

    @property
    def size(self) -> int:
        """Bytes of all items that are not freed yet."""
        return self.history.size

    @property
    def counted(self) -> int:
        """The revision of which the index counts the live keys: that of the write transaction once it has written."""
        return self.revision if self._txn is None else self._txn.seen

    @property
    def is_writing(self) -> bool:
        """Whether a write transaction has begun and not ended."""
        return self._txn is not None

    # -- writing --

    def begin(self) -> WriteTxn:
        """Begin a write transaction; it has to be ended before the next one begins."""
        if self._txn is not None:
            raise InvariantError("a write transaction begins in another one")
        self._txn = txn = WriteTxn(self)
        return txn

    def put(self, key: bytes, value: bytes, lease: int = 0) -> Item:
        """A write transaction of one put."""
        if self._txn is not None:
            raise InvariantError("a write transaction begins in another one")
        revision = self.revision + 1
        item = _put(self.history, self.leases, revision, 0, key, value, lease)
        self.revision = revision
        return item

    def publish(self, txn: WriteTxn, has_written: bool) -> None:
        """End a write transaction. Only `WriteTxn.end` calls it."""
        if txn is not self._txn:
            raise InvariantError("a write transaction ends that is not the present one")
        self._txn = None
        if has_written:
            self.revision = txn.revision

    # -- reading --

    def get(self, key: bytes) -> Item | None:
        """The item of a live key at the present revision."""
        return self.history.at(key, self.revision)

    def check_revision(self, revision: int) -> None:
        """Raise Refused if a revision is compacted, or in the future; 0 and below stand for the present one."""
        if revision > self.revision:
            raise refused("FUTURE_REVISION")
        if 0 < revision < self.history.compacted:
            raise refused("COMPACTED")

    def view(self, revision: int = 0) -> View:
        """The store at a revision, 0 or below for the present one; Refused as by `check_revision`."""
        self.check_revision(revision)
        return View(self.history, revision if revision > 0 else self.revision)

    # -- compacting --

    def compact(self, revision: int) -> None:
        """Compact: from now on, older revisions are refused. `work` frees their space.

        Refused if the revision is compacted already, or in the future.
        """
        if revision <= self.history.compacted:
            raise refused("COMPACTED")
        if revision > self.revision:
            raise refused("FUTURE_REVISION")
        self.history.compacted = revision

    def work(self, size: int = STEP_WRITES) -> bool:
        """Free some of what is compacted, for a few milliseconds; whether more can be freed now."""
        return self.history.free(size)

    # -- the whole --

    def hash_kv(self, revision: int = 0) -> Generator[None, None, tuple[int, int, int]]:
        """Hash what a compaction at a revision keeps, in steps; returns hash, compact revision and revision.

        So the hash of a revision stays the same before and after every compaction up to it, on every member that has
        come so far. etcd remembers the hashes of compacted revisions for that. Refused as by `check_revision`.
        """
        with self.view(revision) as view:
            value = yield from hash_of(view.bare())
            return value, view.compacted, view.revision

    def hash_history(self, revision: int = 0) -> Generator[None, None, tuple[int, int, int]]:
        """Hash all that is kept up to a revision, old items too; otherwise as `hash_kv`.

        Members that have applied the same log get the same, however far each of them has freed compacted space.
        """
        with self.view(revision) as view:
            value = yield from hash_of(view.kept())
            return value, view.compacted, view.revision

    def capture(self) -> "Captured":
        """The whole store as it is now, to be written in pieces on any thread, while the store goes on."""
        if self._txn is not None:
            raise InvariantError("a store is captured within a write transaction")
        return Captured(self.view())

    def restore(self, pieces: Iterator[bytes]) -> None:
        """Become the store of a capture; Corruption if it is none.

        Every live key is attached to its lease, so restore the lessor first.
        """
        if self._txn is not None:
            raise InvariantError("a store is restored within a write transaction")
        revision, history = read_pieces(pieces)
        self.history = history
        self.revision = revision
        for key, item in history.newest.items():
            if item[LEASE]:
                self.leases.attach(item[LEASE], key)


class Captured:
    """A store at one revision, as pieces of bytes of about a megabyte. Iterate once, on any thread, and then close it.

    Until then no compaction after it frees anything. A capture that nobody holds any more counts as closed.
    """

    __slots__ = ("_view",)

    def __init__(self, view: View) -> None:
        self._view = view

    def __iter__(self) -> Iterator[bytes]:
        return pieces_of(self._view)

    def close(self) -> None:
        """Let go of the revision. May be called again."""
        self._view.close()
