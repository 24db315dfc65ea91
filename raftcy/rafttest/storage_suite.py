"""What raft and its drivers rely on in a LogStorage, as tests that any storage can be run against.

With a test runner that collects classes, such as pytest, each rule is a test::

    class TestMyStorage(StorageSuite):
        def open(self, place):
            return MyStorage(place)

Without one::

    for name, error in failures(TestMyStorage()):
        print(name, error)

``place`` is a folder. The suite writes as a driver does, by ``save``, ``create_snapshot``, ``compact`` and ``sync``,
and compares with MemoryStorage after every call and after every crash. For a crash it opens a copy of the folder while
the first storage still lives, so that nothing is written by closing or collecting it. After a crash the storage must be
as after one of the calls since the last ``sync``: that call is there whole, and nothing of the next one.

What it does not see by itself:

- What a crash *inside* a call leaves. ``crashes`` makes that visible: override it to yield the folders that a crash
  within the last call may leave behind, of which there is one after each write to a file.
- Whether a ``sync`` has reached the disk. A copy of a folder holds what the operating system has in memory, whether it
  was flushed or not. ``power_cuts`` makes that visible: override it to yield folders with only what was flushed, as a
  file layer of yours has noted it.
- A disk that fails, and two processes on one folder.

A storage that is not in a folder overrides ``make``, ``crash`` and ``restart`` instead of ``open``. A test that does
not apply is overridden to raise ``unittest.SkipTest``.
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
    """Run every test of a suite; the names of those that failed, or were skipped, with what they raised."""
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
    """The tests. A subclass says how to ``open`` the storage in a folder.

    Each test makes its own storages. A rule that is broken is an AssertionError that says what was expected.
    """

    random_runs = 20
    """How many histories of ``random_steps`` steps are compared with MemoryStorage. They are the same each time."""
    random_steps = 60

    _root: Path | None = None
    _places: dict[int, Path]
    _living: list[Any]

    # -- what a storage says of itself ---------------------------------------------------------------------------

    def open(self, place: Path) -> Any:
        """The storage in the folder ``place``, which is empty or was written by an earlier one."""
        raise NotImplementedError("override open(place), or make(), crash(storage) and restart(storage)")

    def crashes(self, storage: Any) -> Iterator[Path]:
        """The folders that a crash within the last call of ``save``, ``create_snapshot`` or ``compact`` may leave.

        Each is a folder of its own, see ``new_place``, which the suite opens and writes to. By default none.
        """
        return iter(())

    def power_cuts(self, storage: Any) -> Iterator[Path]:
        """The folders that a power cut now may leave, like ``crashes``: what was flushed, without what was not."""
        return iter(())

    def make(self) -> Any:
        """A new, empty storage."""
        return self._opened(self.new_place())

    def crash(self, storage: Any) -> Any:
        """The storage as it is found after a crash, while the one given still lives."""
        place = self.new_place()
        shutil.copytree(self._place_of(storage), place, dirs_exist_ok=True)
        return self._opened(place)

    def restart(self, storage: Any) -> Any:
        """The storage closed and opened again."""
        place = self._place_of(storage)
        storage.close()
        return self._opened(place)

    def new_place(self) -> Path:
        """A new, empty folder, which goes when the test is over."""
        if self._root is None:
            self._root, self._places, self._living = Path(tempfile.mkdtemp(prefix="raftcy-storage-")), {}, []
        return Path(tempfile.mkdtemp(dir=self._root))

    def teardown_method(self) -> None:
        """After each test: close what was opened and remove the folders."""
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
        with suppress(Exception):  # it may be closed, and what is wrong with it was found before
            storage.close()

    # -- the start -----------------------------------------------------------------------------------------------

    def test_it_has_every_method(self) -> None:
        """It is a LogStorage, and what a driver would take as it is."""
        storage = self.make()
        true("has all methods of LogStorage", isinstance(storage, LogStorage))
        true("a driver writes to it by save and sync", check_log_storage(storage) is storage)

    def test_a_new_storage_is_empty(self) -> None:
        """No hard state, no members, nothing from index 1 on, term 0 before that, and a snapshot of index 0."""
        storage = self.make()
        holds(storage, MemoryStorage())
        holds(self.crash(storage), MemoryStorage())

    def test_the_hard_state_comes_back(self) -> None:
        """The one that was saved last, whole, whatever else is saved or not."""
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
        """Byte for byte, with what is present and what is absent, whatever the size and the order of writing."""
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
        """``entries(lo, hi)`` gives lo to hi - 1 for each pair; all terms are known, and nothing outside the log is."""
        model = MemoryStorage()
        storage = self.fill(model, last=6)
        holds(storage, model)

    def test_a_limit_ends_a_range(self) -> None:
        """As many entries as fit by encoded size, but at least one."""
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
        """Changing it changes nothing in the storage."""
        model = MemoryStorage()
        storage = self.fill(model, last=4)
        taken = storage.entries(1, 5, k.NO_LIMIT)
        taken.append(Entry(term=9, index=5))
        del taken[0]
        taken[0] = Entry(term=9, index=2)
        holds(storage, model)

    def test_a_saved_list_is_the_callers(self) -> None:
        """Changing it afterwards changes nothing in the storage."""
        model = MemoryStorage()
        storage = self.make()
        given = run(1, 1, 4)
        self.save(storage, model, HardState(term=1), given)
        given.clear()
        holds(storage, model)
        holds(self.synced(storage), model)

    def test_saving_nothing_changes_nothing(self) -> None:
        """Neither None nor an empty list is an error."""
        model = MemoryStorage()
        storage = self.fill(model, last=3)
        for nothing in (None, list[Entry]()):
            self.save(storage, model, None, nothing)
            holds(storage, model)
        holds(self.synced(storage), model)

    def test_entries_replace_what_follows(self) -> None:
        """From the first new index on, everything stored before is gone, also where the new entries are fewer."""
        for first, count in ((4, 2), (3, 1), (2, 1), (1, 1), (1, 6)):
            model = MemoryStorage()
            storage = self.fill(model, last=3)
            self.save(storage, model, HardState(term=7), run(first, 7, count))
            holds(storage, model)
            holds(self.synced(storage), model)

    def test_a_gap_is_refused(self) -> None:
        """Entries that do not connect to the log are an error, and nothing is stored of the hard state beside them."""
        model = MemoryStorage()
        storage = self.fill(model, last=3)
        for entries in (run(5, 1, 2), run(4, 1, 1) + run(6, 1, 1)):
            refused = partial(storage.save, HardState(term=8, vote=1), entries, None)
            raises(Exception, "save() with a gap", refused)
            holds(storage, model)
        holds(self.synced(storage), model)

    # -- snapshots -----------------------------------------------------------------------------------------------

    def test_a_snapshot_replaces_the_log(self) -> None:
        """Its index and term stand before the first entry; the log goes on from there, in the same save or later."""
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
        """One that is not newer than the present one is SnapshotOutOfDate, and nothing is stored of the rest."""
        model = MemoryStorage()
        storage = self.fill(model, last=2, snapshot=_snapshot(5, 2, b"new"))
        for index in (0, 4, 5):
            refused = partial(storage.save, HardState(term=9, commit=7), run(8, 3, 1), _snapshot(index, 2, b"old"))
            raises(SnapshotOutOfDate, f"save() with a snapshot of index {index}", refused)
            holds(storage, model)
        holds(self.synced(storage), model)

    def test_members_can_be_set_first(self) -> None:
        """A snapshot of index 0 sets the members of a new group; a later one replaces it, also of index 0."""
        model, storage = MemoryStorage(), self.make()
        for voters in ([1], [1, 2]):
            self.save(
                storage, model, None, None, Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=voters)))
            )
            storage = self.synced(storage)
            holds(storage, model)

    def test_metadata_is_complete(self) -> None:
        """Whatever a snapshot came with, its metadata is all there, and auto_leave in its conf state."""
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
        """``create_snapshot`` takes the term from the log and leaves the log alone; without members they stay."""
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
        """``create_snapshot`` not after the present one is SnapshotOutOfDate, beyond the log an error."""
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
        """No node that starts from it could ever have a leader: None is no answer where no snapshot was before."""
        model = MemoryStorage()
        storage = self.fill(model, last=6, commit=6)
        for members in (None, ConfState(), ConfState(learners=[1])):
            refused = partial(storage.create_snapshot, 4, members, b"four")
            raises(Exception, "create_snapshot() without voters", refused)
            holds(storage, model)
        holds(self.synced(storage), model)

    # -- compaction ----------------------------------------------------------------------------------------------

    def test_compaction_drops_a_prefix(self) -> None:
        """The entries up to the index go, its term stays known, and so do snapshot and hard state."""
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
        """Not after the first index - 1 it is Compacted, beyond the last index an error; nothing changes."""
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
        """Entries before the first index are skipped, and those that overlap replace what follows."""
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
        """Above 2**63 as well."""
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
        """Each kind of write, and all of them together, by one sync."""
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
        """A crash within it leaves all of it or nothing: see ``crashes``. The rest is as it was."""
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
        """And opened again, with all that was synced."""
        model = MemoryStorage()
        storage = self.fill(model, last=6, commit=6, snapshot_at=4)
        storage.sync()
        storage = self.restart(storage)
        holds(storage, model)
        self.save(storage, model, HardState(term=9, commit=6), run(7, 9, 2))
        holds(self.synced(storage), model)

    # -- all together --------------------------------------------------------------------------------------------

    def test_random_histories(self) -> None:
        """Any sequence of calls, syncs, crashes and restarts leaves what it leaves in MemoryStorage."""
        for seed in range(self.random_runs):
            try:
                self._live(random.Random(seed))
            except AssertionError as error:
                raise AssertionError(f"history {seed}: {error}") from error
            finally:
                self.teardown_method()

    def test_a_node_runs_on_it(self) -> None:
        """A group of one elects itself, commits, compacts, and finds everything again after a crash."""
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

    # -- parts of tests ------------------------------------------------------------------------------------------

    def fill(
        self, model: MemoryStorage, last: int, snapshot: Snapshot | None = None, commit: int = 0, snapshot_at: int = 0
    ) -> Any:
        """A storage after a crash, and its model: ``last`` entries of rising terms after an optional snapshot.

        Up to ``commit`` they are committed, and ``snapshot_at`` is the index of a snapshot made of them.
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
        """Save the same in the storage and in its model."""
        model.save(state, entries, snapshot)
        storage.save(state, entries, snapshot)

    def synced(self, storage: Any) -> Any:
        """The storage synced, and then as it is found after a crash."""
        storage.sync()
        return self.crash(storage)

    def _do(self, storage: Any, model: MemoryStorage, step: Step) -> None:
        """One call of both, with the same answer."""
        name, *arguments = step
        wanted = getattr(model, name)(*arguments)
        equal(f"the answer of {name}()", getattr(storage, name)(*arguments), wanted)

    def _live(self, rng: random.Random) -> None:
        """One history. ``since`` is what a crash may leave: the model after each call since the last sync."""
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
        """Look at all that a crash within the last call leaves; now and then the history goes on from there."""
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
        """Whether what was left in a folder is as after one of the calls, and can be written to."""
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
    """Keeps what is applied."""

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
