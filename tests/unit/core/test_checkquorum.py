"""Leaders that check their quorum, and leases that protect a live leader from elections (thesis 4.2.3, 6.2)."""

import pytest

from raftcy import ConfChange, ConfChangeType, Message, MessageType
from tests.support.network import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    PRE_CANDIDATE,
    Network,
    Past,
    hup,
    make_raft,
    read_messages,
    settle,
    take_role,
    tick,
)

REQUESTS = pytest.mark.parametrize("kind", [MessageType.MSG_VOTE, MessageType.MSG_PRE_VOTE], ids=str)


def leader(voters: list[int], learners: tuple[int, ...] = (), **options: object) -> object:
    """Node 1 as a leader that checks its quorum, with an election timeout of 5 ticks."""
    raft = make_raft(1, voters, learners, election_tick=5, check_quorum=True, **options)
    take_role(raft, LEADER)
    return raft


def heard_of(raft: object, peer: int) -> None:
    """Give a leader a sign of life from a peer."""
    raft.step(Message(type=MessageType.MSG_HEARTBEAT_RESP, from_=peer, to=raft.id, term=raft.term))


# -- stepping down -----------------------------------------------------------------------------------------------------


def test_leader_stays_with_an_active_quorum() -> None:
    """A leader that hears from enough peers within each election timeout stays leader.

    answers: TestLeaderStepdownWhenQuorumActive
    """
    raft = leader([1, 2, 3])
    for _ in range(6):
        heard_of(raft, 2)
        raft.tick()
    assert raft.state == LEADER


def test_leader_steps_down_without_a_quorum() -> None:
    """A leader that hears from nobody for an election timeout becomes a follower in its term (thesis 6.2).

    answers: TestLeaderStepdownWhenQuorumLost
    catches: etcd#15247
    """
    raft = leader([1, 2, 3])
    tick(raft, 4)
    assert raft.state == LEADER
    tick(raft, 2)
    assert (raft.state, raft.term, raft.lead) == (FOLLOWER, 1, 0)


def test_signs_of_life_count_for_one_timeout() -> None:
    """A peer heard before the last check must be heard again before the next one."""
    raft = leader([1, 2, 3])
    heard_of(raft, 2)
    tick(raft, 5)
    assert raft.state == LEADER
    tick(raft, 5)
    assert raft.state == FOLLOWER


def test_learners_do_not_make_a_quorum() -> None:
    """A learner's sign of life does not keep a leader in office."""
    raft = leader([1, 2], learners=(3,))
    heard_of(raft, 3)
    tick(raft, 5)
    assert raft.state == FOLLOWER


def test_single_voter_is_its_own_quorum() -> None:
    """The only voter keeps leading, whatever its learners do."""
    raft = leader([1], learners=(2,))
    tick(raft, 50)
    assert raft.state == LEADER


def test_leader_without_the_check_stays() -> None:
    """The check is an option: without it an isolated leader stays leader."""
    raft = make_raft(1, [1, 2, 3])
    take_role(raft, LEADER)
    tick(raft, 50)
    assert raft.state == LEADER


# -- leases ------------------------------------------------------------------------------------------------------------


def test_lease_keeps_a_candidate_out_until_it_expires() -> None:
    """A follower that heard from a leader within the election timeout votes for nobody; after that it votes.

    answers: TestLeaderSupersedingWithCheckQuorum
    """
    net = Network(3, check_quorum=True)
    net[2].randomized_election_timeout = net[2].election_timeout + 1
    tick(net[2], net[2].election_timeout)
    net.campaign(1)
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]

    net.campaign(3)
    assert net.states() == [LEADER, FOLLOWER, CANDIDATE]

    net[2].randomized_election_timeout = net[2].election_timeout + 1
    tick(net[2], net[2].election_timeout)
    net.campaign(3)
    assert net.states() == [FOLLOWER, FOLLOWER, LEADER]


def test_election_with_leases() -> None:
    """A node that has just started has no lease to keep; later it votes once the lease has run out.

    answers: TestLeaderElectionWithCheckQuorum
    """
    net = Network(3, check_quorum=True)
    net.campaign(1)
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]

    for id in (1, 2):
        # Neither campaigns within an election timeout.
        net[id].randomized_election_timeout = net[id].election_timeout + id
        tick(net[id], net[id].election_timeout)
    net.campaign(3)
    assert net.states() == [FOLLOWER, FOLLOWER, LEADER]


@REQUESTS
def test_request_within_the_lease_is_ignored(kind: MessageType) -> None:
    """The request gets no answer, the term stays, and only a campaign that the leader ordered passes the lease.

    The leader keeps the lease too (thesis 4.2.3; 3.10 for transfers).

    catches: etcd#9333
    """
    follower = make_raft(1, [1, 2, 3], term=1, check_quorum=True)
    follower.become_follower(1, 3)
    for raft, role in ((follower, FOLLOWER), (leader([1, 2, 3]), LEADER)):
        read_messages(raft)
        request = {"type": kind, "from_": 2, "to": 1, "term": 5, "index": 9, "log_term": 4}
        raft.step(Message(**request))
        assert (raft.state, raft.term, read_messages(raft)) == (role, 1, [])

        raft.step(Message(**request, context=b"CampaignTransfer"))
        [answer] = read_messages(raft)
        assert (answer.to, answer.term, answer.reject) == (2, 5, False)


def test_stuck_candidate_is_freed() -> None:
    """A candidate of a higher term that leases lock out makes the leader step down, and can be elected then.

    Its answer to the leader's heartbeat carries its term; without that it could neither follow nor win.

    answers: TestFreeStuckCandidateWithCheckQuorum
    catches: raft-rs#83
    """
    net = Network(3, check_quorum=True)
    net[2].randomized_election_timeout = net[2].election_timeout + 1
    tick(net[2], net[2].election_timeout)
    net.campaign(1)

    net.isolate(1)
    for ahead in (1, 2):
        net.campaign(3)
        assert (net[2].state, net[3].state) == (FOLLOWER, CANDIDATE)
        assert net[3].term == net[2].term + ahead

    net.heal()
    net.send(Message(type=MessageType.MSG_HEARTBEAT, from_=1, to=3, term=net[1].term))
    assert (net[1].state, net[1].term) == (FOLLOWER, net[3].term)

    net.campaign(3)
    assert net[3].state == LEADER


@pytest.mark.parametrize("kind", [MessageType.MSG_HEARTBEAT, MessageType.MSG_APP], ids=str)
@pytest.mark.parametrize(
    ("options", "answered"),
    [({}, False), ({"check_quorum": True}, True), ({"pre_vote": True}, True)],
    ids=["neither", "check_quorum", "pre_vote"],
)
def test_stale_leader_gets_the_newer_term(options: dict, answered: bool, kind: MessageType) -> None:
    """A leader of an old term is answered with the new term, because its peers may never learn it from a campaign.

    catches: raft-rs#83
    """
    raft = make_raft(1, [1, 2, 3], term=3, **options)
    raft.step(Message(type=kind, from_=2, to=1, term=2))
    assert read_messages(raft) == [Message(type=MessageType.MSG_APP_RESP, from_=1, to=2, term=3)] * answered
    assert (raft.term, raft.lead) == (3, 0)


@pytest.mark.parametrize("known", [[1], [1, 2]], ids=["never_added", "removed"])
def test_voter_that_does_not_know_that_it_is_one(known: list[int]) -> None:
    """A node that is not a member by its own configuration still votes, and follows the leader it elected.

    answers: TestNonPromotableVoterWithCheckQuorum
    """
    net = Network([None, make_raft(2, known, check_quorum=True)], check_quorum=True)
    if 2 in known:
        net[2].apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=2).as_v2())
    assert not net[2].promotable()

    net[2].randomized_election_timeout = net[2].election_timeout + 1
    tick(net[2], net[2].election_timeout)
    net.campaign(1)
    assert net.states() == [LEADER, FOLLOWER]
    assert net[2].lead == 1


# -- disruption --------------------------------------------------------------------------------------------------------


def test_disruptive_follower() -> None:
    """A follower that times out just before the leader's heartbeat arrives makes the leader step down.

    The leases hold its requests for votes off, but not its answer to the heartbeat, which has a higher term.

    answers: TestDisruptiveFollower
    """
    net = Network([Past(term=1)] * 3, check_quorum=True)
    net.campaign(1)
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]

    net[3].randomized_election_timeout = net[3].election_timeout + 2
    tick(net[3], net[3].randomized_election_timeout - 1)
    assert net[3].state == FOLLOWER
    tick(net[3], 1)
    assert net.states() == [LEADER, FOLLOWER, CANDIDATE]
    assert net.terms() == [2, 2, 3]

    net.send(Message(type=MessageType.MSG_HEARTBEAT, from_=1, to=3, term=2))
    assert net.states() == [FOLLOWER, FOLLOWER, CANDIDATE]
    assert net.terms() == [3, 2, 3]


def test_pre_vote_stops_the_disruptive_follower() -> None:
    """With pre-vote, a follower that returns behind the others raises no term and disturbs nobody (thesis 9.6).

    answers: TestDisruptiveFollowerPreVote
    catches: etcd#9333
    """
    net = Network([Past(term=1)] * 3, check_quorum=True)
    net.campaign(1)
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]

    net.isolate(3)
    for _ in range(3):
        net.propose(1, b"somedata")
    for id in net.ids:
        net[id].pre_vote = True
    net.heal()
    net.campaign(3)
    assert net.states() == [LEADER, FOLLOWER, PRE_CANDIDATE]
    assert net.terms() == [2, 2, 2]

    net.send(Message(type=MessageType.MSG_HEARTBEAT, from_=1, to=3, term=2))
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]
    assert net.terms() == [2, 2, 2]


def test_removed_node_cannot_disturb_a_live_leader() -> None:
    """A removed node that does not know of its removal campaigns endlessly; leases keep its requests without effect.

    This is why the thesis has a minimum election timeout (4.2.3).

    catches: etcd#9333
    """
    net = Network(3, check_quorum=True)
    net.campaign(1)
    for id in (1, 2):
        net[id].apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=3).as_v2())
    for _ in range(5):
        net[3].step(hup(3))
        settle(net[3])
        net.flush(3)
    assert net[3].term == 6
    assert (net[1].state, net[2].state, net.terms()[:2]) == (LEADER, FOLLOWER, [1, 1])
