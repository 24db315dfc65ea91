"""Faults in how a follower's log takes what the leader sends."""

from ..tree import Edit
from .fault import Fault

RAFT = "core/raft.py"
LOG = "core/log.py"

FAULTS = [
    Fault(
        "append_commits_beyond_its_entries",
        "an append commits entries behind its own that may differ from the leader's",
        (
            Edit(
                LOG,
                "self.commit_to(committed if committed < last_new else last_new)",
                "self.commit_to(committed if committed < self._last else self._last)",
            ),
        ),
        profile="partitions",
    ),
    Fault(
        "entry_before_not_compared",
        "an append is taken wherever the log reaches",
        (
            Edit(
                LOG,
                "        if not self.match_term(index, term):\n            return False\n        last_new",
                "        if index > self._last:\n            return False\n        last_new",
            ),
        ),
    ),
    Fault(
        "conflict_not_seen",
        "entries of another term are kept where the leader has its own",
        (
            Edit(
                LOG,
                "            if not self.match_term(e.index, e.term):\n                if",
                "            if not self.look_up(e.index):\n                if",
            ),
        ),
    ),
    Fault(
        "every_append_cuts_the_log",
        "an old append that comes again cuts off what came after it",
        (Edit(LOG, "conflict = self.find_conflict(entries)", "conflict = index + 1 if entries else 0"),),
        profile="losses",
    ),
    Fault(
        "duplicate_appended_again",
        "an append below the commit index is taken as a new one",
        (
            Edit(
                RAFT, "        if m.index < log.committed:\n", "        if m.index < log.committed and m.index > 0:\n"
            ),
            Edit(
                LOG,
                "        if not self.match_term(index, term):\n            return False\n        last_new",
                "        if index != 0 and not self.match_term(index, term):\n"
                "            return False\n        last_new",
            ),
        ),
        ("willemt/raft#118",),
        unseen="only new members are sent appends from the very beginning, and have compacted nothing by then",
    ),
    Fault(
        "cut_log_keeps_its_length",
        "the log remembers its last entry from before it was cut",
        (
            Edit(
                LOG,
                "        self._last = end.index\n        self._last_term = end.term\n        return",
                "        if end.index > self._last:\n            self._last = end.index\n"
                "            self._last_term = end.term\n        return",
            ),
        ),
        ("cockroach#63302",),
    ),
    Fault(
        "lost_log_not_told",
        "a heartbeat that commits beyond the log is taken for one that does not",
        (
            Edit(
                "core/vet.py",
                "        if m.commit > last:\n            if m.term == 0:",
                "        if False:\n            if m.term == 0:",
            ),
        ),
        ("etcd#10166", "etcd#21178"),
        unseen="a node that lost its log dies either way; which error tells of it is the difference",
    ),
    Fault(
        "commit_beyond_the_log_at_the_start",
        "a node starts with a commit index beyond its log",
        (
            Edit(
                RAFT,
                "if state.commit < self.log.committed or state.commit > last:",
                "if state.commit < self.log.committed:",
            ),
        ),
        ("PySyncObj#197",),
        unseen="no storage that keeps its word has such a state",
    ),
]
