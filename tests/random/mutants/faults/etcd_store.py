"""Faults of etcd's store: its history, its compaction, and the hub that brings events to watchers."""

from ..edit import Edit
from .fault import Fault

HISTORY = "etcd/history.py"
WATCHING = "etcd/watching.py"
UNSEEN = "it takes one key or one watch at one revision, which a test of the store by itself makes"

FAULTS = [
    # -- history and compaction
    Fault(
        "writes_at_the_compacted_revision_leave_the_log",
        "a compaction takes the writes at its own revision away from watchers",
        (Edit("etcd/revisionlog.py", "RevisionLog.drop", "(revision,)", "(revision + 1,)"),),
        ("etcd#18089",),
        unseen=UNSEEN,
    ),
    Fault(
        "key_written_again_at_the_compacted_revision_is_gone",
        "a delete at the compacted revision takes its key away, though the key was written again in the same revision",
        (
            Edit(
                HISTORY,
                "History._cut",
                "oldest[VERSION] or oldest[MOD] >= goal",
                "oldest[VERSION] or oldest[MOD] > goal",
            ),
            Edit(
                HISTORY,
                "History._cut",
                """
if older:
    older = self._shorten(key, older, 1)
    return older[0] if older else newest
""",
                "",
            ),
        ),
        ("etcd#22376",),
        unseen=UNSEEN,
    ),
    Fault(
        "hash_of_what_is_not_freed_yet",
        "the hash is of all items that are still there, compacted or not",
        (Edit("etcd/views.py", "View.kept", "self.compacted", "-1"),),
        ("etcd#8311",),
        unseen=UNSEEN,
    ),
    # -- watchers
    Fault(
        "progress_before_the_events",
        "a stream hears of its progress while some of its watches are behind",
        (
            Edit(
                WATCHING,
                "WatchHub.has_told",
                "watcher in self._in_step and watcher.min_revision <= self.store.revision + 1",
                "True",
            ),
        ),
        ("etcd#15220",),
        unseen=UNSEEN,
    ),
    Fault(
        "progress_forgotten_by_who_reads_on",
        "a watch that comes into step does not tell its stream, which waits to tell its progress",
        (Edit(WATCHING, "WatchHub._arrive", "watcher.stream.in_step()", ""),),
        ("etcd#17507",),
        unseen=UNSEEN,
    ),
    Fault(
        "watchers_stay_in_step_over_a_snapshot",
        "watchers are taken to have had what a snapshot has brought",
        (Edit(WATCHING, "WatchHub.restored", "self._fall_behind(watcher, told + 1, self._behind)", ""),),
        ("etcd#8411",),
        unseen=UNSEEN,
    ),
    Fault(
        "watches_of_the_future_read_on_from_a_snapshot",
        "after a snapshot every watch reads on from there, even one that begins later",
        (
            Edit(WATCHING, "WatchHub.restored", "watcher.min_revision <= self.store.revision", "True"),
            Edit(WATCHING, "WatchHub._fall_behind", "max(watcher.min_revision, revision)", "revision"),
        ),
        ("etcd#20221",),
        unseen=UNSEEN,
    ),
    Fault(
        "slow_client_loses_events",
        "what a client has no room for is lost, and its watch goes on",
        (
            Edit(
                WATCHING,
                "WatchHub._notify_group",
                "self._fall_behind(watcher, revision, stream.waiting)",
                "pass",
            ),
        ),
        ("etcd#17529",),
        unseen=UNSEEN,
    ),
]
