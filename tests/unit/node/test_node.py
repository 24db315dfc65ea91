"""What a Node adds to a RawNode: waiting, waking, one Ready at a time, ticks, death and stopping."""

import asyncio
import contextlib
from typing import Any

import pytest

from raftcy.core.config import Peer
from raftcy.core.ready import Ready
from raftcy.core.storage import MemoryStorage
from raftcy.errors import (
    BootstrapError,
    ConfChangeError,
    ConfChangeRefused,
    ConfigError,
    Contradiction,
    InvariantError,
    LogLost,
    MalformedMessage,
    Overloaded,
    ProposalDropped,
    RangeError,
    Stopped,
    StorageFailed,
)
from raftcy.node import restart_node, start_node
from raftcy.wire.changes import ConfChange, ConfChangeSingle, ConfChangeV2
from raftcy.wire.enums import ConfChangeType, EntryType, MessageType, SnapshotStatus, StateType
from raftcy.wire.messages import ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata
from tests.support.node_loop import Cluster, Member, Recorder, config, leader, member, storage_with

APPEND_THREAD = 2**64 - 1
APPLY_THREAD = 2**64 - 2


async def tasks(*coroutines: Any) -> list[asyncio.Task[Any]]:
    """Tasks that have started."""
    started = [asyncio.create_task(coroutine) for coroutine in coroutines]
    await asyncio.sleep(0)
    return started


# -- starting ---------------------------------------------------------------------------------------------------------


def test_a_node_needs_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        start_node(config(MemoryStorage()), [Peer(1)])
    with pytest.raises(RuntimeError, match="no running event loop"):
        restart_node(config(MemoryStorage()))


async def test_starting_checks_the_config() -> None:
    with pytest.raises(ConfigError, match="cannot use none as id"):
        start_node(config(MemoryStorage(), 0), [Peer(1)])
    with pytest.raises(ConfigError, match="cannot use none as id"):
        restart_node(config(MemoryStorage(), 0))


async def test_bootstrapping_needs_an_empty_storage() -> None:
    storage = MemoryStorage()
    storage.append([Entry(term=1, index=1)])
    with pytest.raises(BootstrapError, match="can't bootstrap a nonempty Storage"):
        start_node(config(storage), [Peer(1)])


def contradictory(make: Any = MemoryStorage) -> Any:
    """An entry of a term that the hard state does not know: what a save in parts leaves after a crash."""
    storage = make()
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(index=1, term=1, conf_state=ConfState(voters=[1, 2, 3]))))
    storage.append([Entry(term=5, index=2)])
    return storage


@pytest.mark.parametrize("start", [restart_node, lambda given: start_node(given, [])])
async def test_a_log_storage_that_contradicts_itself_is_refused(start: Any) -> None:
    """The node could give its vote of term 5 away a second time.

    catches: faults#X5
    """
    with pytest.raises(Contradiction, match="ends at 2 with term 5, but there is no hard state"):
        start(config(contradictory()))
    compacted = MemoryStorage()
    members = ConfState(voters=[1, 2, 3])
    compacted.apply_snapshot(Snapshot(metadata=SnapshotMetadata(index=1, term=1, conf_state=members)))
    compacted.append([Entry(term=1, index=i) for i in (2, 3)])
    compacted.set_hard_state(HardState(term=1, commit=3))
    compacted.compact(2)
    with pytest.raises(Contradiction, match="what was compacted in between is lost"):
        start(config(compacted))


async def test_a_storage_of_etcds_methods_is_not_judged() -> None:
    """Its owner writes it by calls of its own, in an order of its own."""

    class Reads:
        def __init__(self) -> None:
            self.behind = contradictory()

        def __getattr__(self, name: str) -> Any:
            if name in ("save", "sync"):
                raise AttributeError(name)
            return getattr(self.behind, name)

    await restart_node(config(Reads())).stop()


async def test_starting_without_peers_waits_for_a_leader_in_term_one() -> None:
    """The first releases did this for nodes that join; later ones refuse it."""
    joining = Member(start_node(config(MemoryStorage(), 4), []), MemoryStorage())
    assert (await joining.turn()) == Ready(hard_state=HardState(term=1, vote=0, commit=0), must_sync=True)
    await joining.node.campaign()
    assert await joining.nothing_is_ready()
    await joining.node.stop()


async def test_starting_without_peers_keeps_what_the_storage_holds() -> None:
    storage = storage_with(1)
    storage.set_hard_state(HardState(term=7, vote=1, commit=0))
    node = start_node(config(storage), [])
    assert (node.status().term, node.status().vote) == (7, 1)
    await node.stop()


async def test_peers_carry_their_context() -> None:
    storage = MemoryStorage()
    started = Member(start_node(config(storage), [Peer(1, b"here"), Peer(2)]), storage)
    await started.turn()
    changes = [ConfChange.decode(entry.data) for entry in started.committed]
    assert changes == [
        ConfChange(type=ConfChangeType.ADD_NODE, node_id=1, context=b"here"),
        ConfChange(type=ConfChangeType.ADD_NODE, node_id=2),
    ]
    await started.node.stop()


# -- ticks ------------------------------------------------------------------------------------------------------------


async def test_the_129th_waiting_tick_is_dropped_with_a_warning() -> None:
    recorder = Recorder()
    single = member(storage_with(1, 2), logger=recorder, id=1, election_tick=1000)
    for _ in range(128):
        single.node.tick()
    assert not any("tick missed" in text for _, text in recorder.texts)
    single.node.tick()
    assert recorder.texts[-1] == (30, "1 A tick missed to fire. Node blocks too long!")
    await asyncio.sleep(0)
    assert single.node._raw.raft.election_elapsed == 128
    single.node.tick()
    await asyncio.sleep(0)
    assert single.node._raw.raft.election_elapsed == 129
    await single.node.stop()


async def test_the_id_in_the_warning_is_hexadecimal() -> None:
    recorder = Recorder()
    single = member(storage_with(255), 255, logger=recorder, election_tick=1000)
    for _ in range(129):
        single.node.tick()
    assert recorder.texts[-1][1] == "ff A tick missed to fire. Node blocks too long!"
    await single.node.stop()


async def test_ticks_take_effect_before_the_next_ready() -> None:
    single = member()
    for _ in range(20):
        single.node.tick()
    assert single.node.status().raft_state == StateType.FOLLOWER
    rd = await single.turn()
    assert rd.soft_state is not None
    assert rd.soft_state.raft_state == StateType.CANDIDATE
    await single.node.stop()


async def test_a_ready_that_was_there_before_has_the_ticks_too() -> None:
    cluster = Cluster(3)
    await cluster.elect(1)
    await cluster[1].node.propose(b"x")
    cluster[1].node.tick()
    kinds = {m.type for m in (await cluster[1].turn()).messages}
    assert kinds == {MessageType.MSG_APP, MessageType.MSG_HEARTBEAT}
    await cluster.stop()


async def test_ticks_wake_a_consumer() -> None:
    single = member()
    (waiting,) = await tasks(single.node.ready())
    for _ in range(20):
        single.node.tick()
    rd = await waiting
    assert rd.hard_state == HardState(term=1, vote=1, commit=0)
    await single.node.stop()


async def test_ticks_go_on_while_a_ready_is_out() -> None:
    cluster = Cluster(3)
    await cluster.elect(1)
    await cluster[1].node.propose(b"x")
    await cluster[1].take()
    before = cluster[1].node._raw.raft.election_elapsed
    cluster[1].node.tick()
    await asyncio.sleep(0)
    assert cluster[1].node._raw.raft.election_elapsed == before + 1
    await cluster.stop()


# -- ready and advance ------------------------------------------------------------------------------------------------


async def test_a_ready_is_put_together_when_it_is_taken() -> None:
    single = await leader()
    (waiting,) = await tasks(single.node.ready())
    await single.node.propose(b"a")
    await single.node.propose(b"b")
    assert [entry.data for entry in (await waiting).entries] == [b"a", b"b"]
    await single.node.stop()


async def test_cancelling_ready_loses_nothing() -> None:
    single = await leader()
    (waiting,) = await tasks(single.node.ready())
    await single.node.propose(b"a")
    # It has been woken by now, and has not run yet.
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [entry.data for entry in (await single.turn()).entries] == [b"a"]
    await single.node.stop()


async def test_timing_out_on_ready_loses_nothing() -> None:
    single = await leader()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(single.node.ready(), 0.01)
    await single.node.propose(b"a")
    assert [entry.data for entry in (await single.turn()).entries] == [b"a"]
    await single.node.stop()


async def test_several_consumers_are_served_in_turn() -> None:
    single = await leader()
    waiting = await tasks(*(single.node.ready() for _ in range(3)))
    await single.node.propose(b"a")
    late = asyncio.create_task(single.node.ready())
    got = []
    for each in (*waiting, late):
        rd = await each
        got.append([entry.data for entry in (*rd.entries, *rd.committed_entries)])
        single.handle(rd)
        assert sum(other.done() for other in (*waiting, late)) == len(got)
        single.node.advance()
        if len(got) == 2:
            await single.node.propose(b"b")
    assert got == [[b"a"], [b"a"], [b"b"], [b"b"]]
    await single.node.stop()


async def test_consumers_keep_their_places_while_a_ready_is_out() -> None:
    single = await leader()
    await single.node.propose(b"a")
    await single.take()
    first, second = await tasks(single.node.ready(), single.node.ready())
    await single.node.propose(b"b")
    await asyncio.sleep(0)
    single.node.advance()
    assert [entry.data for entry in (await asyncio.wait_for(first, 1)).committed_entries] == [b"a"]
    assert not second.done()
    await single.node.stop()
    with pytest.raises(Stopped):
        await second


async def test_a_newcomer_does_not_overtake_a_woken_consumer() -> None:
    single = await leader()
    (first,) = await tasks(single.node.ready())
    await single.node.propose(b"a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(single.node.ready(), 0.01)
    assert [entry.data for entry in first.result().entries] == [b"a"]
    await single.node.stop()


async def test_a_cancelled_consumer_passes_its_turn_on() -> None:
    single = await leader()
    first, second, third = await tasks(*(single.node.ready() for _ in range(3)))
    second.cancel()
    await single.node.propose(b"a")
    first.cancel()
    rd = await asyncio.wait_for(third, 1)
    assert [entry.data for entry in rd.entries] == [b"a"]
    await single.node.stop()


async def test_a_consumer_behind_a_cancelled_one_is_woken() -> None:
    single = await leader()
    (first,) = await tasks(single.node.ready())
    await single.node.propose(b"a")
    first.cancel()
    second = asyncio.create_task(single.node.ready())
    rd = await asyncio.wait_for(second, 1)
    assert [entry.data for entry in rd.entries] == [b"a"]
    await single.node.stop()


async def test_async_writes_give_the_next_ready_at_once() -> None:
    single = member(async_storage_writes=True)
    waiting = await tasks(single.node.ready(), single.node.ready())
    await single.node.campaign()
    rd = await waiting[0]
    assert not waiting[1].done()
    for answer in rd.messages[0].responses:
        await single.node.step(answer)
    rd = await asyncio.wait_for(waiting[1], 1)
    assert rd.messages[0].type == MessageType.MSG_STORAGE_APPEND
    await single.node.stop()


async def test_advance_must_not_be_called_with_async_writes() -> None:
    single = member(async_storage_writes=True)
    await single.node.campaign()
    await single.node.ready()
    with pytest.raises(InvariantError, match="Advance must not be called when using AsyncStorageWrites"):
        single.node.advance()
    with pytest.raises(Stopped):
        single.node.status()


async def test_async_for_takes_one_ready_after_the_other() -> None:
    single = member()
    await single.node.campaign()
    seen = []
    async for rd in single.node:
        single.handle(rd)
        single.node.advance()
        seen.append(rd)
        if single.committed:
            await single.node.stop()
    assert [entry.index for rd in seen for entry in rd.committed_entries] == [1]


# -- proposals --------------------------------------------------------------------------------------------------------


async def test_waiting_proposals_keep_their_order() -> None:
    single = member()
    waiting = await tasks(*(single.node.propose(b"%d" % i) for i in range(100)))
    await single.node.campaign()
    await single.settle()
    await asyncio.gather(*waiting, single.node.propose(b"last"))
    await single.settle()
    assert [entry.data for entry in single.committed[1:]] == [*(b"%d" % i for i in range(100)), b"last"]
    await single.node.stop()


async def test_a_cancelled_proposal_is_withdrawn() -> None:
    single = member()
    keep, withdraw = await tasks(single.node.propose(b"keep"), single.node.propose(b"withdraw"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(single.node.propose(b"too late"), 0.01)
    assert len(single.node._proposals) == 2
    withdraw.cancel()
    # A leader appears in the same turn of the event loop.
    await single.node.campaign()
    await single.settle()
    await keep
    with pytest.raises(asyncio.CancelledError):
        await withdraw
    await single.settle()
    assert [entry.data for entry in single.committed[1:]] == [b"keep"]
    assert not single.node._proposals
    await single.node.stop()


async def test_absent_and_empty_data_differ() -> None:
    single = await leader()
    await single.node.propose(None)
    await single.node.propose(b"")
    assert [entry.has("data") for entry in (await single.turn()).entries] == [False, True]
    await single.node.stop()


@pytest.mark.parametrize("data", ["text", 5, [b"x"]])
async def test_data_must_be_bytes(data: Any) -> None:
    """Even without a leader, so nobody waits for an error."""
    single = member()
    with pytest.raises(TypeError, match="data must be bytes"):
        await single.node.propose(data)
    await single.node.stop()


async def test_a_follower_returns_once_it_has_forwarded() -> None:
    cluster = Cluster(3)
    await cluster.elect(1)
    await cluster[2].node.propose(b"x")
    await cluster[2].node.propose_conf_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4))
    assert not any(entry.data for entry in cluster[1].committed)
    await cluster.pump()
    for each in cluster.members.values():
        assert [entry.type for entry in each.committed[1:]] == [EntryType.NORMAL, EntryType.CONF_CHANGE]
        assert each.states[-1].learners == [4]
    await cluster.stop()


async def test_a_forwarded_proposal_counts_as_own() -> None:
    """A node that lost leadership forwards it under its own name, as the reference's does."""
    cluster = Cluster(3)
    await cluster.elect(1)
    await cluster[3].node.step(Message(type=MessageType.MSG_PROP, from_=2, to=3, entries=[Entry(data=b"x")]))
    (m,) = (await cluster[3].turn()).messages
    assert m.encode() == Message(type=MessageType.MSG_PROP, to=1, from_=3, entries=[Entry(data=b"x")]).encode()
    await cluster.stop()


async def test_nobody_hears_of_a_refused_forwarded_proposal() -> None:
    single = await leader(max_uncommitted_entries_size=1)
    m = Message(type=MessageType.MSG_PROP, from_=2, to=1, entries=[Entry(data=b"xx")])
    await single.node.step(m)
    await single.node.step(m)
    assert len((await single.turn()).entries) == 1
    await single.node.stop()


async def test_an_empty_forwarded_proposal_is_refused_at_once() -> None:
    single = member()
    with pytest.raises(MalformedMessage):
        await asyncio.wait_for(single.node.step(Message(type=MessageType.MSG_PROP, from_=2, to=1)), 1)
    await single.node.stop()


async def test_a_change_that_is_not_allowed_is_refused_with_the_reason() -> None:
    single = await leader()
    await single.node.propose_conf_change(ConfChange(type=ConfChangeType.ADD_NODE, node_id=2))
    with pytest.raises(ConfChangeRefused, match="possible unapplied conf change") as refused:
        await single.node.propose_conf_change(ConfChange(type=ConfChangeType.ADD_NODE, node_id=3))
    assert refused.value.reason
    kinds = [entry.type for entry in (await single.turn()).entries]
    assert kinds == [EntryType.CONF_CHANGE, EntryType.NORMAL]
    await single.settle()
    assert single.committed[-1].data == b"" or single.committed[-1].type == EntryType.CONF_CHANGE
    await single.node.stop()


async def test_a_waiting_change_is_refused_too() -> None:
    single = member()
    change = ConfChangeV2(changes=[ConfChangeSingle(type=ConfChangeType.ADD_NODE, node_id=2)])
    first, second, leave = await tasks(*(single.node.propose_conf_change(cc) for cc in (change, change, None)))
    await single.node.campaign()
    await single.settle()
    await first
    for each in (second, leave):
        with pytest.raises(ConfChangeRefused):
            await each
    await single.node.stop()


async def test_a_change_of_an_unknown_type_is_an_error() -> None:
    single = await leader()
    with pytest.raises(ConfChangeError):
        await single.node.propose_conf_change(ConfChange(type=9, node_id=2))
    with pytest.raises(TypeError, match="cc must be a ConfChange or a ConfChangeV2, not int"):
        await single.node.propose_conf_change(5)  # type: ignore[arg-type]
    assert not single.has_ready()
    await single.node.stop()


async def test_a_dropped_change_raises() -> None:
    single = await leader(max_uncommitted_entries_size=1)
    await single.node.propose(b"xx")
    with pytest.raises(ProposalDropped):
        await single.node.propose_conf_change(ConfChange(type=ConfChangeType.ADD_NODE, node_id=2))
    await single.node.stop()


async def test_a_removed_node_takes_no_proposals_until_it_hears_of_a_leader_again() -> None:
    cluster = Cluster(2)
    await cluster.elect(1)
    state = cluster[2].node.apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=2))
    assert state.voters == [1]
    (waiting,) = await tasks(cluster[2].node.propose(b"x"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    assert cluster[2].node.status().lead == 1
    # A leader of a later term.
    await cluster[2].node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=3, to=2, term=5))
    await asyncio.wait_for(waiting, 1)
    await cluster.stop()


async def test_a_node_that_never_was_a_member_may_propose() -> None:
    """It may be a member without knowing it yet."""
    storage = storage_with(1, 2)
    joining = Member(restart_node(config(storage, 3)), storage)
    await joining.node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=1, to=3, term=1))
    joining.node.apply_conf_change(ConfChange(type=ConfChangeType.ADD_NODE, node_id=4))
    await asyncio.wait_for(joining.node.propose(b"x"), 1)
    await joining.node.stop()


async def test_an_invalid_change_leaves_the_configuration() -> None:
    single = await leader()
    with pytest.raises(ConfChangeError):
        single.node.apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=1))
    assert single.node.status().raft_state == StateType.LEADER
    await single.node.propose(b"x")
    await single.node.stop()


class Turns:
    """A competing task of the event loop that counts its turns."""

    def __init__(self) -> None:
        self.count = 0

    async def run(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


async def test_a_tight_proposer_starves_nobody() -> None:
    single = await leader()
    other = Turns()
    (running,) = await tasks(other.run())
    for _ in range(6400):
        await single.node.propose(b"x")
    assert other.count >= 100
    other.count = 0
    for _ in range(640):
        await single.node.read_index(b"x")
    assert other.count >= 10
    running.cancel()
    await single.node.stop()


async def test_a_tight_proposer_starves_neither_ticks_nor_the_handler() -> None:
    """Counted in turns of the event loop: after every 64th proposal, every other task gets a turn."""
    single = await leader(heartbeat_tick=5, election_tick=1000)
    proposed = handled = given = behind = 0

    async def handle() -> None:
        nonlocal handled, behind
        while True:
            rd = await single.turn()
            handled += len(rd.committed_entries)
            behind = max(behind, proposed - handled)

    async def clock() -> None:
        nonlocal given
        while True:
            single.node.tick()
            given += 1
            await asyncio.sleep(0)

    before = single.node._raw.raft.election_elapsed
    running = await tasks(handle(), clock())
    for _ in range(6400):
        await single.node.propose(b"x")
        proposed += 1
    for task in running:
        task.cancel()
    assert given >= 100
    assert single.node._raw.raft.election_elapsed - before >= given - 1
    # One stretch is being proposed, one stored, one committed.
    assert behind <= 3 * 64
    assert handled >= 6400 - behind
    await single.node.stop()


async def test_many_messages_in_one_call_count_as_many_steps() -> None:
    single = member(storage_with(1, 2))
    other = Turns()
    (running,) = await tasks(other.run())
    for _ in range(10):
        await single.node.step_many([Message(type=MessageType.MSG_HEARTBEAT, to=1, from_=2, term=1)] * 64)
    assert other.count >= 10
    running.cancel()
    await single.node.stop()


# -- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sender", [APPEND_THREAD, APPLY_THREAD])
@pytest.mark.parametrize("kind", MessageType)
async def test_messages_from_storage_threads_are_refused(kind: MessageType, sender: int) -> None:
    single = member()
    before = str(single.node.status())
    with pytest.raises(MalformedMessage, match="a storage thread is never a peer"):
        await single.node.step(Message(type=kind, from_=sender, to=1, entries=[Entry(index=5)]))
    assert str(single.node.status()) == before
    await single.node.stop()


@pytest.mark.parametrize("kind", MessageType)
async def test_async_writes_take_only_the_answers_of_storage_threads(kind: MessageType) -> None:
    single = member(async_storage_writes=True)
    m = Message(type=kind, from_=APPEND_THREAD, to=1, entries=[Entry(data=b"x")])
    if kind in (MessageType.MSG_STORAGE_APPEND_RESP, MessageType.MSG_STORAGE_APPLY_RESP):
        await single.node.step(m)
    else:
        with pytest.raises(MalformedMessage):
            await single.node.step(m)
    await single.node.stop()


async def test_responses_from_strangers_are_dropped() -> None:
    cluster = Cluster(3)
    await cluster.elect(1)
    before = str(cluster[1].node.status())
    await cluster[1].node.step(Message(type=MessageType.MSG_APP_RESP, from_=9, to=1, term=50, index=1))
    assert str(cluster[1].node.status()) == before
    await cluster.stop()


async def test_many_messages_do_what_each_would_do_alone() -> None:
    """In order, in any mixture. An error names a refused message by its place; dropped ones are not mentioned."""
    entries = [Entry(term=1, index=1 + i, data=b"x") for i in range(3)]
    app = {"type": MessageType.MSG_APP, "to": 1, "from_": 2, "term": 1, "log_term": 0}
    plain = [
        Message(**app, index=0, entries=entries[:2], commit=0),
        Message(type=MessageType.MSG_APP_RESP, to=1, from_=9, term=1, index=1),
        Message(type=MessageType.MSG_HUP, to=1, from_=2),
        Message(type=MessageType.MSG_APP, to=1, from_=2, term=0, entries=entries[:1]),
        Message(type=MessageType.MSG_APP, to=1, from_=2, term=1, log_term=1, index=2, entries=entries[2:], commit=2),
    ]
    special = [
        Message(type=MessageType.MSG_FORGET_LEADER, to=1, from_=2),
        Message(type=MessageType.MSG_STORAGE_APPEND_RESP, to=1, from_=APPEND_THREAD),
        Message(type=MessageType.MSG_PROP, to=1, from_=3, entries=[Entry(data=b"forwarded")]),
        Message(type=MessageType.MSG_PROP, to=1, from_=3),
    ]
    for batch in (plain, [*special, *plain], [*plain, *special]):
        one, other = member(storage_with(1, 2, 3)), member(storage_with(1, 2, 3))
        refused = []
        for place, m in enumerate(batch):
            if m.type == MessageType.MSG_PROP and m.entries and one.node.status().lead == 0:
                refused.append((place, ProposalDropped))
                continue
            try:
                await one.node.step(m)
            except MalformedMessage as error:
                refused.append((place, type(error)))
        found = await other.node.step_many(batch)
        assert [(place, type(error)) for place, error in found] == refused
        assert one.node.status() == other.node.status()
        assert await one.turn() == await other.turn()
        await one.node.stop()
        await other.node.stop()


async def test_many_messages_wake_a_consumer_and_open_the_node() -> None:
    follower = member(storage_with(1, 2, 3))
    waiting = await tasks(follower.node.ready(), follower.node.propose(b"x"))
    heartbeat = Message(type=MessageType.MSG_HEARTBEAT, to=1, from_=2, term=1)
    assert await follower.node.step_many([heartbeat, heartbeat]) == []
    rd, _ = await asyncio.gather(*waiting)
    assert [m.type for m in rd.messages] == [MessageType.MSG_HEARTBEAT_RESP] * 2 + [MessageType.MSG_PROP]
    await follower.node.stop()


async def test_many_messages_must_be_messages() -> None:
    single = await leader()
    with pytest.raises(TypeError, match="messages must be of Message, not int"):
        await single.node.step_many([Message(type=MessageType.MSG_HUP), 5])  # type: ignore[list-item]
    assert await single.node.step_many([]) == []
    await single.node.stop()


async def test_many_messages_can_kill() -> None:
    storage = storage_with(1, 2)
    storage.set_hard_state(HardState(term=1, vote=0, commit=0))
    lost = Message(type=MessageType.MSG_HEARTBEAT, to=1, from_=2, term=1, commit=9)
    proposal = Message(type=MessageType.MSG_PROP, to=1, from_=2, entries=[Entry(data=b"x")])
    for batch in ([lost], [lost, proposal]):
        single = member(storage)
        with pytest.raises(LogLost):
            await single.node.step_many(batch)
        with pytest.raises(Stopped):
            await single.node.step_many([])


def snapshot_message(index: int, *voters: int, term: int = 1) -> Message:
    metadata = SnapshotMetadata(index=index, term=1, conf_state=ConfState(voters=list(voters)))
    return Message(type=MessageType.MSG_SNAP, to=3, from_=1, term=term, snapshot=Snapshot(metadata=metadata))


def removal(id: int) -> Message:
    """An append to an empty log: a committed change that removes a node, and uncommitted entries."""
    change = ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=id)
    entries = [Entry(type=EntryType.CONF_CHANGE, term=1, index=1, data=change.encode())]
    entries += [Entry(term=1, index=index) for index in (2, 3)]
    return Message(type=MessageType.MSG_APP, to=3, from_=1, term=1, entries=entries, commit=1)


async def has_a_change_to_apply(storage: MemoryStorage | None = None, **fields: Any) -> tuple[Member, Ready]:
    """Node 3 of three, and its Ready, not handled yet, which has the removal of node 2."""
    follower = member(storage or storage_with(1, 2, 3), 3, **fields)
    await follower.node.step(removal(2))
    return follower, await follower.node.ready()


@pytest.mark.parametrize("many", [False, True])
async def test_a_snapshot_waits_for_what_is_being_applied(many: bool) -> None:
    """Otherwise changes that were handed out would be applied to the later configuration of a snapshot."""
    follower, rd = await has_a_change_to_apply()
    m = snapshot_message(5, 1, 2, 3)
    if many:
        heartbeat = Message(type=MessageType.MSG_HEARTBEAT, to=3, from_=1, term=1)
        assert await follower.node.step_many([m, heartbeat]) == []
    else:
        await follower.node.step(m)
    assert str(follower.node.status().config.voters) == "(1 2 3)"
    follower.handle(rd)
    assert follower.states == [ConfState(voters=[1, 3])]
    waiting = (await tasks(follower.node.ready()))[0]
    follower.node.advance()
    assert str(follower.node.status().config.voters) == "(1 2 3)"
    rd = await waiting
    assert rd.snapshot == m.snapshot
    assert MessageType.MSG_APP_RESP in [m.type for m in rd.messages]
    follower.handle(rd)
    follower.node.advance()
    assert await follower.nothing_is_ready()
    await follower.node.stop()


async def test_a_snapshot_waits_for_the_thread_that_applies() -> None:
    follower, rd = await has_a_change_to_apply(async_storage_writes=True)
    append = next(m for m in rd.messages if m.type == MessageType.MSG_STORAGE_APPEND)
    follower.storage.append(append.entries)
    for answer in append.responses:
        await follower.node.step(answer)
    rd = await follower.node.ready()
    apply = next(m for m in rd.messages if m.type == MessageType.MSG_STORAGE_APPLY)
    await follower.node.step(snapshot_message(5, 1, 2, 3))
    change = ConfChange.decode(apply.entries[0].data)
    assert follower.node.apply_conf_change(change) == ConfState(voters=[1, 3])
    waiting = (await tasks(follower.node.ready()))[0]
    assert await follower.node.step_many(apply.responses) == []
    rd = await waiting
    assert str(follower.node.status().config.voters) == "(1 2 3)"
    assert next(m for m in rd.messages if m.type == MessageType.MSG_STORAGE_APPEND).snapshot is not None
    await follower.node.stop()


async def test_of_snapshots_that_wait_the_newest_is_kept() -> None:
    follower, rd = await has_a_change_to_apply()
    for index, term in ((7, 1), (5, 1), (6, 2), (9, 1), (8, 2)):
        await follower.node.step(snapshot_message(index, 1, 2, 3, term=term))
    follower.handle(rd)
    follower.node.advance()
    rd = await follower.turn()
    assert rd.snapshot is not None
    assert (rd.snapshot.metadata.index, follower.node.status().hard_state.term) == (8, 2)
    assert await follower.nothing_is_ready()
    await follower.node.stop()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (snapshot_message(2**64 - 1, 1, 2, 3), "MsgSnap at index 18446744073709551615: no index can follow"),
        (snapshot_message(5, 1, 2, 3, term=2**64 - 1), "MsgSnap of term 18446744073709551615: no term can follow"),
    ],
)
async def test_a_snapshot_that_no_peer_sends_is_dropped_when_its_time_comes(wrong: Message, reason: str) -> None:
    logger = Recorder()
    follower, rd = await has_a_change_to_apply(logger=logger)
    await follower.node.step(wrong)
    follower.handle(rd)
    follower.node.advance()
    assert logger.of_node()[-1] == f"raft.node: 3 dropped a delayed MsgSnap: {reason}"
    assert await follower.nothing_is_ready()
    await follower.node.stop()


async def test_a_snapshot_that_waits_meets_a_storage_that_fails() -> None:
    """The call that reports everything applied steps the snapshot, and gets the error that the node is dead."""

    class Breaking(MemoryStorage):
        broken = False

        def term(self, index: int) -> int:
            if self.broken:
                raise OSError("no disk")
            return super().term(index)

    storage = Breaking()
    storage.apply_snapshot(storage_with(1, 2, 3).snapshot())
    follower, rd = await has_a_change_to_apply(storage)
    await follower.node.step(snapshot_message(2, 1, 2, 3))
    follower.handle(rd)
    storage.broken = True
    with pytest.raises(StorageFailed, match="no disk"):
        follower.node.advance()
    with pytest.raises(Stopped):
        follower.node.status()


async def test_a_node_that_is_stopped_keeps_no_snapshot() -> None:
    follower, _ = await has_a_change_to_apply()
    await follower.node.step(snapshot_message(3, 1, 2, 3))
    assert follower.node._snapshot is not None
    await follower.node.stop()
    assert follower.node._snapshot is None


async def test_forwarded_proposals_that_wait_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by bytes. A single one may be larger, local proposals do not count, a withdrawn one makes room."""
    monkeypatch.setattr("raftcy.node._MAX_FORWARDED", 3)
    monkeypatch.setattr("raftcy.node._MAX_FORWARDED_BYTES", 100)

    def forwarded(*sizes: int) -> Message:
        return Message(type=MessageType.MSG_PROP, to=1, from_=2, entries=[Entry(data=bytes(size)) for size in sizes])

    single = member(storage_with(1))
    for sizes, more in (([(500,)], 1), ([(30, 30), (40,)], 1), ([(1,), (1,), (1,)], 0)):
        waiting = await tasks(single.node.propose(b"own"), *[single.node.step(forwarded(*each)) for each in sizes])
        with pytest.raises(Overloaded, match="too many forwarded proposals wait for a leader"):
            await single.node.step(forwarded(more))
        waiting[-1].cancel()
        await asyncio.sleep(0)
        waiting += await tasks(single.node.step(forwarded(0)))
        assert not waiting[-1].done()
        for task in waiting:
            task.cancel()
        await asyncio.sleep(0)
    waiting = await tasks(single.node.step(forwarded(9)), single.node.step(forwarded(9)))
    await single.node.campaign()
    await single.settle()
    await asyncio.gather(*waiting)
    assert [entry.data for entry in single.committed[1:]] == [bytes(9)] * 2
    assert (single.node._forwarded, single.node._forwarded_bytes) == (0, 0)
    await single.node.stop()


async def test_step_wants_a_message() -> None:
    single = member()
    with pytest.raises(TypeError):
        await single.node.step(None)  # type: ignore[arg-type]
    await single.node.stop()


async def test_transfer_and_forget_leader() -> None:
    cluster = Cluster(3, pre_vote=True, check_quorum=True)
    await cluster.elect(1)
    await cluster[2].node.transfer_leadership(1, 3)
    await cluster.pump()
    assert cluster[3].node.status().raft_state == StateType.LEADER
    await cluster[1].node.forget_leader()
    assert cluster[1].node.status().lead == 0
    with pytest.raises(RangeError):
        await cluster[1].node.transfer_leadership(-1, 3)
    with pytest.raises(RangeError):
        await cluster[1].node.transfer_leadership(3, 2**64)
    await cluster.stop()


async def test_reports_change_the_progress() -> None:
    recorder = Recorder()
    cluster = Cluster(3, logger=recorder)
    node = (await cluster.elect(1)).node
    assert str(node.status().progress[2].state) == "StateReplicate"
    node.report_unreachable(2)
    assert str(node.status().progress[2].state) == "StateProbe"
    recorder.texts.clear()
    node.report_unreachable(77)
    assert recorder.texts == []
    node.report_snapshot(3, SnapshotStatus.FAILURE)
    with pytest.raises(ValueError, match="5 is not a valid SnapshotStatus"):
        node.report_snapshot(3, 5)  # type: ignore[arg-type]
    with pytest.raises(RangeError):
        node.report_unreachable(2**64)
    await cluster.stop()


async def test_a_failed_snapshot_is_tried_again() -> None:
    storage = MemoryStorage()
    members = ConfState(voters=[1, 2], auto_leave=False)
    storage.apply_snapshot(Snapshot(data=b"s", metadata=SnapshotMetadata(conf_state=members, index=10, term=1)))
    storage.set_hard_state(HardState(term=1, vote=0, commit=10))
    ahead = member(storage)
    await ahead.node.campaign()
    await ahead.turn()
    await ahead.node.step(Message(type=MessageType.MSG_VOTE_RESP, from_=2, to=1, term=2))
    refusal = Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=2, index=10, reject=True, reject_hint=0)
    await ahead.node.step(refusal)
    snapshots = [m for m in (await ahead.turn()).messages if m.type == MessageType.MSG_SNAP]
    assert len(snapshots) == 1
    assert ahead.node.status().progress[2].pending_snapshot == 10
    ahead.node.report_snapshot(2, SnapshotStatus.FAILURE)
    assert ahead.node.status().progress[2].pending_snapshot == 0
    await ahead.node.stop()


# -- the log lines of a Node ------------------------------------------------------------------------------------------


async def test_leaders_are_logged_as_they_come_and_go() -> None:
    recorder = Recorder()
    single = member(storage_with(10, 11, 12), 10, logger=recorder)
    for m in (
        Message(type=MessageType.MSG_HEARTBEAT, from_=11, to=10, term=1),
        Message(type=MessageType.MSG_HEARTBEAT, from_=12, to=10, term=2),
        Message(type=MessageType.MSG_APP_RESP, from_=11, to=10, term=3),
    ):
        await single.node.step(m)
    assert recorder.of_node() == [
        "raft.node: a elected leader b at term 1",
        "raft.node: a changed leader from b to c at term 2",
        "raft.node: a lost leader c at term 3",
    ]
    await single.node.stop()


# -- the end ----------------------------------------------------------------------------------------------------------

PLAIN_CALLS = {
    "tick": lambda node: node.tick(),
    "advance": lambda node: node.advance(),
    "apply_conf_change": lambda node: node.apply_conf_change(ConfChange(node_id=2)),
    "status": lambda node: node.status(),
    "report_unreachable": lambda node: node.report_unreachable(2),
    "report_snapshot": lambda node: node.report_snapshot(2, SnapshotStatus.FINISH),
}
COROUTINES = {
    "propose": lambda node: node.propose(b"x"),
    "propose_conf_change": lambda node: node.propose_conf_change(ConfChange(node_id=2)),
    "campaign": lambda node: node.campaign(),
    "step": lambda node: node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=9)),
    "ready": lambda node: node.ready(),
    "transfer_leadership": lambda node: node.transfer_leadership(1, 2),
    "forget_leader": lambda node: node.forget_leader(),
    "read_index": lambda node: node.read_index(b"x"),
}


@pytest.mark.parametrize("name", [*PLAIN_CALLS, *COROUTINES])
async def test_after_stop_every_call_raises_stopped(name: str) -> None:
    single = await leader()
    await single.node.stop()
    with pytest.raises(Stopped) as stopped:
        await COROUTINES[name](single.node) if name in COROUTINES else PLAIN_CALLS[name](single.node)
    assert (str(stopped.value), stopped.value.cause) == ("raft: stopped", None)


async def test_stop_ends_all_waiting_tasks() -> None:
    single = member()
    waiting = await tasks(
        single.node.propose(b"x"),
        single.node.propose_conf_change(ConfChange(node_id=2)),
        single.node.step(Message(type=MessageType.MSG_PROP, from_=2, to=1, entries=[Entry(data=b"x")])),
        single.node.ready(),
        single.node.ready(),
    )
    single.node.tick()
    await single.node.stop()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Stopped] * 5


async def test_async_for_ends_quietly_after_stop() -> None:
    single = member()

    async def loop() -> str:
        async for _ in single.node:
            single.node.advance()
        return "ended"

    (running,) = await tasks(loop())
    await single.node.stop()
    assert await running == "ended"


async def test_async_with_stops_the_node() -> None:
    async with member().node as node:
        await node.campaign()
    with pytest.raises(Stopped):
        node.status()


class _Failing(MemoryStorage):
    """A storage that fails to read on demand."""

    fails = False

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        if self.fails:
            raise OSError("disk on fire")
        return super().entries(lo, hi, max_size)

    def term(self, i: int) -> int:
        if self.fails:
            raise OSError("disk on fire")
        return super().term(i)


def _failing(*voters: int) -> _Failing:
    """Such a storage with three entries of term 1, two of them committed."""
    storage = _Failing()
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=list(voters)))))
    storage.append([Entry(term=1, index=index, data=b"x") for index in (1, 2, 3)])
    storage.set_hard_state(HardState(term=1, vote=0, commit=2))
    return storage


class _FailingRandom:
    """A random source that fails after its first number."""

    drawn = 0

    def randrange(self, n: int) -> int:
        self.drawn += 1
        if self.drawn > 1:
            raise OSError("out of entropy")
        return 0


async def test_what_kills_the_state_machine_kills_the_node() -> None:
    storage = _failing(1, 2)
    single = member(storage)
    await single.settle()
    waiting = await tasks(single.node.ready(), single.node.propose(b"x"), single.node.propose(b"y"))
    storage.fails = True
    # To check whether the sender's log fits this one, the node reads the storage.
    append = Message(type=MessageType.MSG_APP, from_=2, to=1, term=1, index=2, log_term=1, commit=3)
    with pytest.raises(StorageFailed) as failed:
        await single.node.step(append)
    for each in waiting:
        with pytest.raises(Stopped, match="disk on fire") as stopped:
            await each
        assert stopped.value.cause is failed.value
    with pytest.raises(Stopped) as stopped:
        single.node.tick()
    assert stopped.value.cause is failed.value
    await single.node.stop()


async def test_a_node_that_dies_of_a_tick_ends_waiting_tasks() -> None:
    """A tick has no caller to raise an error to."""
    recorder = Recorder()
    single = member(storage_with(1, 2), logger=recorder, random=_FailingRandom())

    async def loop() -> None:
        async for _ in single.node:
            single.node.advance()

    (running,) = await tasks(loop())
    for _ in range(20):
        single.node.tick()
    with pytest.raises(Stopped, match="out of entropy"):
        await running
    assert any("raft.node: 1 died: out of entropy" in text for _, text in recorder.texts)
    with pytest.raises(Stopped):
        await single.node.campaign()


async def test_a_node_that_dies_of_a_waiting_proposal_tells_the_others() -> None:
    single = member(async_storage_writes=True)
    node = single.node
    # A call that kills the state machine waits in place of a proposal.
    deadly, other, consumer = await tasks(node._step_later(node._raw.advance), node.propose(b"x"), node.ready())
    await node.campaign()
    for answer in (await consumer).messages[0].responses:
        with contextlib.suppress(Stopped):
            await node.step(answer)
    (consumer,) = await tasks(node.ready())
    with pytest.raises(InvariantError):
        await deadly
    for each in (other, consumer):
        with pytest.raises(Stopped) as stopped:
            await each
        assert isinstance(stopped.value.cause, InvariantError)


async def test_a_node_that_dies_of_a_ready_raises_it_there() -> None:
    storage = _failing(1)
    single = member(storage)
    storage.fails = True
    with pytest.raises(StorageFailed):
        await single.node.ready()
    with pytest.raises(Stopped):
        await single.node.ready()


async def test_a_node_that_lost_its_log_is_dead() -> None:
    single = member(storage_with(1, 2))
    (waiting,) = await tasks(single.node.ready())
    with pytest.raises(LogLost):
        await single.node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=1, commit=99))
    with pytest.raises(Stopped) as stopped:
        await waiting
    assert isinstance(stopped.value.cause, LogLost)


async def test_a_malformed_message_leaves_the_node_alive() -> None:
    single = member(storage_with(1, 2))
    before = str(single.node.status())
    with pytest.raises(MalformedMessage):
        await single.node.step(
            Message(type=MessageType.MSG_APP, from_=2, to=1, term=1, entries=[Entry(term=1, index=7)])
        )
    assert str(single.node.status()) == before
    await single.node.campaign()
    await single.node.stop()
