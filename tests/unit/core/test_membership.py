"""Membership changes: proposing them, putting them in force, and the effects (paper 6; thesis 4)."""

from typing import Any

import pytest

from raftcy import (
    ConfChange,
    ConfChangeError,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    Entry,
    EntryType,
    Message,
    MessageType,
    ProgressState,
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
    read_messages,
    settle,
    take_role,
    tick,
)
from tests.support.peers import (
    ack,
    answer_heartbeat,
    apply,
    hand,
    make_leader,
    make_quiet_leader,
    propose,
    run,
    the_one,
)
from tests.support.state import dump_node, dump_tracker

APP = MessageType.MSG_APP
ADD = ConfChangeType.ADD_NODE
REMOVE = ConfChangeType.REMOVE_NODE
LEARN = ConfChangeType.ADD_LEARNER_NODE
EXPLICIT = ConfChangeTransition.JOINT_EXPLICIT
IMPLICIT = ConfChangeTransition.JOINT_IMPLICIT
PRE_VOTE = pytest.mark.parametrize("pre_vote", [False, True], ids=["vote", "pre_vote"])


def change(kind: ConfChangeType, id: int) -> ConfChangeV2:
    """A change of one member."""
    return ConfChange(type=kind, node_id=id).as_v2()


def joint(transition: ConfChangeTransition, *changes: tuple[ConfChangeType, int]) -> ConfChangeV2:
    """A change of several members."""
    singles = [ConfChangeSingle(type=kind, node_id=id) for kind, id in changes]
    return ConfChangeV2(transition=transition, changes=singles)


def entry_of(kind: ConfChangeType | None = None, id: int = 0, *, v2: bool = False) -> Entry:
    """A change of one member as an entry for a proposal; without a change, an empty ConfChange."""
    if kind is None:
        return Entry(type=EntryType.CONF_CHANGE_V2 if v2 else EntryType.CONF_CHANGE)
    v1 = ConfChange(type=kind, node_id=id)
    if v2:
        return Entry(type=EntryType.CONF_CHANGE_V2, data=v1.as_v2().encode())
    return Entry(type=EntryType.CONF_CHANGE, data=v1.encode())


def propose_entries(raft: Any, *entries: Entry) -> None:
    """Propose ready-made entries at a node."""
    hand(raft, Message(type=MessageType.MSG_PROP, from_=raft.id, to=raft.id, entries=list(entries)))


def text_of(raft: Any) -> str:
    """The configuration in force."""
    return str(raft.tracker.config)


# -- proposing ---------------------------------------------------------------------------------------------------------


def test_proposed_change_is_pending() -> None:
    """A change goes into the log, and its index is noted: until it is applied, no other change may follow (thesis 4.1).

    answers: TestStepConfig
    """
    raft = make_leader([1, 2])
    last = raft.log.last_index()
    propose_entries(raft, entry_of())
    assert (raft.log.last_index(), raft.pending_conf_index) == (last + 1, last + 1)


def test_second_change_becomes_an_empty_entry() -> None:
    """While a change may be pending, another one is replaced by an empty entry.

    answers: TestStepIgnoreConfig
    catches: redisraft#17
    """
    raft = make_leader([1, 2])
    propose_entries(raft, entry_of())
    last, pending = raft.log.last_index(), raft.pending_conf_index
    assert raft.refused_reason is None
    propose_entries(raft, entry_of())
    [empty] = raft.log.entries(last + 1, 2**64 - 1)
    assert empty == Entry(type=EntryType.NORMAL, term=1, index=3)
    assert (empty.has("type"), empty.has("data")) == (True, False)
    assert raft.pending_conf_index == pending
    assert raft.refused_reason == "possible unapplied conf change at index 2 (applied to 0)"


def test_only_one_change_of_a_proposal() -> None:
    """Of several changes in one proposal, the first is accepted; other entries keep their places."""
    raft = make_leader([1, 2])
    propose_entries(raft, Entry(data=b"x"), entry_of(ADD, 3), Entry(data=b"y"), entry_of(ADD, 4))
    entries = raft.log.all_entries()[1:]
    assert [e.type for e in entries] == [EntryType.NORMAL, EntryType.CONF_CHANGE, EntryType.NORMAL, EntryType.NORMAL]
    assert [e.data for e in entries] == [b"x", entry_of(ADD, 3).data, b"y", b""]
    assert raft.pending_conf_index == 3


@pytest.mark.parametrize(("entries", "pending"), [(0, 0), (1, 1)], ids=["empty_log", "one_entry"])
def test_new_leader_takes_changes_for_pending(entries: int, pending: int) -> None:
    """A new leader has not read its log, so it treats the last entry as a pending change.

    answers: TestNewLeaderPendingConfig
    catches: redisraft#17
    """
    raft = make_raft(1, [1, 2])
    raft.log.append([Entry(term=0, index=i + 1) for i in range(entries)])
    take_role(raft, LEADER)
    assert raft.pending_conf_index == pending


@pytest.mark.parametrize(
    ("in_force", "proposed", "reason"),
    [
        (None, entry_of(v2=True), "not in joint state; refusing empty conf change"),
        (None, entry_of(ADD, 4, v2=True), None),
        ([(ADD, 4), (ADD, 5)], entry_of(ADD, 6), "must transition out of joint config first"),
        ([(ADD, 4), (ADD, 5)], entry_of(v2=True), None),
    ],
    ids=["leave_nothing", "change", "change_while_joint", "leave"],
)
@pytest.mark.parametrize("validated", [True, False], ids=["validated", "not_validated"])
def test_change_that_is_not_allowed_now(in_force: list | None, proposed: Entry, reason: str, validated: bool) -> None:
    """A joint configuration can only be left, and only a joint one can be left (thesis 4.3).

    Without validation such a change is accepted, at the application's risk.
    """
    raft = make_quiet_leader([1, 2, 3], disable_conf_change_validation=not validated)
    if in_force:
        raft.apply_conf_change(joint(EXPLICIT, *in_force))
    propose_entries(raft, proposed)
    last = raft.log.all_entries()[-1]
    if reason is None or not validated:
        assert (last.type, last.data, raft.pending_conf_index, raft.refused_reason) == (
            proposed.type,
            proposed.data,
            2,
            None,
        )
    else:
        assert (last.type, last.data, raft.pending_conf_index, raft.refused_reason) == (
            EntryType.NORMAL,
            b"",
            0,
            reason,
        )


def test_proposer_gets_the_reason() -> None:
    """`propose_conf_change` does not raise if the change became an empty entry; the other form returns the reason."""
    node = RawNode(make_config(1, make_storage([1])))
    node.campaign()
    run(node)
    assert node.propose_conf_change_checked(ConfChange(type=ADD, node_id=2)) is None
    reason = "possible unapplied conf change at index 2 (applied to 1)"
    assert node.propose_conf_change_checked(ConfChange(type=ADD, node_id=3)) == reason
    assert node.refused_reason == reason
    node.propose_conf_change(ConfChange(type=ADD, node_id=3))
    assert [e.type for e in node.raft.log.all_entries()][1:] == [EntryType.CONF_CHANGE] + [EntryType.NORMAL] * 2


# -- putting a change in force -----------------------------------------------------------------------------------------


def test_add_a_voter() -> None:
    """An added node has a vote at once.

    answers: TestAddNode
    """
    raft = make_raft(1, [1])
    members = raft.apply_conf_change(change(ADD, 2))
    assert raft.tracker.voter_nodes() == members.voters == [1, 2]


def test_add_and_promote_learners() -> None:
    """Learners are members without a vote; changes make members learners and voters, also the node itself.

    answers: TestAddLearner
    """
    raft = make_raft(1, [1])
    members = raft.apply_conf_change(change(LEARN, 2))
    assert raft.tracker.learner_nodes() == members.learners == [2]
    for kind, id, learners in ((LEARN, 2, [2]), (ADD, 2, []), (LEARN, 1, [1]), (ADD, 1, [])):
        raft.apply_conf_change(change(kind, id))
        assert raft.tracker.learner_nodes() == learners
        assert [each for each in (1, 2) if raft.tracker.progress[each].is_learner] == learners
        assert raft.is_learner == (learners == [1])


def test_new_voter_is_given_time() -> None:
    """A new voter counts as heard from, so that the next check of the quorum does not depose the leader.

    answers: TestAddNodeCheckQuorum
    """
    raft = make_leader([1], check_quorum=True)
    tick(raft, raft.election_timeout - 1)
    raft.apply_conf_change(change(ADD, 2))
    tick(raft, 1)
    assert raft.state == LEADER
    tick(raft, raft.election_timeout)
    assert raft.state == FOLLOWER


@pytest.mark.parametrize("learner", [False, True], ids=["voter", "learner"])
def test_remove(learner: bool) -> None:
    """A member can be removed, but never the last voter; a refused removal leaves the configuration unchanged.

    answers: TestRemoveNode, TestRemoveLearner
    """
    raft = make_raft(1, [1] if learner else [1, 2], [2] if learner else [])
    raft.apply_conf_change(change(REMOVE, 2))
    assert (raft.tracker.voter_nodes(), raft.tracker.learner_nodes()) == ([1], [])
    before = dump_tracker(raft.tracker)
    with pytest.raises(ConfChangeError, match=r"^removed all voters$"):
        raft.apply_conf_change(change(REMOVE, 1))
    assert dump_tracker(raft.tracker) == before


@pytest.mark.parametrize(
    ("voters", "learners", "promotable"),
    [([1], [], True), ([1, 2, 3], [], True), ([], [], False), ([2, 3], [], False), ([2], [1], False)],
)
def test_promotable(voters: list[int], learners: list[int], promotable: bool) -> None:
    """Voters may campaign, going by their own configuration.

    answers: TestPromotable
    """
    assert make_raft(1, voters, learners, election_tick=5).promotable() == promotable


@pytest.mark.parametrize("voters", [[1, 2, 3], [3, 2, 1]], ids=["in_order", "reversed"])
def test_members_are_in_order(voters: list[int]) -> None:
    """Members are listed and visited by ascending id, in whatever order the storage has them.

    answers: TestRaftNodes
    """
    raft = make_leader(voters)
    assert raft.tracker.voter_nodes() == [1, 2, 3]
    tick(raft, 1)
    assert [m.to for m in read_messages(raft)] == [2, 3]


def test_smaller_quorum_commits() -> None:
    """After the removal of a voter, the acknowledgements of the others may suffice at once.

    answers: TestCommitAfterRemoveNode
    """
    raft = make_leader([1, 2], election_tick=5)
    propose_entries(raft, entry_of(REMOVE, 2))
    assert persist_and_apply(raft) == []
    pending = raft.log.last_index()
    propose(raft, b"hello")
    ack(raft, 2, pending)
    applied = persist_and_apply(raft)
    assert [(e.type, e.data) for e in applied] == [
        (EntryType.NORMAL, b""),
        (EntryType.CONF_CHANGE, entry_of(REMOVE, 2).data),
    ]

    raft.apply_conf_change(change(REMOVE, 2))
    [last] = persist_and_apply(raft)
    assert (last.type, last.data) == (EntryType.NORMAL, b"hello")


def test_new_peers_are_sent_entries_at_once() -> None:
    """The leader sends a new member the missing entries at once, without waiting for the next heartbeat."""
    raft = make_quiet_leader([1])
    propose(raft, b"x")
    persist_and_apply(raft)
    raft.apply_conf_change(change(LEARN, 2))
    sent = the_one(read_messages(raft), APP)
    assert (sent.to, sent.index, [e.index for e in sent.entries]) == (2, 1, [2])
    peer = raft.tracker.progress[2]
    assert (peer.state, peer.match, peer.next, peer.recent_active) == (ProgressState.PROBE, 0, 2, True)


def test_followers_only_note_a_change() -> None:
    """A follower sends nothing when a change takes effect."""
    raft = make_raft(1, [1, 2], term=1)
    for each in (change(ADD, 3), joint(EXPLICIT, (ADD, 4), (REMOVE, 1)), ConfChangeV2()):
        raft.apply_conf_change(each)
    assert text_of(raft) == "voters=(2 3 4)"
    assert (raft.state, read_messages(raft), raft.promotable()) == (FOLLOWER, [], False)


@pytest.mark.parametrize("step_down", [False, True], ids=["stays", "steps_down"])
@pytest.mark.parametrize("kind", [REMOVE, LEARN], ids=["removed", "demoted"])
def test_leader_that_is_not_a_voter(kind: ConfChangeType, step_down: bool) -> None:
    """A removed leader continues until there is a new one, without counting itself (thesis 4.2.2).

    An option makes it step down instead.
    """
    raft = make_quiet_leader([1, 2, 3], step_down_on_removal=step_down)
    raft.apply_conf_change(change(kind, 1))
    if step_down:
        assert (raft.state, raft.term, raft.lead) == (FOLLOWER, 1, 0)
        return
    assert raft.state == LEADER
    ack(raft, 2, 1)
    assert raft.log.committed == 0
    ack(raft, 3, 1)
    assert raft.log.committed == 1
    if kind == REMOVE:
        with pytest.raises(ProposalDropped):
            propose(raft, b"x")
    else:
        propose(raft, b"x")


# -- joint configurations ----------------------------------------------------------------------------------------------


def test_joint_commit_and_leave() -> None:
    """Both halves must store an entry until the joint configuration is left (thesis 4.3).

    catches: async-raft#62
    """
    raft = make_quiet_leader([1, 2])
    raft.apply_conf_change(joint(EXPLICIT, (ADD, 3), (REMOVE, 2)))
    assert text_of(raft) == "voters=(1 3)&&(1 2)"
    ack(raft, 3, 1)
    assert raft.log.committed == 0
    ack(raft, 2, 1)
    assert raft.log.committed == 1
    members = raft.apply_conf_change(ConfChangeV2())
    assert (text_of(raft), members.voters, members.voters_outgoing) == ("voters=(1 3)", [1, 3], [])


@pytest.mark.parametrize("transition", [IMPLICIT, EXPLICIT], ids=["implicit", "explicit"])
def test_leader_leaves_by_itself(transition: ConfChangeTransition) -> None:
    """With automatic leaving, the leader proposes to leave as soon as the joint configuration is applied.

    catches: etcd#12136
    """
    raft = make_quiet_leader([1])
    persist_and_apply(raft)
    proposed = joint(transition, (ADD, 2), (LEARN, 3))
    propose_entries(raft, Entry(type=EntryType.CONF_CHANGE_V2, data=proposed.encode()))
    settle(raft)
    entries = raft.log.next_committed(True)
    raft.apply_conf_change(proposed)
    leaves = " autoleave" if transition == IMPLICIT else ""
    assert text_of(raft) == f"voters=(1 2)&&(1) learners=(3){leaves}"
    apply(raft, entries)
    last = raft.log.all_entries()[-1]
    if transition == EXPLICIT:
        assert last.index == 2
    else:
        assert (last.index, last.type, last.data, last.has("data")) == (3, EntryType.CONF_CHANGE_V2, b"", False)
        assert raft.pending_conf_index == 3


def test_new_leader_leaves_too() -> None:
    """The leader that applies the joint configuration leaves it, even if it did not propose it.

    catches: etcd#12136
    """
    raft = make_raft(1, [1, 2], terms=[1], term=1)
    raft.log.commit_to(1)
    raft.apply_conf_change(joint(IMPLICIT, (ADD, 3), (ADD, 4)))
    apply(raft, raft.log.next_committed(True))
    assert raft.log.last_index() == 1
    take_role(raft, LEADER)
    settle(raft)
    for peer in (2, 3):
        ack(raft, peer, 2)
    apply(raft, raft.log.next_committed(True))
    last = raft.log.all_entries()[-1]
    assert (last.index, last.type, last.data) == (3, EntryType.CONF_CHANGE_V2, b"")


def test_demotion_waits_for_the_end_of_a_joint_configuration() -> None:
    """A voter that will become a learner stays a voter of the old half until that is left (etcd's LearnersNext)."""
    raft = make_raft(1, [1, 2, 3])
    members = raft.apply_conf_change(joint(EXPLICIT, (LEARN, 3), (ADD, 4)))
    assert text_of(raft) == "voters=(1 2 4)&&(1 2 3) learners_next=(3)"
    assert (members.learners_next, members.learners) == ([3], [])
    assert not raft.tracker.progress[3].is_learner
    raft.apply_conf_change(ConfChangeV2())
    assert text_of(raft) == "voters=(1 2 4) learners=(3)"
    assert raft.tracker.progress[3].is_learner


# -- campaigning -------------------------------------------------------------------------------------------------------


@PRE_VOTE
def test_leader_does_not_campaign(pre_vote: bool) -> None:
    """A leader already has the office.

    answers: TestCampaignWhileLeader, TestPreCampaignWhileLeader
    """
    raft = make_raft(1, [1], election_tick=5, pre_vote=pre_vote)
    assert raft.state == FOLLOWER
    for _ in range(2):
        raft.step(hup(1))
        settle(raft)
        assert (raft.state, raft.term) == (LEADER, 1)


def test_learner_does_not_campaign() -> None:
    """A learner ignores an order to campaign, from its application or from a leader that does not know yet.

    answers: TestLearnerCampaign
    catches: redpanda#8495
    """
    net = Network([make_raft(1, [1]), make_raft(2, [1])])
    for id in net.ids:
        net[id].apply_conf_change(change(LEARN, 2))
    net.campaign(2)
    assert net[2].is_learner
    assert net[2].state == FOLLOWER
    net.campaign(1)
    assert (net[1].state, net[1].lead) == (LEADER, 1)
    net.send(Message(type=MessageType.MSG_TIMEOUT_NOW, from_=1, to=2))
    assert (net[2].state, net[2].term, net[2].lead) == (FOLLOWER, 1, 1)


def test_learner_votes() -> None:
    """A learner does vote: the candidate may know better that it is a voter by now.

    In etcd's raft of 2019 it did not, and a group could be stuck: a learner refused its vote because it lacked the
    entry that promoted it, and this vote was needed to commit that entry. The rule of that test is now the opposite.

    answers: TestLearnerCannotVote
    """
    raft = make_raft(2, [1], [2], term=1)
    raft.become_follower(1, 0)
    hand(raft, Message(type=MessageType.MSG_VOTE, from_=1, to=2, term=2, log_term=11, index=11))
    answer = the_one(read_messages(raft), MessageType.MSG_VOTE_RESP)
    assert (answer.to, answer.term, answer.reject) == (1, 2, False)
    assert (raft.vote, raft.is_learner) == (1, True)


def test_removed_node_ignores_a_transfer() -> None:
    """A node that is not a member ignores an order to campaign, and votes sent to it by mistake do not elect it.

    answers: TestTransferNonMember
    """
    raft = make_raft(1, [2, 3, 4], election_tick=5)
    hand(raft, Message(type=MessageType.MSG_TIMEOUT_NOW, from_=2, to=1))
    for peer in (2, 3):
        hand(raft, Message(type=MessageType.MSG_VOTE_RESP, from_=peer, to=1))
    assert (raft.state, read_messages(raft)) == (FOLLOWER, [])


@pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
def test_nobody_campaigns_with_a_change_to_apply(v2: bool) -> None:
    """A node with a committed but unapplied change does not campaign, neither by itself nor for a transfer.

    answers: TestConfChangeCheckBeforeCampaign, TestConfChangeV2CheckBeforeCampaign
    catches: etcd#7280
    """
    net = Network(3)
    net.campaign(1)
    propose_entries(net[1], entry_of(REMOVE, 2, v2=v2))
    net.flush(1)
    assert net[2].log.committed == 2
    tick(net[2], net[2].randomized_election_timeout)
    assert net[2].state == FOLLOWER

    transfer = Message(type=MessageType.MSG_TRANSFER_LEADER, from_=2, to=1)
    net.send(transfer)
    assert net.states()[:2] == [LEADER, FOLLOWER]
    tick(net[1], net[1].election_timeout)
    persist_and_apply(net[2])
    net.send(transfer)
    assert net.states()[:2] == [FOLLOWER, LEADER]

    persist_and_apply(net[1])
    tick(net[1], net[1].randomized_election_timeout)
    assert net[1].state == CANDIDATE


@PRE_VOTE
def test_campaign_with_a_change_that_is_not_committed(pre_vote: bool) -> None:
    """An uncommitted change does not keep a node from campaigning: it may never be committed."""
    raft = make_raft(1, [1, 2], pre_vote=pre_vote)
    raft.log.append([Entry(type=EntryType.CONF_CHANGE, term=1, index=1)])
    raft.step(hup(1))
    assert raft.state == (PRE_CANDIDATE if pre_vote else CANDIDATE)


def test_changes_are_looked_for_page_by_page() -> None:
    """The search through committed, unapplied entries reads pages, limited like those that are applied at once."""
    raft = make_raft(1, [1], terms=[1] * 50, term=1, max_committed_size_per_ready=20)
    raft.log.append([Entry(type=EntryType.CONF_CHANGE_V2, term=1, index=51)])
    for committed, state in ((51, FOLLOWER), (50, CANDIDATE)):
        raft.log.committed = committed
        raft.step(hup(1))
        assert raft.state == state


# -- with RawNode ------------------------------------------------------------------------------------------------------


def test_change_through_raw_node() -> None:
    """The whole way of a change, up to a quorum of two: propose, take the committed entry, decode it, apply it."""
    node = RawNode(make_config(1, make_storage([1])))
    node.campaign()
    run(node)
    node.propose_conf_change(ConfChange(type=ADD, node_id=2, context=b"address"))
    entries = [e for rd in run(node) for e in rd.committed_entries if e.type == EntryType.CONF_CHANGE]
    [applied] = [ConfChange.decode(e.data) for e in entries]
    assert (applied.node_id, applied.context) == (2, b"address")
    members = node.apply_conf_change(applied)
    assert members.voters == [1, 2]
    node.propose(b"x")
    assert [e for rd in run(node) for e in rd.committed_entries] == []
    answer_heartbeat(node.raft, 2)
    ack(node.raft, 2, 3)
    assert [e.data for rd in run(node) for e in rd.committed_entries] == [b"x"]


INVALID = [
    (ConfChange(type=REMOVE, node_id=1), "removed all voters"),
    (ConfChangeV2(), "can't leave a non-joint config"),
    (joint(EXPLICIT, (REMOVE, 1)), "removed all voters"),
    (ConfChangeV2(changes=[ConfChangeSingle(type=7, node_id=2)]), "unexpected conf type 7"),
    (ConfChangeV2(transition=7, changes=[ConfChangeSingle(type=ADD, node_id=2)]), "unknown transition: 7"),
]
INVALID_WHILE_JOINT = [
    (ConfChange(type=ADD, node_id=2), "can't apply simple config change in joint config"),
    (joint(EXPLICIT, (ADD, 4)), "config is already joint"),
]


@pytest.mark.parametrize(
    ("invalid", "text", "while_joint"),
    [
        *[(invalid, text, False) for invalid, text in INVALID],
        *[(invalid, text, True) for invalid, text in INVALID_WHILE_JOINT],
    ],
)
@pytest.mark.parametrize("role", [FOLLOWER, LEADER], ids=str)
def test_invalid_change_is_refused(invalid: Any, text: str, while_joint: bool, role: StateType) -> None:
    """All nodes refuse a committed but invalid change alike, keep their configuration, and keep running.

    Etcd's raft ends the process with the same text.
    """
    node = RawNode(make_config(1, make_storage([1])))
    if role == LEADER:
        node.campaign()
        run(node)
    if while_joint:
        node.apply_conf_change(joint(EXPLICIT, (LEARN, 5), (LEARN, 6)))
    before = dump_node(node)
    with pytest.raises(ConfChangeError) as caught:
        node.apply_conf_change(invalid)
    assert str(caught.value) == text
    assert dump_node(node) == before
    if while_joint:
        node.apply_conf_change(ConfChangeV2())
    assert node.apply_conf_change(ConfChange(type=LEARN, node_id=3)).learners[0] == 3
