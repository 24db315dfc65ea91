"""StorageSuite: tests for everything that raft and its drivers rely on in a LogStorage.

A test runner that collects classes, such as pytest, runs each rule as a test::

    class TestMyStorage(StorageSuite):
        def open(self, place):
            return MyStorage(place)

Without a test runner::

    for name, error in failures(TestMyStorage()):
        print(name, error)

``place`` is a folder. The suite writes as a driver does, by ``save``, ``create_snapshot``, ``compact`` and ``sync``,
and compares the storage with MemoryStorage after every call and every crash. To crash, it opens a copy of the folder
while the first storage is still alive, so that closing or collecting it can write nothing. After a crash the storage
must be as after one of the calls since the last ``sync``: with all of that call, and nothing of the next one.

By itself the suite cannot see

- what a crash *inside* a call leaves. Override ``crashes`` to yield the folders that a crash within the last call may
  leave, one for each write to a file;
- whether a ``sync`` has reached the disk. A copy of a folder has everything that the operating system knows, flushed or
  not. Override ``power_cuts`` to yield folders with flushed data only, as recorded by a file layer of your own;
- a failing disk, and two processes on one folder.

If your storage is not in a folder, override ``make``, ``crash`` and ``restart`` instead of ``open``. If a test does not
apply, override it to raise ``unittest.SkipTest``.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

from ..core.config import Config
from ..core.log_storage import LogStorage, check_log_storage, compact_log
from ..core.storage import MemoryStorage
from ..errors import Compacted, SnapshotOutOfDate
from ..replica.driver import Driver
from ..wire import consts as k
from ..wire.enums import EntryType
from ..wire.messages import ConfState, Entry, HardState, Snapshot, SnapshotMetadata
from .storage_history import Step, draw
from .storage_model import complete, equal, holds, one_of, raises, run, true

__all__ = ["StorageSuite", "failures"]

_MEMBERS = ConfState(voters=[1, 2, 3], learners=[7], auto_leave=False)


def failures(suite: "StorageSuite") -> list[tuple[str, Exception]]:
    """Run every test of a suite. Return the name and the error of each test that failed or was skipped."""
    found: list[tuple[str, Exception]] = []
    for name in sorted(each for each in dir(suite) if each.startswith("test_")):
        try:
            getattr(suite, name)()
        except Exception as error:
            found.append((name, error))
        finally:
            suite.teardown_method()
    return found


class StorageSuite:
    """Tests a storage. A subclass defines how to ``open`` the storage in a folder.

    Each test creates its own storages. A broken rule raises an AssertionError that says what was expected.
    """

    random_runs = 20
    """The number of random histories, of ``random_steps`` steps each. Every run of the suite has the same histories."""
    random_steps = 60

    _root: Path | None = None
    _places: dict[int, Path]
    _living: list[Any]

    # -- methods to override -------------------------------------------------------------------------------------

    def open(self, place: Path) -> Any:
        """Open the storage in the folder ``place``, which is empty or was written by an earlier storage."""
        raise NotImplementedError("override open(place), or make(), crash(storage) and restart(storage)")

    def crashes(self, storage: Any) -> Iterator[Path]:
        """Yield the folders that a crash within the last ``save``, ``create_snapshot`` or ``compact`` may leave.

        Each must be a separate folder (``new_place``), which the suite opens and writes to. By default there are none.
        """
        return iter(())

    def power_cuts(self, storage: Any) -> Iterator[Path]:
        """Yield the folders that a power cut now may leave, like ``crashes``, with flushed data only."""
        return iter(())

    def make(self) -> Any:
        """Create an empty storage."""
        return self._opened(self.new_place())

    def crash(self, storage: Any) -> Any:
        """Return the storage as a crash leaves it, without closing ``storage``."""
        place = self.new_place()
        shutil.copytree(self._place_of(storage), place, dirs_exist_ok=True)
        return self._opened(place)

    def restart(self, storage: Any) -> Any:
        """Close the storage, and open it again."""
        place = self._place_of(storage)
        storage.close()
        return self._opened(place)

    def new_place(self) -> Path:
        """Create an empty folder, which is removed after the test."""
        if self._root is None:
            self._root, self._places, self._living = Path(tempfile.mkdtemp(prefix="raftcy-storage-")), {}, []
        return Path(tempfile.mkdtemp(dir=self._root))

    def teardown_method(self) -> None:
        """Close the storages and remove the folders, after each test."""
        if self._root is None:
            return
        for storage in self._living:
            self._close(storage)
        shutil.rmtree(self._root, ignore_errors=True)
        self._root = None

    def _opened(self, place: Path) -> Any:
        storage = self.open(place)
        self._places[id(storage)] = place
        self._living.append(storage)
        return storage

    def _place_of(self, storage: Any) -> Path:
        if self._root is None or id(storage) not in self._places:
            raise NotImplementedError("override open(place), or make(), crash(storage) and restart(storage)")
        return self._places[id(storage)]

    def _close(self, storage: Any) -> None:
        with suppress(Exception):  # it may be closed already, and tests have found other faults before
            storage.close()

    # -- the start -----------------------------------------------------------------------------------------------

    def test_it_has_every_method(self) -> None:
        """The storage is a LogStorage, and a driver uses it without an adapter."""
        storage = self.make()
        true("the storage has all methods of LogStorage", isinstance(storage, LogStorage))
        true("a driver writes to the storage by save and sync", check_log_storage(storage) is storage)

    def test_a_new_storage_is_empty(self) -> None:
        """It has no hard state, members or entries, first index 1, term 0 at index 0, and a snapshot of index 0."""
        storage = self.make()
        holds(storage, MemoryStorage())
        holds(self.crash(storage), MemoryStorage())

    def test_the_hard_state_comes_back(self) -> None:
        """The storage returns the last hard state, complete, whatever else was saved with it or after it."""
        storage = self.make()
        for state in (
            HardState(term=1, vote=2),
            HardState(term=2),
            HardState(term=2, vote=3),
            HardState(term=2**63, vote=2**63),
            HardState(term=2**64 - 1, vote=2**64 - 1),
        ):
            storage.save(state, [], None)
            storage.save(None, [], None)
            storage = self.synced(storage)
            equal("the hard state", storage.initial_state()[0], state)

    # -- entries -------------------------------------------------------------------------------------------------

    def test_entries_come_back_as_they_were(self) -> None:
        """Entries keep their bytes, with the same fields present and absent, whatever their size."""
        entries = [
            Entry(term=1, index=1),
            Entry(term=1, index=2, data=b""),
            Entry(type=EntryType.NORMAL, term=1, index=3, data=b"\x00\xff\n"),
            Entry(type=EntryType.CONF_CHANGE_V2, term=2, index=4, data=bytes(range(256))),
            Entry(term=2**64 - 1, index=5, data=b"x" * 2_000_000),
        ]
        storage = self.make()
        storage.save(HardState(term=2**64 - 1), None, None)
        for e in entries:
            storage.save(None, [e], None)
        storage = self.synced(storage)
        found = storage.entries(1, 6, k.NO_LIMIT)
        equal("the encodings", [e.encode() for e in found], [e.encode() for e in entries])

    def test_every_range_can_be_read(self) -> None:
        """``entries(lo, hi)`` returns lo to hi - 1 for each pair. ``term`` knows the terms in the log and no others."""
        model = MemoryStorage()
        storage = self.fill(model, last=6)
        holds(storage, model)

    def test_a_limit_ends_a_range(self) -> None:
        """``entries`` returns as many entries as fit by encoded size, but at least one."""
        model = MemoryStorage()
        storage = self.fill(model, last=6)
        entries = model.entries(1, 7, k.NO_LIMIT)
        sizes = [len(e.encode()) for e in entries]
        for count in range(1, 7):
            for spare in (0, 1, sizes[count] - 1 if count < 6 else 5):
                limit = sum(sizes[:count]) + spare
                equal(f"entries within {limit} bytes", len(storage.entries(1, 7, limit)), count)
        for limit in (0, 1, sizes[0] - 1):
            equal(f"entries within {limit} bytes", storage.entries(1, 7, limit), entries[:1])
        equal("a limit within a range", storage.entries(3, 5, sizes[2]), entries[2:3])

    def test_a_returned_list_is_the_callers(self) -> None:
        """Changing a list that ``entries`` returned does not change the storage."""
        model = MemoryStorage()
        storage = self.fill(model, last=4)
        taken = storage.entries(1, 5, k.NO_LIMIT)
        taken.append(Entry(term=9, index=5))
        del taken[0]
        taken[0] = Entry(term=9, index=2)
        holds(storage, model)

    def test_a_saved_list_is_the_callers(self) -> None:
        """Changing a list after passing it to ``save`` does not change the storage."""
        model = MemoryStorage()
        storage = self.make()
        given = run(1, 1, 4)
        self.save(storage, model, HardState(term=1), given)
        given.clear()
        holds(storage, model)
        holds(self.synced(storage), model)

    def test_saving_nothing_changes_nothing(self) -> None:
        """``save`` accepts None and an empty list as no entries."""
        model = MemoryStorage()
        storage = self.fill(model, last=3)
        for nothing in (None, list[Entry]()):
            self.save(storage, model, None, nothing)
            holds(storage, model)
        holds(self.synced(storage), model)

    def test_entries_replace_what_follows(self) -> None:
        """New entries replace the log from their first index on, also if they are fewer than before."""
        for first, count in ((4, 2), (3, 1), (2, 1), (1, 1), (1, 6)):
            model = MemoryStorage()
            storage = self.fill(model, last=3)
            self.save(storage, model, HardState(term=7), run(first, 7, count))
            holds(storage, model)
            holds(self.synced(storage), model)

    def test_a_gap_is_refused(self) -> None:
        """``save`` refuses entries that do not connect to the log, and then does not store the hard state either."""
        model = MemoryStorage()
        storage = self.fill(model, last=3)
        for entries in (run(5, 1, 2), run(4, 1, 1) + run(6, 1, 1)):
            refused = partial(storage.save, HardState(term=8, vote=1), entries, None)
            raises(Exception, "save() with a gap", refused)
            holds(storage, model)
        holds(self.synced(storage), model)

    # -- snapshots -----------------------------------------------------------------------------------------------

    def test_a_snapshot_replaces_the_log(self) -> None:
        """The log starts after the snapshot's index and term, and continues in the same ``save`` or later."""
        for index in (2, 3, 9):
            for count in (0, 2):
                model = MemoryStorage()
                storage = self.fill(model, last=3)
                state = HardState(term=5, vote=1, commit=index)
                self.save(storage, model, state, run(index + 1, 5, count), _snapshot(index, 4, b"state"))
                holds(storage, model)
                storage = self.synced(storage)
                holds(storage, model)
                self.save(storage, model, None, run(index + 1 + count, 5, 2))
                holds(self.synced(storage), model)

    def test_an_old_snapshot_is_refused(self) -> None:
        """A snapshot that is not newer than the current one raises SnapshotOutOfDate, and nothing is stored."""
        model = MemoryStorage()
        storage = self.fill(model, last=2, snapshot=_snapshot(5, 2, b"new"))
        for index in (0, 4, 5):
            refused = partial(storage.save, HardState(term=9, commit=7), run(8, 3, 1), _snapshot(index, 2, b"old"))
            raises(SnapshotOutOfDate, f"save() with a snapshot of index {index}", refused)
            holds(storage, model)
        holds(self.synced(storage), model)

    def test_members_can_be_set_first(self) -> None:
        """A snapshot of index 0 sets the members of a new group. A later one, also of index 0, replaces it."""
        model, storage = MemoryStorage(), self.make()
        for voters in ([1], [1, 2]):
            self.save(
                storage, model, None, None, Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=voters)))
            )
            storage = self.synced(storage)
            holds(storage, model)

    def test_metadata_is_complete(self) -> None:
        """A stored snapshot has all fields of its metadata present, also ``auto_leave`` of its ConfState."""
        for metadata in (
            SnapshotMetadata(index=3, conf_state=ConfState(voters=[1])),
            SnapshotMetadata(index=3, term=0, conf_state=ConfState(voters=[2], auto_leave=False)),
            SnapshotMetadata(
                index=3,
                term=1,
                conf_state=ConfState(auto_leave=True, voters=[2], voters_outgoing=[1], learners_next=[1]),
            ),
        ):
            storage = self.make()
            storage.save(HardState(term=1, commit=3), None, Snapshot(metadata=metadata))
            for each in (storage, self.synced(storage)):
                complete(each.snapshot())
                equal("the metadata", each.snapshot().metadata, metadata)
                true("there is no data", not each.snapshot().has("data"))
                true("auto_leave of the members is there", each.initial_state()[1].has("auto_leave"))
        complete(self.make().snapshot())

    def test_a_snapshot_is_made_of_what_is_stored(self) -> None:
        """``create_snapshot`` takes the term from the log, keeps the log, and with None keeps the members."""
        model = MemoryStorage()
        storage = self.fill(model, last=6, commit=6)
        made = storage.create_snapshot(3, _MEMBERS, b"three")
        equal("the snapshot made", made, model.create_snapshot(3, _MEMBERS, b"three"))
        holds(storage, model)
        storage = self.synced(storage)
        holds(storage, model)
        complete(storage.snapshot())
        again = storage.create_snapshot(5, None, None)
        equal("the members of the next one", again.metadata.conf_state, _MEMBERS)
        true("there is no data", not again.has("data"))
        model.create_snapshot(5, None, None)
        storage = self.synced(storage)
        holds(storage, model)
        other = ConfState(voters=[4], learners=[1, 2], auto_leave=False)
        equal("the members of the last one", storage.create_snapshot(6, other, b"").metadata.conf_state, other)
        model.create_snapshot(6, other, b"")
        holds(self.synced(storage), model)

    def test_a_snapshot_of_nothing_new_is_refused(self) -> None:
        """``create_snapshot`` raises SnapshotOutOfDate up to the current snapshot, and an error beyond the log."""
        model = MemoryStorage()
        storage = self.fill(model, last=6, commit=6)
        for each in (storage, model):
            each.create_snapshot(4, _MEMBERS, b"four")
        for index in (0, 3, 4):
            refused = partial(storage.create_snapshot, index, _MEMBERS, b"")
            raises(SnapshotOutOfDate, f"create_snapshot({index})", refused)
        raises(Exception, "create_snapshot(7)", lambda: storage.create_snapshot(7, _MEMBERS, b""))
        holds(storage, model)
        holds(self.synced(storage), model)

    def test_a_snapshot_without_voters_is_refused(self) -> None:
        """``create_snapshot`` needs voters: a node that starts from a snapshot without them never has a leader."""
        model = MemoryStorage()
        storage = self.fill(model, last=6, commit=6)
        for members in (None, ConfState(), ConfState(learners=[1])):
            refused = partial(storage.create_snapshot, 4, members, b"four")
            raises(Exception, "create_snapshot() without voters", refused)
            holds(storage, model)
        holds(self.synced(storage), model)

    # -- compaction ----------------------------------------------------------------------------------------------

    def test_compaction_drops_a_prefix(self) -> None:
        """``compact`` drops entries up to an index. The term there, the snapshot and the hard state stay."""
        for steps in ((1,), (3,), (6,), (1, 2, 5), (4, 6)):
            model = MemoryStorage()
            storage = self.fill(model, last=6, commit=6, snapshot_at=6)
            for index in steps:
                storage.compact(index)
                model.compact(index)
                holds(storage, model)
                storage = self.synced(storage)
                holds(storage, model)

    def test_compaction_has_its_bounds(self) -> None:
        """``compact`` raises Compacted below the first index and an error beyond the last one, and changes nothing."""
        model = MemoryStorage()
        storage = self.fill(model, last=6, commit=6, snapshot_at=6)
        storage.compact(3)
        model.compact(3)
        for index in (0, 2, 3):
            raises(Compacted, f"compact({index})", partial(storage.compact, index))
        raises(Exception, "compact(7)", lambda: storage.compact(7))
        holds(storage, model)
        holds(self.synced(storage), model)

    def test_the_log_goes_on_after_compaction(self) -> None:
        """``save`` skips compacted entries, and the remaining ones replace the log."""
        for compacted in (3, 6):
            for first, count in ((1, 2), (2, 3), (1, 9), (7, 2), (compacted + 1, 1)):
                model = MemoryStorage()
                storage = self.fill(model, last=6, commit=3, snapshot_at=3)
                if compacted == 6:
                    self.save(storage, model, HardState(term=5, commit=6), None)
                    for each in (storage, model):
                        each.create_snapshot(6, _MEMBERS, b"six")
                storage.compact(compacted)
                model.compact(compacted)
                self.save(storage, model, HardState(term=9, commit=compacted), run(first, 9, count))
                holds(storage, model)
                holds(self.synced(storage), model)

    def test_indexes_may_be_large(self) -> None:
        """Indexes and terms far above 2**63 are stored as they are."""
        for index in (2**31 - 1, 2**32, 2**53 + 1, 2**63, 2**64 - 20):
            model = MemoryStorage()
            storage = self.fill(model, last=5, snapshot=_snapshot(index, index - 1, b""))
            holds(storage, model)
            self.save(storage, model, HardState(term=2**64 - 1, commit=index + 4), None)
            for each in (storage, model):
                each.create_snapshot(index + 3, _MEMBERS, b"")
                each.compact(index + 2)
            holds(storage, model)
            holds(self.synced(storage), model)

    # -- crashes -------------------------------------------------------------------------------------------------

    def test_what_was_synced_survives(self) -> None:
        """A crash after a ``sync`` loses nothing, after each kind of write and after several of them."""
        model = MemoryStorage()
        storage = self.make()
        for step in (
            ("save", HardState(term=1, vote=3), run(1, 1, 4), None),
            ("save", HardState(term=1, vote=3, commit=4), None, None),
            ("save", HardState(term=2, vote=0, commit=4), run(5, 2, 3), None),
            ("create_snapshot", 4, _MEMBERS, b"four"),
            ("compact", 2),
            ("save", HardState(term=3, vote=1, commit=9), run(10, 3, 1), _snapshot(9, 3, b"nine")),
        ):
            self._do(storage, model, step)
            storage.sync()
            holds(self.crash(storage), model)
        together = self.make()
        model = MemoryStorage()
        self.save(together, model, HardState(term=1, vote=1, commit=2), run(1, 1, 3))
        self.save(together, model, HardState(term=2, vote=2, commit=3), run(4, 2, 2))
        for each in (together, model):
            each.create_snapshot(3, _MEMBERS, b"three")
            each.compact(2)
        holds(self.synced(together), model)

    def test_a_save_is_whole_after_a_crash(self) -> None:
        """A crash within a call leaves all of its effect or nothing, and keeps earlier calls. Needs ``crashes``."""
        model = MemoryStorage()
        storage = self.make()
        for step in (
            ("save", HardState(term=1, vote=1), run(1, 1, 3), None),
            ("save", HardState(term=2, vote=2, commit=2), run(3, 2, 2), None),
            ("create_snapshot", 2, _MEMBERS, b"two"),
            ("save", HardState(term=3, vote=0, commit=8), run(9, 3, 2), _snapshot(8, 2, b"eight")),
            ("save", HardState(term=3, vote=0, commit=10), None, None),
            ("create_snapshot", 10, _MEMBERS, b"ten"),
            ("compact", 9),
        ):
            storage.sync()
            before = copy(model)
            self._do(storage, model, step)
            for place in self.crashes(storage):
                self._look(place, [before, model], f"after a crash within {step[0]}()")
            self._look_at_power_cuts(storage, [before, model])

    def test_it_can_be_closed(self) -> None:
        """A storage that was closed can be opened again, with everything that was synced."""
        model = MemoryStorage()
        storage = self.fill(model, last=6, commit=6, snapshot_at=4)
        storage.sync()
        storage = self.restart(storage)
        holds(storage, model)
        self.save(storage, model, HardState(term=9, commit=6), run(7, 9, 2))
        holds(self.synced(storage), model)

    # -- all together --------------------------------------------------------------------------------------------

    def test_random_histories(self) -> None:
        """After random calls, syncs, crashes and restarts the storage equals a MemoryStorage."""
        for seed in range(self.random_runs):
            try:
                self._live(random.Random(seed))
            except AssertionError as error:
                raise AssertionError(f"history {seed}: {error}") from error
            finally:
                self.teardown_method()

    def test_a_node_runs_on_it(self) -> None:
        """A node of a group of one elects itself, commits and compacts, and recovers everything after a crash."""
        storage = self.make()
        storage.save(HardState(term=1, commit=4), None, _snapshot(4, 1, b"", ConfState(voters=[1])))
        storage.sync()
        machine = _Machine()
        for life in range(1, 4):
            driver = Driver.start(_config(storage), machine)
            driver.node.campaign()
            _run(driver)
            for number in range(5):
                driver.propose(b"%d of %d" % (number, life))
                _run(driver)
            equal("the last applied index", driver.applied, storage.last_index())
            storage.create_snapshot(driver.applied, ConfState(voters=[1]), b"%d" % life)
            compact_log(storage, driver.applied - 2)
            storage = self.synced(storage)
            equal("the stored term", storage.initial_state()[0].term, driver.node.basic_status().term)
        proposals = {e.index: e.data for e in machine.applied}
        wanted = [b"%d of %d" % (n, life) for life in (1, 2, 3) for n in range(5)]
        equal("the proposals", list(proposals.values()), wanted)

    # -- helpers -------------------------------------------------------------------------------------------------

    def fill(
        self, model: MemoryStorage, last: int, snapshot: Snapshot | None = None, commit: int = 0, snapshot_at: int = 0
    ) -> Any:
        """Return a storage after a crash, filled like ``model``: an optional snapshot, then ``last`` entries.

        The entries' terms rise. Entries up to ``commit`` are committed, and ``snapshot_at`` is the index at which a
        snapshot is created, 0 for none.
        """
        storage = self.make()
        before = 0
        if snapshot is not None:
            before = snapshot.metadata.term
            state = HardState(term=before, commit=snapshot.metadata.index)
            self.save(storage, model, state, None, snapshot)
        for place in range(1, last + 1):
            index, term = model.last_index() + 1, before + 1 + place // 2
            committed = max(min(index, commit), model.first_index() - 1)
            self.save(storage, model, HardState(term=term, commit=committed), run(index, term, 1))
        if snapshot_at:
            for each in (storage, model):
                each.create_snapshot(snapshot_at, _MEMBERS, b"made")
        return self.synced(storage)

    def save(
        self,
        storage: Any,
        model: MemoryStorage,
        state: HardState | None,
        entries: list[Entry] | None,
        snapshot: Snapshot | None = None,
    ) -> None:
        """Save the same in the storage and the model."""
        model.save(state, entries, snapshot)
        storage.save(state, entries, snapshot)

    def synced(self, storage: Any) -> Any:
        """Sync the storage, and return it as a crash leaves it."""
        storage.sync()
        return self.crash(storage)

    def _do(self, storage: Any, model: MemoryStorage, step: Step) -> None:
        """Make the same call on the storage and the model, and compare the results."""
        name, *arguments = step
        wanted = getattr(model, name)(*arguments)
        equal(f"the answer of {name}()", getattr(storage, name)(*arguments), wanted)

    def _live(self, rng: random.Random) -> None:
        """Run one history. ``since`` has the model after each call since the last sync, which a crash may leave."""
        storage, model = self.make(), MemoryStorage()
        since = [copy(model)]
        for _ in range(self.random_steps):
            step = draw(rng, model)
            if step[0] == "crash":
                storage = self.crash(storage)
                model = copy(one_of(storage, since, "after a crash"))
            elif step[0] == "restart":
                storage.sync()
                storage = self.restart(storage)
            elif step[0] == "sync":
                storage.sync()
            else:
                self._do(storage, model, step)
                since.append(copy(model))
                storage, model, since = self._crash_within(rng, storage, since)
            holds(storage, model, every_range=False)
            if step[0] in ("crash", "restart", "sync"):
                since = [copy(model)]
            self._look_at_power_cuts(storage, since)
        holds(self.synced(storage), model)

    def _crash_within(
        self, rng: random.Random, storage: Any, since: list[MemoryStorage]
    ) -> tuple[Any, MemoryStorage, list[MemoryStorage]]:
        """Check all folders that a crash within the last call leaves. Sometimes the history continues from one."""
        places = list(self.crashes(storage))
        chosen = rng.randrange(len(places)) if places else -1
        goes_on = rng.random() < 0.2
        for number, place in enumerate(places):
            if number != chosen:
                self._look(place, since, "after a crash within the last call", writes=False)
            elif not goes_on:
                self._look(place, since, "after a crash within the last call")
        if chosen < 0 or not goes_on:
            return storage, copy(since[-1]), since
        storage = self._opened(places[chosen])
        model = copy(one_of(storage, since, "after a crash within the last call"))
        return storage, model, [copy(model)]

    def _look(self, place: Path, since: list[MemoryStorage], when: str, writes: bool = True) -> None:
        """Check that the storage in a folder is as after one of the calls, and can be written."""
        storage = self._opened(place)
        model = copy(one_of(storage, since, when))
        if not writes:
            self._close(storage)
            return
        last = model.last_index()
        term = max(model.term(last), (model.initial_state()[0] or HardState()).term) + 1
        self.save(storage, model, HardState(term=term, commit=last), run(last + 1, term, 1))
        storage.sync()
        self._close(storage)
        storage = self._opened(place)
        holds(storage, model, every_range=False)
        self._close(storage)

    def _look_at_power_cuts(self, storage: Any, since: list[MemoryStorage]) -> None:
        for place in self.power_cuts(storage):
            self._look(place, since, "after a power cut", writes=False)


class _Machine:
    """Keeps the applied entries."""

    def __init__(self) -> None:
        self.applied: list[Entry] = []

    def apply(self, entries: list[Entry]) -> None:
        self.applied += entries


def _run(driver: Driver) -> None:
    while driver.run():
        pass


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
