"""Faults between the state machine and its storage: what to store, when it counts as stored, what to hand out."""

from ..edit import Edit
from .fault import Fault

RAFT = "core/raft.py"
NODE = "core/rawnode.py"
LOG = "core/log.py"
UNSTABLE = "core/unstable.py"

FAULTS = [
    Fault(
        "vote_not_stored",
        "the hard state has no vote",
        (
            Edit(NODE, "RawNode._hard_state", "h.vote = self.raft.vote", ""),
            Edit(NODE, "RawNode._storage_append", "m.vote = r.vote", ""),
        ),
        ("PySyncObj#84",),
    ),
    Fault(
        "vote_is_no_change",
        "a vote alone does not cause a new hard state",
        (
            Edit(
                NODE,
                "RawNode._make_ready",
                "r.term != self._prev_term or r.vote != self._prev_vote or log.committed != self._prev_commit",
                "r.term != self._prev_term or log.committed != self._prev_commit",
            ),
            Edit(
                NODE,
                "RawNode.pending_work",
                "r.term != self._prev_term or r.vote != self._prev_vote or committed != self._prev_commit",
                "r.term != self._prev_term or committed != self._prev_commit",
            ),
        ),
        ("PySyncObj#84",),
    ),
    Fault(
        "term_is_no_change",
        "a term alone does not cause a new hard state",
        (
            Edit(
                NODE,
                "RawNode._make_ready",
                "r.term != self._prev_term or r.vote != self._prev_vote or log.committed != self._prev_commit",
                "r.vote != self._prev_vote or log.committed != self._prev_commit",
            ),
            Edit(
                NODE,
                "RawNode.pending_work",
                "r.term != self._prev_term or r.vote != self._prev_vote or committed != self._prev_commit",
                "r.vote != self._prev_vote or committed != self._prev_commit",
            ),
        ),
        ("PySyncObj#84",),
    ),
    Fault(
        "vote_needs_no_sync",
        "a vote in the present term is not synced",
        (
            Edit(
                NODE,
                "RawNode._make_ready",
                "r.vote != self._prev_vote or r.term != self._prev_term",
                "r.term != self._prev_term",
            ),
        ),
        ("tikv#8381",),
    ),
    Fault(
        "vote_sent_before_it_is_stored",
        "the answer to a vote request does not wait for the storage",
        (
            Edit(
                RAFT,
                "Raft._send",
                "kind == k.APP_RESP or kind == k.VOTE_RESP or kind == k.PRE_VOTE_RESP",
                "kind == k.APP_RESP or m.to == self.id",
            ),
        ),
        ("tikv#8381",),
    ),
    Fault(
        "own_vote_counted_before_it_is_stored",
        "a candidate's own vote counts before it is stored",
        (Edit(RAFT, "Raft._campaign", "continue", "self.tracker.record_vote(id, True)\ncontinue"),),
        ("nebula#3415",),
        unseen="a candidate asks for votes after storing its own, so no other vote arrives before",
    ),
    Fault(
        "answer_sent_before_it_is_stored",
        "an append is acknowledged before it is stored",
        (Edit(RAFT, "Raft._send", "kind == k.APP_RESP", "kind == k.APP_RESP and m.to == self.id"),),
        ("redpanda#16105",),
    ),
    Fault(
        "older_writes_counted",
        "the storage's answer to a write of an older term counts for entries written since (ABA)",
        (Edit(RAFT, "Raft.storage_append_resp", "term != 0 and term < self.term", "False"),),
        ("ClickHouse#102629",),
        unseen="it needs three leaders during one slow write, which 200 seeds of the right profile do not have",
    ),
    Fault(
        "stored_whatever_the_term",
        "the storage's answer counts for an entry of another term at its index",
        (Edit(UNSTABLE, "Unstable.stable_to", "found != term", "False"),),
        ("redpanda#16105",),
        profile="contested",
    ),
    Fault(
        "overwritten_entries_not_written",
        "entries that replace others in the middle of a write are never written",
        (
            Edit(
                UNSTABLE,
                "Unstable.truncate_and_append",
                "if self.offset_in_progress > start:\n    self.offset_in_progress = start",
                "",
            ),
        ),
        ("ClickHouse#84434",),
        profile="contested",
    ),
    Fault(
        "applied_before_stored",
        "with asynchronous writes an entry is applied before it is stored",
        (
            Edit(
                LOG,
                "RaftLog.max_appliable_index",
                "not allow_unstable and self.unstable.offset <= self.committed",
                "False",
            ),
        ),
        profile="async",
    ),
    Fault(
        "handed_out_twice",
        "entries being applied are handed out again",
        (Edit(LOG, "RaftLog.accept_applying", "self.applying = index", ""),),
    ),
    Fault(
        "applied_size_never_released",
        "applied entries stay in the count of bytes being applied",
        (
            Edit(
                LOG,
                "RaftLog.applied_to",
                "self.applying_size = self.applying_size - size if self.applying_size > size else 0",
                "",
            ),
        ),
    ),
]
