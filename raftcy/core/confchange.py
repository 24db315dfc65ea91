"""Computes the configuration that follows from a change (etcd's ``confchange``).

Rules (thesis 4.1 and 4.3):

- A simple change alters at most one voter, so that any majority before it and any after it share a member. Otherwise
  each of the two could elect a leader in the same term.
- Any other change passes through a joint configuration: the previous voters become its outgoing half, and both halves
  must agree until the group leaves it.
- An outgoing voter that becomes a learner waits in ``learners_next`` until the group leaves the joint configuration,
  since no id may be voter and learner at once.
- A removed node keeps its Progress while it is an outgoing voter.

The functions do not modify their arguments. They return a new TrackerConfig and a new dict of copied Progress, or raise
ConfChangeError. Only replicated state decides whether a change is valid, so every node decides alike.
"""

from typing import Any

from ..errors import ConfChangeError
from ..wire.changes import ConfChangeSingle
from ..wire.enums import ConfChangeType
from ..wire.kinds import is_local_msg_target
from ..wire.messages import ConfState
from .inflights import Inflights
from .progress import Progress
from .quorum import JointConfig
from .tracker import ProgressTracker, TrackerConfig

Outcome = tuple[TrackerConfig, dict[int, Progress]]


class Changer:
    """Computes changes to the configuration of ``tracker`` (etcd's ``confchange.Changer``).

    ``last_index`` is the index from which a leader probes new members.
    """

    __slots__ = ("last_index", "tracker")

    def __init__(self, tracker: ProgressTracker, last_index: int) -> None:
        self.tracker = tracker
        self.last_index = last_index

    def enter_joint(self, auto_leave: bool, changes: list[ConfChangeSingle]) -> Outcome:
        """Enter a joint configuration, which the leader leaves by itself if ``auto_leave`` is set.

        Raises ConfChangeError if the configuration is joint already or has no voters, or if ``changes`` are invalid.
        """
        draft = _Draft(self)
        if draft.outgoing:
            raise ConfChangeError("config is already joint")
        if not draft.incoming:
            raise ConfChangeError("can't make a zero-voter config joint")
        draft.outgoing = set(draft.incoming)
        draft.apply(changes)
        draft.auto_leave = auto_leave
        return draft.outcome()

    def leave_joint(self) -> Outcome:
        """Leave the joint configuration, so that only the incoming half counts. Raises ConfChangeError outside one."""
        draft = _Draft(self)
        if not draft.outgoing:
            raise ConfChangeError("can't leave a non-joint config")
        for id in draft.learners_next:
            draft.learners.add(id)
            draft.progress[id].is_learner = True
        draft.learners_next = set()
        for id in draft.outgoing:
            if id not in draft.incoming and id not in draft.learners:
                del draft.progress[id]
        draft.outgoing = set()
        draft.auto_leave = False
        return draft.outcome()

    def simple(self, changes: list[ConfChangeSingle]) -> Outcome:
        """Make changes that alter at most one voter together. Raises ConfChangeError in a joint configuration."""
        draft = _Draft(self)
        if draft.outgoing:
            raise ConfChangeError("can't apply simple config change in joint config")
        before = set(draft.incoming)
        draft.apply(changes)
        if len(before ^ draft.incoming) > 1:
            raise ConfChangeError("more than one voter changed without entering joint config")
        return draft.outcome()


class _Draft:
    """A copy of a configuration while it is changed."""

    def __init__(self, changer: Changer) -> None:
        tracker = changer.tracker
        config = tracker.config
        self.incoming: set[int] = set(config.voters.incoming)
        self.outgoing: set[int] = set(config.voters.outgoing)
        self.learners: set[int] = set(config.learners or ())
        self.learners_next: set[int] = set(config.learners_next or ())
        self.auto_leave = False
        self.progress: dict[int, Progress] = {id: _same_window(pr) for id, pr in tracker.progress.items()}
        self.no_window = Inflights(tracker.max_inflight, tracker.max_inflight_bytes)
        self.last_index = changer.last_index
        self.check()

    def apply(self, changes: list[ConfChangeSingle]) -> None:
        for change in changes:
            if change.node_id == 0:
                # An application rejects a committed change by setting its node id to 0.
                continue
            kind = change.type
            if kind == ConfChangeType.ADD_NODE:
                self.make_voter(change.node_id)
            elif kind == ConfChangeType.ADD_LEARNER_NODE:
                self.make_learner(change.node_id)
            elif kind == ConfChangeType.REMOVE_NODE:
                self.remove(change.node_id)
            elif kind != ConfChangeType.UPDATE_NODE:
                raise ConfChangeError(f"unexpected conf type {int(kind)}")
        if not self.incoming:
            raise ConfChangeError("removed all voters")

    def make_voter(self, id: int) -> None:
        pr = self.progress.get(id)
        if pr is None:
            self.add(id, is_learner=False)
            return
        pr.is_learner = False
        self.learners.discard(id)
        self.learners_next.discard(id)
        self.incoming.add(id)

    def make_learner(self, id: int) -> None:
        pr = self.progress.get(id)
        if pr is None:
            self.add(id, is_learner=True)
            return
        if pr.is_learner:
            return
        self.remove(id)
        self.progress[id] = pr
        if id in self.outgoing:
            self.learners_next.add(id)
        else:
            pr.is_learner = True
            self.learners.add(id)

    def remove(self, id: int) -> None:
        if id not in self.progress:
            return
        self.incoming.discard(id)
        self.learners.discard(id)
        self.learners_next.discard(id)
        if id not in self.outgoing:
            del self.progress[id]

    def add(self, id: int, is_learner: bool) -> None:
        if is_local_msg_target(id):
            raise ConfChangeError(f"{id} cannot be a member: messages to it are for a storage thread")
        (self.learners if is_learner else self.incoming).add(id)
        # The leader probes from its last entry, which a new member usually rejects once. The member counts as recently
        # active; otherwise a leader with check_quorum could step down before the member had a chance to answer.
        pr = Progress(0, max(self.last_index, 1), self.no_window, is_learner, True)
        pr._window_is_shared = True
        self.progress[id] = pr

    def check(self) -> None:
        """Raise ConfChangeError if an invariant of TrackerConfig is violated, or a member has no Progress."""
        for id in self.incoming | self.outgoing | self.learners | self.learners_next:
            if id not in self.progress:
                raise ConfChangeError(f"no progress for {id}")
        for id in self.learners_next:
            if id not in self.outgoing:
                raise ConfChangeError(f"{id} is in LearnersNext, but not Voters[1]")
            if self.progress[id].is_learner:
                raise ConfChangeError(f"{id} is in LearnersNext, but is already marked as learner")
        for id in self.learners:
            if id in self.outgoing:
                raise ConfChangeError(f"{id} is in Learners and Voters[1]")
            if id in self.incoming:
                raise ConfChangeError(f"{id} is in Learners and Voters[0]")
            if not self.progress[id].is_learner:
                raise ConfChangeError(f"{id} is in Learners, but is not marked as learner")
        if not self.outgoing and self.auto_leave:
            raise ConfChangeError("AutoLeave must be false when not joint")

    def outcome(self) -> Outcome:
        self.check()
        voters = JointConfig(self.incoming, self.outgoing)
        return TrackerConfig(voters, self.auto_leave, self.learners, self.learners_next), self.progress


def restore(tracker: ProgressTracker, last_index: int, conf_state: ConfState) -> ProgressTracker:
    """Return a new tracker with the limits of ``tracker`` and the members of ``conf_state`` (etcd's ``Restore``).

    Ordinary changes build the configuration from an empty one, so it is one that changes can reach: they add the
    outgoing voters one by one, and then replace them by one joint change. Without outgoing voters they add the members
    one by one.

    Raises ConfChangeError if no changes lead to ``conf_state``. If they lead elsewhere, the result differs from
    ``conf_state``, so compare them.
    """
    fresh = ProgressTracker(tracker.max_inflight, tracker.max_inflight_bytes)
    changer = Changer(fresh, last_index)
    outgoing = [_step(ConfChangeType.ADD_NODE, id) for id in conf_state.voters_outgoing]
    incoming = [_step(ConfChangeType.REMOVE_NODE, id) for id in conf_state.voters_outgoing]
    incoming += [_step(ConfChangeType.ADD_NODE, id) for id in conf_state.voters]
    incoming += [_step(ConfChangeType.ADD_LEARNER_NODE, id) for id in conf_state.learners]
    incoming += [_step(ConfChangeType.ADD_LEARNER_NODE, id) for id in conf_state.learners_next]
    for change in outgoing or incoming:
        fresh.switch(*changer.simple([change]))
    if outgoing:
        fresh.switch(*changer.enter_joint(conf_state.auto_leave, incoming))
    return fresh


def _same_window(pr: Progress) -> Progress:
    copy = pr.copy(pr.inflights)
    copy._window_is_shared = pr._window_is_shared
    return copy


def _step(kind: Any, id: int) -> ConfChangeSingle:
    return ConfChangeSingle(type=kind, node_id=id)
