"""The shell of a driver in an event loop: its order of work, its ticker, its reads, and the effect of an error."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from raftcy.core.config import Config
from raftcy.core.rawnode import RawNode
from raftcy.core.ready import ReadState, SoftState
from raftcy.core.storage import MemoryStorage
from raftcy.errors import (
    LogLost,
    MalformedMessage,
    NotNow,
    Overloaded,
    ProposalDropped,
    StepPeerNotFound,
    Stopped,
    StorageFailed,
)
from raftcy.replica.pump import Pump
from raftcy.replica.work import Batch
from raftcy.wire.enums import MessageType, SnapshotStatus, StateType
from raftcy.wire.messages import ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata
from tests.support.virtual import VirtualLoop, run_virtually

BASE = 5
"""Members start from a snapshot at this index."""
ELECTION = 10


class Machine:
    """Keeps what it is given, and returns how much that is."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.error: Exception | None = None

    def apply(self, entries: list[Entry]) -> None:
        if self.error is not None:
            raise self.error
        self.data += [entry.data for entry in entries]

    def restore(self, snapshot: Snapshot) -> None:
        self.data = snapshot.data.split(b",")

    def capture(self) -> bytes:
        return b",".join(self.data)


class Noting(MemoryStorage):
    """Notes which entries are stored, and fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.error: Exception | None = None
        self.unreadable: Exception | None = None

    def snapshot(self) -> Snapshot:
        if self.unreadable is not None:
            raise self.unreadable
        return super().snapshot()

    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        if self.error is not None:
            raise self.error
        super().save(hard_state, entries, snapshot)
        if entries:
            self.notes.append(f"stored {len(entries)}")


class Member(Pump):
    """A pump that notes events in order."""

    def __init__(self, *voters: int, id: int = 1, storage: Noting | None = None, **fields: Any) -> None:
        self.machine = Machine()
        if storage is None:
            storage = Noting()
            members = ConfState(voters=list(voters or (1,)))
            storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(index=BASE, term=1, conf_state=members)))
            storage.set_hard_state(HardState(term=1, vote=0, commit=BASE))
        self.notes = storage.notes
        config = Config(
            **{
                "id": id,
                "election_tick": ELECTION,
                "heartbeat_tick": 1,
                "storage": storage,
                "max_size_per_msg": 1 << 20,
                "max_inflight_msgs": 256,
            }
            | fields
        )
        super().__init__(RawNode(config), storage, self.machine)
        self.storage = storage
        self.sent: list[Message] = []
        self.send = self.take

    def take(self, messages: list[Message]) -> None:
        self.sent += messages
        self.notes.append("sent " + " ".join(sorted({str(m.type) for m in messages})))

    def changed(self, state: SoftState) -> None:
        self.notes.append(f"{state.raft_state}")

    def apply_batch(self, batch: Batch) -> None:
        super().apply_batch(batch)
        if batch.entries:
            self.notes.append(f"applied {len(batch.entries)}")

    def role(self) -> StateType:
        return self.driver.node.basic_status().raft_state


async def leader(**fields: Any) -> Member:
    """A single member, elected."""
    member = Member(1, **fields)
    member.call(member.driver.node.campaign)
    member.work()
    assert member.role() == StateType.LEADER
    return member


async def turns(count: int = 5) -> None:
    """Let the event loop run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def ends(waiter: Awaitable[Any]) -> Any:
    """Wait for something that must end; waiting endlessly would be the defect."""
    async with asyncio.timeout(5):
        return await waiter


def connect(*members: Member, lost: Callable[[Message], bool] = lambda m: False) -> None:
    """Let members send to each other through the event loop."""
    by_id = {member.driver.id: member for member in members}

    def deliver(messages: list[Message]) -> None:
        for m in messages:
            if m.to in by_id and not lost(m):
                asyncio.get_running_loop().call_soon(step, by_id[m.to], m)

    def step(member: Member, m: Message) -> None:
        with contextlib.suppress(StopIteration, Stopped):
            member.step_many([m]).send(None)

    for member in members:
        member.send = deliver


def heartbeat(**fields: Any) -> Message:
    return Message(**{"type": MessageType.MSG_HEARTBEAT, "to": 1, "from_": 2, "term": 3} | fields)


# -- the order of work -----------------------------------------------------------------------------------------------


async def test_it_stores_before_it_sends_before_it_applies() -> None:
    member = Member(1, 2)
    member.call(member.driver.node.campaign)
    member.work()
    assert member.notes == ["sent MsgVote", "StateCandidate"]
    vote = Message(type=MessageType.MSG_VOTE_RESP, to=1, from_=2, term=2)
    assert await member.step_many([vote]) == []
    assert member.notes[2:] == ["stored 1", "sent MsgApp", "StateLeader"]
    ack = Message(type=MessageType.MSG_APP_RESP, to=1, from_=2, term=2, index=BASE + 1)
    await member.step_many([ack])
    assert member.notes[5:] == ["sent MsgApp", "applied 1"]
    del member.notes[:]
    await member.propose(b"x")
    assert member.notes == []
    await turns(1)
    assert member.notes == ["stored 1", "sent MsgApp"]
    assert member.machine.data == []
    ack = Message(type=MessageType.MSG_APP_RESP, to=1, from_=2, term=2, index=BASE + 2)
    await member.step_many([ack])
    assert member.notes[2:] == ["sent MsgApp", "applied 1"]
    assert member.machine.data == [b"x"]


async def test_a_vote_leaves_once_it_is_stored() -> None:
    member = Member(1, 2)
    stored: list[HardState | None] = []
    member.send = lambda messages: stored.append(member.storage.initial_state()[0])
    await member.step_many([Message(type=MessageType.MSG_VOTE, to=1, from_=2, term=7, index=BASE, log_term=1)])
    assert stored == [HardState(term=7, vote=2, commit=BASE)]


async def test_proposals_in_a_row_are_one_write() -> None:
    member = await leader()
    del member.notes[:]
    for number in range(50):
        assert await member.propose(b"%d" % number) is True
    await turns(1)
    assert member.notes == ["stored 50", "applied 50"]
    assert member.machine.data == [b"%d" % number for number in range(50)]


async def test_a_tight_proposer_starves_nobody() -> None:
    member = await leader()
    most = 0
    for number in range(1000):
        await member.propose(b"x")
        most = max(most, number + 1 - len(member.machine.data))
    assert most <= 64
    await turns(1)
    assert len(member.machine.data) == 1000
    # And each time it steps aside, all its proposals are one write.
    assert sum(note.startswith("stored") for note in member.notes) <= 1 + 1000 / 64 + 1


async def test_very_much_work_lets_the_event_loop_run() -> None:
    """A restart hands out committed entries again, here one per round."""
    first = await leader()
    for number in range(300):
        await first.propose(b"%d" % number)
    await turns(2)
    await first.close()
    member = Member(storage=first.storage, max_committed_size_per_ready=1)
    seen = []
    for _ in range(10):
        await asyncio.sleep(0)
        seen.append(len(member.machine.data))
    assert seen[-1] == 300
    assert all(after - before <= 64 for before, after in zip([0, *seen], seen, strict=False))


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_comes_in_the_middle_of_work_is_handled_after_it(asynchronous: bool) -> None:
    """A transport reports while it takes messages, and a callback that asks for work gets it later."""
    member = Member(1, 2, async_storage_writes=asynchronous)
    depth = deepest = 0

    def send(messages: list[Message]) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        for m in messages:
            member.report_unreachable(m.to)
            member.report_snapshot(m.to, SnapshotStatus.FAILURE)
        member.call(member.driver.node.tick)
        member.work()
        depth -= 1

    member.send = send
    member.call(member.driver.node.campaign)
    await turns()
    await member.step_many([Message(type=MessageType.MSG_VOTE_RESP, to=1, from_=2, term=2)])
    await turns()
    assert member.role() == StateType.LEADER
    assert deepest == 1
    assert member.failure is None


async def test_three_members_and_a_forwarded_proposal() -> None:
    members = [Member(1, 2, 3, id=id) for id in (1, 2, 3)]
    connect(*members)
    members[0].call(members[0].driver.node.campaign)
    await turns(20)
    assert [member.role() for member in members].count(StateType.LEADER) == 1
    assert await members[0].propose(b"here") is True
    assert await members[1].propose(b"there") is False
    await turns(20)
    assert [member.machine.data for member in members] == [[b"here", b"there"]] * 3
    for member in members:
        await ends(member.close())


async def test_asynchronous_storage_writes() -> None:
    members = [Member(1, 2, 3, id=id, async_storage_writes=True) for id in (1, 2, 3)]
    connect(*members)
    members[0].call(members[0].driver.node.campaign)
    await turns(20)
    await members[0].propose(b"x")
    await turns(20)
    assert [member.machine.data for member in members] == [[b"x"]] * 3


async def test_asynchronous_writes_let_appends_go_first() -> None:
    member = Member(1, 2, async_storage_writes=True)
    member.call(member.driver.node.campaign)
    member.work()
    del member.notes[:]
    await member.step_many([Message(type=MessageType.MSG_VOTE_RESP, to=1, from_=2, term=2)])
    assert member.notes == ["sent MsgApp", "stored 1", "StateLeader"]


async def test_a_follower_that_fell_behind_gets_a_snapshot() -> None:
    members = [Member(1, 2, 3, id=id) for id in (1, 2, 3)]
    connect(*members, lost=lambda m: m.to == 3)
    first, _, third = members
    first.call(first.driver.node.campaign)
    await turns(20)
    for number in range(10):
        await first.propose(b"%d" % number)
    await turns(20)
    made = first.driver.make_snapshot(0)
    assert made is not None
    connect(*members)
    for _ in range(3):
        first.tick()
        await turns(20)
        first.report_snapshot(3, SnapshotStatus.FINISH)
    assert third.machine.data == first.machine.data == [b"%d" % number for number in range(10)]
    assert third.driver.members == ConfState(voters=[1, 2, 3])


# -- input -----------------------------------------------------------------------------------------------------------


async def test_refused_messages() -> None:
    member = Member(1, 2)
    stranger = Message(type=MessageType.MSG_APP_RESP, to=1, from_=9, term=1)
    proposal = Message(type=MessageType.MSG_PROP, to=1, from_=2, entries=[Entry(data=b"x")])
    bad = Message(type=MessageType.MSG_PROP, to=1, from_=2)
    refused = await member.step_many([heartbeat(), stranger, proposal, bad, heartbeat()])
    assert [(place, type(error)) for place, error in refused] == [(1, StepPeerNotFound), (3, MalformedMessage)]
    assert member.driver.node.basic_status().term == 3
    # To the leader that sent the heartbeats.
    assert [m.to for m in member.sent if m.type == MessageType.MSG_PROP] == [2]
    with pytest.raises(MalformedMessage):
        await member.step(bad)
    lonely = Member(1, 2)
    with pytest.raises(ProposalDropped):
        await lonely.step(proposal)
    assert [type(error) for _, error in await lonely.step_many([proposal])] == [ProposalDropped]
    assert lonely.failure is None


async def test_a_proposal_without_a_leader_is_dropped() -> None:
    member = Member(1, 2)
    with pytest.raises(ProposalDropped):
        await member.propose(b"x")
    with pytest.raises(TypeError):
        await member.propose("x")  # type: ignore[arg-type]
    assert member.failure is None


async def test_a_proposer_that_is_cancelled_has_proposed_nothing() -> None:
    member = await leader()
    log = member.driver.node.raft.log
    before = log.last_index()
    returned = 0

    async def propose() -> None:
        nonlocal returned
        while True:
            await member.propose(b"x")
            returned += 1

    proposer = asyncio.ensure_future(propose())
    await asyncio.sleep(0)
    proposer.cancel()
    await asyncio.gather(proposer, return_exceptions=True)
    assert proposer.cancelled()
    assert log.last_index() - before == returned == 64


def test_ticks_that_are_late_do_not_burst() -> None:
    ticks: list[float] = []

    class Ticking(Member):
        def tick(self) -> None:
            ticks.append(asyncio.get_running_loop().time())
            super().tick()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        member = Ticking(1, 2)
        member.start_ticking(1.0)
        await asyncio.sleep(2.5)
        # The event loop stands still for a bit more than ten ticks; then one tick is a little late.
        loop._jumping.now += 10.2
        await asyncio.sleep(2.0)
        loop._jumping.now += 1.2
        await asyncio.sleep(2.0)
        member.stop_ticking()
        await asyncio.sleep(5.0)
        for seconds in (0, -1.0, float("nan")):
            with pytest.raises(ValueError, match="seconds must be above 0"):
                member.start_ticking(seconds)
        member.start_ticking(3.0)
        member.start_ticking(2.0)
        await asyncio.sleep(4.5)
        await ends(member.close())
        await asyncio.sleep(5.0)

    run_virtually(main())
    assert ticks == pytest.approx([1, 2, 12.7, 13.7, 14.7, 15.9, 16.7, 17.7, 24.9, 26.9])


# -- reads -----------------------------------------------------------------------------------------------------------


async def test_a_read_waits_for_the_machine() -> None:
    member = Member(1, 2)
    await member.step_many([heartbeat()])
    read = asyncio.ensure_future(member.read())
    await turns()
    (asked,) = [m for m in member.sent if m.type == MessageType.MSG_READ_INDEX]
    index = BASE + 1
    answer = {"type": MessageType.MSG_READ_INDEX_RESP, "index": index, "entries": asked.entries}
    await member.step_many([heartbeat(**answer)])
    await turns()
    assert not read.done()
    entry = Entry(term=3, index=index, data=b"x")
    append = {"type": MessageType.MSG_APP, "log_term": 1, "index": BASE, "entries": [entry], "commit": index}
    await member.step_many([heartbeat(**append)])
    assert await ends(read) == index
    assert member.machine.data == [b"x"]
    assert member._reads == {}


async def test_reads_on_every_member() -> None:
    members = [Member(1, 2, 3, id=id) for id in (1, 2, 3)]
    connect(*members)
    members[0].call(members[0].driver.node.campaign)
    await turns(20)
    await members[0].propose(b"x")
    await turns(20)
    for member in members:
        assert await ends(member.read()) == BASE + 2
        assert member.machine.data == [b"x"]


async def test_a_read_that_is_lost_is_asked_again() -> None:
    members = [Member(1, 2, 3, id=id) for id in (1, 2, 3)]
    asked: list[bytes] = []

    def lost(m: Message) -> bool:
        if m.type != MessageType.MSG_READ_INDEX:
            return False
        asked.append(m.entries[0].data)
        return len(asked) <= 2

    connect(*members, lost=lost)
    members[0].call(members[0].driver.node.campaign)
    await turns(20)
    read = asyncio.ensure_future(members[1].read())
    for _ in range(2 * ELECTION):
        await turns(20)
        assert not read.done()
        members[0].tick()
        await turns(20)
        members[1].tick()
    assert await ends(read) == BASE + 1
    assert len(set(asked)) == len(asked) == 3


async def test_a_read_waits_while_there_is_no_leader() -> None:
    member = Member(1, 2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await member.read()
    assert member._reads == {}


async def test_a_single_voter_that_has_committed_nothing_yet_is_asked_again() -> None:
    member = Member(1)
    await turns(1)
    member.driver.node.campaign()
    member._round()
    # It leads, and nothing of its term is stored.
    assert member.role() == StateType.LEADER
    with pytest.raises(NotNow):
        member.driver.read_index(b"c")
    read = asyncio.ensure_future(member.read())
    await asyncio.sleep(0)
    while not read.done():
        member.tick()
        await asyncio.sleep(0)
    assert await ends(read) == BASE + 1


async def test_reads_beyond_the_limit_are_refused() -> None:
    member = Member(1, 2, max_pending_reads=1)
    member.call(member.driver.node.campaign)
    member.work()
    await member.step_many([Message(type=MessageType.MSG_VOTE_RESP, to=1, from_=2, term=2)])
    await member.step_many([Message(type=MessageType.MSG_APP_RESP, to=1, from_=2, term=2, index=BASE + 1)])
    first = asyncio.ensure_future(member.read())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await ends(member.read())
    await ends(member.close())
    with pytest.raises(Stopped):
        await ends(first)


async def test_answers_to_reads_of_others_are_ignored() -> None:
    member = await leader()
    seen: list[bytes] = []

    def answered(state: ReadState) -> None:
        seen.append(state.request_ctx)
        Pump.answered(member, state)

    member.answered = answered  # type: ignore[method-assign]
    member.call(member.driver.read_index, b"mine")
    assert await ends(member.read()) == BASE + 1
    assert seen[0] == b"mine"
    assert len(seen) == 2


# -- errors ----------------------------------------------------------------------------------------------------------


class Boom(Exception):
    """Not an error of the package."""


def storage_fails(member: Member) -> None:
    member.storage.error = Boom()


def machine_fails(member: Member) -> None:
    member.machine.error = Boom()


def send_fails(member: Member) -> None:
    def send(messages: list[Message]) -> None:
        raise Boom

    member.send = send


def hook(name: str) -> Callable[[Member], None]:
    def fails(member: Member) -> None:
        def call(*arguments: Any) -> None:
            raise Boom

        setattr(member, name, call)

    fails.__name__ = name
    return fails


FAILURES = [
    storage_fails,
    machine_fails,
    send_fails,
    hook("changed"),
    hook("apply_batch"),
    hook("finished"),
    hook("answered"),
]


async def waiting(member: Member) -> tuple[asyncio.Task[Any], ...]:
    """All kinds of tasks that can wait for a pump."""
    tasks = tuple(asyncio.ensure_future(work) for work in (member.read(), member.done()))
    await asyncio.sleep(0)
    return tasks


async def expect_dead(member: Member, cause: BaseException, tasks: tuple[asyncio.Task[Any], ...]) -> None:
    """Every waiting task gets the error, at once and from then on, and nothing more is sent."""
    read, done = tasks
    assert member.failure is cause
    assert member.driver.failure is cause
    await ends(asyncio.wait([read, done]))
    assert isinstance(read.exception(), Stopped)
    assert read.exception().cause is cause  # type: ignore[union-attr]
    assert done.exception() is cause
    sent = len(member.sent)
    calls: list[Callable[[], Any]] = [
        member.tick,
        member.work,
        lambda: member.start_ticking(1),
        lambda: member.report_unreachable(2),
        lambda: member.report_snapshot(2, SnapshotStatus.FINISH),
        lambda: member.call(member.driver.node.campaign),
    ]
    for call in calls:
        with pytest.raises(Stopped) as raised:
            call()
        assert raised.value.cause is cause
    works: list[Coroutine[Any, Any, Any]] = [
        member.propose(b"x"),
        member.read(),
        member.step(heartbeat()),
        member.step_many([heartbeat()]),
    ]
    for work in works:
        with pytest.raises(Stopped) as raised:
            await work
        assert raised.value.cause is cause
    with pytest.raises(type(cause)):
        await ends(member.done())
    await turns()
    assert len(member.sent) == sent
    await ends(member.close())


async def awake(member: Member, from_: int) -> None:
    """Make a follower do everything that can fail: store, send, follow another leader, apply, and answer a read."""
    term = member.driver.node.basic_status().term + 1
    index = member.driver.node.raft.log.last_index()
    base = member.storage.term(index)
    entries = [Entry(term=term, index=index + 1, data=b"x")]
    answer = {"type": MessageType.MSG_READ_INDEX_RESP, "index": index + 1, "entries": [Entry(data=b"ctx")]}
    append = {
        "type": MessageType.MSG_APP,
        "log_term": base,
        "index": index,
        "entries": entries,
        "commit": index + 1,
    }
    await member.step_many([heartbeat(from_=from_, term=term, **each) for each in (append, answer)])


@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)
async def test_an_error_in_a_call_ends_everything(fail: Callable[[Member], None]) -> None:
    member = Member(1, 2, 3)
    await awake(member, 2)
    assert member.notes == ["stored 1", "sent MsgAppResp", "StateFollower", "applied 1"]
    tasks = await waiting(member)
    fail(member)
    with pytest.raises(Stopped) as raised:
        await awake(member, 3)
    assert isinstance(raised.value.__cause__, Boom)
    await expect_dead(member, raised.value.__cause__, tasks)
    if fail is storage_fails:
        assert [m.to for m in member.sent if m.type == MessageType.MSG_APP_RESP] == [2]


@pytest.mark.parametrize("fail", [storage_fails, send_fails, hook("changed")], ids=lambda fail: fail.__name__)
def test_an_error_of_the_ticker_ends_everything(fail: Callable[[Member], None]) -> None:
    async def main() -> None:
        member = Member(1, 2)
        member.start_ticking(0.01)
        tasks = await waiting(member)
        fail(member)
        await ends(asyncio.wait([tasks[1]]))
        assert isinstance(member.failure, Boom)
        await expect_dead(member, member.failure, tasks)

    run_virtually(main())


@pytest.mark.parametrize("fail", [storage_fails, machine_fails], ids=lambda fail: fail.__name__)
async def test_an_error_of_work_that_nobody_waits_for_ends_everything(fail: Callable[[Member], None]) -> None:
    """A proposal has already returned when its write fails."""
    member = await leader()
    tasks = await waiting(member)
    assert await tasks[0] > 0
    fail(member)
    assert await member.propose(b"x") is True
    with pytest.raises(Boom):
        await tasks[1]
    with pytest.raises(Stopped):
        await member.propose(b"y")


async def test_a_storage_that_fails_while_it_is_read_ends_everything() -> None:
    member = Member(1, 2)
    member.call(member.driver.node.campaign)
    member.work()
    await member.step_many([Message(type=MessageType.MSG_VOTE_RESP, to=1, from_=2, term=2)])
    tasks = await waiting(member)
    member.storage.unreadable = Boom()
    # The follower is behind everything that the log has, so it needs a snapshot.
    behind = Message(type=MessageType.MSG_APP_RESP, to=1, from_=2, term=2, index=BASE, reject=True, reject_hint=1)
    with pytest.raises(Stopped) as raised:
        await member.step_many([behind])
    assert isinstance(raised.value.cause, StorageFailed)
    await expect_dead(member, raised.value.cause, tasks)


async def test_a_message_that_kills_the_node_ends_everything() -> None:
    member = Member(1, 2)
    tasks = await waiting(member)
    with pytest.raises(Stopped) as raised:
        await member.step_many([heartbeat(commit=BASE + 10)])
    assert isinstance(raised.value.cause, LogLost)
    await expect_dead(member, raised.value.cause, tasks)


async def test_a_send_that_is_a_coroutine_is_an_error() -> None:
    """It would never run."""
    member = Member(1, 2)
    loops: list[Any] = []

    async def send(messages: list[Message]) -> None:
        raise AssertionError

    def asynchronous(messages: list[Message]) -> Any:
        loops.append(send(messages))
        return loops[0]

    member.send = asynchronous
    with pytest.raises(Stopped) as raised:
        await member.step_many([heartbeat()])
    loops[0].close()
    assert isinstance(raised.value.cause, TypeError)
    assert "send must return None, not coroutine" in str(raised.value.cause)


async def test_an_interruption_is_raised_as_it_is() -> None:
    member = Member(1, 2)

    def send(messages: list[Message]) -> None:
        raise KeyboardInterrupt

    member.send = send
    with pytest.raises(KeyboardInterrupt):
        await member.step_many([heartbeat()])
    with pytest.raises(Stopped):
        member.tick()


# -- tasks and stopping ----------------------------------------------------------------------------------------------


async def forever(log: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        log.append("cancelled")


async def test_an_error_of_a_task_ends_everything() -> None:
    member = Member(1, 2)
    tasks = await waiting(member)
    log: list[str] = []
    member.spawn(forever(log))
    error = Boom()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise error

    member.spawn(fail())
    with pytest.raises(Boom):
        await tasks[1]
    await expect_dead(member, error, tasks)
    assert log == ["cancelled"]


async def test_a_task_that_meets_the_end_of_the_pump_raises_nothing_else() -> None:
    member = Member(1, 2)
    tasks = await waiting(member)

    async def work() -> None:
        send_fails(member)
        await member.step_many([heartbeat()])

    member.spawn(work())
    with pytest.raises(Boom):
        await tasks[1]
    assert member.failure is not None
    await expect_dead(member, member.failure, tasks)


@pytest.mark.parametrize("how", ["returns", "is cancelled", "cancels itself"])
async def test_a_task_that_ends_ends_the_pump(how: str) -> None:
    """A member without, say, its receiving task would be deaf and look alive."""
    member = Member(1, 2)
    read, done = await waiting(member)
    log: list[str] = []
    member.spawn(forever(log))
    gone = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await asyncio.sleep(0)
        if how == "cancels itself":
            gone.cancel()
            await gone
        if how == "is cancelled":
            await asyncio.Event().wait()

    member.spawn(work())
    await turns(1)
    if how == "is cancelled":
        (task,) = (each for each in member._tasks if "work" in repr(each.get_coro()))
        task.cancel()
    await ends(done)
    with pytest.raises(Stopped) as raised:
        await ends(read)
    assert raised.value.cause is None
    assert member.failure is None
    await ends(member.close())
    assert log == ["cancelled"]


async def test_close() -> None:
    member = await leader()
    log: list[str] = []
    member.spawn(forever(log))
    member.start_ticking(0.001)
    await turns(1)
    done = asyncio.ensure_future(member.done())
    await turns(1)
    await ends(member.close())
    assert log == ["cancelled"]
    await ends(done)
    await ends(member.done())
    await ends(member.close())
    with pytest.raises(Stopped) as raised:
        await member.propose(b"x")
    assert raised.value.cause is None
    late: list[str] = []
    member.spawn(forever(late))
    await turns(2)
    assert member._tasks == set()
    # Not even the pending write.
    assert member.driver.failure is None


async def test_a_task_may_close_its_pump() -> None:
    member = Member(1, 2)
    log: list[str] = []

    async def work() -> None:
        await ends(member.close())
        await asyncio.sleep(0)
        log.append("closed")

    member.spawn(work())
    await ends(member.done())
    await turns(2)
    assert log == ["closed"]


async def test_what_was_due_is_not_done_after_the_end() -> None:
    member = await leader()
    stored = member.storage.last_index()
    await member.propose(b"x")
    await ends(member.close())
    await turns(2)
    assert member.storage.last_index() == stored
    assert member.machine.data == []
