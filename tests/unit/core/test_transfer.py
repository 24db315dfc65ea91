"""Leadership transfer: the leader brings a peer up to date and tells it to campaign at once (thesis 3.10)."""

import pytest

from raftcy import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeType,
    ConfChangeV2,
    ConfState,
    MalformedMessage,
    Message,
    MessageType,
    ProposalDropped,
    RawNode,
    StateType,
)
from tests.support.network import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    PRE_CANDIDATE,
    Network,
    hup,
    make_config,
    make_raft,
    make_storage,
    persist_and_apply,
    prop,
    read_messages,
    take_role,
    tick,
)


def request(to: int, transferee: int, **fields: int) -> Message:
    """Asks node `to` to make `transferee` the leader."""
    return Message(type=MessageType.MSG_TRANSFER_LEADER, from_=transferee, to=to, **fields)


def leading(raft: object) -> tuple[int, int, int]:
    """The role, the leader that the node knows, and the node that it is about to hand over to."""
    return raft.state, raft.lead, raft.lead_transferee


@pytest.fixture(name="net")
def led_by_1() -> Network:
    """Three nodes, led by node 1."""
    net = Network(3)
    net.campaign(1)
    assert leading(net[1]) == (LEADER, 1, 0)
    return net


@pytest.fixture(name="pending")
def transfer_to_3(net: Network) -> Network:
    """Node 1 is about to hand over to node 3, which is cut off."""
    net.isolate(3)
    net.send(request(1, 3))
    assert leading(net[1]) == (LEADER, 1, 3)
    return net


# -- transfers that succeed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["leader", "transferee"])
def test_transfer_to_an_up_to_date_peer_and_back(net: Network, asked: str) -> None:
    """A peer with the whole log leads a moment later, whoever was asked: followers forward the request.

    answers: TestLeaderTransferToUpToDateNode, TestLeaderTransferToUpToDateNodeFromFollower
    """
    net.send(request(1 if asked == "leader" else 2, 2))
    assert leading(net[1]) == (FOLLOWER, 2, 0)
    assert leading(net[2]) == (LEADER, 2, 0)

    net.propose(1)
    net.send(request(2 if asked == "leader" else 1, 1))
    assert leading(net[1]) == (LEADER, 1, 0)
    assert leading(net[2]) == (FOLLOWER, 1, 0)


def test_transfer_overrides_leases() -> None:
    """Nodes that have just heard from the leader take part in the election that a transfer starts (thesis 4.2.3).

    answers: TestLeaderTransferWithCheckQuorum
    """
    net = Network(3, check_quorum=True)
    for id in net.ids:
        net[id].randomized_election_timeout = net[id].election_timeout + id
    tick(net[2], net[2].election_timeout)
    net.campaign(1)
    assert net[1].state == LEADER

    net.send(request(1, 2))
    assert leading(net[1]) == (FOLLOWER, 2, 0)
    net.propose(1)
    net.send(request(2, 1))
    assert leading(net[1]) == (LEADER, 1, 0)


def test_transfer_to_a_slow_follower(net: Network) -> None:
    """A peer that lacks entries gets them first.

    answers: TestLeaderTransferToSlowFollower
    """
    net.isolate(3)
    net.propose(1)
    net.heal()
    assert net[1].tracker.progress[3].match == 1

    net.send(request(1, 3))
    assert leading(net[1]) == (FOLLOWER, 3, 0)


def test_transfer_waits_for_a_snapshot(net: Network) -> None:
    """A peer that needs a snapshot is told to campaign once it has acknowledged the snapshot.

    answers: TestLeaderTransferAfterSnapshot
    """
    net.isolate(3)
    net.propose(1)
    persist_and_apply(net[1])
    applied = net[1].log.applied
    net.storage(1).create_snapshot(applied, ConfState(voters=[1, 2, 3]), None)
    net.storage(1).compact(applied)
    net.heal()
    assert net[1].tracker.progress[3].match == 1

    held: list[Message] = []

    def hold(m: Message) -> bool:
        answer = m.type == MessageType.MSG_APP_RESP and m.from_ == 3 and not m.reject
        if answer:
            held.append(m)
        return not answer

    net.hook = hold
    net.send(request(1, 3))
    assert leading(net[1]) == (LEADER, 1, 3)
    assert len(held) == 1

    snapshot = net[3].log.unstable.next_snapshot()
    net.storage(3).apply_snapshot(snapshot)
    net[3].step(Message(type=MessageType.MSG_STORAGE_APPEND_RESP, to=3, snapshot=snapshot))
    net.hook = None
    net.send(*held)
    assert leading(net[1]) == (FOLLOWER, 3, 0)


@pytest.mark.parametrize("pre_vote", [False, True])
def test_transferee_campaigns_at_once(pre_vote: bool) -> None:
    """A node told to campaign skips the pre-vote, and its requests say that they are for a transfer."""
    raft = make_raft(2, [1, 2, 3], terms=(1,), pre_vote=pre_vote)
    raft.step(Message(type=MessageType.MSG_TIMEOUT_NOW, from_=1, to=2, term=1))
    assert (raft.state, raft.term, raft.vote) == (CANDIDATE, 2, 2)
    asked = {"type": MessageType.MSG_VOTE, "from_": 2, "term": 2, "index": 1, "log_term": 1}
    sent = [Message(to=id, context=b"CampaignTransfer", **asked) for id in (1, 3)]
    assert raft.outbox.msgs == sent


# -- requests without effect -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transferee",
    [
        pytest.param(1, id="itself"),
        pytest.param(4, id="stranger"),
        pytest.param(3, id="learner"),
    ],
)
def test_transfer_to_a_node_that_cannot_lead(transferee: int) -> None:
    """A leader hands over only to another voter.

    answers: TestLeaderTransferToSelf, TestLeaderTransferToNonExistingNode
    """
    net = Network(3, learners=[3])
    net.campaign(1)
    net.send(request(1, transferee))
    assert leading(net[1]) == (LEADER, 1, 0)
    assert (net[1].term, net.states()) == (1, [LEADER, FOLLOWER, FOLLOWER])


@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE, PRE_CANDIDATE], ids=str)
def test_request_without_a_leader_is_lost(role: StateType) -> None:
    """A node that knows no leader cannot forward the request."""
    raft = make_raft(1, [1, 2, 3], term=1)
    take_role(raft, role)
    read_messages(raft)
    before = raft.state, raft.term
    raft.step(request(1, 2))
    assert ((raft.state, raft.term), raft.lead_transferee, read_messages(raft)) == (before, 0, [])


@pytest.mark.parametrize("role", [CANDIDATE, PRE_CANDIDATE, LEADER], ids=str)
def test_only_followers_are_told_to_campaign(role: StateType) -> None:
    """A leader needs no election, and a candidate has one already.

    catches: nats-server#5314
    """
    raft = make_raft(1, [1, 2, 3], term=1)
    take_role(raft, role)
    read_messages(raft)
    term = raft.term
    raft.step(Message(type=MessageType.MSG_TIMEOUT_NOW, from_=2, to=1, term=term))
    assert (raft.state, raft.term, read_messages(raft)) == (role, term, [])


def test_request_with_a_term_cannot_be_forwarded() -> None:
    """Requests carry no term; a follower refuses one that has a term before anything changes."""
    node = RawNode(make_config(1, make_storage([1, 2, 3])))
    node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=1))
    node.ready()
    node.advance()
    text = r"^term should not be set when sending MsgTransferLeader \(was 1\)$"
    with pytest.raises(MalformedMessage, match=text):
        node.step(request(1, 3, term=1))
    assert not node.has_ready()


# -- while a transfer is pending ---------------------------------------------------------------------------------------


def test_pending_transfer_times_out(pending: Network) -> None:
    """A transfer that is not finished within an election timeout is given up.

    answers: TestLeaderTransferTimeout
    """
    lead = pending[1]
    tick(lead, lead.heartbeat_timeout)
    assert leading(lead) == (LEADER, 1, 3)
    tick(lead, lead.election_timeout - lead.heartbeat_timeout)
    assert leading(lead) == (LEADER, 1, 0)


def test_pending_transfer_has_a_whole_timeout(net: Network) -> None:
    """The time runs from the request, whatever the leader has counted before."""
    lead = net[1]
    net.isolate(3)
    tick(lead, lead.election_timeout - 1)
    net.send(request(1, 3))
    tick(lead, lead.election_timeout - 1)
    assert leading(lead) == (LEADER, 1, 3)
    tick(lead, 1)
    assert leading(lead) == (LEADER, 1, 0)


def test_pending_transfer_stops_proposals(net: Network) -> None:
    """During a transfer the leader accepts no proposals, so that the transferee can catch up; afterwards it does again.

    answers: TestLeaderTransferIgnoreProposal
    """
    net.isolate(3)
    lead = net[1]
    persist_and_apply(lead)
    net.send(request(1, 3))
    assert lead.lead_transferee == 3

    net.propose(1)
    assert net.refused == [prop(1)]
    with pytest.raises(ProposalDropped):
        lead.step(prop(1))
    assert (lead.tracker.progress[1].match, lead.log.last_index()) == (1, 1)

    tick(lead, lead.election_timeout)
    net.propose(1)
    assert (lead.log.last_index(), len(net.refused)) == (2, 1)


def test_higher_term_ends_a_pending_transfer(pending: Network) -> None:
    """A leader that steps down for a candidate has nothing left to hand over.

    answers: TestLeaderTransferReceiveHigherTermVote
    """
    pending.send(Message(type=MessageType.MSG_HUP, from_=2, to=2, index=1, term=2))
    assert leading(pending[1]) == (FOLLOWER, 2, 0)


def test_removal_of_the_transferee_ends_a_pending_transfer(net: Network) -> None:
    """A removed peer cannot take over.

    answers: TestLeaderTransferRemoveNode
    """
    net.ignore(MessageType.MSG_TIMEOUT_NOW)
    net.send(request(1, 3))
    assert leading(net[1]) == (LEADER, 1, 3)
    net[1].apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=3).as_v2())
    assert leading(net[1]) == (LEADER, 1, 0)


def test_demotion_of_the_transferee_ends_a_pending_transfer(net: Network) -> None:
    """A voter that becomes a learner can take over while the old voters count, until the joint configuration is left.

    answers: TestLeaderTransferDemoteNode
    """
    net.ignore(MessageType.MSG_TIMEOUT_NOW)
    net.send(request(1, 3))
    kinds = (ConfChangeType.REMOVE_NODE, ConfChangeType.ADD_LEARNER_NODE)
    net[1].apply_conf_change(ConfChangeV2(changes=[ConfChangeSingle(type=kind, node_id=3) for kind in kinds]))
    assert leading(net[1]) == (LEADER, 1, 3)
    net[1].apply_conf_change(ConfChangeV2())
    assert leading(net[1]) == (LEADER, 1, 0)
    assert net[1].tracker.learner_nodes() == [3]


def test_other_changes_leave_a_pending_transfer_alone(pending: Network) -> None:
    """Only a change of the transferee's membership matters."""
    pending[1].apply_conf_change(ConfChange(type=ConfChangeType.ADD_NODE, node_id=4).as_v2())
    assert leading(pending[1]) == (LEADER, 1, 3)


def test_transfer_back_to_the_leader_ends_a_pending_one(pending: Network) -> None:
    """A leader that is asked to keep the lead keeps it.

    answers: TestLeaderTransferBack
    """
    pending.send(request(1, 1))
    assert leading(pending[1]) == (LEADER, 1, 0)
    pending.propose(1)
    assert pending[1].log.last_index() == 2


def test_second_transfer_to_another_node_replaces_the_first(pending: Network) -> None:
    """The newest request counts.

    answers: TestLeaderTransferSecondTransferToAnotherNode
    """
    pending.send(request(1, 2))
    assert leading(pending[1]) == (FOLLOWER, 2, 0)


def test_second_transfer_to_the_same_node_wins_no_time(pending: Network) -> None:
    """A repeated request neither extends the first one's time nor sends anything.

    answers: TestLeaderTransferSecondTransferToSameNode
    """
    lead = pending[1]
    tick(lead, lead.heartbeat_timeout)
    read_messages(lead)
    lead.step(request(1, 3))
    assert read_messages(lead) == []
    tick(lead, lead.election_timeout - lead.heartbeat_timeout)
    assert leading(lead) == (LEADER, 1, 0)


def test_repeated_request_after_the_timeout_begins_anew(pending: Network) -> None:
    """A transfer that was given up can be requested again, and succeeds when the peer is back."""
    tick(pending[1], pending[1].election_timeout)
    pending.heal()
    pending.send(request(1, 3))
    assert leading(pending[1]) == (FOLLOWER, 3, 0)
    assert pending[3].state == LEADER


def test_new_leader_has_no_transfer_pending(pending: Network) -> None:
    """A new election forgets a transfer that was pending before."""
    pending[1].become_follower(2, 0)
    assert pending[1].lead_transferee == 0
    pending.send(hup(1))
    assert leading(pending[1]) == (LEADER, 1, 0)
