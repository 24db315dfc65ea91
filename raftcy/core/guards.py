"""When a snapshot or a read has to wait: rules that Node and the driver apply before they step or store it."""

from ..wire import consts as k
from .raft import Raft


def has_to_apply(raft: Raft) -> bool:
    """Whether a snapshot from the leader must wait, because committed entries are handed out but not applied yet.

    A snapshot puts its configuration in force at once. A configuration change among those entries would then be applied
    to it, although the configuration contains the change already.
    """
    return raft.log.applied < raft.log.applying


def has_snapshot_from(raft: Raft, index: int) -> bool:
    """Whether a snapshot of this index or a later one was received and is not stored yet."""
    snapshot = raft.log.unstable.snapshot
    return snapshot is not None and index <= snapshot.metadata.index


def answers_rashly(raft: Raft) -> bool:
    """Whether a read must not start here now, because a leader with a single voter might answer from old state.

    Such a leader answers at once, which is right only under two conditions. It must be that voter: a leader that was
    removed may have been succeeded by the remaining voter without hearing of it. And it must have committed an entry of
    its term: before that, its commit index may lack entries that were committed before a restart or by a former leader.
    """
    if raft.state != k.LEADER or not raft.tracker.is_singleton():
        return False
    log = raft.log
    return raft.id not in raft.tracker.config.voters or log.term_or_zero(log.committed) != raft.term
