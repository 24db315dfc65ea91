"""Faults in membership changes."""

from ..edit import Edit
from .fault import Fault

RAFT = "core/raft.py"
TRACKER = "core/tracker.py"
QUORUM = "core/quorum.py"
CHANGE = "core/confchange.py"

FAULTS = [
    Fault(
        "joint_election_by_one_half",
        "an election in a joint configuration needs only the incoming voters",
        (Edit(QUORUM, "JointConfig.tally", "self.outgoing.tally(votes)", "one"),),
        ("async-raft#62", "redisraft#17"),
        profile="membership",
    ),
    Fault(
        "joint_commit_by_one_half",
        "a commit in a joint configuration needs only the incoming voters",
        (Edit(TRACKER, "ProgressTracker.committed", "len(self._outgoing) == 0", "True"),),
        ("async-raft#62",),
        profile="membership",
    ),
    Fault(
        "joint_without_the_old_half",
        "a joint configuration has the new voters in both halves",
        (
            Edit(
                CHANGE,
                "Changer.enter_joint",
                "draft.outgoing = set(draft.incoming)\ndraft.apply(changes)",
                "draft.apply(changes)\ndraft.outgoing = set(draft.incoming)",
            ),
        ),
        ("async-raft#62",),
        profile="membership",
    ),
    Fault(
        "second_change_while_one_is_pending",
        "a change is proposed before the previous one is applied",
        (Edit(RAFT, "Raft._admit_changes", "self.pending_conf_index = self.log.last_index() + i + 1", "pass"),),
        ("redisraft#17",),
        profile="membership",
    ),
    Fault(
        "new_leader_knows_of_no_change",
        "a new leader does not treat changes in its log as pending",
        (Edit(RAFT, "Raft.become_leader", "self.pending_conf_index = self.log.last_index()", ""),),
        ("redisraft#17",),
        profile="membership",
    ),
    Fault(
        "joint_never_left",
        "no leader proposes to leave a joint configuration",
        (
            Edit(
                RAFT,
                "Raft._applied_to",
                "config.auto_leave and new >= self.pending_conf_index and self.state == k.LEADER",
                "False",
            ),
        ),
        ("etcd#12136",),
        profile="membership",
    ),
    Fault(
        "joint_left_by_its_own_leader_only",
        "a new leader does not leave its predecessor's joint configuration",
        (Edit(RAFT, "Raft._applied_to", "new >= self.pending_conf_index", "new == self.pending_conf_index"),),
        ("etcd#12136",),
        profile="membership",
    ),
    Fault(
        "joint_left_twice",
        "a leader proposes to leave a joint configuration again before it has left it",
        (
            Edit(
                RAFT,
                "Raft._reason_against",
                "self.pending_conf_index > self.log.applied",
                "self.pending_conf_index > self.log.applied and not leaves",
            ),
            Edit(
                RAFT,
                "Raft._applied_to",
                "config.auto_leave and new >= self.pending_conf_index and self.state == k.LEADER",
                "config.auto_leave and self.state == k.LEADER",
            ),
        ),
        ("etcd#12136",),
        profile="membership",
    ),
]
