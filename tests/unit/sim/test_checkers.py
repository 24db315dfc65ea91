"""Each checker finds a hand-made history that breaks its rule, and passes one that does not."""

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from raftcy import ConfState, Entry, EntryType, HardState, Message, MessageType, Snapshot, SnapshotMetadata, StateType
from raftcy.core.quorum import JointConfig, MajorityConfig
from raftcy.replica.work import Write
from raftcy.sim.checkers import Checker, Checkers, Committed, View, Violation
from raftcy.sim.checkers.elections import ElectionSafety, LeaderCompleteness
from raftcy.sim.checkers.linearizable import Linearizable
from raftcy.sim.checkers.liveness import Liveness
from raftcy.sim.checkers.logs import CommittedIsDurable, LeaderAppendOnly, LogMatching
from raftcy.sim.checkers.machines import Monotonic, StateMachineSafety
from raftcy.sim.checkers.membership import MembershipSafety
from raftcy.sim.checkers.promises import PromisesAreDurable
from raftcy.sim.checkers.quotas import QuotasReturn
from raftcy.sim.clients import Clients
from raftcy.sim.disk import Disk
from raftcy.sim.operation import Operation

pytestmark = pytest.mark.once

FOLLOWER, CANDIDATE, LEADER = int(StateType.FOLLOWER), int(StateType.CANDIDATE), int(StateType.LEADER)


class Log:
    """The terms of a log, from index 1 on."""

    def __init__(self, *terms: int) -> None:
        self.terms = terms
        self.applied = 0
        self.applying_size = 0
        self.unstable = SimpleNamespace(snapshot=None)

    def term_or_zero(self, index: int) -> int:
        return self.terms[index - 1] if 0 < index <= len(self.terms) else 0

    def first_index(self) -> int:
        return 1

    def last_index(self) -> int:
        return len(self.terms)

    def last_term(self) -> int:
        return self.terms[-1] if self.terms else 0


class Tracker:
    def __init__(self, voters: list[int], outgoing: list[int] | None = None, peers: list[Any] | None = None) -> None:
        joint = JointConfig(MajorityConfig(voters), MajorityConfig(outgoing or []))
        self.config = SimpleNamespace(voters=joint)
        self._peers = peers or []
        self._ids = sorted({*voters, *(outgoing or [])})
        self._state = ConfState(voters=voters, voters_outgoing=outgoing)

    def peers(self) -> list[Any]:
        return self._peers

    def ids(self) -> list[int]:
        return self._ids

    def find(self, id: int) -> Any:
        return id if id in self._ids else None

    def conf_state(self) -> ConfState:
        return self._state


def made_disk(*terms: int, hard_state: HardState | None = None) -> Disk:
    disk = Disk(Random(1))
    disk.submit(Write(hard_state, entries(*terms), None, True))
    disk.complete()
    return disk


def entries(*terms: int, first: int = 1, data: bytes = b"x") -> list[Entry]:
    return [Entry(term=term, index=first + place, data=data) for place, term in enumerate(terms)]


def member(id: int, *terms: int, voters: tuple[int, ...] = (1, 2, 3), life: int = 1, **options: Any) -> Any:
    raft = SimpleNamespace(
        log=Log(*terms), tracker=Tracker(list(voters)), state=FOLLOWER, term=1, lead=0, uncommitted_size=0,
        read_only=SimpleNamespace(pending=[], waiting=[]),
    )  # fmt: skip
    state = SimpleNamespace(applied=0, machine=SimpleNamespace(snapshot=lambda: b"state"))
    made = SimpleNamespace(id=id, life=life, raft=raft, application=state, disk=made_disk(*terms), up=True)
    for name, value in options.items():
        setattr(made if hasattr(made, name) else made.raft, name, value)
    return made


def view(**fields: int) -> View:
    return View(**{**dict.fromkeys(View._fields, 0), **fields})


START = view()


def breaks(rule: Checker, text: str) -> Any:
    return pytest.raises(Violation, match=f"^{rule.rule}: .*{text}")


# -- elections ----------------------------------------------------------------------------------------------------


def test_two_leaders_in_a_term() -> None:
    rule = ElectionSafety()
    rule.changed(member(1), START, view(term=4, state=LEADER))
    rule.changed(member(1), view(term=4, state=LEADER), view(term=4, state=LEADER, commit=3))
    rule.changed(member(2), START, view(term=5, state=LEADER))
    with breaks(rule, "2 .* becomes leader of term 4"):
        rule.changed(member(2), START, view(term=4, state=LEADER))


def test_a_leader_that_leads_its_term_again_after_a_restart() -> None:
    rule = ElectionSafety()
    rule.changed(member(1), START, view(term=4, state=LEADER))
    with breaks(rule, "start 2"):
        rule.changed(member(1, life=2), START, view(term=4, state=LEADER))


def test_two_votes_in_a_term() -> None:
    rule = ElectionSafety()
    granted = Message(type=MessageType.MSG_VOTE_RESP, to=2, from_=1, term=4)
    rule.sending(member(1), granted)
    rule.sending(member(1), granted)
    rule.sending(member(1), Message(type=MessageType.MSG_VOTE_RESP, to=3, from_=1, term=4, reject=True))
    with breaks(rule, "1 votes for 3 in term 4"):
        rule.sending(member(1), Message(type=MessageType.MSG_VOTE_RESP, to=3, from_=1, term=4))


def test_a_vote_after_voting_for_itself() -> None:
    rule = ElectionSafety()
    candidate = member(1, disk=made_disk(hard_state=HardState(term=4, vote=1, commit=0)))
    rule.sending(candidate, Message(type=MessageType.MSG_VOTE, to=2, from_=1, term=4))
    with breaks(rule, "it has voted for 1"):
        rule.sending(candidate, Message(type=MessageType.MSG_VOTE_RESP, to=2, from_=1, term=4))


def committed(terms: dict[int, int], by: int = 2) -> Committed:
    known = Committed()
    known.begin(max(terms), terms)
    known.by = dict.fromkeys(terms, by)
    return known


@pytest.mark.parametrize("terms", [(1, 1), (1, 1, 1)])
def test_a_leader_without_a_committed_entry(terms: tuple[int, ...]) -> None:
    rule = LeaderCompleteness(committed({1: 1, 2: 1, 3: 2}))
    rule.changed(member(1, 1, 1, 2), START, view(term=3, state=LEADER))
    with breaks(rule, "at index 3"):
        rule.changed(member(1, *terms), START, view(term=3, state=LEADER))


def test_a_late_leader_need_not_have_what_later_terms_committed() -> None:
    rule = LeaderCompleteness(committed({1: 1, 2: 1, 3: 2}, by=5))
    rule.changed(member(1, 1, 1), START, view(term=3, state=LEADER))


# -- logs ---------------------------------------------------------------------------------------------------------


def test_an_entry_with_other_data() -> None:
    rule = LogMatching()
    rule.appended(member(1), entries(1, 2))
    rule.appended(member(2), entries(1, 2))
    with breaks(rule, "differs from another's in its data"):
        rule.appended(member(3), entries(1, 2, data=b"y"))


def test_an_entry_after_another_one() -> None:
    rule = LogMatching()
    rule.appended(member(1), entries(1, 3))
    with breaks(rule, r"the term before it, 2 and 1"):
        rule.appended(member(2), entries(2, 3))


def test_a_leader_that_overwrites_or_deletes() -> None:
    for after, last in (((1, 3), 2), ((1,), 1)):
        rule = LeaderAppendOnly()
        leader = member(1, 1, 2)
        rule.changed(leader, START, view(term=2, state=LEADER, last=2))
        leader.raft.log = Log(*after)
        with breaks(rule, r"has lost \(2, term 2\)"):
            rule.changed(leader, START, view(term=2, state=LEADER, last=last))


def test_a_follower_may_overwrite() -> None:
    rule = LeaderAppendOnly()
    leader = member(1, 1, 2)
    rule.changed(leader, START, view(term=2, state=LEADER, last=2))
    rule.changed(leader, START, view(term=3, state=FOLLOWER, last=2))
    leader.raft.log = Log(1, 4, 4)
    rule.changed(leader, START, view(term=5, state=LEADER, last=3))


def test_two_entries_committed_at_an_index() -> None:
    rule = Committed()
    rule.changed(member(1, 1, 2), START, view(term=2, commit=2))
    rule.changed(member(2, 1, 2), START, view(term=2, commit=2))
    with breaks(rule, r"3 commits \(2, term 3\)"):
        rule.changed(member(3, 1, 3), START, view(term=3, commit=2))


def test_a_commit_without_a_majority_of_disks() -> None:
    known = Committed()
    members = {1: member(1, 1), 2: member(2), 3: member(3, 1)}
    rule = CommittedIsDurable(known, members)
    leader = member(1, 1)
    known.changed(leader, START, view(term=1, commit=1))
    rule.changed(leader, START, view(term=1, commit=1))
    members[3] = member(3, 1)
    leader = member(1, 1, 1)
    members[1] = leader
    known.changed(leader, START, view(term=1, commit=2))
    with breaks(rule, r"only \[1\] of \[1, 2, 3\]"):
        rule.changed(leader, START, view(term=1, commit=2))


def test_a_commit_without_one_half_of_a_joint_configuration() -> None:
    known = Committed()
    members = {1: member(1, 1), 2: member(2, 1), 3: member(3, 1), 4: member(4)}
    rule = CommittedIsDurable(known, members)
    leader = members[1]
    leader.raft.tracker = Tracker([1, 4], [1, 2, 3])
    known.changed(leader, START, view(term=1, commit=1))
    with breaks(rule, r"only \[1\] of \[1, 4\]"):
        rule.changed(leader, START, view(term=1, commit=1))


def test_a_disk_that_overwrites_what_is_committed() -> None:
    rule = CommittedIsDurable(committed({1: 1, 2: 2}), {})
    holder = member(1, disk=made_disk(1, 2, hard_state=HardState(term=2, vote=0, commit=0)))
    rule.storing(holder, Write(None, entries(2, 2, first=2), None, True))
    rule.storing(member(2, 1, 1), Write(None, entries(2, first=2), None, True))
    with breaks(rule, r"overwrites \(2, term 2\)"):
        rule.storing(holder, Write(None, entries(3, first=2), None, True))
    # A torn write has left the entry there without its term: it was never acknowledged.
    torn = member(3, disk=made_disk(1, 2, hard_state=HardState(term=1, vote=0, commit=0)))
    rule.storing(torn, Write(None, entries(1, first=2), None, True))


def test_a_late_message_overwrites_what_was_committed_later() -> None:
    """An entry of term 2 is committed in term 4; a member still in term 2 may take a late entry of term 3."""
    known = committed({1: 1})
    known.changed(member(2, 1, 2), START, view(term=4, commit=2))
    rule = CommittedIsDurable(known, {})
    late = Write(HardState(term=3, vote=0, commit=0), entries(3, first=2), None, True)
    behind = member(1, disk=made_disk(1, 2, hard_state=HardState(term=2, vote=0, commit=0)))
    rule.storing(behind, late)
    acknowledged = member(1, disk=made_disk(1, 2, hard_state=HardState(term=4, vote=0, commit=0)))
    with breaks(rule, r"overwrites \(2, term 2\)"):
        rule.storing(acknowledged, late)


def test_a_snapshot_that_drops_what_is_committed() -> None:
    rule = CommittedIsDurable(committed({1: 1, 2: 2}), {})
    holder = member(1, disk=made_disk(1, 2, hard_state=HardState(term=2, vote=0, commit=0)))
    rule.storing(holder, Write(None, [], snapshot(2, b"", 1), True))
    rule.storing(member(2, 1), Write(None, [], snapshot(1, b"", 1), True))
    with breaks(rule, r"replaces its log with \(2, term 2\), which is committed, by a snapshot of 1"):
        rule.storing(holder, Write(None, [], snapshot(1, b"", 1), True))


# -- state machines -----------------------------------------------------------------------------------------------


def test_two_entries_applied_at_an_index() -> None:
    rule = StateMachineSafety()
    rule.applying(member(1), *entries(1))
    rule.applying(member(2), *entries(1))
    with breaks(rule, "another has applied"):
        rule.applying(member(3), *entries(1, data=b"y"))


@pytest.mark.parametrize("first", [2, 0])
def test_a_gap_or_a_repetition(first: int) -> None:
    rule = StateMachineSafety()
    with breaks(rule, f"gets entry {first} to apply after 0"):
        rule.applying(member(1), *entries(1, first=first))


def snapshot(index: int, data: bytes, *voters: int) -> Snapshot:
    return Snapshot(data=data, metadata=SnapshotMetadata(conf_state=ConfState(voters=voters), index=index, term=1))


def test_two_states_at_an_index() -> None:
    rule = StateMachineSafety()
    rule.snapshot_made(member(1), snapshot(5, b"state", 1))
    with breaks(rule, "another state at index 5"):
        rule.snapshot_made(member(2), snapshot(5, b"other", 1))


def test_a_machine_that_does_not_restore_what_it_saved() -> None:
    rule = StateMachineSafety()
    rule.restored(member(1), snapshot(5, b"state", 1))
    with breaks(rule, "restored a snapshot of b'stale'"):
        rule.restored(member(1), snapshot(6, b"stale", 1))


@pytest.mark.parametrize("change", [{"term": 3}, {"commit": 4}, {"applied": 3}])
def test_state_that_goes_back(change: dict[str, int]) -> None:
    before = view(term=4, vote=1, commit=5, applied=4, last=6)
    with breaks(Monotonic(), "goes back"):
        Monotonic().changed(member(1), before, before._replace(**change))


@pytest.mark.parametrize(
    ("change", "text"),
    [({"vote": 2}, "changes its vote"), ({"applied": 6}, "has applied 6"), ({"commit": 9}, "has committed 9")],
)
def test_what_does_not_go_together(change: dict[str, int], text: str) -> None:
    before = view(term=4, vote=1, commit=5, applied=4, last=6)
    Monotonic().changed(member(1), before, before._replace(term=5, vote=2))
    with breaks(Monotonic(), text):
        Monotonic().changed(member(1), before, before._replace(**change))


@pytest.mark.parametrize("change", [{"term": 3}, {"vote": 0}, {"commit": 4}])
def test_a_start_behind_what_was_synced(change: dict[str, int]) -> None:
    starting = member(1, disk=made_disk(hard_state=HardState(term=4, vote=1, commit=5)))
    Monotonic().started(starting, view(term=4, vote=1, commit=5))
    with breaks(Monotonic(), "starts with"):
        Monotonic().started(starting, view(term=4, vote=1, commit=5)._replace(**change))


# -- members ------------------------------------------------------------------------------------------------------


def membership(*voters: int) -> MembershipSafety:
    rule = MembershipSafety()
    rule.begin(1, ConfState(voters=voters))
    return rule


def test_two_configurations_after_an_index() -> None:
    rule = membership(1, 2, 3)
    rule.members_changed(member(1), 5, ConfState(voters=[1, 2, 3, 4]))
    rule.members_changed(member(2), 5, ConfState(voters=[4, 3, 2, 1]))
    with breaks(rule, "where others have"):
        rule.members_changed(member(3), 5, ConfState(voters=[1, 2, 3]))
    with breaks(rule, "the snapshot of 3 at 6"):
        rule.snapshot_made(member(3), snapshot(6, b"", 1, 2, 3))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ConfState(voters=[1, 2, 3]), ConfState(voters=[1, 4, 5])),
        (ConfState(voters=[1, 2, 3]), ConfState(voters=[1, 4], voters_outgoing=[1, 2])),
        (ConfState(voters=[1, 4], voters_outgoing=[1, 2, 3]), ConfState(voters=[1, 2])),
        (ConfState(voters=[1, 4], voters_outgoing=[1, 2, 3]), ConfState(voters=[1, 5], voters_outgoing=[1, 4])),
    ],
)
def test_a_configuration_that_does_not_follow(before: ConfState, after: ConfState) -> None:
    rule = MembershipSafety()
    rule.begin(1, before)
    with breaks(rule, "follows"):
        rule.members_changed(member(1), 2, after)


def test_configurations_that_follow() -> None:
    rule = membership(1, 2, 3)
    rule.members_changed(member(1), 2, ConfState(voters=[1, 4], voters_outgoing=[1, 2, 3]))
    rule.members_changed(member(1), 3, ConfState(voters=[1, 4], voters_outgoing=[1, 2, 3]))
    rule.members_changed(member(1), 4, ConfState(voters=[1, 4]))
    rule.members_changed(member(1), 5, ConfState(voters=[1], learners=[4]))
    assert rule.latest() == (5, ConfState(voters=[1], learners=[4]))


def change(index: int, term: int = 1) -> Entry:
    return Entry(type=EntryType.CONF_CHANGE_V2, term=term, index=index, data=b"")


def test_two_changes_at_once() -> None:
    rule = membership(1, 2, 3)
    leader = member(1, state=LEADER)
    rule.started(leader, START)
    rule.appended(leader, [change(2)])
    leader.raft.log.applied = 2
    rule.appended(leader, [change(3)])
    with breaks(rule, "appends the change 4 with the change 3 not applied"):
        rule.appended(leader, [change(4)])


def test_a_campaign_with_a_change_that_is_not_applied() -> None:
    rule = membership(1, 2, 3)
    candidate = member(1)
    rule.started(candidate, START)
    rule.appended(candidate, [change(2)])
    rule.changed(candidate, view(), view(state=CANDIDATE))
    with breaks(rule, r"campaigns with the changes \[2\]"):
        rule.changed(candidate, view(commit=2), view(commit=2, state=CANDIDATE))


def test_a_candidate_that_is_not_a_voter() -> None:
    rule = membership(1, 2)
    rule.started(member(3), START)
    with breaks(rule, "3, not a voter"):
        rule.changed(member(3, voters=(1, 2)), START, view(state=CANDIDATE))


def test_a_snapshot_that_leaves_other_members_behind() -> None:
    rule = membership(1, 2)
    rule.restored(member(1, voters=(1, 2)), snapshot(2, b"", 1, 2))
    with breaks(rule, "after a snapshot of"):
        rule.restored(member(1, voters=(1, 2, 3)), snapshot(2, b"", 1, 2))


# -- promises, reads ----------------------------------------------------------------------------------------------


def test_a_vote_that_is_not_on_disk() -> None:
    vote = Message(type=MessageType.MSG_VOTE_RESP, to=2, from_=1, term=4)
    PromisesAreDurable().sending(member(1, disk=made_disk(hard_state=HardState(term=4, vote=2, commit=0))), vote)
    for state in (None, HardState(term=3, vote=2, commit=0), HardState(term=4, vote=0, commit=0)):
        with breaks(PromisesAreDurable(), "votes for 2 in term 4"):
            PromisesAreDurable().sending(member(1, disk=made_disk(hard_state=state)), vote)


def test_an_append_that_is_not_on_disk() -> None:
    answer = Message(type=MessageType.MSG_APP_RESP, to=2, from_=1, term=4, index=2)
    good = HardState(term=4, vote=0, commit=0)
    PromisesAreDurable().sending(member(1, disk=made_disk(1, 4, hard_state=good)), answer)
    with breaks(PromisesAreDurable(), "its log on disk ends at 1"):
        PromisesAreDurable().sending(member(1, disk=made_disk(1, hard_state=good)), answer)
    with breaks(PromisesAreDurable(), "on disk is term 3"):
        late = made_disk(1, 3, hard_state=HardState(term=3, vote=0, commit=0))
        PromisesAreDurable().sending(member(1, disk=late), answer)


def test_an_old_acknowledgement_may_be_for_what_was_overwritten() -> None:
    answer = Message(type=MessageType.MSG_APP_RESP, to=2, from_=1, term=3, index=2)
    shorter = made_disk(4, hard_state=HardState(term=4, vote=0, commit=0))
    PromisesAreDurable().sending(member(1, disk=shorter), answer)


@pytest.mark.parametrize(("data", "index"), [(None, 6), (b"w", 7), (b"w", 6)])
def test_an_operation_before_one_that_had_ended(data: bytes | None, index: int) -> None:
    operation = Operation(1, 1, data, 7)
    Linearizable().ended(operation, 8)
    Linearizable().ended(Operation(2, 1, None, 7), 7)
    with breaks(Linearizable(), f"has position {index}"):
        Linearizable().ended(operation, index)


def test_a_read_counts_with_the_state_that_it_was_answered_from() -> None:
    """The state that answers a read may be later than the read index, which has to suffice by itself."""
    seen: list[tuple[int, int]] = []
    clients = Clients(lambda operation, index: seen.append((operation.floor, index)))
    for applied in (9, 8):
        operation = clients.begin(1, None)
        clients.read(1, operation.number, 7, applied)
    assert seen == [(0, 7), (9, 7)]
    assert clients.floor == 9


# -- at rest ------------------------------------------------------------------------------------------------------


def peer(id: int, *, match: int = 1, next: int = 2, count: int = 0, size: int = 4) -> Any:
    return SimpleNamespace(id=id, match=match, next=next, inflights=SimpleNamespace(count=lambda: count, size=size))


def resting(**options: Any) -> list[Any]:
    made = [member(1, 1, state=LEADER, lead=1), member(2, 1, lead=1), member(3, 1, lead=1)]
    for each in made:
        each.application.applied = 1
    for name, value in options.items():
        setattr(made[0].raft, name, value)
    return made


def test_a_cluster_at_rest() -> None:
    assert Liveness().unsettled(resting(), []) == ""
    assert QuotasReturn().unsettled(resting(), []) == ""
    assert Checkers([Liveness(), QuotasReturn()]).unsettled(resting(), []) is None


def test_what_is_not_at_rest() -> None:
    def lagging() -> list[Any]:
        made = resting()
        made[2].application.applied = 0
        return made

    def lost() -> list[Any]:
        made = resting()
        made[1].raft.lead = 3
        return made

    def unsettled(running: list[Any], *pending: Operation) -> str:
        return Liveness().unsettled(running, pending)

    assert "0 leaders" in unsettled(resting(state=FOLLOWER))
    assert "3 has applied 0 of 1" in unsettled(lagging())
    assert "2 follows 3" in unsettled(lost())
    assert "joint" in unsettled(resting(tracker=Tracker([1, 2], [1, 2, 3])))
    assert "[3] are running but are not members" in unsettled(resting(tracker=Tracker([1, 2])))
    assert "members [3] of 1 are not running" in unsettled(resting()[:2])
    waiting = [Operation(number, 1, None, 0) for number in (4, 5)]
    assert unsettled(resting(), *waiting) == "read 4 through 1 and 1 more have no outcome"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"uncommitted_size": 3}, "3 bytes as uncommitted"),
        ({"read_only": SimpleNamespace(pending=[1], waiting=[])}, "reads waiting"),
        ({"read_only": SimpleNamespace(pending=[], waiting=[1])}, "reads waiting"),
        ({"tracker": Tracker([1, 2, 3], peers=[peer(1, count=1), peer(2, count=2)])}, "2 appends to 2 in flight"),
    ],
)
def test_a_quota_that_does_not_return(options: dict[str, Any], text: str) -> None:
    assert text in QuotasReturn().unsettled(resting(**options), [])


def test_what_is_handed_out_has_to_be_applied() -> None:
    made = resting()
    made[1].raft.log.applying_size = 9
    assert "2 has 9 bytes handed out" in QuotasReturn().unsettled(made, [])


@pytest.mark.parametrize("wrong", [peer(2, match=2), peer(2, count=5)])
def test_a_leader_with_a_wrong_view_of_a_peer(wrong: Any) -> None:
    rule = QuotasReturn()
    leader = member(1, state=LEADER)
    leader.raft.tracker = Tracker([1, 2], peers=[wrong])
    with breaks(rule, "1 "):
        for _ in range(4):
            rule.changed(leader, START, view(state=LEADER))


def test_every_checker_is_asked_only_for_its_events() -> None:
    told: list[str] = []

    class One(Checker):
        def crashed(self, member: Any) -> None:
            told.append("one")

    class Two(Checker):
        def crashed(self, member: Any) -> None:
            told.append("two")

    both = Checkers([One(), Checker(), Two()])
    both.crashed(None)
    both.started(None, START)
    assert told == ["one", "two"]


def test_a_new_member_on_its_way_through_the_beginning() -> None:
    """While it replays a bootstrapped log, a new member has fewer members than the others."""
    rule = MembershipSafety()
    rule.begin(3, ConfState(voters=[1, 2, 3]))
    rule.members_changed(member(4), 1, ConfState(voters=[1]))
    rule.snapshot_made(member(4), snapshot(1, b"", 1))
    with breaks(rule, "the snapshot of 4 at 3"):
        rule.snapshot_made(member(4), snapshot(3, b"", 1))
