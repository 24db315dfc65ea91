"""The simulated world: time, randomness, network and disk behave as documented, and lose only what they may lose."""

from random import Random

import pytest

from raftcy import (
    Compacted,
    ConfState,
    Entry,
    HardState,
    Message,
    MessageType,
    Snapshot,
    SnapshotMetadata,
    SnapshotTemporarilyUnavailable,
)
from raftcy.replica.work import Write
from raftcy.sim.clock import Clock
from raftcy.sim.disk import Checkpoint, Disk
from raftcy.sim.links import Network, Weather
from raftcy.sim.streams import between, stream


def entries(first: int, last: int, term: int) -> list[Entry]:
    return [Entry(term=term, index=index, data=b"x") for index in range(first, last + 1)]


def state(term: int, vote: int = 0, commit: int = 0) -> HardState:
    return HardState(term=term, vote=vote, commit=commit)


def disk() -> Disk:
    return Disk(Random(1))


def write(d: Disk, *, sync: bool = True, hard_state: HardState | None = None, new: list[Entry] | None = None) -> None:
    d.submit(Write(hard_state, new or [], None, sync))
    d.complete()


class Drawn(Random):
    """Gives these numbers in turn, and then repeats the last one."""

    def __init__(self, *numbers: float) -> None:
        super().__init__()
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0) if len(self.numbers) > 1 else self.numbers[0]


# -- time and randomness ------------------------------------------------------------------------------------------


def test_time_jumps_to_the_next_event_and_keeps_the_order_of_equals() -> None:
    clock = Clock()
    told: list[str] = []
    for delay, name in ((30, "c"), (10, "a"), (10, "b")):
        clock.after(delay, told.append, name)
    times = []
    for _ in range(3):
        handler, arguments = clock.next()
        handler(*arguments)
        times.append(clock.now)
    assert (told, times) == (["a", "b", "c"], [10, 10, 30])


def test_streams_depend_on_seed_and_purpose_alone() -> None:
    assert stream(1, "a", 2).random() == stream(1, "a", 2).random()
    assert len({stream(*key).random() for key in ((1, "a"), (1, "b"), (2, "a"), (1, "a", 0))}) == 4


def test_between_reaches_both_ends() -> None:
    assert (between(0.0, 3, 5), between(0.5, 3, 5), between(0.9999, 3, 5)) == (3, 4, 5)


# -- the network --------------------------------------------------------------------------------------------------


class Mailbox:
    def __init__(self, random: Random) -> None:
        self.clock = Clock()
        self.arrived: list[tuple[int, int, bytes]] = []
        self.lost: list[int] = []
        self.network = Network(self.clock, random, self._deliver, self._lost)

    def _deliver(self, from_: int, to: int, data: bytes) -> None:
        self.arrived.append((from_, to, data))

    def _lost(self, from_: int, to: int, kind: int, data: bytes = b"") -> None:
        self.lost.append(kind)

    def send(self, from_: int, to: int, data: bytes = b"") -> None:
        self.network.send(from_, Message(type=MessageType.MSG_APP, to=to, from_=from_), data)

    def run(self) -> None:
        while True:
            try:
                handler, arguments = self.clock.next()
            except IndexError:
                return
            handler(*arguments)


def test_a_calm_network_delivers_in_the_order_of_each_link() -> None:
    mail = Mailbox(Random(3))
    for number in range(50):
        mail.send(1, 2, b"%d" % number)
    mail.run()
    assert mail.arrived == [(1, 2, b"%d" % number) for number in range(50)]


def test_a_cut_is_for_one_direction_and_ends_with_its_last_cause() -> None:
    mail = Mailbox(Random(3))
    mail.network.block([(1, 2)])
    mail.network.block([(1, 2)])
    mail.send(1, 2)
    mail.send(2, 1)
    mail.network.unblock([(1, 2)])
    mail.send(1, 2)
    mail.network.unblock([(1, 2)])
    mail.send(1, 2, b"through")
    mail.run()
    assert sorted(mail.arrived) == [(1, 2, b"through"), (2, 1, b"")]
    assert mail.lost == [MessageType.MSG_APP, MessageType.MSG_APP]


@pytest.mark.parametrize(("weather", "number"), [(Weather(lost=1.0), 0), (Weather(doubled=1.0), 2), (Weather(), 1)])
def test_weather_loses_and_doubles(weather: Weather, number: int) -> None:
    mail = Mailbox(Random(3))
    mail.network.worsen(weather)
    mail.send(1, 2)
    mail.run()
    assert len(mail.arrived) == number


def test_storms_at_one_time_are_as_bad_as_each_and_end_one_by_one() -> None:
    network = Mailbox(Random(3)).network
    loss, delay, more = Weather(lost=0.4), Weather(900, late=0.2), Weather(100, lost=0.1)
    seen = []
    for change in (
        *(lambda storm=storm: network.worsen(storm) for storm in (loss, delay, more)),
        *(lambda storm=storm: network.calm(storm) for storm in (loss, more, delay)),
    ):
        change()
        seen.append((network.weather.delay, network.weather.lost, network.weather.late))
    assert seen == [(300, 0.4, 0), (900, 0.4, 0.2), (900, 0.4, 0.2), (900, 0.1, 0.2), (900, 0, 0.2), (300, 0, 0)]
    network.worsen(loss)
    network.clear()
    assert network.weather.lost == 0


def test_weather_lets_messages_overtake() -> None:
    mail = Mailbox(Random(3))
    mail.network.worsen(Weather(overtaking=1.0))
    sent = [(1, 2, b"%d" % number) for number in range(50)]
    for _, _, data in sent:
        mail.send(1, 2, data)
    mail.run()
    assert mail.arrived != sent
    assert sorted(mail.arrived) == sorted(sent)


def test_what_is_on_its_way_arrives_though_the_link_is_cut() -> None:
    mail = Mailbox(Random(3))
    mail.send(1, 2)
    mail.network.block([(1, 2)])
    mail.run()
    assert len(mail.arrived) == 1


# -- the disk -----------------------------------------------------------------------------------------------------


def test_what_is_synced_survives_every_crash() -> None:
    d = disk()
    write(d, hard_state=state(2, 1, 3), new=entries(1, 5, 2))
    for seed in range(20):
        d.crash(Random(seed))
        assert (d.last_index(), d.initial_state()[0]) == (5, state(2, 1, 3))


@pytest.mark.parametrize(("drawn", "commit"), [(0.4, 3), (0.6, 4)])
def test_a_commit_index_that_was_not_synced_may_be_lost(drawn: float, commit: int) -> None:
    d = disk()
    write(d, hard_state=state(2, 1, 3), new=entries(1, 5, 2))
    write(d, hard_state=state(2, 1, 4), sync=False)
    d.crash(Drawn(drawn))
    assert d.initial_state()[0] == state(2, 1, commit)


def test_a_sync_makes_durable_what_was_written_before() -> None:
    d = disk()
    write(d, hard_state=state(2, 1, 3), new=entries(1, 5, 2))
    write(d, hard_state=state(2, 1, 4), sync=False)
    write(d, new=entries(6, 6, 2))
    d.crash(Drawn(0.0))
    assert (d.last_index(), d.initial_state()[0]) == (6, state(2, 1, 4))


def test_a_torn_write_leaves_entries_without_their_hard_state() -> None:
    d = Disk(Random(1), torn=True)
    write(d, hard_state=state(1, 3, 2), new=entries(1, 5, 1))
    d.submit(Write(state(2), entries(4, 7, 2), None, True))
    assert "torn" in d.crash(Drawn(0.9, 0.5))
    assert (d.last_index(), d.term(5), d.initial_state()[0]) == (5, 2, state(1, 3, 2))
    # Before a node starts from it: the term of the last entry, and no vote in it.
    d.take_up_term()
    assert d.initial_state()[0] == d.synced == state(2, 0, 2)
    d.take_up_term()
    assert d.initial_state()[0] == state(2, 0, 2)


def test_a_write_is_whole_or_not_there() -> None:
    """As a LogStorage has it; the draws are those of a disk with torn writes."""
    d = disk()
    write(d, hard_state=state(1), new=entries(1, 5, 1))
    d.submit(Write(state(2), entries(4, 7, 2), None, True))
    assert d.crash(Drawn(0.9, 0.5)) == "0 of 1 pending writes are complete"
    assert (d.last_index(), d.term(5), d.initial_state()[0]) == (5, 1, state(1))


def test_a_write_with_a_snapshot_is_never_torn() -> None:
    d = Disk(Random(1), torn=True)
    metadata = SnapshotMetadata(conf_state=ConfState(voters=[1]), index=9, term=2)
    d.submit(Write(state(2, 0, 9), entries(10, 12, 2), Snapshot(data=b"s", metadata=metadata), True))
    assert "torn" not in d.crash(Drawn(0.9))
    assert d.last_index() == 0


def test_unfinished_writes_survive_in_their_order() -> None:
    seen = set()
    for seed in range(40):
        d = disk()
        for index in (1, 2, 3):
            d.submit(Write(None, entries(index, index, 1), None, True))
        d.crash(Random(seed))
        assert d.pending == []
        seen.add(d.last_index())
    assert seen == {0, 1, 2, 3}


def test_a_failing_disk_says_so_and_writes_nothing() -> None:
    d = disk()
    d.failing = True
    d.submit(Write(None, entries(1, 1, 1), None, True))
    with pytest.raises(OSError, match="no space"):
        d.complete()
    assert d.last_index() == 0
    d.crash(Drawn(0.9))
    write(d, new=entries(1, 1, 1))
    assert d.last_index() == 1


def test_a_disk_may_be_unreadable_or_without_a_snapshot() -> None:
    d = disk()
    write(d, new=entries(1, 2, 1))
    d.unreadable = d.snapshot_away = True
    with pytest.raises(OSError, match="input/output"):
        d.entries(1, 3, 100)
    with pytest.raises(SnapshotTemporarilyUnavailable):
        d.snapshot()


def test_a_checkpoint_gives_the_members_as_of_it() -> None:
    d = disk()
    write(d, hard_state=state(1, 0, 2), new=entries(1, 2, 1))
    d.keep(Checkpoint(2, ConfState(voters=[1, 2]), b"two"))
    assert d.initial_state()[1] == ConfState(voters=[1, 2])
    assert d.crash(Drawn(0.0)) == ""
    assert d.checkpoint is not None


def test_has_tells_what_is_stored_or_covered() -> None:
    d = disk()
    write(d, new=entries(1, 5, 3))
    d.compact(2)
    assert (d.has(1, 3), d.has(2, 3), d.has(4, 3), d.has(4, 2), d.has(6, 3)) == (True, True, True, False, False)
    with pytest.raises(Compacted):
        d.term(1)
