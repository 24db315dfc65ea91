"""Faults in snapshots: sent, refused, installed."""

from ..tree import Edit
from .fault import Fault

RAFT = "core/raft.py"
UNSTABLE = "core/unstable.py"
PROGRESS = "core/progress.py"

FAULTS = [
    Fault(
        "old_snapshot_restored",
        "a snapshot below the commit index replaces the log",
        (
            Edit(
                RAFT,
                "        if index <= log.committed:\n            return False\n        if self.state",
                "        if self.state",
            ),
        ),
        ("etcd#1763",),
        profile="snapshots",
    ),
    Fault(
        "snapshot_cuts_a_log_that_agrees",
        "a snapshot that the log already has replaces what follows it",
        (Edit(RAFT, "        if log.match_term(index, term):\n            if", "        if False:\n            if"),),
        ("etcd#1763",),
        profile="losses",
    ),
    Fault(
        "snapshot_keeps_the_members",
        "a snapshot does not bring its members into force",
        (
            Edit(
                RAFT,
                "        self.tracker = ProgressTracker(tracker.max_inflight, tracker.max_inflight_bytes)\n"
                "        self._check_equivalent(members, self.switch_to_config(tracker.config, tracker.progress))\n",
                "",
            ),
        ),
        profile="snapshots",
    ),
    Fault(
        "learner_by_snapshot_campaigns",
        "a node that a snapshot makes a learner goes on as a voter",
        (
            Edit(
                RAFT,
                "return pr is not None and not pr.is_learner and",
                "return pr is not None and not self.is_learner and",
            ),
            Edit(
                RAFT,
                "self.is_learner = pr is not None and pr.is_learner\n",
                "self.is_learner = self.is_learner and pr is not None and pr.is_learner\n",
            ),
        ),
        ("dragonboat#94",),
        profile="membership",
    ),
    Fault(
        "learner_refuses_its_snapshot",
        "a node does not take a snapshot in which it is a learner",
        (
            Edit(
                RAFT,
                "members.voters + members.learners + members.voters_outgoing:",
                "members.voters + members.voters_outgoing:",
            ),
        ),
        ("etcd#10864",),
        profile="membership",
    ),
    Fault(
        "snapshot_keeps_the_entries",
        "entries from before a snapshot stay in memory behind it",
        (
            Edit(
                UNSTABLE,
                "        self._hold(_NO_ENTRIES)\n        self.snapshot = snapshot\n",
                "        self.snapshot = snapshot\n",
            ),
        ),
        profile="snapshots",
    ),
    Fault(
        "any_stored_snapshot_counts",
        "the storage's answer for one snapshot counts for the next one",
        (
            Edit(
                UNSTABLE,
                "if self.snapshot is not None and self.snapshot_index() == index:",
                "if self.snapshot is not None:",
            ),
        ),
        ("etcd#18055",),
        profile="snapshots",
    ),
    Fault(
        "second_snapshot_not_written",
        "a snapshot that comes while another is being written is never written",
        (
            Edit(
                UNSTABLE,
                "        self.snapshot = snapshot\n        self.snapshot_in_progress = False\n",
                "        self.snapshot = snapshot\n",
            ),
        ),
        ("etcd#18055",),
        profile="snapshots",
    ),
    Fault(
        "snapshot_failure_ignored",
        "a peer whose snapshot was lost is never sent another",
        (
            Edit(
                RAFT,
                "        if pr._state != k.SNAPSHOT:\n            return\n        if m.reject:",
                "        if pr._state != k.SNAPSHOT or m.reject:\n            return\n        if m.reject:",
            ),
        ),
        profile="losses",
    ),
]
