"""Faults between the state machine and its storage: what is stored, when it counts as stored, what is handed out."""

from ..tree import Edit
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
            Edit(NODE, "        h.vote = self.raft.vote\n", ""),
            Edit(NODE, "            m.vote = r.vote\n", ""),
        ),
        ("PySyncObj#84",),
    ),
    Fault(
        "vote_is_no_change",
        "a vote alone is no reason for a new hard state",
        (
            Edit(
                NODE,
                "return r.term != node._prev_term or r.vote != node._prev_vote or r.log",
                "return r.term != node._prev_term or r.log",
            ),
            Edit(
                NODE,
                "hard = r.term != node._prev_term or r.vote != node._prev_vote or committed",
                "hard = r.term != node._prev_term or committed",
            ),
        ),
        ("PySyncObj#84",),
    ),
    Fault(
        "term_is_no_change",
        "a term alone is no reason for a new hard state",
        (
            Edit(
                NODE,
                "return r.term != node._prev_term or r.vote != node._prev_vote or r.log",
                "return r.vote != node._prev_vote or r.log",
            ),
            Edit(
                NODE,
                "hard = r.term != node._prev_term or r.vote != node._prev_vote or committed",
                "hard = r.vote != node._prev_vote or committed",
            ),
        ),
        ("PySyncObj#84",),
    ),
    Fault(
        "vote_needs_no_sync",
        "a vote within the term may be lost with the power",
        (
            Edit(
                NODE,
                "            if r.vote != self._prev_vote or r.term != self._prev_term:\n"
                "                rd.must_sync = True",
                "            if r.term != self._prev_term:\n                rd.must_sync = True",
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
                "if kind == k.APP_RESP or kind == k.VOTE_RESP or kind == k.PRE_VOTE_RESP:",
                "if kind == k.APP_RESP or m.to == self.id:",
            ),
        ),
        ("tikv#8381",),
    ),
    Fault(
        "own_vote_counted_before_it_is_stored",
        "a candidate is elected by a vote of its own that it has not stored",
        (
            Edit(
                RAFT,
                "                self._send_vote_resp(id, _vote_resp(kind), term, False)\n                continue\n",
                "                self._send_vote_resp(id, _vote_resp(kind), term, False)\n"
                "                self.tracker.record_vote(id, True)\n                continue\n",
            ),
        ),
        ("nebula#3415",),
        unseen="a candidate asks for votes once its own is stored, so that no other comes before it",
    ),
    Fault(
        "answer_sent_before_it_is_stored",
        "an append is acknowledged before it is stored",
        (
            Edit(
                RAFT,
                "if kind == k.APP_RESP or kind == k.VOTE_RESP or kind == k.PRE_VOTE_RESP:",
                "if (kind == k.APP_RESP and m.to == self.id) or kind == k.VOTE_RESP or kind == k.PRE_VOTE_RESP:",
            ),
        ),
        ("redpanda#16105",),
    ),
    Fault(
        "older_writes_counted",
        "the storage's answer to a write of an older term counts for entries that were written since (ABA)",
        (Edit(RAFT, "            if term != 0 and term < self.term:\n", "            if False:\n"),),
        ("ClickHouse#102629",),
        unseen="it takes three leaders within one slow write, which 200 seeds of the fitting profile do not have",
    ),
    Fault(
        "stored_whatever_the_term",
        "the storage's answer counts for an entry of another term at its index",
        (Edit(UNSTABLE, "        if self.found != term:\n", "        if False:\n"),),
        ("redpanda#16105",),
        profile="contested",
    ),
    Fault(
        "overwritten_entries_not_written",
        "entries that replace others which are being written are never written",
        (
            Edit(
                UNSTABLE,
                "            if self.offset_in_progress > start:\n                self.offset_in_progress = start\n",
                "",
            ),
        ),
        ("ClickHouse#84434",),
        profile="contested",
    ),
    Fault(
        "applied_before_stored",
        "with asynchronous writes an entry is applied before it is stored",
        (Edit(LOG, "if not allow_unstable and self.unstable.offset <= self.committed:", "if False:"),),
        profile="async",
    ),
    Fault(
        "handed_out_twice",
        "entries that are being applied are handed out again",
        (
            Edit(
                LOG,
                "        self.applying = index\n        self.applying_size += size\n",
                "        self.applying_size += size\n",
            ),
        ),
    ),
    Fault(
        "applied_size_never_released",
        "what was applied stays in the count of bytes that are being applied",
        (
            Edit(
                LOG,
                "        self.applying_size = self.applying_size - size if self.applying_size > size else 0\n",
                "",
            ),
        ),
    ),
]
