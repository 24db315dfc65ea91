"""A node's whole state as plain data, to check whether a call changed anything.

`test_vet.test_picture_is_complete` checks that no attribute of the state machine is left out.
"""

from typing import Any

from raftcy import MemoryStorage, RawNode
from raftcy.core.log import RaftLog
from raftcy.core.outbox import Outbox
from raftcy.core.progress import Progress
from raftcy.core.raft import Raft
from raftcy.core.readonly import ReadOnly
from raftcy.core.tracker import ProgressTracker
from raftcy.core.unstable import Unstable

# The state machine's own values, options included: every attribute that is neither a list nor an object.
NUMBERS = tuple(
    name
    for name in Raft.__slots__
    if name[0] != "_" and name not in ("log", "outbox", "read_only", "trace_logger", "tracker")
)
LOG_NUMBERS = ("applied", "applying", "applying_paused", "applying_size", "committed", "max_applying_size")
UNSTABLE_NUMBERS = ("offset", "offset_in_progress", "snapshot_in_progress")
PROGRESS_NUMBERS = (
    "id",
    "is_learner",
    "match",
    "msg_app_flow_paused",
    "next",
    "pending_snapshot",
    "recent_active",
    "sent_commit",
    "state",
)


def pick(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Some attributes by name."""
    return {name: getattr(value, name) for name in names}


def encoded(values: list[Any]) -> list[bytes]:
    """Messages or entries as bytes."""
    return [value.encode() for value in values]


def dump_unstable(unstable: Unstable) -> dict[str, Any]:
    """The unstable part of the log."""
    snapshot = unstable.snapshot
    return pick(unstable, UNSTABLE_NUMBERS) | {
        "entries": encoded(unstable.entries),
        "snapshot": None if snapshot is None else snapshot.encode(),
    }


def dump_storage(storage: MemoryStorage) -> dict[str, Any]:
    """The contents of the storage."""
    hard_state, conf_state = storage.initial_state()
    first, last = storage.first_index(), storage.last_index()
    return {
        "hard_state": None if hard_state is None else hard_state.encode(),
        "conf_state": conf_state.encode(),
        "first": (first, storage.term(first - 1)),
        "entries": encoded(storage.entries(first, last + 1, 2**64 - 1)) if first <= last else [],
        "snapshot": storage.snapshot().encode(),
    }


def dump_log(log: RaftLog, stored: bool = True) -> dict[str, Any]:
    """The log; with `stored` also its storage."""
    return pick(log, LOG_NUMBERS) | {
        "last": (log.last_index(), log.last_term()),
        "unstable": dump_unstable(log.unstable),
        "storage": dump_storage(log.storage) if stored else None,
    }


def dump_progress(progress: Progress) -> dict[str, Any]:
    """The progress of a peer."""
    return pick(progress, PROGRESS_NUMBERS) | {"inflights": progress.inflights.window()}


def dump_tracker(tracker: ProgressTracker) -> dict[str, Any]:
    """The members with their progress and their votes."""
    return {
        "config": str(tracker.config),
        "conf_state": tracker.conf_state().encode(),
        "progress": {id: dump_progress(pr) for id, pr in tracker.progress.items()},
        "votes": dict(tracker.votes),
        "limits": (tracker.max_inflight, tracker.max_inflight_bytes),
    }


def dump_read_only(reads: ReadOnly) -> dict[str, Any]:
    """The reads that wait for confirmation."""
    return {
        "option": reads.option,
        "acks": reads.acks.items(),
        "waiting": encoded(reads.waiting),
        "indexes": list(reads.indexes),
        "confirmed": reads.confirmed,
        "pending": encoded(reads.pending),
        "max_pending": reads.max_pending,
    }


def dump_outbox(outbox: Outbox) -> dict[str, Any]:
    """The messages and read states that wait for the next Ready."""
    return {
        "msgs": encoded(outbox.msgs),
        "msgs_after_append": encoded(outbox.msgs_after_append),
        "read_states": [repr(state) for state in outbox.read_states],
    }


def dump_raft(raft: Raft, stored: bool = True) -> dict[str, Any]:
    """The state machine; with `stored` also its storage. Its logger and its random numbers are left out."""
    return pick(raft, NUMBERS) | {
        "log": dump_log(raft.log, stored),
        "outbox": dump_outbox(raft.outbox),
        "read_only": dump_read_only(raft.read_only),
        "tracker": dump_tracker(raft.tracker),
    }


def dump_node(node: RawNode) -> dict[str, Any]:
    """The state machine, and the state behind the node's Readys."""
    return dump_raft(node.raft) | {
        "ready": repr(node.ready_without_accept()),
        "has_ready": node.has_ready(),
        "status": str(node.status()),
        "basic_status": str(node.basic_status()),
    }
