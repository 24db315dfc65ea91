"""Faults in how a follower's log takes the leader's messages."""

from ..edit import Edit
from .fault import Fault

RAFT = "core/raft.py"
LOG = "core/log.py"

FAULTS = [
    Fault(
        "append_commits_beyond_its_entries",
        "an append commits entries after its own, which may differ from the leader's",
        (
            Edit(
                LOG,
                "RaftLog.maybe_append",
                "committed if committed < last_new else last_new",
                "committed if committed < self._last else self._last",
            ),
        ),
        profile="partitions",
    ),
    Fault(
        "entry_before_not_compared",
        "an append is accepted without comparing the entry before it",
        (Edit(LOG, "RaftLog.maybe_append", "not self.match_term(index, term)", "index > self._last"),),
    ),
    Fault(
        "conflict_not_seen",
        "conflicting entries of another term are kept",
        (Edit(LOG, "RaftLog.find_conflict", "self.match_term(e.index, e.term)", "self.look_up(e.index) != k.NO_TERM"),),
    ),
    Fault(
        "every_append_cuts_the_log",
        "a repeated old append cuts off the entries after it",
        (Edit(LOG, "RaftLog.maybe_append", "self.find_conflict(entries)", "index + 1 if entries else 0"),),
        profile="losses",
    ),
    Fault(
        "duplicate_appended_again",
        "an append below the commit index is treated as a new one",
        (
            Edit(RAFT, "Raft._handle_append", "m.index < log.committed", "m.index < log.committed and m.index > 0"),
            Edit(
                LOG,
                "RaftLog.maybe_append",
                "not self.match_term(index, term)",
                "index != 0 and not self.match_term(index, term)",
            ),
        ),
        ("willemt/raft#118",),
        unseen="only new members get appends from the very beginning, and they have compacted nothing yet",
    ),
    Fault(
        "cut_log_keeps_its_length",
        "a cut log remembers its former last entry",
        (
            Edit(
                LOG,
                "RaftLog.append",
                "self._last = end.index\nself._last_term = end.term",
                "if end.index > self._last:\n    self._last = end.index\n    self._last_term = end.term",
            ),
        ),
        ("cockroach#63302",),
    ),
    Fault(
        "lost_log_not_told",
        "a heartbeat that commits beyond the log is treated as a normal one",
        (Edit("core/vet.py", "_vet_heartbeat", "m.commit > last", "False"),),
        ("etcd#10166", "etcd#21178"),
        unseen="a node that lost its log dies either way, only with another error",
    ),
    Fault(
        "commit_beyond_the_log_at_the_start",
        "a node starts with a commit index beyond its log",
        (
            Edit(
                RAFT,
                "Raft._load_state",
                "state.commit < self.log.committed or state.commit > last",
                "state.commit < self.log.committed",
            ),
        ),
        ("PySyncObj#197",),
        unseen="no correct storage has such a state",
    ),
]
