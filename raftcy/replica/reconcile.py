"""Brings the configuration of one group to what the registry says, one change at a time, on the group's leader. No I/O.

Rules:

- There is one change at a time: nothing is proposed while a change is unapplied, or a joint configuration in force.
- A new voter was a learner before. It becomes a voter once it is active and has caught up: within an election timeout
  it has got everything that the log had at the beginning of that time. Otherwise the group could stand still until a
  far follower has the log.
- No change goes ahead if the voters after it would have no active majority: the group could not commit any more, and
  so could not take the change back. A forced change goes ahead all the same.
- A replacement is one joint change: the new voter comes in when the old one goes out, so the number of voters, and of
  the failures that the group survives, stays.
- A leader that is to leave does the other changes that can be done, and hands over to a voter that stays, if there is
  one; its successor makes the change. Nobody tells a removed member that it is removed, so the leader of the system
  group would wait in vain for the other groups here to lose this host.
- Nothing is remembered from term to term. All wishes are in the registry, so each leader finds the rest of the work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..wire.changes import ConfChangeSingle, ConfChangeV2
from ..wire.enums import ConfChangeType
from ..wire.messages import ConfState
from .hostrecords import HostRecord, Wish
from .registry import Registry


@dataclass(frozen=True, slots=True)
class HandOver:
    """The leader must hand over, to a voter other than these."""

    not_to: frozenset[int]


@dataclass(slots=True)
class View:
    """What the leader of a group sees at a tick.

    ``progress`` has the progress of each member as the core gives it, with ``match`` and ``recent_active``. ``pending``
    says that a change is unapplied. ``candidates`` has the context of the change that would add a host, for each host
    that asks for it. ``goes_last`` says of a host that it must stay for now, because other groups still have it.
    """

    members: ConfState
    progress: Mapping[int, Any]
    last_index: int
    pending: bool
    candidates: Mapping[int, bytes] = field(default_factory=dict)
    goes_last: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Round:
    target: int
    began: int


class Reconciler:
    """The leader ``id`` of one group, in one term. Times are in ticks.

    ``why`` says for each host what keeps it from its wish, for people.
    """

    def __init__(self, id: int, election_ticks: int) -> None:
        self.id = id
        self.why: dict[int, str] = {}
        self._limit = election_ticks
        self._now = 0
        self._heard: dict[int, int] = {}
        self._rounds: dict[int, _Round] = {}
        self._caught_up: set[int] = set()

    # -- who is active, and who has caught up ----------------------------------------------------------------------

    def tick(self, view: View) -> None:
        """Note who was active, and how far the learners have come. Call it at every tick.

        A group that sleeps has an empty ``progress``: what was last heard may be long ago.
        """
        self._now += 1
        learners = set(view.members.learners)
        for id, each in view.progress.items():
            if each.recent_active:
                self._heard[id] = self._now
            if id in learners:
                self._follow(id, each.match, view.last_index)
        for gone in [id for id in self._rounds if id not in learners]:
            del self._rounds[gone]
            self._caught_up.discard(gone)

    def _follow(self, id: int, match: int, last_index: int) -> None:
        now = self._rounds.get(id)
        if now is None or not self.is_active(id):
            self._rounds[id] = _Round(last_index, self._now)
            self._caught_up.discard(id)
        elif match >= now.target:
            if self._now - now.began <= self._limit:
                self._caught_up.add(id)
            else:
                self._caught_up.discard(id)
            self._rounds[id] = _Round(last_index, self._now)
        elif self._now - now.began > self._limit:
            self._caught_up.discard(id)

    def is_active(self, id: int) -> bool:
        """Whether a member has answered within the last election timeout."""
        return id == self.id or self._now - self._heard.get(id, -self._limit - 1) <= self._limit

    def without_majority(self, voters: set[int]) -> str:
        """Return why a group of these voters could not commit now, an empty text if it could."""
        active = [id for id in voters if self.is_active(id)]
        if len(active) > len(voters) // 2:
            return ""
        away = ", ".join(str(id) for id in sorted(voters) if id not in active)
        return f"of the voters {sorted(voters)}, {away} would not be active: no majority"

    # -- what to do ------------------------------------------------------------------------------------------------

    def next_step(self, registry: Registry, view: View) -> ConfChangeV2 | HandOver | None:
        """Return the next step, None if nothing can be done now. ``why`` is renewed."""
        self.why = {}
        members = view.members
        present = {*members.voters, *members.learners, *members.voters_outgoing, *members.learners_next}
        if members.voters_outgoing or view.pending:
            for id in self._unsettled(registry, present, members):
                self.why[id] = "another change is under way"
            return None
        voters, learners = set(members.voters), set(members.learners)
        for act in (self._enter, self._leave_inactive, self._promote, self._demote, self._leave):
            found = act(registry, view, voters, learners)
            if found is not None:
                return found
        return None

    def is_settled(self, registry: Registry, members: ConfState, candidates: Mapping[int, bytes]) -> bool:
        """Whether the configuration is what the registry wants, as far as hosts have come."""
        present = {*members.voters, *members.learners, *members.voters_outgoing, *members.learners_next}
        return not members.voters_outgoing and not candidates and not self._unsettled(registry, present, members)

    @staticmethod
    def _unsettled(registry: Registry, present: set[int], members: ConfState) -> set[int]:
        found = set()
        for id in present:
            wish = wish_of(registry, id)
            is_voter = id in members.voters
            if wish == Wish.LEAVING or (wish == Wish.VOTER) != is_voter or registry.replacement(id) is not None:
                found.add(id)
        return found

    def _enter(
        self, registry: Registry, view: View, voters: set[int], learners: set[int]
    ) -> ConfChangeV2 | HandOver | None:
        for id, context in sorted(view.candidates.items()):
            if id not in voters and id not in learners:
                return _change((ConfChangeType.ADD_LEARNER_NODE, id), context=context)
        return None

    def _promote(
        self, registry: Registry, view: View, voters: set[int], learners: set[int]
    ) -> ConfChangeV2 | HandOver | None:
        hand_over: HandOver | None = None
        for id in sorted(learners):
            record = registry.hosts.get(id)
            if record is None or record.is_reserved or wish_of(registry, id) == Wish.LEAVING:
                continue
            old = record.replaces if record.replaces in voters or record.replaces in learners else 0
            if record.wish != Wish.VOTER and not old:
                continue
            if not self.is_active(id):
                self.why[id] = f"member {id} does not answer"
                continue
            if id not in self._caught_up:
                self.why[id] = f"member {id} has not caught up with the log"
                continue
            step = self._swap(registry, record, old, view, voters) if old else self._raise(record, voters)
            if isinstance(step, HandOver):
                hand_over = step
            elif step is not None:
                return step
        return hand_over

    def _raise(self, record: HostRecord, voters: set[int]) -> ConfChangeV2 | None:
        obstacle = self.without_majority(voters | {record.id})
        if obstacle and not record.forced:
            self.why[record.id] = obstacle
            return None
        return _change((ConfChangeType.ADD_NODE, record.id))

    def _swap(
        self, registry: Registry, record: HostRecord, old: int, view: View, voters: set[int]
    ) -> ConfChangeV2 | HandOver | None:
        """Take a host in for the one that it replaces."""
        if old == self.id:
            return HandOver(self._not_to_be_leaders(registry, voters))
        if view.goes_last.get(old):
            self.why[record.id] = self.why[old] = view.goes_last[old]
            return None
        out = (ConfChangeType.REMOVE_NODE, old)
        if record.wish != Wish.VOTER:
            return _change(out)
        obstacle = self.without_majority((voters | {record.id}) - {old})
        if obstacle and not record.forced:
            self.why[record.id] = self.why[old] = obstacle
            return None
        return _change((ConfChangeType.ADD_NODE, record.id), out)

    def _demote(
        self, registry: Registry, view: View, voters: set[int], learners: set[int]
    ) -> ConfChangeV2 | HandOver | None:
        for id in sorted(voters):
            if wish_of(registry, id) != Wish.LEARNER:
                continue
            step = self._without(registry, id, voters, ConfChangeType.ADD_LEARNER_NODE)
            if step is not None:
                return step
        return None

    def _leave_inactive(
        self, registry: Registry, view: View, voters: set[int], learners: set[int]
    ) -> ConfChangeV2 | HandOver | None:
        """Remove who does not answer before others come in: fewer voters have to agree afterwards."""
        silent = {id for id in voters | learners if not self.is_active(id)}
        return self._remove(registry, view, voters, silent)

    def _leave(
        self, registry: Registry, view: View, voters: set[int], learners: set[int]
    ) -> ConfChangeV2 | HandOver | None:
        return self._remove(registry, view, voters, voters | learners)

    def _remove(
        self, registry: Registry, view: View, voters: set[int], among: set[int]
    ) -> ConfChangeV2 | HandOver | None:
        for id in sorted(among):
            newer = registry.replacement(id)
            if wish_of(registry, id) != Wish.LEAVING and (newer is None or newer.id not in voters):
                continue
            step: ConfChangeV2 | HandOver | None = None
            if view.goes_last.get(id) and (id != self.id or id not in voters):
                self.why[id] = view.goes_last[id]
            elif id in voters:
                step = self._without(registry, id, voters, ConfChangeType.REMOVE_NODE)
            else:
                step = _change((ConfChangeType.REMOVE_NODE, id))
            if step is not None:
                return step
        return None

    def _without(
        self, registry: Registry, id: int, voters: set[int], kind: ConfChangeType
    ) -> ConfChangeV2 | HandOver | None:
        """Take the vote of a voter, or the voter itself, out of the configuration."""
        rest = voters - {id}
        if not rest:
            self.why[id] = f"member {id} is the only voter"
            return None
        record = registry.hosts.get(id)
        obstacle = self.without_majority(rest)
        if obstacle and not (record is not None and record.forced):
            self.why[id] = obstacle
            return None
        if id == self.id:
            return HandOver(self._not_to_be_leaders(registry, voters))
        return _change((kind, id))

    def _not_to_be_leaders(self, registry: Registry, voters: set[int]) -> frozenset[int]:
        """Return to whom this leader does not hand over: voters that are to go too, if there is another one.

        Two that are both to go could otherwise hand over to each other again and again.
        """
        others = {id for id in voters if id != self.id and self.is_active(id)}
        stay = {id for id in others if wish_of(registry, id) == Wish.VOTER and registry.replacement(id) is None}
        return frozenset(voters - (stay or others))


def wish_of(registry: Registry, id: int) -> Wish:
    """Return what the cluster wants of a member of a group. Who is not in the registry has left the cluster."""
    found = registry.hosts.get(id)
    return Wish.LEAVING if found is None or found.is_reserved else found.wish


def _change(*steps: tuple[ConfChangeType, int], context: bytes = b"") -> ConfChangeV2:
    singles = [ConfChangeSingle(type=kind, node_id=id) for kind, id in steps]
    return ConfChangeV2(changes=singles, context=context or None)
