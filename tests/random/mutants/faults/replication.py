"""Faults in what a leader sends, counts and commits."""

from ..edit import Edit
from .fault import Fault

RAFT = "core/raft.py"
LOG = "core/log.py"
PROGRESS = "core/progress.py"
TRACKER = "core/tracker.py"
ACKS = "core/acks.py"
INFLIGHTS = "core/inflights.py"

FAULTS = [
    Fault(
        "old_term_counted",
        "entries of an older term are committed by counting copies",
        (
            Edit(
                LOG,
                "RaftLog.maybe_commit",
                "term != 0 and index > self.committed and self.match_term(index, term)",
                "term != 0 and index > self.committed",
            ),
        ),
        ("PySyncObj#169",),
        profile="elections",
    ),
    Fault(
        "commit_quorum_off_by_one",
        "half of the voters can commit",
        (Edit(ACKS, "majority_match", "n // 2 + 1", "max(n // 2, 1)"),),
    ),
    Fault(
        "learner_counted",
        "a learner's acknowledgement counts in place of a slower voter's",
        (
            Edit(
                TRACKER,
                "ProgressTracker.committed",
                "self._incoming",
                "sorted(self._peers, key=lambda pr: pr.match)[-len(self._incoming) :]",
            ),
        ),
    ),
    Fault(
        "stale_append_answer_counted",
        "an acknowledgement of an older term counts in this one",
        (
            Edit(
                RAFT,
                "Raft.step",
                "term != 0 and term != self.term",
                "term != 0 and term != self.term and not (m._type == k.APP_RESP and term < self.term)",
            ),
        ),
        profile="losses",
    ),
    Fault(
        "refusal_taken_for_an_answer",
        "a refused append counts as stored",
        (Edit(RAFT, "Raft._step_leader", "m.reject", "False"),),
    ),
    Fault(
        "heartbeat_commits_beyond_the_match",
        "a heartbeat carries a commit index beyond the peer's match",
        (
            Edit(
                RAFT,
                "Raft._send_heartbeat",
                "pr.match if pr.match < self.log.committed else self.log.committed",
                "self.log.committed",
            ),
        ),
    ),
    Fault(
        "progress_kept_with_the_role",
        "a new leader counts acknowledgements from an earlier term of its own",
        (Edit(RAFT, "Raft.reset", "pr.restart(last if pr.id == self.id else 0, last + 1)", "pr.next = last + 1"),),
        profile="elections",
    ),
    Fault(
        "next_not_lowered",
        "a refused probe is repeated unchanged",
        (Edit(PROGRESS, "Progress.maybe_decr_to", "self.next = back if back > self.match else self.match + 1", ""),),
    ),
    Fault(
        "next_lowered_below_the_match",
        "a refused probe lowers the next index below the match",
        (
            Edit(
                PROGRESS,
                "Progress.maybe_decr_to",
                "back if back > self.match else self.match + 1",
                "back if back > 1 else 1",
            ),
        ),
        ("raft#149",),
        profile="partitions",
    ),
    Fault(
        "next_not_raised",
        "an acknowledgement does not raise the next index",
        (Edit(PROGRESS, "Progress.maybe_update", "if self.next < n + 1:\n    self.next = n + 1", ""),),
        ("raft#149",),
    ),
    Fault(
        "heartbeat_does_not_resume",
        "after a lost probe, a peer is never sent anything again",
        (Edit(RAFT, "Raft._heartbeat_answered", "pr.msg_app_flow_paused = False", ""),),
        profile="losses",
    ),
    Fault(
        "inflights_not_freed",
        "acknowledged appends stay in the window",
        (Edit(RAFT, "Raft._append_accepted", "pr.inflights.free_le(m.index)", "pass"),),
    ),
    Fault(
        "inflight_bytes_leak",
        "the window keeps counting the bytes of acknowledged appends",
        (Edit(INFLIGHTS, "Inflights.free_le", "self._bytes -= self._sizes[at]", ""),),
        ("raft#54",),
    ),
    Fault(
        "uncommitted_size_never_released",
        "applied entries stay in the count of uncommitted bytes",
        (Edit(RAFT, "Raft.storage_apply_resp", "self.uncommitted_size > 0", "False"),),
        ("cockroach#31689",),
    ),
    Fault(
        "uncommitted_size_kept_with_the_role",
        "a new leader keeps the count of uncommitted bytes from an earlier term",
        (Edit(RAFT, "Raft.reset", "self.uncommitted_size = 0", ""),),
        ("cockroach#31689",),
    ),
    Fault(
        "followers_never_commit",
        "followers do not learn the commit index",
        (
            Edit(LOG, "RaftLog.maybe_append", "self.commit_to(committed if committed < last_new else last_new)", ""),
            Edit(RAFT, "Raft._handle_heartbeat", "self.log.commit_to(m.commit)", ""),
        ),
        ("redisraft#14",),
    ),
    Fault(
        "proposal_forwarded_twice",
        "a follower forwards a proposal twice",
        (Edit(RAFT, "Raft._forward_proposal", "self._forward(m)", "self._forward(m)\nself._forward(m)"),),
        ("redisraft#13",),
        unseen="a network that duplicates messages does the same",
    ),
    Fault(
        "own_storage_not_waited_for",
        "a leader counts its own entries before they are stored",
        (
            Edit(
                RAFT,
                "Raft._append_entries",
                "self._send_app_resp(self.id, index)",
                "self.tracker.progress[self.id].maybe_update(index)\n"
                "self._maybe_commit()\n"
                "self._send_app_resp(self.id, index)",
            ),
        ),
        ("etcd#14370",),
    ),
    Fault(
        "term_of_a_compacted_entry_is_zero",
        "an append after a compacted entry goes out with term 0",
        (
            Edit(
                RAFT,
                "Raft._maybe_send_append",
                "prev_term = log.look_up(prev_index)\n"
                "if prev_term == k.NO_TERM:\n"
                "    return self._maybe_send_snapshot(pr)",
                "prev_term = log.term_or_zero(prev_index)",
            ),
        ),
        ("raft#31",),
        unseen="a follower refuses such an append, and instead of the next one with entries it gets a snapshot",
    ),
]
