"""Work for everything that drives nodes: drivers, loopbacks, the asyncio Node, the flight recorder and replays."""

import asyncio
import itertools
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support.node_loop import Member
from tests.support.values import load


def refused(error: type[BaseException] | tuple[type[BaseException], ...], act: Callable[[], Any]) -> None:
    """Do something that must raise this error."""
    try:
        act()
    except error:
        return
    raise AssertionError(f"no {error}")


class Failing:
    """A storage that fails on demand."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        self.fails = False

    def __getattr__(self, name: str) -> Any:
        if self.fails:
            raise OSError("the disk is gone")
        return getattr(self.storage, name)


def config(build: ModuleType, storage: Any = None, **options: Any) -> Any:
    """A Config of one of three voters; without a storage, one that begins with a snapshot at index 10."""
    b = build
    if storage is None:
        storage = b.MemoryStorage()
    inner = getattr(storage, "storage", storage)
    if inner.last_index() == 0:
        members = b.ConfState(voters=[1, 2, 3])
        inner.apply_snapshot(b.Snapshot(metadata=b.SnapshotMetadata(conf_state=members, index=10, term=1)))
    given: dict[str, Any] = {
        "id": 1,
        "election_tick": 10,
        "heartbeat_tick": 1,
        "max_size_per_msg": b.NO_LIMIT,
        "max_inflight_msgs": 2,
        "random": random.Random(1),
    }
    return b.Config(storage=storage, **{**given, **options})


def groups(build: ModuleType) -> None:
    """Groups that elect, replicate and read, one with storages of each kind; and a driver whose node dies.

    A MemoryStorage, or any storage with a ``save``, stores a Ready whole; other storages get one call for each part.
    """
    carried = load(build, "replica.loopback")
    driver = load(build, "replica.driver").Driver
    machine = Machine()
    loopbacks: list[Any] = []
    for wrap in (lambda storage: storage, Failing, Parts):
        group = carried.Loopback()
        for id in (1, 2, 3):
            made = config(build, wrap(build.MemoryStorage()), id=id)
            storage = build.check_log_storage(made.storage)
            group.add(build.RawNode(replace(made, storage=storage)), storage, machine)
        loopbacks.append(group)
    for group in loopbacks:
        group.find(1).node.campaign()
    carried.drain_all(loopbacks)
    for group in loopbacks:
        group.find(1).node.propose(b"x" * 100)
        group.find(1).node.read_index(b"read")
        group.route([build.Message(type=build.MessageType.MSG_BEAT, from_=9, to=id) for id in (1, 99)])
    carried.tick_groups(loopbacks)
    nodes = [group.find(id).node for group in loopbacks for id in (1, 2, 3)]
    if len(carried.tick_all(nodes)) != len(loopbacks):
        raise AssertionError("only leaders have something to say after a tick")
    for group in loopbacks:
        group.drain()
    if any(node.raft.log.last_index() != 12 or node.raft.log.applied != 12 for node in nodes):
        raise AssertionError("not everything was replicated")
    if [len(group.find(1).take_reads()) for group in loopbacks] != [1] * len(loopbacks) or machine.count != 9:
        raise AssertionError("not everything was applied and answered")
    lost = driver(nodes[1], build.MemoryStorage(), None, lambda messages: None)
    lost.inbox.append(build.Message(type=build.MessageType.MSG_HEARTBEAT, from_=2, to=2, term=9))
    lost.inbox.append(build.Message(type=build.MessageType.MSG_HEARTBEAT, from_=1, to=2, term=9, commit=99))
    refused(build.LogLost, lost.run)
    refused(build.Stopped, lost.run)


def steps(build: ModuleType) -> None:
    """A driver with asynchronous writes: a proposal and a read that finish, a snapshot, and a death during a write."""
    machine, storage = Machine(), build.MemoryStorage()
    member = build.ConfState(voters=[1])
    storage.apply_snapshot(build.Snapshot(metadata=build.SnapshotMetadata(conf_state=member, index=1, term=1)))
    driver = build.Driver(build.RawNode(config(build, storage, async_storage_writes=True)), storage, machine)
    driver.node.observer = load(build, "core.observer").Observer()
    driver.node.campaign()
    rest(driver)
    driver.propose(b"data", "tag")
    driver.propose_change(build.ConfChange(type=build.ConfChangeType.ADD_LEARNER_NODE, node_id=2))
    driver.read_index(b"read")
    rest(driver)
    made = driver.make_snapshot(0)
    told = [each.what for each in driver.take_outcomes()], len(driver.take_reads()), made.metadata.index
    if told != (["applied"], 1, driver.applied):
        raise AssertionError(f"not everything was applied and answered: {told}")
    driver.propose(b"lost")
    work = driver.poll()
    driver.fail(OSError("no space left on device"))
    refused(build.Stopped, lambda: driver.stored(work.write))


class Machine:
    """Counts what is applied to it."""

    count = 0

    def capture(self) -> bytes:
        return b"%d" % self.count

    def apply(self, entries: list[Any]) -> None:
        self.count += len(entries)


class Parts:
    """A storage without ``save``."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        for name in ("initial_state", "entries", "term", "first_index", "last_index", "snapshot"):
            setattr(self, name, getattr(storage, name))
        for name in ("set_hard_state", "apply_snapshot", "append"):
            setattr(self, name, getattr(storage, name))


def drive(build: ModuleType, node: Any, storage: Any) -> None:
    """A leader's life with one peer that answers, using all kinds of calls."""
    b = build
    kinds = b.MessageType
    driver = b.Driver(node, storage)
    node.campaign()
    rest(driver)
    node.step(b.Message(type=kinds.MSG_VOTE_RESP, from_=2, to=1, term=node.raft.term))
    rest(driver)
    node.propose_conf_change(b.ConfChange(type=b.ConfChangeType.ADD_LEARNER_NODE, node_id=4))
    for round in range(12):
        node.tick()
        node.propose(b"x" * 100)
        node.read_index(b"%d" % round)
        rest(driver)
        term, last = node.raft.term, node.raft.log.last_index()
        told = [b.Message(type=kinds.MSG_APP_RESP, from_=2, to=1, term=term, index=last)]
        told.append(b.Message(type=kinds.MSG_HEARTBEAT_RESP, from_=9, to=1, term=term))
        node.step_many(told)
        rest(driver)
        refused(b.StepPeerNotFound, lambda stranger=told[1]: node.step(stranger))
    node.report_unreachable(3)
    node.transfer_leader(2)
    for _ in range(10):
        node.tick()
    rest(driver)


def rest(driver: Any) -> None:
    """Run a driver until it is idle."""
    while driver.run():
        pass


def recorded(build: ModuleType) -> None:
    """Nodes recorded in a ring and in a file, with their deaths; both recordings replayed, and damaged ones refused."""
    recorder = load(build, "recorder")
    with tempfile.TemporaryDirectory() as folder:
        ring, file = Path(folder, "ring"), Path(folder, "file")
        told = build.Message(type=build.MessageType.MSG_HEARTBEAT, from_=2, to=1, term=99, commit=99)
        live_and_die(build, recorder.Ring(4096, ring), ring, told, build.LogLost)
        with recorder.FileSink(file) as sink:
            told = build.Message(type=build.MessageType.MSG_APP, from_=2, to=1, term=99, index=99)
            live_and_die(build, sink, file, told, build.StorageFailed)


def live_and_die(build: ModuleType, sink: Any, path: Path, last: Any, error: type[Exception]) -> None:
    """A recorded node that dies of a message while its storage fails, and replays of its life and death."""
    recorder = load(build, "recorder")
    dump = load(build, "core.dump").dump
    storage = Failing(build.MemoryStorage())
    numbers = itertools.count(1)
    node = recorder.Recorder(sink, lambda: next(numbers)).make_raw(config(build, storage))
    drive(build, node, storage)
    state = dump(node)
    storage.fails = True
    refused(error, lambda: node.step(last))
    refused(build.Stopped, node.tick)
    recording = recorder.Recording.read(path)
    replay = recorder.Replay(recording)
    replay.run(recording.records[-1].number)
    if dump(replay.node) != state:
        raise AssertionError("the replay came to another state")
    replay.run()
    refused(build.Stopped, replay.node.tick)
    data = path.read_bytes()
    refused(recorder.RecordingError, lambda: recorder.Recording(data[:40] + b"?" + data[41:]))
    recorder.Recording(data[:-3], salvage=True)


def restored(build: ModuleType) -> None:
    """A leader's whole state as plain data, loaded into another node, which then runs on."""
    checkpoint = load(build, "core.dump")
    storage = build.MemoryStorage()
    made = config(build, storage)
    node = build.RawNode(made)
    drive(build, node, storage)
    node.propose(b"not yet stored")
    state = checkpoint.dump(node)
    other = build.RawNode(made)
    checkpoint.load(other, state)
    if checkpoint.dump(other) != state:
        raise AssertionError("the loaded state differs")
    rest(build.Driver(other, storage))


class End:
    """Where the outcome of a proposal goes."""

    result: Any = None

    def done(self) -> bool:
        return self.result is not None

    def set_result(self, result: Any) -> None:
        self.result = result

    set_exception = set_result


def proposed(build: ModuleType) -> None:
    """What a replica keeps of proposals: some are applied, some are overtaken, one is refused, the rest is given up."""
    kept, slices = load(build, "replica.proposals"), load(build, "replica.slices")
    proposals = kept.Proposals(b"a start", 4, 1000, 100)
    ends = [End() for _ in range(4)]
    made = [kept.Proposal([b"c"] * (1 + n), ends[n], many=n > 0) for n in range(2)]
    for each in made:
        proposals.add(each)
    taken = proposals.take()
    commands = [e.data for e in kept.entries_of(taken)]
    entries = [build.Entry(index=5 + n, term=2, data=data) for n, data in enumerate(commands)]
    proposals.place_all(taken, 2, 5)
    for run in slices.slices(entries[:2], 1):
        proposals.settle(run, ["answer"] * len(run))
    proposals.settle([build.Entry(index=7, term=3, data=b"another")], ["answer"])
    proposals.add(kept.Proposal([b"c"], ends[2]))
    refused(build.Rejected, lambda: proposals.add(kept.Proposal([bytes(101)], ends[3])))
    proposals.stop("the end")
    if not all(end.done() for end in ends[:3]):
        raise AssertionError("a proposal has no outcome")


def ticked(build: ModuleType) -> None:
    """Members that tick together: one campaigns, and hears of another leader by a heartbeat of many groups."""
    ticking = load(build, "replica.ticking")
    seats = []
    for _ in range(2):
        storage = build.MemoryStorage()
        seats.append(ticking.Seat(7, build.Driver(build.RawNode(config(build, storage=storage)), storage), None, True))
    for _ in range(30):
        ticking.tick_seats(seats, {}, ticking.Found())
    found = ticking.Found()
    ticking.step_heartbeats({7: seats[0]}, 2, (7, 50, 0), found)
    if seats[0].raft.term != 50:
        raise AssertionError("the heartbeat was not heard")


def served(build: ModuleType) -> None:
    """asyncio Nodes: one is elected, replicates and stops; one dies while tasks wait for it."""
    asyncio.run(_life(build))
    asyncio.run(_death(build))


async def _life(build: ModuleType) -> None:
    storage = build.MemoryStorage()
    given = {"id": 1, "election_tick": 10, "heartbeat_tick": 1, "max_inflight_msgs": 2}
    options = build.Config(storage=storage, max_size_per_msg=build.NO_LIMIT, random=random.Random(1), **given)
    node = build.start_node(options, [build.Peer(1)])
    proposal = asyncio.create_task(node.propose(b"waits for a leader"))
    single = Member(node, storage, build.decode_change)
    while len(single.committed) < 4:
        await single.turn()
        node.tick()
        if len(single.committed) == 1:
            await node.campaign()
        if len(single.committed) == 3:
            await node.step_many([build.Message(type=build.MessageType.MSG_HEARTBEAT_RESP, from_=9, to=1)])
            await node.propose(b"more")
    await proposal
    await node.stop()
    try:
        await node.propose(b"too late")
    except build.Stopped:
        return
    raise AssertionError("a stopped node takes proposals")


async def _death(build: ModuleType) -> None:
    node = build.restart_node(config(build))
    waiting = [asyncio.create_task(node.propose(b"x")), asyncio.create_task(node.ready())]
    await asyncio.sleep(0)
    lost = build.Message(type=build.MessageType.MSG_HEARTBEAT, from_=2, to=1, term=9, commit=99)
    try:
        await node.step(lost)
    except build.LogLost:
        pass
    else:
        raise AssertionError("the node lives")
    told = await asyncio.gather(*waiting, return_exceptions=True)
    if not all(isinstance(each, build.RaftError) for each in told):
        raise AssertionError(f"the waiting tasks did not get the error: {told}")
