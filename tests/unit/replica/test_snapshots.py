"""Snapshots as files: made on a thread, sent beside the messages, restored on a thread, and never half there."""

import asyncio
from typing import Any

import pytest

from raftcy.errors import Contradiction, Corruption, MachineFailed, NotNow, Stopped
from raftcy.machines import Command, OnDiskMachine
from raftcy.replica import snapshots as subject
from raftcy.replica.depot import _Partial
from raftcy.replica.events import SnapshotFailed, SnapshotMade, SnapshotReceived
from raftcy.storage.bodies import is_reference, reference_of
from raftcy.wire.enums import MessageType
from raftcy.wire.messages import Message, Snapshot
from tests.support.hosts import Large, Ledger, World, agreed, followers_of, leader_of, ledger, tuned
from tests.support.virtual import caught, run_story

TUNING = tuned(snapshot_entries=20, kept_entries=5)
SNAPSHOTS, STREAMS = "raftcy snapshots", "raftcy streams"


def files_of(world: World, id: int, ending: str = ".snap") -> list[str]:
    return sorted(name for name in world.disks[id].now if name.endswith(ending))


async def until(condition: Any, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


async def first(replica: Any, kind: type) -> Any:
    async for event in replica.events():
        if isinstance(event, kind):
            return event
    return None


def test_entries_are_applied_while_a_snapshot_is_written() -> None:
    async def story() -> None:
        world = World(1, TUNING)
        world.aside(1, SNAPSHOTS).hangs = True
        async with world.serving(Large) as replicas:
            replica = replicas[1]
            made = asyncio.create_task(first(replica, SnapshotMade))
            for number in range(1, 61):
                assert await replica.propose(b"x") == number
            assert replica.status().snapshot_index == 1
            assert files_of(world, 1) == []
            world.aside(1, SNAPSHOTS).go_on()
            event = await made
            assert 20 < event.index < 30, "the state as it was when the snapshot began"
            assert event.size > Large.padding
            await until(lambda: len(files_of(world, 1)) == 1)
            newest = replica._log.snapshot()
            found = reference_of(newest.data)
            assert found is not None
            assert [found.name] == files_of(world, 1)
            for _ in range(100):
                await replica.propose(b"y")
            await until(lambda: len(files_of(world, 1)) == 2)
        async with world.serving(Large) as replicas:
            await replicas[1].read()
            assert ledger(replicas[1]) == ["x"] * 60 + ["y"] * 100
        assert files_of(world, 1, ".part") == []

    run_story(story())


def test_a_small_state_stays_in_the_log() -> None:
    async def story() -> None:
        world = World(1, TUNING)
        async with world.serving() as replicas:
            for _ in range(60):
                await replicas[1].propose(b"x")
            assert replicas[1].status().snapshot_index > 20
            assert not is_reference(replicas[1]._log.snapshot().data)
        assert files_of(world, 1) == []

    run_story(story())


def test_a_small_state_with_a_large_head_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "INLINE_BYTES", 100)

    async def story() -> None:
        world = World(1, TUNING)
        async with world.serving() as replicas:
            for _ in range(30):
                await replicas[1].propose(b"x")
            await until(lambda: len(files_of(world, 1)) == 1)
        async with world.serving() as replicas:
            await replicas[1].read()
            assert ledger(replicas[1]) == ["x"] * 30

    run_story(story())


async def behind(world: World, replicas: Any, count: int = 50) -> Any:
    """Cut a follower off until the others have a snapshot without it; returns that follower."""
    away = followers_of(replicas)[0]
    world.cut(away.id)
    leader = await agreed({id: each for id, each in replicas.items() if id != away.id})
    for _ in range(count):
        await leader.propose(b"x")
    await until(lambda: leader.status().snapshot_index > 20)
    return away


def test_a_member_that_was_away_gets_the_file_beside_the_messages() -> None:
    """No message has the state.

    catches: faults#X2
    """

    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            received = asyncio.create_task(first(away, SnapshotReceived))
            world.heal()
            await away.read(timeout_s=5)
            assert ledger(away) == ["x"] * 50
            assert (await received).index > 20
            sent = [m for _, _, m in world.sent if m.type == MessageType.MSG_SNAP and m.to == away.id]
            assert sent
            assert all(len(m.encode()) < 200 for m in sent)
            assert [(to, at) for _, to, at in world.streamed] == [(away.id, 0)]
            assert len(files_of(world, away.id)) == 1
            for _ in range(50):
                await leader_of(replicas).propose(b"y")
        async with world.serving(Large) as replicas:
            for replica in replicas.values():
                await replica.read()
                assert ledger(replica) == ["x"] * 50 + ["y"] * 50
        assert all(files_of(world, id, ".part") == [] for id in world.members)

    run_story(story())


def test_a_broken_stream_goes_on_where_it_was() -> None:
    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            aside = world.aside(away.id, STREAMS)
            world.heal()
            await until(lambda: files_of(world, away.id, ".part"))
            # The second piece hangs on the disk of the receiver while the network breaks.
            await until(lambda: len(world.disks[away.id].now[files_of(world, away.id, ".part")[0]]) > 100_000)
            aside.hangs = True
            world.cut(away.id)
            await asyncio.sleep(0.05)
            aside.go_on()
            world.heal()
            await away.read(timeout_s=10)
            assert ledger(away) == ["x"] * 50
            begun = [at for _, to, at in world.streamed if to == away.id]
            assert begun[0] == 0
            assert len(begun) > 1
            assert all(at > 0 for at in begun[1:])

    run_story(story())


def test_reads_wait_while_the_machine_is_restored() -> None:
    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            world.aside(away.id, SNAPSHOTS).hangs = True
            world.heal()
            await until(lambda: away._applying.snapshots.is_restoring)
            reads = [asyncio.create_task(away.read(**how)) for how in ({}, {"stale": True}, {"at_least": 1})]
            await asyncio.sleep(0.5)
            assert not any(read.done() for read in reads)
            assert away.leader is not None, "ticks and heartbeats go on"
            world.aside(away.id, SNAPSHOTS).go_on()
            assert min(await asyncio.gather(*reads)) > 20
            assert ledger(away)[:20] == ["x"] * 20
        for id in world.members:
            world.aside(id, SNAPSHOTS).hangs = True
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", Large()) for id, host in hosts.items()}
            read = asyncio.create_task(replicas[1].read(stale=True))
            await agreed(replicas)
            assert not read.done()
            assert ledger(replicas[1]) == []
            for id in world.members:
                world.aside(id, SNAPSHOTS).go_on()
            await read
            assert ledger(replicas[1])[:20] == ["x"] * 20
            for replica in replicas.values():
                await replica.read()
                assert ledger(replica) == ["x"] * 50

    run_story(story())


def test_another_snapshot_comes_while_one_is_restored() -> None:
    """Each is restored in its turn, and nothing is applied before the last one."""

    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            world.aside(away.id, SNAPSHOTS).hangs = True
            world.heal()
            await until(lambda: away._applying.snapshots.is_restoring)
            first_one = away._log.snapshot().metadata.index
            for _ in range(10):
                await leader_of(replicas).propose(b"y")
            world.cut(away.id)
            leader = await agreed({id: each for id, each in replicas.items() if id != away.id})
            for _ in range(60):
                await leader.propose(b"z")
            await until(lambda: leader.status().snapshot_index > first_one + 40)
            world.heal()
            await until(lambda: away._log.snapshot().metadata.index > first_one)
            for _ in range(10):
                await leader_of(replicas).propose(b"w")
            world.aside(away.id, SNAPSHOTS).go_on()
            await away.read(timeout_s=10)
            assert ledger(away) == ["x"] * 50 + ["y"] * 10 + ["z"] * 60 + ["w"] * 10
            assert await away.propose(b"v") == 131
            assert away.failure is None
            assert away._applying.snapshots._held == set()
            await away.propose(b"v")
            log: Any = away._log
            kept = [each for each in (log.newest, log.older) if each is not None]
            needed = sorted(name for each in kept for name in log.bodies.names_of(each))
            await until(lambda: files_of(world, away.id) == needed)

    run_story(story())


def test_a_replica_that_ends_while_it_is_restored_ends_the_waits() -> None:
    async def story() -> None:
        world = World(1, TUNING)
        async with world.serving(Large) as replicas:
            for _ in range(50):
                await replicas[1].propose(b"x")
            await until(lambda: replicas[1].status().snapshot_index > 20)
        world.aside(1, SNAPSHOTS).hangs = True
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", Large())
            read = asyncio.create_task(replica.read(stale=True))
            await asyncio.sleep(0.01)
            await replica.close()
            assert isinstance(await caught(read), Stopped)
            world.aside(1, SNAPSHOTS).go_on()
            assert ledger(replica) == [], "the thread reads nothing for a replica that is over"
            again = hosts[1].replica("ledger", Large())
            await again.read()
            assert ledger(again) == ["x"] * 50

    run_story(story())


class Bound(Large):
    """Bound to the thread of the loop."""

    restores_on_thread = False


def test_a_machine_that_is_bound_to_the_loop_is_restored_there() -> None:
    async def story() -> None:
        world = World(1, TUNING)
        async with world.serving(Bound) as replicas:
            for _ in range(50):
                await replicas[1].propose(b"x")
            await until(lambda: replicas[1].status().snapshot_index > 20)
        world.aside(1, SNAPSHOTS).hangs = True
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", Bound())
            assert ledger(replica)[:20] == ["x"] * 20
            world.aside(1, SNAPSHOTS).go_on()

    run_story(story())


# -- errors ----------------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_written_ends_nothing() -> None:
    async def story() -> None:
        world = World(1, TUNING)
        async with world.serving(Large) as replicas:
            replica, files = replicas[1], world.disks[1]
            files.write_error_of = ".part"
            files.write_error = OSError(28, "no space left on device")
            failed = asyncio.create_task(first(replica, SnapshotFailed))
            for number in range(1, 31):
                assert await replica.propose(b"x") == number
            assert "no space left" in str((await failed).error)
            assert files_of(world, 1) == files_of(world, 1, ".part") == []
            assert replica.failure is None
            files.write_error = None
            for number in range(31, 61):
                assert await replica.propose(b"x") == number
            await until(lambda: replica.status().snapshot_index > 40)
            assert 1 <= len(files_of(world, 1)) <= 2

    run_story(story())


class Broken(Large):
    """Fails in a part of a snapshot."""

    where = ""

    def capture(self) -> Any:
        if self.where == "capture":
            raise RuntimeError("it broke")
        return self

    def write(self, file: Any) -> None:
        file.write(bytes(100_000))
        raise RuntimeError("it broke")


@pytest.mark.parametrize("where", ["capture", "write"])
def test_an_error_of_the_machine_ends_its_replica(where: str) -> None:
    async def story() -> None:
        world = World(1, TUNING)
        async with world.running() as hosts:
            machine = Broken()
            machine.where = where
            replica, other = hosts[1].replica("broken", machine), hosts[1].replica("other", Large())
            await replica.wait_for_leader()
            await other.wait_for_leader()
            error = await caught(asyncio.wait_for(_propose_on(replica), 5))
            assert "it broke" in str(replica.failure)
            assert isinstance(replica.failure, MachineFailed)
            assert isinstance(error, Exception)
            assert await other.propose(b"x") == 1
            assert files_of(world, 1, ".part") == []

    run_story(story())


async def _propose_on(replica: Any) -> None:
    while True:
        await replica.propose(b"x")


def damage(world: World, id: int, *names: str) -> None:
    for name in names:
        data = bytearray(world.disks[id].now[name])
        data[5000] ^= 1
        world.disks[id].now[name] = data
        world.disks[id].durable[name] = bytes(data)


def test_a_damaged_snapshot_ends_its_group_only_if_nothing_can_take_its_place() -> None:
    async def story() -> None:
        world = World(1, TUNING)
        async with world.serving(Large) as replicas:
            for _ in range(100):
                await replicas[1].propose(b"x")
                await asyncio.sleep(0.001)
            await until(lambda: len(files_of(world, 1)) == 2)
        newest = files_of(world, 1)[-1]
        damage(world, 1, newest)
        async with world.serving(Large) as replicas:
            await replicas[1].read()
            assert ledger(replicas[1]) == ["x"] * 100
            assert newest not in world.disks[1].now
        damage(world, 1, *files_of(world, 1))
        async with world.running() as hosts:
            for _ in range(2):
                with pytest.raises(Corruption, match="a piece of a snapshot is damaged") as raised:
                    hosts[1].replica("ledger", Large())
                assert raised.value.file in files_of(world, 1)
            other = hosts[1].replica("other", Large())
            await other.wait_for_leader()
            assert await other.propose(b"x") == 1

    run_story(story())


def test_a_damaged_snapshot_is_not_sent_and_made_anew() -> None:
    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            leader = leader_of({id: each for id, each in replicas.items() if id != away.id})
            names = files_of(world, leader.id)
            damage(world, leader.id, *names)
            failed = asyncio.create_task(first(leader, SnapshotFailed))
            world.heal()
            # The new snapshot needs another index.
            assert await leader.propose(b"x") == 51
            await away.read(timeout_s=10)
            assert ledger(away) == ["x"] * 51
            assert isinstance((await failed).error, Corruption)

    run_story(story())


def test_closing_leaves_no_part_of_a_file() -> None:
    async def story() -> None:
        world = World(1, TUNING)
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", Large())
            await replica.wait_for_leader()
            world.aside(1, SNAPSHOTS).hangs = True
            for _ in range(30):
                await replica.propose(b"x")
            closing = asyncio.create_task(hosts[1].close())
            await asyncio.sleep(0.01)
            world.aside(1, SNAPSHOTS).go_on()
            await closing
        assert files_of(world, 1) == files_of(world, 1, ".part") == []
        async with world.serving(Large) as replicas:
            await replicas[1].read()
            assert ledger(replicas[1]) == ["x"] * 30

    run_story(story())


# -- what arrives ----------------------------------------------------------------------------------------------------


def test_a_received_snapshot_overtakes_one_that_is_written() -> None:
    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            slow = followers_of(replicas)[0]
            world.aside(slow.id, SNAPSHOTS).hangs = True
            for _ in range(30):
                await leader_of(replicas).propose(b"x")
            await until(lambda: slow._applying.snapshots._making is not None)
            world.cut(slow.id)
            leader = await agreed({id: each for id, each in replicas.items() if id != slow.id})
            for _ in range(60):
                await leader.propose(b"x")
            await until(lambda: leader.status().snapshot_index > 70)
            world.heal()
            await until(lambda: slow.status().snapshot_index > 70)
            world.aside(slow.id, SNAPSHOTS).go_on()
            await slow.read(timeout_s=5)
            assert ledger(slow) == ["x"] * 90
            await until(lambda: len(files_of(world, slow.id)) == 1)
            assert slow.failure is None

    run_story(story())


def test_a_body_that_is_not_needed_is_removed() -> None:
    """The group had the entries already when the body was there; the next body, or the end, removes it."""

    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            world.heal()
            await away.read(timeout_s=5)
            kept = files_of(world, away.id)
            leader = leader_of(replicas)
            depot = world.wires[away.id].options["depot"]
            m = next(m for _, _, m in world.sent if m.type == MessageType.MSG_SNAP and m.to == away.id)
            # It comes a second time: nothing of it is written.
            sink = depot.sink(away.group, leader.id, m)
            assert await sink.begin() == reference_of(m.snapshot.data).size
            await sink.finish()
            sink.leave()
            assert files_of(world, away.id) == kept
            # One that the group never takes.
            bodies = away._log.bodies
            other = bodies.write(5, 1)
            other.write(bytes(100_000))
            reference = other.finish()
            away._log.older = away._log.newest = Snapshot()
            partial = depot._partials[away.group] = _Partial(away.served, reference)
            partial.done = True
            assert reference.name in files_of(world, away.id)
            depot.leave(away.group)
            await asyncio.sleep(0.01)
            assert reference.name not in files_of(world, away.id)

    run_story(story())


def test_a_part_that_nobody_continues_is_removed() -> None:
    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            leader = leader_of({id: each for id, each in replicas.items() if id != away.id})
            newest = leader._log.snapshot()
            m = Message(type=MessageType.MSG_SNAP, from_=leader.id, to=away.id, term=leader.term, snapshot=newest)
            depot = world.wires[away.id].options["depot"]
            sink = depot.sink(away.group, leader.id, m)
            assert await sink.begin() == 0
            await sink.write(bytes(65536))
            older = sink
            sink = depot.sink(away.group, leader.id, m)
            assert await sink.begin() == 65536
            assert "another stream" in str(await caught(older.write(b"x")))
            older.leave()
            assert len(files_of(world, away.id, ".part")) == 1
            await asyncio.sleep(100)
            assert len(files_of(world, away.id, ".part")) == 1, "a stream uses it"
            sink.leave()
            await asyncio.sleep(30)
            assert len(files_of(world, away.id, ".part")) == 1
            await asyncio.sleep(40)
            assert files_of(world, away.id, ".part") == []

    run_story(story())


async def bring(sink: Any, pieces: list[bytes]) -> None:
    for piece in pieces:
        await sink.write(piece)
    await sink.finish()


def test_a_body_that_was_not_announced_is_not_kept() -> None:
    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            leader = leader_of({id: each for id, each in replicas.items() if id != away.id})
            newest = leader._log.snapshot()
            m = Message(type=MessageType.MSG_SNAP, from_=leader.id, to=away.id, term=leader.term, snapshot=newest)
            depot = world.wires[away.id].options["depot"]
            size = reference_of(newest.data).size
            for pieces in ([bytes(size)], [bytes(100)], [bytes(size), b"x"]):
                sink = depot.sink(away.group, leader.id, m)
                assert await sink.begin() == 0
                assert isinstance(await caught(bring(sink, pieces)), Corruption)
                await asyncio.sleep(0.01)
                assert files_of(world, away.id, ".part") == []
                assert isinstance(await caught(sink.write(b"x")), NotNow)
                sink.leave()
            other = Message(type=MessageType.MSG_SNAP, snapshot=Snapshot(data=b"the state itself"))
            for group, wrong, error in (
                (away.group, other, Contradiction),
                (77, m, NotNow),
                (away.group, Message(), NotNow),
            ):
                with pytest.raises(error):
                    depot.sink(group, leader.id, wrong)
            assert files_of(world, away.id) == []

    run_story(story())


# -- a machine on disk -----------------------------------------------------------------------------------------------


class Database(OnDiskMachine):
    """What stays when the process ends: the commands, and how far they are applied."""

    padding = 100_000

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.index = 0

    @property
    def applied(self) -> int:
        return self.index

    def apply_one(self, command: Command) -> int:
        self.entries.append(command.data.decode())
        self.index = command.index
        return len(self.entries)

    def capture(self) -> bytes:
        return bytes(self.padding) + b"%d;" % self.index + ",".join(self.entries).encode()

    def restore(self, file: Any) -> None:
        index, text = file.read()[self.padding :].decode().split(";")
        self.index = int(index)
        self.entries = text.split(",")


def test_a_machine_on_disk_is_never_ahead_of_the_log() -> None:
    """A replica made again finds a received snapshot that is staged. A power cut could take it back from the log.

    catches: redisraft#43
    """

    async def story() -> None:
        world = World(3, tuned(snapshot_entries=20, kept_entries=5, sync="thread"))
        machines = {id: Database() for id in world.members}
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", machines[id]) for id, host in hosts.items()}
            await agreed(replicas)
            away = await behind(world, replicas)
            host = hosts[away.id]
            # What the log shows is not durable.
            world.aside(away.id).hangs = True
            world.heal()
            await until(lambda: away._log.snapshot().metadata.index > 20)
            assert machines[away.id].applied < 20
            await away.close()
            again = host.replica("ledger", machines[away.id])
            await asyncio.sleep(0.3)
            assert machines[away.id].applied < 20
            assert again.failure is None
            # The power is cut: the snapshot is gone from the log, and the machine must not have it.
            world.crash(host)
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", machines[id]) for id, host in hosts.items()}
            for replica in replicas.values():
                await replica.read(timeout_s=10)
            assert [each.entries for each in machines.values()] == [["x"] * 50] * 3

    run_story(story())


def test_a_snapshot_on_its_way_keeps_the_log_after_it() -> None:
    """A peer that takes long for it would need another one afterwards, and so on without an end."""

    async def story() -> None:
        world = World(3, TUNING)
        async with world.serving(Large) as replicas:
            away = await behind(world, replicas)
            world.aside(away.id, STREAMS).hangs = True
            world.heal()
            await until(lambda: any(m.type == MessageType.MSG_SNAP for _, _, m in world.sent))
            leader = leader_of({id: each for id, each in replicas.items() if id != away.id})
            sent = next(m for _, _, m in world.sent if m.type == MessageType.MSG_SNAP)
            name = reference_of(sent.snapshot.data)
            assert name is not None
            for _ in range(100):
                await leader.propose(b"y")
                await asyncio.sleep(0.001)
            assert leader.is_leader
            assert leader.status().snapshot_index > 100
            assert leader._log.first_index() <= sent.snapshot.metadata.index + 1
            assert name.name in files_of(world, leader.id)
            world.aside(away.id, STREAMS).go_on()
            await away.read(timeout_s=10)
            assert ledger(away) == ["x"] * 50 + ["y"] * 100
            assert len([1 for _, _, m in world.sent if m.type == MessageType.MSG_SNAP and m.to == away.id]) == 1
            for _ in range(50):
                await leader.propose(b"z")
                await asyncio.sleep(0.001)
            await until(lambda: name.name not in files_of(world, leader.id))
            assert leader._log.first_index() > 100

    run_story(story())


def test_the_small_and_the_large_take_turns() -> None:
    async def story() -> None:
        world = World(1, TUNING)
        async with world.serving(Ledger) as replicas:
            machine: Any = replicas[1].machine
            for round in range(6):
                machine.__class__ = (Ledger, Sometimes)[round % 2]
                for _ in range(25):
                    await replicas[1].propose(b"x")
                    await asyncio.sleep(0.001)
            assert len(files_of(world, 1)) <= 2
        async with world.serving(Sometimes) as replicas:
            await replicas[1].read()
            assert ledger(replicas[1]) == ["x"] * 150

    run_story(story())


class Sometimes(Ledger):
    """Its snapshots are those of a Ledger, in a file."""

    def capture(self) -> Any:
        text = super().capture()
        return text + b"," * 100_000

    def restore(self, file: Any) -> None:
        self.entries = [each for each in file.read().decode().split(",") if each]
