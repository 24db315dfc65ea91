"""Faults in what a leader sends, counts and commits."""

from ..tree import Edit
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
        "entries of an older term are committed by counting",
        (
            Edit(
                LOG,
                "if term != 0 and index > self.committed and self.match_term(index, term):",
                "if term != 0 and index > self.committed:",
            ),
        ),
        ("PySyncObj#169",),
        profile="elections",
    ),
    Fault(
        "commit_quorum_off_by_one",
        "half of the voters commit",
        (Edit(ACKS, "for p in peers])[n - (n // 2 + 1)]", "for p in peers])[n - max(n // 2, 1)]"),),
    ),
    Fault(
        "learner_counted",
        "what a learner has stored counts in the place of a slower voter",
        (
            Edit(
                TRACKER,
                "one = majority_match(self._incoming)",
                "one = majority_match(sorted(self._peers, key=lambda pr: pr.match)[-len(self._incoming) :])",
            ),
        ),
    ),
    Fault(
        "stale_append_answer_counted",
        "an acknowledgement of an older term counts in this one",
        (
            Edit(
                RAFT,
                "        if term != 0 and term != self.term:\n",
                "        if term != 0 and term != self.term and not (m._type == k.APP_RESP and term < self.term):\n",
            ),
        ),
        profile="losses",
    ),
    Fault(
        "refusal_taken_for_an_answer",
        "a refused append counts as stored",
        (
            Edit(
                RAFT,
                "            if m.reject:\n                self._append_refused",
                "            if False:\n                self._append_refused",
            ),
        ),
    ),
    Fault(
        "heartbeat_commits_beyond_the_match",
        "a heartbeat tells a commit index beyond what the peer is known to have",
        (
            Edit(
                RAFT,
                "commit = pr.match if pr.match < self.log.committed else self.log.committed",
                "commit = self.log.committed",
            ),
        ),
    ),
    Fault(
        "progress_kept_with_the_role",
        "a new leader counts what the peers had acknowledged to it in an earlier term",
        (Edit(RAFT, "pr.restart(last if pr.id == self.id else 0, last + 1)", "pr.next = last + 1"),),
        profile="elections",
    ),
    Fault(
        "next_not_lowered",
        "a refused probe is repeated as it was",
        (
            Edit(
                PROGRESS,
                "        self.next = back if back > self.match else self.match + 1\n",
                "",
            ),
        ),
    ),
    Fault(
        "next_lowered_below_the_match",
        "a refused probe lowers the next index below what is known to be stored",
        (
            Edit(
                PROGRESS,
                "self.next = back if back > self.match else self.match + 1",
                "self.next = back if back > 1 else 1",
            ),
        ),
        ("raft#149",),
        profile="partitions",
    ),
    Fault(
        "next_not_raised",
        "an acknowledgement leaves the next index where it was",
        (Edit(PROGRESS, "        if self.next < n + 1:\n            self.next = n + 1\n", ""),),
        ("raft#149",),
    ),
    Fault(
        "heartbeat_does_not_resume",
        "a peer whose probe was lost is never sent anything again",
        (Edit(RAFT, "        pr.msg_app_flow_paused = False\n", ""),),
        profile="losses",
    ),
    Fault(
        "inflights_not_freed",
        "acknowledged appends stay in the window",
        (Edit(RAFT, "            pr.inflights.free_le(m.index)\n", "            pass\n"),),
    ),
    Fault(
        "inflight_bytes_leak",
        "the bytes of acknowledged appends stay in the count of the window",
        (Edit(INFLIGHTS, "            self._bytes -= self._sizes[at]\n", ""),),
        ("raft#54",),
    ),
    Fault(
        "uncommitted_size_never_released",
        "what was applied stays in the count of uncommitted bytes",
        (
            Edit(
                RAFT,
                "        if self.uncommitted_size > 0:\n            payload =",
                "        if False:\n            payload =",
            ),
        ),
        ("cockroach#31689",),
    ),
    Fault(
        "uncommitted_size_kept_with_the_role",
        "a new leader takes over the count of uncommitted bytes of its earlier term",
        (Edit(RAFT, "        self.uncommitted_size = 0\n        self.append_due", "        self.append_due"),),
        ("cockroach#31689",),
    ),
    Fault(
        "followers_never_commit",
        "followers do not learn the commit index",
        (
            Edit(LOG, "        self.commit_to(committed if committed < last_new else last_new)\n", ""),
            Edit(RAFT, "        self.log.commit_to(m.commit)\n        r = ", "        r = "),
        ),
        ("redisraft#14",),
    ),
    Fault(
        "proposal_forwarded_twice",
        "a follower passes a proposal on twice",
        (
            Edit(
                RAFT,
                '            raise ProposalDropped("forwarding to the leader is off")\n        self._forward(m)\n',
                '            raise ProposalDropped("forwarding to the leader is off")\n        self._forward(m)\n'
                "        self._forward(m)\n",
            ),
        ),
        ("redisraft#13",),
        unseen="a network that duplicates messages does the same",
    ),
    Fault(
        "own_storage_not_waited_for",
        "a leader counts its own entries before they are stored",
        (
            Edit(
                RAFT,
                "        self.log.append(placed, True)\n        self._send_app_resp(self.id, index)\n",
                "        self.log.append(placed, True)\n        self.tracker.progress[self.id].maybe_update(index)\n"
                "        self._maybe_commit()\n        self._send_app_resp(self.id, index)\n",
            ),
        ),
        ("etcd#14370",),
    ),
    Fault(
        "term_of_a_compacted_entry_is_zero",
        "an append after an entry that was compacted goes out with term 0",
        (
            Edit(
                RAFT,
                "        elif log.look_up(prev_index):\n            prev_term = log.found\n"
                "        else:\n            return self._maybe_send_snapshot(pr)\n",
                "        else:\n            prev_term = log.term_or_zero(prev_index)\n",
            ),
        ),
        ("raft#31",),
        unseen="a follower refuses such an append, and the next one that has entries becomes a snapshot",
    ),
]
