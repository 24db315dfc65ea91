"""Reads without an entry in the log: by a round of heartbeats, or by the leader's lease (thesis 6.4)."""

from typing import Any

import pytest

from raftcy import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    Entry,
    HardState,
    Message,
    MessageType,
    ProposalDropped,
    RawNode,
    ReadOnlyOption,
    ReadState,
)
from tests.support.network import (
    FOLLOWER,
    LEADER,
    Network,
    beat,
    make_config,
    make_raft,
    make_storage,
    persist_and_apply,
    read_messages,
    take_role,
    tick,
)
from tests.support.peers import ack, answer_heartbeat, hand, make_quiet_leader, propose, run, say, the_one

HEARTBEAT = MessageType.MSG_HEARTBEAT
LEASE = {"check_quorum": True, "read_only_option": ReadOnlyOption.LEASE_BASED}
OPTIONS = pytest.mark.parametrize("options", [{}, LEASE], ids=["safe", "lease"])


def read_of(context: bytes, to: int, from_: int | None = None) -> Message:
    """A request at node `to`, its own or one from node `from_`."""
    return Message(
        type=MessageType.MSG_READ_INDEX, from_=to if from_ is None else from_, to=to, entries=[Entry(data=context)]
    )


def number(n: int) -> bytes:
    """The context of heartbeats while the n-th read is the newest unconfirmed one."""
    return n.to_bytes(8, "little")


def take_reads(raft: Any) -> list[tuple[int, bytes]]:
    """Take the node's answers for its application, as (index, context)."""
    reads, raft.outbox.read_states = raft.outbox.read_states, []
    return [(state.index, state.request_ctx) for state in reads]


def make_ready_leader(*others: int, learners: tuple[int, ...] = (), **options: Any) -> Any:
    """A leader that has committed an entry of its term, so that it may answer reads."""
    raft = make_quiet_leader([1, *others], learners, **options)
    for peer in others:
        ack(raft, peer, 1)
    read_messages(raft)
    assert raft.log.committed == 1
    return raft


def elect(net: Network) -> None:
    """Make node 1 leader; the others do not campaign for an election timeout, but have no lease either."""
    net[2].randomized_election_timeout = net[2].election_timeout + 1
    tick(net[2], net[2].election_timeout)
    net.campaign(1)
    assert net[1].state == LEADER


# -- answers -----------------------------------------------------------------------------------------------------------


@OPTIONS
def test_reads_at_every_node(options: dict[str, Any]) -> None:
    """A read gets the commit index at its arrival, and the answer goes to the node that was asked.

    answers: TestReadOnlyOptionSafe, TestReadOnlyOptionLease
    catches: tikv#9208
    """
    net = Network(3, **options)
    elect(net)
    for turn, asked in enumerate((1, 2, 3, 1, 2, 3), 1):
        for _ in range(10):
            net.propose(1)
        context = b"ctx%d" % turn
        net.send(read_of(context, asked))
        reads = {id: take_reads(net[id]) for id in net.ids}
        assert {id: states for id, states in reads.items() if states} == {asked: [(1 + 10 * turn, context)]}


def test_reads_at_a_learner() -> None:
    """A learner may read too, and the only voter confirms alone.

    answers: TestReadOnlyWithLearner
    """
    net = Network(2, learners=[2])
    elect(net)
    for turn, asked in enumerate((1, 2, 1, 2), 1):
        for _ in range(10):
            net.propose(1)
            persist_and_apply(net[1])
        context = b"ctx%d" % turn
        net.send(read_of(context, asked))
        reads = {id: take_reads(net[id]) for id in net.ids}
        assert {id: states for id, states in reads.items() if states} == {asked: [(1 + 10 * turn, context)]}


def test_only_voter_answers_at_once() -> None:
    """A single voter sends no heartbeat for a read, whether it asks itself or a learner does."""
    raft = make_ready_leader(learners=(2,))
    hand(raft, read_of(b"own", 1))
    hand(raft, read_of(b"learner's", 1, from_=2))
    assert take_reads(raft) == [(1, b"own")]
    answer = the_one(read_messages(raft), MessageType.MSG_READ_INDEX_RESP)
    assert (answer.to, answer.index, [e.data for e in answer.entries]) == (2, 1, [b"learner's"])


def test_lease_answers_at_once() -> None:
    """With a lease a read causes no heartbeat, and the contexts of heartbeat responses mean nothing."""
    raft = make_ready_leader(2, 3, **LEASE)
    hand(raft, read_of(b"a", 1))
    assert take_reads(raft) == [(1, b"a")]
    assert read_messages(raft) == []
    answer_heartbeat(raft, 2, number(7))
    answer_heartbeat(raft, 3, b"7")
    assert (take_reads(raft), read_messages(raft)) == ([], [])


def test_answer_at_the_node_that_asked() -> None:
    """The leader's answer becomes a read state; one that does not have exactly one entry is dropped and logged."""
    lines: list[str] = []

    class Logger:
        def error(self, text: str) -> None:
            lines.append(text)

        debug = info = warning = critical = lambda self, text: None

    raft = make_raft(1, [1, 2], term=1, logger=Logger())
    raft.become_follower(1, 2)
    for entries in ([], [Entry(data=b"a"), Entry(data=b"b")]):
        say(raft, 2, MessageType.MSG_READ_INDEX_RESP, index=5, entries=entries)
    assert raft.outbox.read_states == []
    assert lines == [f"1 invalid format of MsgReadIndexResp from 2, entries count: {count}" for count in (0, 2)]
    say(raft, 2, MessageType.MSG_READ_INDEX_RESP, index=5, entries=[Entry(data=b"a")])
    assert raft.outbox.read_states == [ReadState(index=5, request_ctx=b"a")]


def test_read_without_a_leader_is_lost() -> None:
    """A node without a leader drops the request silently; the application must ask again."""
    raft = make_raft(1, [1, 2], term=1)
    hand(raft, read_of(b"a", 1))
    take_role(raft, LEADER)
    raft.become_follower(2, 2)
    hand(raft, read_of(b"b", 1))
    forwarded = the_one(read_messages(raft), MessageType.MSG_READ_INDEX)
    assert (forwarded.to, forwarded.from_, forwarded.term, forwarded.entries[0].data) == (2, 1, 0, b"b")
    assert not forwarded.has("term")
    assert raft.outbox.read_states == []


# -- confirmation ------------------------------------------------------------------------------------------------------


def test_confirmed_reads_are_forgotten() -> None:
    """A node keeps nothing of a read after its answer.

    answers: TestRaftFreesReadOnlyMem
    """
    raft = make_ready_leader(2, election_tick=5)
    hand(raft, read_of(b"ctx", 1, from_=2))
    asked = the_one(read_messages(raft), HEARTBEAT)
    assert asked.context == number(1)
    assert (len(raft.read_only.waiting), raft.read_only.indexes) == (1, [1])

    answer_heartbeat(raft, 2, asked.context)
    assert (raft.read_only.waiting, raft.read_only.indexes, raft.read_only.confirmed) == ([], [], 1)
    the_one(read_messages(raft), MessageType.MSG_READ_INDEX_RESP)
    raft.step(beat(1))
    assert not the_one(read_messages(raft), HEARTBEAT).has("context")


def test_reads_are_numbered() -> None:
    """Each heartbeat has the number of the newest read, and its acknowledgement confirms all reads up to it, in order.

    So one round of heartbeats answers any number of reads that came before it.

    catches: etcd#20418
    """
    raft = make_ready_leader(2, 3)
    sent = []
    for context in (b"a", b"b", b"c"):
        hand(raft, read_of(context, 1))
        sent.append({m.context for m in read_messages(raft)})
        propose(raft, b"x")
        ack(raft, 2, raft.log.last_index())
        read_messages(raft)
    assert sent == [{number(1)}, {number(2)}, {number(3)}]
    assert raft.log.committed == 4

    answer_heartbeat(raft, 3, number(2))
    assert take_reads(raft) == [(1, b"a"), (2, b"b")]
    # Old numbers again, from the same peer and from another one.
    answer_heartbeat(raft, 3, number(1))
    answer_heartbeat(raft, 2, number(2))
    assert take_reads(raft) == []
    answer_heartbeat(raft, 2, number(3))
    assert take_reads(raft) == [(3, b"c")]


def test_lost_heartbeat_is_made_up_for() -> None:
    """The leader's regular heartbeats confirm reads too."""
    raft = make_ready_leader(2, 3)
    hand(raft, read_of(b"a", 1))
    read_messages(raft)
    raft.tick()
    assert {m.context for m in read_messages(raft)} == {number(1)}
    answer_heartbeat(raft, 2)
    assert take_reads(raft) == []
    answer_heartbeat(raft, 2, number(1))
    assert take_reads(raft) == [(1, b"a")]


def test_confirmation_needs_a_quorum_of_voters() -> None:
    """Learners do not confirm a leader, and two of five voters do not either.

    catches: canonical/raft#386
    """
    raft = make_ready_leader(2, 3, 4, 5, learners=(6,))
    hand(raft, read_of(b"a", 1))
    answer_heartbeat(raft, 6, number(1))
    answer_heartbeat(raft, 2, number(1))
    assert take_reads(raft) == []
    answer_heartbeat(raft, 4, number(1))
    assert take_reads(raft) == [(1, b"a")]


def test_confirmation_in_a_joint_configuration() -> None:
    """While two configurations are in force, both must confirm (thesis 4.3).

    catches: async-raft#62
    """
    raft = make_ready_leader(2, 3)
    changes = [ConfChangeSingle(type=ConfChangeType.ADD_NODE, node_id=id) for id in (4, 5)]
    changes += [ConfChangeSingle(type=ConfChangeType.REMOVE_NODE, node_id=id) for id in (2, 3)]
    raft.apply_conf_change(ConfChangeV2(transition=ConfChangeTransition.JOINT_EXPLICIT, changes=changes))
    assert str(raft.tracker.config.voters) == "(1 4 5)&&(1 2 3)"
    hand(raft, read_of(b"a", 1))
    for peer, answered in ((4, []), (5, []), (2, [(1, b"a")])):
        answer_heartbeat(raft, peer, number(1))
        assert take_reads(raft) == answered


def test_deposed_leader_forgets_its_reads() -> None:
    """A leader that steps down answers none of its reads; their applications ask again.

    catches: etcd#20418
    """
    raft = make_ready_leader(2, 3)
    hand(raft, read_of(b"a", 1))
    hand(raft, Message(type=HEARTBEAT, from_=2, to=1, term=2))
    assert (raft.state, raft.read_only.waiting, raft.read_only.last_number()) == (FOLLOWER, [], 0)
    take_role(raft, LEADER)
    read_messages(raft)
    answer_heartbeat(raft, 2)
    answer_heartbeat(raft, 3)
    assert take_reads(raft) == []


def test_one_context_twice() -> None:
    """Two requests with the same context are two requests, so an old acknowledgement never confirms a new one.

    Request A of node 2 is answered, and arrives again after its leader, node 1, was deposed without knowing it. The
    late acknowledgements of the first A must not confirm B, a new read at node 1.

    answers: TestReadOnlyDuplicateRequest
    catches: etcd#20418
    """
    net = Network(3)
    net.campaign(1)
    first = read_of(b"A", 1, from_=2)
    least = {b"A": net[1].log.committed}
    late = [first]

    def hold(m: Message) -> bool:
        if m.type == MessageType.MSG_HEARTBEAT_RESP:
            late.append(m)
            return False
        return True

    net.hook = hold
    net.send(first)
    net.hook = None
    assert len(late) == 3
    net.tick(1)
    assert take_reads(net[2]) == [(least[b"A"], b"A")]

    net.isolate(1)
    net.campaign(2)
    net.propose(2, b"someOp")
    least[b"B"] = net[2].log.committed
    assert least[b"B"] > net[1].log.committed
    net.send(read_of(b"B", 1))
    net.heal()
    net.send(*late)
    answers = [read for id in net.ids for read in take_reads(net[id])]
    assert [(index, context) for index, context in answers if index < least[context]] == []


# -- a new leader ------------------------------------------------------------------------------------------------------


def voter(id: int, committed: int, compacted: bool) -> Any:
    """One of three voters with two entries, some of them not committed or not applied."""
    storage = make_storage([1, 2, 3], terms=[1, 1])
    storage.set_hard_state(HardState(term=1, commit=committed))
    if compacted:
        storage.compact(2)
    return make_raft(id, storage=storage, applied=committed)


def test_new_leader_waits_for_its_first_commit() -> None:
    """A leader's commit index may be behind its predecessor's, so reads wait for an entry of its own term.

    answers: TestReadOnlyForNewLeader
    catches: etcd#7331, tikv#9208
    """
    net = Network([voter(1, 1, False), voter(2, 2, True), voter(3, 2, True)])
    net.ignore(MessageType.MSG_APP)
    net.campaign(1)
    assert net[1].state == LEADER
    net.send(read_of(b"ctx", 1))
    assert (net[1].outbox.read_states, len(net[1].read_only.pending)) == ([], 1)

    net.heal()
    # The heartbeats go out together with the proposal.
    tick(net[1], net[1].heartbeat_timeout)
    net.propose(1)
    assert (net[1].log.committed, net[1].log.term(4)) == (4, net[1].term)
    assert (take_reads(net[1]), net[1].read_only.pending) == ([(4, b"ctx")], [])
    net.send(read_of(b"ctx", 1))
    assert take_reads(net[1]) == [(4, b"ctx")]


@OPTIONS
def test_waiting_reads_begin_together(options: dict[str, Any]) -> None:
    """Reads that wait for the first commit all begin with it, in order, with the commit index of that moment.

    With a lease they wait too: the lease says who leads, not what is committed.

    catches: etcd#7331, tikv#9208
    """
    raft = make_quiet_leader([1, 2, 3], terms=[1, 1], term=1, **options)
    for context in (b"a", b"b"):
        hand(raft, read_of(context, 1))
    assert (raft.outbox.read_states, read_messages(raft), len(raft.read_only.pending)) == ([], [], 2)
    ack(raft, 2, 2)
    assert len(raft.read_only.pending) == 2
    ack(raft, 2, 3)
    assert raft.read_only.pending == []
    if not options:
        assert {m.context for m in read_messages(raft) if m.type == HEARTBEAT} == {number(1), number(2)}
        answer_heartbeat(raft, 2, number(2))
    assert take_reads(raft) == [(3, b"a"), (3, b"b")]


def test_reads_in_a_ready() -> None:
    """A RawNode hands read states out with its next Ready, once."""
    node = RawNode(make_config(1, make_storage([1])))
    node.campaign()
    run(node)
    node.read_index(b"ctx")
    assert node.has_ready()
    rd = node.ready()
    assert rd.read_states == [ReadState(index=1, request_ctx=b"ctx")]
    assert rd.contains_updates()
    node.advance()
    assert not node.has_ready()


def test_removed_leader_still_confirms_reads() -> None:
    """A removed leader does not count itself any more, but confirms reads until it learns of another leader."""
    raft = make_ready_leader(2, 3)
    raft.apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=1).as_v2())
    with pytest.raises(ProposalDropped):
        propose(raft, b"x")
    hand(raft, read_of(b"a", 1))
    answer_heartbeat(raft, 2, number(1))
    assert take_reads(raft) == []
    answer_heartbeat(raft, 3, number(1))
    assert take_reads(raft) == [(1, b"a")]
