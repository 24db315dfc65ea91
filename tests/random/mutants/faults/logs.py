"""Faults in how a follower's log takes the leader's messages."""

from ..edit import Edit
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
                "RaftLog.maybe_append",
                "committed if committed < last_new else last_new",
                "committed if committed < self._last else self._last",
            ),
        ),
        profile="partitions",
    ),
    Fault(
        "entry_before_not_compared",
        "an append is taken wherever the log reaches",
        (Edit(LOG, "RaftLog.maybe_append", "not self.match_term(index, term)", "index > self._last"),),
    ),
    Fault(
        "conflict_not_seen",
        "entries of another term are kept where the leader has its own",
        (Edit(LOG, "RaftLog.find_conflict", "self.match_term(e.index, e.term)", "self.look_up(e.index) != k.NO_TERM"),),
    ),
    Fault(
        "every_append_cuts_the_log",
        "an old append that comes again cuts off what came after it",
        (Edit(LOG, "RaftLog.maybe_append", "self.find_conflict(entries)", "index + 1 if entries else 0"),),
        profile="losses",
    ),
    Fault(
        "duplicate_appended_again",
        "an append below the commit index is taken as a new one",
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
        unseen="only new members are sent appends from the very beginning, and have compacted nothing by then",
    ),
    Fault(
        "cut_log_keeps_its_length",
        "the log remembers its last entry from before it was cut",
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
        "a heartbeat that commits beyond the log is taken for one that does not",
        (Edit("core/vet.py", "_vet_heartbeat", "m.commit > last", "False"),),
        ("etcd#10166", "etcd#21178"),
        unseen="a node that lost its log dies either way; which error tells of it is the difference",
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
        unseen="no storage that keeps its word has such a state",
    ),
]
