"""A leader brings its group to what the registry wants: one change at a time, and never into a dead end."""

import random
from dataclasses import dataclass

import pytest

from raftcy.replica import wishes
from raftcy.replica.hostrecords import Arrival, Wish
from raftcy.replica.reconcile import HandOver, Reconciler, View
from raftcy.replica.registry import Registry
from raftcy.wire.changes import ConfChangeV2
from raftcy.wire.enums import ConfChangeType
from raftcy.wire.messages import ConfState
from tests.unit.replica.test_registry import arrives, does, founded, wants

ADD, LEARN, REMOVE = ConfChangeType.ADD_NODE, ConfChangeType.ADD_LEARNER_NODE, ConfChangeType.REMOVE_NODE


@dataclass
class Peer:
    match: int
    recent_active: bool = True


class Leader:
    """Member 1 leads a group; who is active, and what each has of the log, is up to the test."""

    def __init__(self, registry: Registry, members: ConfState, limit: int = 10) -> None:
        self.registry = registry
        self.members = members
        self.last = 100
        self.peers = {id: Peer(100) for id in (2, 3, 4, 5)}
        self.candidates: dict[int, bytes] = {}
        self.goes_last: dict[int, str] = {}
        self.pending = False
        self.reconciler = Reconciler(1, limit)

    def view(self) -> View:
        present = {*self.members.voters, *self.members.learners} - {1}
        progress = {id: self.peers[id] for id in present}
        return View(self.members, progress, self.last, self.pending, self.candidates, self.goes_last)

    def tick(self, count: int = 1) -> ConfChangeV2 | HandOver | None:
        found = None
        for _ in range(count):
            self.reconciler.tick(self.view())
            found = self.reconciler.next_step(self.registry, self.view())
            if found is not None:
                return found
        return found

    @property
    def settled(self) -> bool:
        return self.reconciler.is_settled(self.registry, self.members, self.candidates)


def steps(found: ConfChangeV2 | HandOver | None) -> list[tuple[ConfChangeType, int]]:
    assert isinstance(found, ConfChangeV2), found
    return [(each.type, each.node_id) for each in found.changes]


def with_four(wish: Wish = Wish.VOTER) -> Registry:
    registry = founded()
    assert does(registry, arrives(4, 44, wish=wish)) == ""
    return registry


def test_nothing_to_do() -> None:
    leader = Leader(founded(), ConfState(voters=[1, 2, 3]))
    assert leader.settled
    assert leader.tick() is None
    assert leader.reconciler.why == {}


def test_a_candidate_enters_as_a_learner() -> None:
    leader = Leader(with_four(), ConfState(voters=[1, 2, 3]))
    assert leader.settled, "the host does not serve this group"
    context = Arrival(id=4, identity=44).encode()
    leader.candidates[4] = context
    assert not leader.settled
    found = leader.tick()
    assert steps(found) == [(LEARN, 4)]
    assert isinstance(found, ConfChangeV2)
    assert found.context == context


def test_a_learner_becomes_a_voter_after_a_full_round() -> None:
    """Until then, the group could stand still for it.

    catches: redisraft#17
    """
    leader = Leader(with_four(), ConfState(voters=[1, 2, 3], learners=[4]))
    leader.peers[4].match = 0
    assert leader.tick(50) is None
    assert "has not caught up" in leader.reconciler.why[4]
    # It comes closer and closer, and is never there within an election timeout.
    for _ in range(20):
        leader.peers[4].match = leader.last
        leader.last += 100
        assert leader.tick(12) is None
    leader.peers[4].match = leader.last
    assert leader.tick() is None, "this round took too long"
    assert steps(leader.tick()) == [(ADD, 4)]


def test_a_learner_that_does_not_answer_stays_one() -> None:
    leader = Leader(with_four(), ConfState(voters=[1, 2, 3], learners=[4]))
    leader.peers[4].recent_active = False
    assert leader.tick(50) is None
    assert "does not answer" in leader.reconciler.why[4]
    leader.peers[4].recent_active = True
    assert steps(leader.tick(3)) == [(ADD, 4)]


def test_a_learner_that_is_to_be_one_stays_one() -> None:
    leader = Leader(with_four(Wish.LEARNER), ConfState(voters=[1, 2, 3], learners=[4]))
    assert leader.settled
    assert leader.tick(50) is None


def test_one_change_at_a_time() -> None:
    """Two changes at once could have quorums without a common member.

    catches: redisraft#17
    """
    leader = Leader(with_four(), ConfState(voters=[1, 2, 3], learners=[4]))
    leader.pending = True
    assert leader.tick(50) is None
    assert leader.reconciler.why == {4: "another change is under way"}
    leader.pending = False
    leader.members = ConfState(voters=[1, 2, 3], learners=[4], voters_outgoing=[1, 2, 3])
    assert leader.tick(50) is None
    assert not leader.settled


@pytest.mark.parametrize("forced", [True, False])
def test_no_promotion_into_an_inactive_majority(forced: bool) -> None:
    """Unless it is forced.

    catches: redisraft#17
    """
    registry = with_four()
    assert wants(registry, wishes.Want(4, Wish.VOTER, forced)) == ""
    leader = Leader(registry, ConfState(voters=[1, 2, 3], learners=[4]))
    leader.peers[2].recent_active = leader.peers[3].recent_active = False
    found = leader.tick(50)
    if forced:
        assert steps(found) == [(ADD, 4)]
    else:
        assert found is None
        assert "2, 3 would not be active" in leader.reconciler.why[4]


@pytest.mark.parametrize("forced", [True, False])
def test_no_removal_into_an_inactive_majority(forced: bool) -> None:
    registry = founded()
    assert wants(registry, wishes.Want(2, Wish.LEAVING, forced)) == ""
    leader = Leader(registry, ConfState(voters=[1, 2, 3]))
    leader.peers[3].recent_active = False
    found = leader.tick(50)
    if forced:
        assert steps(found) == [(REMOVE, 2)]
    else:
        assert found is None
        assert "3 would not be active" in leader.reconciler.why[2]
        leader.peers[3].recent_active = True
        assert steps(leader.tick(3)) == [(REMOVE, 2)]


def test_who_left_the_cluster_is_removed() -> None:
    registry = founded()
    assert wants(registry, wishes.Want(3, Wish.LEAVING)) == ""
    assert registry.admit(ConfChangeV2(), 1) is None
    registry._remove(3)
    for members in (ConfState(voters=[1, 2, 3]), ConfState(voters=[1, 2], learners=[3])):
        leader = Leader(registry, members)
        leader.peers[3].recent_active = False
        assert steps(leader.tick(15)) == [(REMOVE, 3)]


def test_a_dead_voter_goes_before_a_new_one_comes() -> None:
    registry = with_four()
    assert wants(registry, wishes.Want(3, Wish.LEAVING)) == ""
    leader = Leader(registry, ConfState(voters=[1, 2, 3], learners=[4]))
    leader.peers[3].recent_active = False
    assert steps(leader.tick(15)) == [(REMOVE, 3)]


def test_a_voter_becomes_a_learner() -> None:
    registry = founded()
    assert wants(registry, wishes.Want(3, Wish.LEARNER)) == ""
    assert steps(Leader(registry, ConfState(voters=[1, 2, 3])).tick(3)) == [(LEARN, 3)]


@pytest.mark.parametrize("wish", [Wish.LEAVING, Wish.LEARNER])
def test_a_leader_hands_over_first(wish: Wish) -> None:
    registry = founded()
    assert wants(registry, wishes.Want(1, wish)) == ""
    assert wants(registry, wishes.Want(2, Wish.LEARNER)) == ""
    leader = Leader(registry, ConfState(voters=[1, 3]))
    assert leader.tick(3) == HandOver(frozenset({1}))
    leader = Leader(registry, ConfState(voters=[1]))
    assert leader.tick(3) is None
    assert "only voter" in leader.reconciler.why[1]


def test_a_replacement_is_one_change() -> None:
    registry = founded()
    assert wants(registry, wishes.Reserve(id=4, addresses=(), wish=Wish.VOTER, replaces=3)) == ""
    leader = Leader(registry, ConfState(voters=[1, 2, 3]))
    assert leader.tick(20) is None, "nobody has come"
    assert does(registry, arrives(4, 44)) == ""
    leader.members = ConfState(voters=[1, 2, 3], learners=[4])
    leader.goes_last[3] = "another group still has it"
    assert leader.tick(20) is None
    assert leader.reconciler.why[3] == leader.reconciler.why[4] == "another group still has it"
    leader.goes_last.clear()
    leader.peers[3].recent_active = False
    assert steps(leader.tick(20)) == [(ADD, 4), (REMOVE, 3)]


def test_a_replacement_of_the_leader_is_done_by_its_successor() -> None:
    registry = founded()
    assert wants(registry, wishes.Reserve(id=4, addresses=(), wish=Wish.VOTER, replaces=1)) == ""
    assert does(registry, arrives(4, 44)) == ""
    leader = Leader(registry, ConfState(voters=[1, 2, 3], learners=[4]))
    assert leader.tick() is None
    assert leader.tick(3) == HandOver(frozenset({1}))


def replaced_twice() -> Registry:
    """4 is to replace member 1, and 5 another one, to be wished."""
    registry = founded()
    assert wants(registry, wishes.Reserve(id=4, addresses=(), wish=Wish.VOTER, replaces=1)) == ""
    assert wants(registry, wishes.Reserve(id=5, addresses=(), wish=Wish.VOTER, replaces=2)) == ""
    assert does(registry, arrives(4, 44)) == ""
    assert does(registry, arrives(5, 55)) == ""
    return registry


def test_a_leader_hands_over_to_a_voter_that_stays() -> None:
    """Two that are to go could hand over to each other again and again, and nobody would come.

    catches: redisraft#17
    """
    leader = Leader(replaced_twice(), ConfState(voters=[1, 2, 3], learners=[4, 5]))
    leader.goes_last[2] = "another group still has it"
    assert leader.tick(3) == HandOver(frozenset({1, 2}))
    leader.peers[3].recent_active = False
    for _ in range(20):
        found = leader.tick()
    assert found == HandOver(frozenset({1, 3})), "nobody who stays is active"


def test_a_leader_that_is_to_go_does_the_other_changes_first() -> None:
    leader = Leader(replaced_twice(), ConfState(voters=[1, 2, 3], learners=[4, 5]))
    assert leader.tick() is None
    assert steps(leader.tick(3)) == [(ADD, 5), (REMOVE, 2)]


def test_a_learner_is_replaced_too() -> None:
    registry = with_four(Wish.LEARNER)
    assert wants(registry, wishes.Reserve(id=5, addresses=("e:5",), wish=Wish.VOTER, replaces=4)) == ""
    assert does(registry, arrives(5, 55)) == ""
    assert registry.hosts[5].wish == Wish.LEARNER
    leader = Leader(registry, ConfState(voters=[1, 2, 3], learners=[4, 5]))
    assert leader.tick() is None
    assert steps(leader.tick(3)) == [(REMOVE, 4)]


def test_the_system_group_keeps_whom_other_groups_have() -> None:
    registry = founded()
    assert wants(registry, wishes.Want(3, Wish.LEAVING)) == ""
    leader = Leader(registry, ConfState(voters=[1, 2, 3]))
    leader.goes_last[3] = "the group 'a' still has member 3"
    assert leader.tick(20) is None
    assert leader.reconciler.why == {3: "the group 'a' still has member 3"}
    # A leader that leaves does not wait for that: its own replicas may never learn that they are removed.
    assert wants(registry, wishes.Want(3, Wish.VOTER)) == ""
    assert wants(registry, wishes.Want(1, Wish.LEAVING)) == ""
    leader.goes_last = {1: "the group 'a' still has member 1"}
    assert leader.tick() == HandOver(frozenset({1}))


def applied(members: ConfState, made: ConfChangeV2) -> ConfState:
    """What a change makes of a configuration, as far as this test needs it."""
    voters, learners = set(members.voters), set(members.learners)
    for each in made.changes:
        for those in (voters, learners):
            those.discard(each.node_id)
        if each.type == ADD:
            voters.add(each.node_id)
        elif each.type == LEARN:
            learners.add(each.node_id)
    return ConfState(voters=sorted(voters), learners=sorted(learners))


@pytest.mark.parametrize("seed", range(60))
def test_wishes_come_true_once_all_are_active(seed: int) -> None:
    """Wishes change while hosts come and go. No change leaves an inactive majority, and in the end all come true."""
    draw = random.Random(seed)
    registry = founded()
    leader = Leader(registry, ConfState(voters=[1, 2, 3]))
    for tick in range(600):
        calm = tick >= 300
        for peer in leader.peers.values():
            peer.recent_active = calm or draw.random() < 0.8
            if peer.recent_active and draw.random() < 0.5:
                peer.match = leader.last
        leader.last += draw.random() < 0.3
        if not calm and draw.random() < 0.1:
            id = draw.randint(2, 5)
            if id not in registry.hosts and id not in registry.removed:
                does(registry, arrives(id, id * 11))
                leader.candidates[id] = Arrival(id=id, identity=id * 11).encode()
            else:
                wants(registry, wishes.Want(id, draw.choice(list(Wish))))
        for id in list(leader.candidates):
            present = {*leader.members.voters, *leader.members.learners}
            if id in present or id not in registry.hosts or registry.hosts[id].wish == Wish.LEAVING:
                del leader.candidates[id]
        found = leader.tick()
        assert not isinstance(found, HandOver)
        if found is None:
            continue
        after = applied(leader.members, found)
        assert not leader.reconciler.without_majority(set(after.voters)) or after.voters == leader.members.voters
        leader.members = after
    assert leader.settled
    for id, each in registry.hosts.items():
        if each.wish == Wish.VOTER:
            assert id in leader.members.voters or id not in leader.members.learners
        assert each.wish != Wish.LEAVING or id not in leader.members.voters
