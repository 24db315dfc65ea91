"""Faults in snapshots: sent, refused, installed."""

from ..edit import Edit
from .fault import Fault

RAFT = "core/raft.py"
UNSTABLE = "core/unstable.py"
PROGRESS = "core/progress.py"

FAULTS = [
    Fault(
        "old_snapshot_restored",
        "a snapshot below the commit index replaces the log",
        (Edit(RAFT, "Raft.restore", "if index <= log.committed:\n    return False", ""),),
        ("etcd#1763",),
        profile="snapshots",
    ),
    Fault(
        "snapshot_cuts_a_log_that_agrees",
        "a snapshot of entries in the log deletes the entries after them",
        (Edit(RAFT, "Raft.restore", "log.match_term(index, term)", "False"),),
        ("etcd#1763",),
        profile="losses",
    ),
    Fault(
        "snapshot_keeps_the_members",
        "a snapshot does not put its members in force",
        (
            Edit(
                RAFT,
                "Raft.restore",
                "self.tracker = ProgressTracker(tracker.max_inflight, tracker.max_inflight_bytes)\n"
                "self._check_equivalent(members, self.switch_to_config(tracker.config, tracker.progress))",
                "",
            ),
        ),
        profile="snapshots",
    ),
    Fault(
        "learner_by_snapshot_campaigns",
        "a node that a snapshot makes a learner continues as a voter",
        (
            Edit(RAFT, "Raft.promotable", "pr.is_learner", "self.is_learner"),
            Edit(
                RAFT,
                "Raft.switch_to_config",
                "pr is not None and pr.is_learner",
                "self.is_learner and pr is not None and pr.is_learner",
            ),
        ),
        ("dragonboat#94",),
        profile="membership",
    ),
    Fault(
        "learner_refuses_its_snapshot",
        "a node ignores a snapshot in which it is a learner",
        (Edit(RAFT, "Raft.restore", "members.voters + members.learners", "members.voters"),),
        ("etcd#10864",),
        profile="membership",
    ),
    Fault(
        "snapshot_keeps_the_entries",
        "entries from before a snapshot stay in memory after it",
        (Edit(UNSTABLE, "Unstable.restore", "self._hold(_NO_ENTRIES)", ""),),
        profile="snapshots",
    ),
    Fault(
        "any_stored_snapshot_counts",
        "the storage's answer for one snapshot also counts for the next",
        (
            Edit(
                UNSTABLE,
                "Unstable.stable_snap_to",
                "self.snapshot is not None and self.snapshot_index() == index",
                "self.snapshot is not None",
            ),
        ),
        ("etcd#18055",),
        profile="snapshots",
    ),
    Fault(
        "second_snapshot_not_written",
        "a snapshot that arrives while another is being written is never written",
        (Edit(UNSTABLE, "Unstable.restore", "self.snapshot_in_progress = False", ""),),
        ("etcd#18055",),
        profile="snapshots",
    ),
    Fault(
        "snapshot_failure_ignored",
        "a peer whose snapshot was lost is never sent another",
        (Edit(RAFT, "Raft._snapshot_reported", "pr._state != k.SNAPSHOT", "pr._state != k.SNAPSHOT or m.reject"),),
        profile="losses",
    ),
]
