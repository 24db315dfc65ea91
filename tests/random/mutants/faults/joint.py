"""Faults in changes of the members."""

from ..tree import Edit
from .fault import Fault

RAFT = "core/raft.py"
TRACKER = "core/tracker.py"
QUORUM = "core/quorum.py"
CHANGE = "core/confchange.py"

FAULTS = [
    Fault(
        "joint_election_by_one_half",
        "an election in a joint configuration needs the incoming voters only",
        (
            Edit(
                QUORUM,
                "        two = self.outgoing.tally(votes)\n        if one == two:",
                "        two = one\n        if one == two:",
            ),
        ),
        ("async-raft#62", "redisraft#17"),
        profile="membership",
    ),
    Fault(
        "joint_commit_by_one_half",
        "a commit in a joint configuration needs the incoming voters only",
        (
            Edit(
                TRACKER,
                "        if len(self._outgoing) == 0:\n            return one",
                "        if True:\n            return one",
            ),
        ),
        ("async-raft#62",),
        profile="membership",
    ),
    Fault(
        "joint_without_the_old_half",
        "a joint configuration has the new voters in both halves",
        (
            Edit(
                CHANGE,
                "        draft.outgoing = set(draft.incoming)\n        draft.apply(changes)\n",
                "        draft.apply(changes)\n        draft.outgoing = set(draft.incoming)\n",
            ),
        ),
        ("async-raft#62",),
        profile="membership",
    ),
    Fault(
        "second_change_while_one_is_pending",
        "a change is proposed before the one before it is applied",
        (
            Edit(
                RAFT,
                "                self.pending_conf_index = self.log.last_index() + i + 1\n",
                "                pass\n",
            ),
        ),
        ("redisraft#17",),
        profile="membership",
    ),
    Fault(
        "new_leader_knows_of_no_change",
        "a new leader does not take the changes in its log for pending",
        (
            Edit(
                RAFT,
                "        self.pending_conf_index = self.log.last_index()\n        if self.trace_logger",
                "        if self.trace_logger",
            ),
        ),
        ("redisraft#17",),
        profile="membership",
    ),
    Fault(
        "joint_never_left",
        "nobody proposes to leave a joint configuration",
        (
            Edit(
                RAFT,
                "if config.auto_leave and new >= self.pending_conf_index and self.state == k.LEADER:",
                "if False:",
            ),
        ),
        ("etcd#12136",),
        profile="membership",
    ),
    Fault(
        "joint_left_by_its_own_leader_only",
        "a new leader does not leave the joint configuration that it finds",
        (
            Edit(
                RAFT,
                "if config.auto_leave and new >= self.pending_conf_index and self.state == k.LEADER:",
                "if config.auto_leave and new == self.pending_conf_index and self.state == k.LEADER:",
            ),
        ),
        ("etcd#12136",),
        profile="membership",
    ),
    Fault(
        "joint_left_twice",
        "leaving a joint configuration is proposed again before it is applied",
        (
            Edit(
                RAFT,
                "        if self.pending_conf_index > self.log.applied:\n",
                "        if self.pending_conf_index > self.log.applied and not leaves:\n",
            ),
            Edit(
                RAFT,
                "if config.auto_leave and new >= self.pending_conf_index and self.state == k.LEADER:",
                "if config.auto_leave and self.state == k.LEADER:",
            ),
        ),
        ("etcd#12136",),
        profile="membership",
    ),
]
