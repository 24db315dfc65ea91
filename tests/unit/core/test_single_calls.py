"""A storage with single calls: their order, the state after a crash between two of them, and the start after it."""

from typing import Any

import pytest

from raftcy import (
    Config,
    ConfState,
    Contradiction,
    Entry,
    HardState,
    LogStorage,
    MemoryStorage,
    Message,
    MessageType,
    RawNode,
    Snapshot,
    SnapshotMetadata,
    StorageError,
    StorageFailed,
    check_log_storage,
    save_ready,
)
from raftcy.core.single_calls import SingleCalls

MEMBERS = ConfState(voters=[1, 2, 3])


class Power(Exception):
    """The power fails."""


class Single:
    """Each call is durable when it returns; ``fuse`` counts the calls left before the power fails."""

    def __init__(self) -> None:
        self.memory = MemoryStorage()
        self.calls: list[str] = []
        self.fuse = 100
        for name in ("initial_state", "entries", "term", "first_index", "last_index", "snapshot"):
            setattr(self, name, getattr(self.memory, name))

    def _write(self, name: str, argument: Any) -> None:
        self.fuse -= 1
        if self.fuse < 0:
            raise Power(name)
        self.calls.append(name)
        getattr(self.memory, name)(argument)

    def append(self, entries: list[Entry]) -> None:
        self._write("append", entries)

    def set_hard_state(self, st: HardState) -> None:
        self._write("set_hard_state", st)

    def apply_snapshot(self, snap: Snapshot) -> None:
        self._write("apply_snapshot", snap)


def snapshot(index: int, term: int) -> Snapshot:
    return Snapshot(metadata=SnapshotMetadata(conf_state=MEMBERS, index=index, term=term))


def log(first: int, *terms: int) -> list[Entry]:
    return [Entry(term=term, index=first + n) for n, term in enumerate(terms)]


def single(term: int = 1, vote: int = 1) -> Any:
    storage = Single()
    storage.memory.apply_snapshot(snapshot(1, 1))
    storage.memory.set_hard_state(HardState(term=term, vote=vote, commit=1))
    return storage


def node(storage: Any) -> RawNode:
    config = Config(id=2, election_tick=10, heartbeat_tick=1, max_size_per_msg=1 << 20, max_inflight_msgs=9)
    config.storage = check_log_storage(storage)
    return RawNode(config)


def append_that_commits(term: int) -> Message:
    kind = MessageType.MSG_APP
    return Message(type=kind, to=2, from_=3, term=term, index=1, log_term=1, entries=log(2, 1, term), commit=3)


def test_it_is_a_log_storage() -> None:
    storage = check_log_storage(single())
    assert isinstance(storage, SingleCalls)
    assert isinstance(storage, LogStorage)
    assert repr(storage).startswith("<SingleCalls <")


def test_entries_are_written_before_the_hard_state() -> None:
    """catches: faults#A"""
    storage = single()
    given = check_log_storage(storage)
    given.save(HardState(term=2, commit=2), log(2, 2), None)
    assert storage.calls == ["append", "set_hard_state"]
    given.save(None, log(3, 2), None)
    given.save(HardState(term=2, commit=3), [], None)
    given.save(None, None, None)
    given.sync()
    assert storage.calls == ["append", "set_hard_state", "append", "set_hard_state"]


def test_a_snapshot_is_refused() -> None:
    """It is refused before anything is written, and the error says what to do.

    catches: faults#A
    """
    storage = single()
    given = check_log_storage(storage)
    with pytest.raises(StorageFailed, match=r"a snapshot has come, but Single has no save\(\).*Give the storage save"):
        given.save(HardState(term=2, commit=7), log(8, 2), snapshot(7, 2))
    assert storage.calls == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, [], None), "hard_state must be of HardState, not int"),
        ((HardState(term=2), [*log(2, 1), 7], None), "an item of entries must be of Entry, not int"),
        ((HardState(term=2), log(2, 1), b""), "snapshot must be of Snapshot, not bytes"),
    ],
)
def test_arguments_are_checked_first(arguments: Any, text: str) -> None:
    storage = single()
    with pytest.raises(TypeError, match=text):
        check_log_storage(storage).save(*arguments)
    assert storage.calls == []


@pytest.mark.parametrize("term", [1, 5])
@pytest.mark.parametrize("fuse", [0, 1, 2])
def test_the_power_fails_between_two_calls(fuse: int, term: int) -> None:
    """After a crash at any place the node starts again, without a vote in a term known only from an entry.

    catches: faults#A
    """
    storage = single()
    first = node(storage)
    first.step(append_that_commits(term))
    storage.fuse = fuse
    try:
        save_ready(first.raft.log.storage, first.ready())
    except Power:
        assert fuse < 2
    storage.fuse = 100
    again = node(storage)
    status = again.basic_status()
    assert (status.term, status.hard_state.vote, status.commit) == {
        0: (1, 1, 1),
        1: (term, 1 if term == 1 else 0, 1),
        2: (term, 1 if term == 1 else 0, 3),
    }[fuse]
    assert storage.last_index() == (1 if fuse == 0 else 3)


def test_the_term_that_is_taken_up_is_stored() -> None:
    """Otherwise the term would fall if entries of a lower term overwrote it. Nothing is stored twice."""
    storage = single(term=2, vote=1)
    storage.memory.append(log(2, 2, 7))
    assert node(storage).basic_status().term == 7
    assert storage.memory.initial_state()[0] == HardState(term=7, vote=0, commit=1)
    assert node(storage).basic_status().term == 7
    assert storage.calls == ["set_hard_state"]


def test_the_first_hard_state_may_be_missing() -> None:
    """Entries before the log are committed."""
    storage: Any = Single()
    storage.memory.apply_snapshot(snapshot(4, 1))
    assert node(storage).basic_status().term == 0
    assert storage.calls == []
    storage.memory.append(log(5, 1))
    status = node(storage).basic_status()
    assert (status.term, status.commit) == (1, 4)


def test_what_no_crash_leaves_is_refused() -> None:
    """No order of two calls explains a commit index beyond the log, or before it."""
    storage = single()
    storage.memory.set_hard_state(HardState(term=1, commit=9))
    with pytest.raises(Contradiction, match="commit index 9 of the hard state lies beyond the last entry 1"):
        node(storage)
    received = single(term=3)
    received.memory.apply_snapshot(snapshot(6, 2))
    with pytest.raises(Contradiction, match="commit index 1 of the hard state lies before the snapshot"):
        node(received)


def test_a_term_that_cannot_be_stored_is_an_error_of_the_storage() -> None:
    storage = single()
    storage.memory.append(log(2, 7))
    storage.fuse = 0
    with pytest.raises(StorageFailed, match="set_hard_state") as caught:
        node(storage)
    assert isinstance(caught.value.__cause__, Power)


class Whole(Single):
    """With everything that a driver may also ask for."""

    closed = False

    def create_snapshot(self, i: int, cs: Any, data: Any) -> Snapshot:
        return self.memory.create_snapshot(i, cs, data)

    def compact(self, compact_index: int) -> None:
        self.memory.compact(compact_index)

    def close(self) -> None:
        self.closed = True


def test_the_rest_is_handed_on() -> None:
    storage: Any = Whole()
    given = check_log_storage(storage)
    given.save(HardState(term=1, commit=2), log(1, 1, 1), None)
    assert given.create_snapshot(2, MEMBERS, b"state") == storage.snapshot()
    given.compact(1)
    assert (given.first_index(), given.last_index(), given.term(1)) == (2, 2, 1)
    assert (given.entries(2, 3, 0), given.snapshot()) == (log(2, 1), storage.snapshot())
    assert given.initial_state() == storage.initial_state()
    given.close()
    assert storage.closed


def test_the_rest_may_be_missing() -> None:
    given = check_log_storage(single())
    with pytest.raises(StorageError, match=r"Single has no create_snapshot\(\)"):
        given.create_snapshot(1, MEMBERS, b"")
    with pytest.raises(StorageError, match=r"Single has no compact\(\)"):
        given.compact(1)
    given.close()


@pytest.mark.parametrize("name", ["append", "set_hard_state", "compact", "close"])
def test_a_coroutine_in_disguise(name: str) -> None:
    """A plain function that returns a coroutine is noticed when it is called."""

    async def later(*_: Any) -> None:
        raise AssertionError("nobody runs this")

    storage: Any = Whole()
    setattr(storage, name, lambda *arguments: later(*arguments))
    given = check_log_storage(storage)
    calls: dict[str, Any] = {"append": lambda: given.save(None, log(1, 1), None), "close": given.close}
    calls["set_hard_state"] = lambda: given.save(HardState(term=1), None, None)
    calls["compact"] = lambda: given.compact(1)
    with pytest.raises(StorageFailed, match=rf"{name}\(\) of the storage returned a coroutine: nobody awaits it"):
        calls[name]()
