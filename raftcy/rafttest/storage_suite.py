"""What raft and its applications rely on in a storage, as tests that any storage can be run against.

With a test runner that collects classes, such as pytest, each rule is a test::

    class TestMyStorage(StorageSuite):
        def make(self):
            return MyStorage(tempfile.mkdtemp())

        def reopen(self, storage):
            storage.close()
            return MyStorage(storage.folder)

Without one::

    for name, error in failures(TestMyStorage()):
        print(name, error)

The suite writes by the methods of ``MemoryStorage``: set_hard_state, append, apply_snapshot, create_snapshot and
compact. A storage that calls them otherwise overrides those of the suite. What it cannot do at all raises
``unittest.SkipTest`` there, and the tests that need it are skipped.
"""

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..core.config import Config
from ..core.hardstate import is_empty_hard_state
from ..core.rawnode import RawNode
from ..core.storage import Storage
from ..errors import Compacted, SnapshotOutOfDate, Unavailable
from ..wire import consts as k
from ..wire.enums import EntryType
from ..wire.messages import ConfState, Entry, HardState, Snapshot, SnapshotMetadata

__all__ = ["StorageSuite", "failures"]

_MEMBERS = ConfState(voters=[1, 2, 3], learners=[7], auto_leave=False)


def failures(suite: "StorageSuite") -> list[tuple[str, Exception]]:
    """Run every test of a suite; the names of those that failed, or were skipped, with what they raised."""
    found: list[tuple[str, Exception]] = []
    for name in sorted(each for each in dir(suite) if each.startswith("test_")):
        try:
            getattr(suite, name)()
        except Exception as error:
            found.append((name, error))
    return found


class StorageSuite:
    """The tests. A subclass says how to ``make`` an empty storage; for durable ones, how to ``reopen`` one.

    Each test makes its own storages. A rule that is broken is an AssertionError that says what was expected.
    """

    random_runs = 20
    """How many sequences of ``random_steps`` operations are compared with a plain list of entries."""
    random_steps = 60

    # -- what a storage says of itself ---------------------------------------------------------------------------

    def make(self) -> Any:
        """A new, empty storage."""
        raise NotImplementedError("override make() to return a new, empty storage")

    def reopen(self, storage: Any) -> Any:
        """The storage as it is found after a restart; by default it is not restarted at all."""
        return storage

    def set_hard_state(self, storage: Any, st: HardState) -> None:
        """Store a hard state."""
        storage.set_hard_state(st)

    def append(self, storage: Any, entries: list[Entry]) -> None:
        """Store entries, in place of those from the first one's index on."""
        storage.append(entries)

    def apply_snapshot(self, storage: Any, snapshot: Snapshot) -> None:
        """Put a snapshot in place of the log."""
        storage.apply_snapshot(snapshot)

    def create_snapshot(self, storage: Any, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """Make and keep a snapshot of the state up to an entry."""
        return storage.create_snapshot(i, cs, data)  # type: ignore[no-any-return]

    def compact(self, storage: Any, compact_index: int) -> None:
        """Drop the entries up to an index."""
        storage.compact(compact_index)

    # -- the start -----------------------------------------------------------------------------------------------

    def test_it_has_every_method(self) -> None:
        """It is a Storage."""
        _true("has all methods of Storage", isinstance(self.make(), Storage))

    def test_a_new_storage_is_empty(self) -> None:
        """No hard state, no members, nothing from index 1 on, term 0 before that, and a snapshot of index 0."""
        storage = self.reopen(self.make())
        hard_state, members = storage.initial_state()
        _true("the hard state is None or empty", is_empty_hard_state(hard_state))
        _equal("the members", members, ConfState())
        _holds(storage, _Model())

    def test_the_hard_state_comes_back(self) -> None:
        """The one that was stored last, whole."""
        storage = self.make()
        for state in (
            HardState(term=1, vote=2, commit=0),
            HardState(term=2**64 - 1, vote=2**63, commit=2**64 - 2),
            HardState(term=2**64 - 1, vote=0, commit=3),
        ):
            self.set_hard_state(storage, state)
            storage = self.reopen(storage)
            _equal("the hard state", storage.initial_state()[0], state)

    # -- entries -------------------------------------------------------------------------------------------------

    def test_entries_come_back_as_they_were(self) -> None:
        """Byte for byte, with what is present and what is absent, whatever the size and the order of writing."""
        entries = [
            Entry(term=1, index=1),
            Entry(term=1, index=2, data=b""),
            Entry(type=EntryType.NORMAL, term=1, index=3, data=b"\x00\xff\n"),
            Entry(type=EntryType.CONF_CHANGE_V2, term=2, index=4, data=bytes(range(256))),
            Entry(term=2**64 - 1, index=5, data=b"x" * 2_000_000),
        ]
        storage = self.make()
        for e in entries:
            self.append(storage, [e])
        storage = self.reopen(storage)
        found = storage.entries(1, 6, k.NO_LIMIT)
        _equal("the encodings", [e.encode() for e in found], [e.encode() for e in entries])

    def test_every_range_can_be_read(self) -> None:
        """``entries(lo, hi)`` gives lo to hi - 1 for each pair; all terms are known, and nothing outside the log is."""
        model = _Model()
        storage = self.fill(model, last=6)
        _holds(storage, model)

    def test_a_limit_ends_a_range(self) -> None:
        """As many entries as fit by encoded size, but at least one."""
        model = _Model()
        storage = self.fill(model, last=6)
        sizes = [len(e.encode()) for e in model.log]
        for count in range(1, 7):
            for spare in (0, 1, sizes[count] - 1 if count < 6 else 5):
                limit = sum(sizes[:count]) + spare
                _equal(f"entries within {limit} bytes", len(storage.entries(1, 7, limit)), count)
        for limit in (0, 1, sizes[0] - 1):
            _equal(f"entries within {limit} bytes", storage.entries(1, 7, limit), model.log[:1])
        _equal("a limit within a range", storage.entries(3, 5, sizes[2]), model.log[2:3])

    def test_a_returned_list_is_the_callers(self) -> None:
        """Changing it changes nothing in the storage."""
        model = _Model()
        storage = self.fill(model, last=4)
        taken = storage.entries(1, 5, k.NO_LIMIT)
        taken.append(Entry(term=9, index=5))
        del taken[0]
        taken[0] = Entry(term=9, index=2)
        _holds(storage, model)

    def test_an_appended_list_is_the_callers(self) -> None:
        """Changing it afterwards changes nothing in the storage."""
        model = _Model()
        storage = self.make()
        given = _run(1, 1, 4)
        self.append(storage, given)
        model.append(given)
        given.clear()
        _holds(storage, model)

    def test_appending_nothing_changes_nothing(self) -> None:
        """An empty list is no error."""
        model = _Model()
        storage = self.fill(model, last=3)
        self.append(storage, [])
        _holds(self.reopen(storage), model)

    def test_appending_replaces_what_follows(self) -> None:
        """From the first new index on, everything stored before is gone, also where the new entries are fewer."""
        for first, count in ((4, 2), (3, 1), (2, 1), (1, 1), (1, 6)):
            model = _Model()
            storage = self.fill(model, last=3)
            entries = _run(first, 7, count)
            self.append(storage, entries)
            model.append(entries)
            _holds(self.reopen(storage), model)

    def test_a_gap_is_refused(self) -> None:
        """Entries that do not connect to the log are an error, and nothing is stored."""
        model = _Model()
        storage = self.fill(model, last=3)
        _raises(Exception, "append() after a gap", lambda: self.append(storage, _run(5, 1, 2)))
        _holds(self.reopen(storage), model)

    # -- snapshots -----------------------------------------------------------------------------------------------

    def test_a_snapshot_replaces_the_log(self) -> None:
        """Its index and term stand before the first entry, and the log goes on from there."""
        for index in (2, 3, 9):
            model = _Model()
            storage = self.fill(model, last=3)
            self.set_hard_state(storage, HardState(term=5, vote=1, commit=3))
            snapshot = _snapshot(index, 4, b"state")
            self.apply_snapshot(storage, snapshot)
            model.apply_snapshot(snapshot)
            storage = self.reopen(storage)
            _holds(storage, model)
            _equal("the hard state", storage.initial_state()[0], HardState(term=5, vote=1, commit=3))
            entries = _run(index + 1, 5, 2)
            self.append(storage, entries)
            model.append(entries)
            _holds(self.reopen(storage), model)

    def test_an_old_snapshot_is_refused(self) -> None:
        """One that is not newer than the present one is SnapshotOutOfDate, and nothing changes."""
        model = _Model()
        storage = self.fill(model, last=2, snapshot=_snapshot(5, 2, b"new"))
        for index in (0, 4, 5):
            refused = partial(self.apply_snapshot, storage, _snapshot(index, 2, b"old"))
            _raises(SnapshotOutOfDate, f"apply_snapshot() of index {index}", refused)
            _holds(storage, model)

    def test_members_can_be_set_first(self) -> None:
        """A snapshot of index 0 sets the members of a new group; a later one replaces it, also of index 0."""
        storage = self.make()
        for voters in ([1], [1, 2]):
            first = Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=voters)))
            self.apply_snapshot(storage, first)
            storage = self.reopen(storage)
            _equal("the members", storage.initial_state()[1], ConfState(voters=voters))
            _equal("the first index", storage.first_index(), 1)

    def test_metadata_is_complete(self) -> None:
        """Whatever a snapshot came with, its metadata is all there, and auto_leave in its conf state."""
        for metadata in (
            SnapshotMetadata(index=3),
            SnapshotMetadata(index=3, term=0, conf_state=ConfState(voters=[2])),
            SnapshotMetadata(index=3, term=2, conf_state=ConfState(auto_leave=True, voters_outgoing=[1])),
        ):
            storage = self.make()
            self.apply_snapshot(storage, Snapshot(metadata=metadata))
            storage = self.reopen(storage)
            _complete(storage.snapshot())
            _equal("the metadata", storage.snapshot().metadata, metadata)
            _true("there is no data", not storage.snapshot().has("data"))
            _true("auto_leave of the members is there", storage.initial_state()[1].has("auto_leave"))
        _complete(self.make().snapshot())

    def test_a_snapshot_is_made_of_what_is_stored(self) -> None:
        """``create_snapshot`` takes the term from the log and leaves the log alone; without members they stay."""
        model = _Model()
        storage = self.fill(model, last=6)
        made = self.create_snapshot(storage, 3, _MEMBERS, b"three")
        _equal("the snapshot made", made, _snapshot(3, model.term(3), b"three"))
        storage = self.reopen(storage)
        _equal("the snapshot kept", storage.snapshot(), made)
        _complete(storage.snapshot())
        _equal("the members", storage.initial_state()[1], _MEMBERS)
        again = self.create_snapshot(storage, 5, None, None)
        _equal("the members of the next one", again.metadata.conf_state, _MEMBERS)
        _true("there is no data", not again.has("data"))
        model.snapshot = again
        _holds(self.reopen(storage), model)

    def test_a_snapshot_of_nothing_new_is_refused(self) -> None:
        """``create_snapshot`` not after the present one is SnapshotOutOfDate, beyond the log an error."""
        model = _Model()
        storage = self.fill(model, last=6)
        model.snapshot = self.create_snapshot(storage, 4, _MEMBERS, b"four")
        for index in (0, 3, 4):
            refused = partial(self.create_snapshot, storage, index, _MEMBERS, b"")
            _raises(SnapshotOutOfDate, f"create_snapshot({index})", refused)
        _raises(Exception, "create_snapshot(7)", lambda: self.create_snapshot(storage, 7, _MEMBERS, b""))
        _holds(self.reopen(storage), model)

    # -- compaction ----------------------------------------------------------------------------------------------

    def test_compaction_drops_a_prefix(self) -> None:
        """The entries up to the index go, its term stays known, and so do snapshot and hard state."""
        for steps in ((1,), (3,), (6,), (1, 2, 5), (4, 6)):
            model = _Model()
            storage = self.fill(model, last=6)
            self.set_hard_state(storage, HardState(term=3, vote=1, commit=6))
            for index in steps:
                self.compact(storage, index)
                model.compact(index)
                storage = self.reopen(storage)
                _holds(storage, model)
            _equal("the hard state", storage.initial_state()[0], HardState(term=3, vote=1, commit=6))

    def test_compaction_has_its_bounds(self) -> None:
        """Not after the first index - 1 it is Compacted, beyond the last index an error; nothing changes."""
        model = _Model()
        storage = self.fill(model, last=6)
        self.compact(storage, 3)
        model.compact(3)
        for index in (0, 2, 3):
            _raises(Compacted, f"compact({index})", partial(self.compact, storage, index))
        _raises(Exception, "compact(7)", lambda: self.compact(storage, 7))
        _holds(self.reopen(storage), model)

    def test_the_log_goes_on_after_compaction(self) -> None:
        """Entries before the first index are skipped, and those that overlap replace what follows."""
        for compacted in (3, 6):
            for first, count in ((1, 2), (2, 3), (1, 9), (7, 2), (compacted + 1, 1)):
                model = _Model()
                storage = self.fill(model, last=6)
                self.compact(storage, compacted)
                model.compact(compacted)
                entries = _run(first, 9, count)
                self.append(storage, entries)
                model.append(entries)
                _holds(self.reopen(storage), model)

    def test_indexes_may_be_large(self) -> None:
        """Above 2**63 as well."""
        for index in (2**31 - 1, 2**32, 2**53 + 1, 2**63, 2**64 - 20):
            model = _Model()
            storage = self.fill(model, last=5, snapshot=_snapshot(index, index - 1, b""))
            _holds(storage, model)
            self.compact(storage, index + 2)
            model.compact(index + 2)
            _holds(self.reopen(storage), model)

    # -- all together --------------------------------------------------------------------------------------------

    def test_random_operations(self) -> None:
        """Any sequence of operations leaves what it leaves in a plain list. The sequences are the same each time."""
        for seed in range(self.random_runs):
            chance = random.Random(seed)
            storage, model = self.make(), _Model()
            for _ in range(self.random_steps):
                storage = self._random_step(chance, storage, model)
                _holds(storage, model, every_range=False)
            _holds(self.reopen(storage), model)

    def test_a_node_runs_on_it(self) -> None:
        """A group of one elects itself, commits, compacts, and finds everything again after a restart."""
        storage = self.make()
        self.apply_snapshot(storage, _snapshot(4, 1, b"", ConfState(voters=[1])))
        applied: list[Entry] = []
        for life in range(1, 4):
            node = RawNode(_config(storage))
            node.campaign()
            self._drive(node, storage, applied)
            for number in range(5):
                node.propose(b"%d of %d" % (number, life))
                self._drive(node, storage, applied)
            _equal("the last applied index", applied[-1].index, storage.last_index())
            self.compact(storage, applied[-1].index - 2)
            storage = self.reopen(storage)
            _equal("the stored term", storage.initial_state()[0].term, node.basic_status().term)
        proposals = {e.index: e.data for e in applied if e.data}
        _equal(
            "the proposals", list(proposals.values()), [b"%d of %d" % (n, life) for life in (1, 2, 3) for n in range(5)]
        )

    # -- parts of tests ------------------------------------------------------------------------------------------

    def fill(self, model: "_Model", last: int, snapshot: Snapshot | None = None) -> Any:
        """A storage, reopened, and its model, with ``last`` entries of rising terms after an optional snapshot."""
        storage = self.make()
        if snapshot is not None:
            self.apply_snapshot(storage, snapshot)
            model.apply_snapshot(snapshot)
        for place in range(1, last + 1):
            entries = _run(model.index + place, model.before + 1 + place // 2, 1)
            self.append(storage, entries)
            model.append(entries)
        return self.reopen(storage)

    def _random_step(self, chance: random.Random, storage: Any, model: "_Model") -> Any:
        last = model.last_index()
        step = chance.randrange(10)
        if step < 5:
            first = chance.randint(max(1, model.index - 2), last + 1)
            entries = _run(first, chance.randrange(1, 50), chance.randrange(6))
            self.append(storage, entries)
            model.append(entries)
        elif step < 7 and model.log:
            index = chance.randint(model.index + 1, last)
            self.compact(storage, index)
            model.compact(index)
        elif step == 7:
            return self.reopen(storage)
        elif step == 8 and last > max(model.snapshot.metadata.index, model.index):
            index = chance.randint(max(model.snapshot.metadata.index, model.index) + 1, last)
            data = chance.randbytes(3)
            model.snapshot = _snapshot(index, model.term(index), data)
            _equal("the snapshot made", self.create_snapshot(storage, index, _MEMBERS, data), model.snapshot)
        elif step == 9:
            snapshot = _snapshot(max(1, model.snapshot.metadata.index) + chance.randrange(1, 9), 3, chance.randbytes(3))
            self.apply_snapshot(storage, snapshot)
            model.apply_snapshot(snapshot)
        return storage

    def _drive(self, node: RawNode, storage: Any, applied: list[Entry]) -> None:
        while node.has_ready():
            ready = node.ready()
            if ready.hard_state is not None:
                self.set_hard_state(storage, ready.hard_state)
            self.append(storage, ready.entries)
            applied += ready.committed_entries
            node.advance()


class _Model:
    """The same in the plainest form: the index and term before the log, and the log."""

    def __init__(self) -> None:
        self.index = 0
        self.before = 0
        self.log: list[Entry] = []
        self.snapshot = Snapshot()

    def last_index(self) -> int:
        return self.index + len(self.log)

    def term(self, i: int) -> int:
        return self.before if i == self.index else self.log[i - self.index - 1].term

    def append(self, entries: list[Entry]) -> None:
        entries = [e for e in entries if e.index > self.index]
        if entries:
            self.log = [e for e in self.log if e.index < entries[0].index] + entries

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.index, self.before, self.log = snapshot.metadata.index, snapshot.metadata.term, []

    def compact(self, i: int) -> None:
        self.before, self.log, self.index = self.term(i), self.log[i - self.index :], i


def _holds(storage: Any, model: _Model, every_range: bool = True) -> None:
    """Whether everything that raft can read is as in the model."""
    first, last = model.index + 1, model.last_index()
    _equal("the first index", storage.first_index(), first)
    _equal("the last index", storage.last_index(), last)
    for i in range(model.index, last + 1):
        _equal(f"the term at {i}", storage.term(i), model.term(i))
    _raises(Unavailable, f"term({last + 1})", lambda: storage.term(last + 1))
    if model.index > 0:
        _raises(Compacted, f"term({model.index - 1})", lambda: storage.term(model.index - 1))
    _raises(Compacted, f"entries({model.index}, …)", lambda: storage.entries(model.index, last + 1, k.NO_LIMIT))
    for lo, hi in _ranges(first, last + 1) if every_range else ([(first, last + 1)] if model.log else []):
        wanted = model.log[lo - first : hi - first]
        _equal(f"the entries {lo} to {hi - 1}", storage.entries(lo, hi, k.NO_LIMIT), wanted)
    _equal("the snapshot", storage.snapshot(), model.snapshot)
    _equal("the members", storage.initial_state()[1], model.snapshot.metadata.conf_state)


def _ranges(first: int, end: int) -> Iterator[tuple[int, int]]:
    for lo in range(first, end):
        for hi in range(lo + 1, end + 1):
            yield lo, hi


def _run(first: int, term: int, count: int) -> list[Entry]:
    return [Entry(term=term, index=first + n, data=b"entry %d" % (first + n)) for n in range(count)]


def _snapshot(index: int, term: int, data: bytes, members: ConfState = _MEMBERS) -> Snapshot:
    return Snapshot(data=data, metadata=SnapshotMetadata(conf_state=members, index=index, term=term))


def _config(storage: Any) -> Config:
    return Config(
        id=1,
        election_tick=10,
        heartbeat_tick=1,
        storage=storage,
        max_size_per_msg=k.NO_LIMIT,
        max_inflight_msgs=9,
        random=random.Random(1),
    )


def _complete(snapshot: Snapshot) -> None:
    for name in ("conf_state", "index", "term"):
        _true(f"{name} of the metadata is there", snapshot.metadata.has(name))
    _true("auto_leave of the snapshot's members is there", snapshot.metadata.conf_state.has("auto_leave"))


def _true(what: str, holds: bool) -> None:
    if not holds:
        raise AssertionError(f"expected that {what}")


def _equal(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f"{what}: expected {wanted!r}, found {found!r}")


def _raises(error: type[Exception], what: str, call: Callable[[], Any]) -> None:
    try:
        found = call()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what}: expected {error.__name__}, found {other!r}") from other
    raise AssertionError(f"{what}: expected {error.__name__}, found {found!r}")
