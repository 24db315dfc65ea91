"""What has to hold before a message may be taken in: rules on top of the contract of Ready, for Node and the driver."""

from ..wire import consts as k
from .raft import Raft


def has_to_apply(raft: Raft) -> bool:
    """Whether a snapshot of the leader must wait: committed entries are handed out that are not applied yet.

    A snapshot puts its configuration in force at once. Changes that were handed out before it, which its configuration
    holds already, would then be applied to that later configuration.
    """
    return raft.log.applied < raft.log.applying


def answers_rashly(raft: Raft) -> bool:
    """Whether a read must not be asked here now: a single voter would answer it at once, and might miss writes.

    It is right only if the leader is that voter, and not one that was removed while the voter may have begun to lead
    by itself; and only if it has committed an entry of its own term, or it may not know all that was committed before
    a restart or by a former leader.
    """
    if raft.state != k.LEADER or not raft.tracker.is_singleton():
        return False
    log = raft.log
    return raft.id not in raft.tracker.config.voters or log.term_or_zero(log.committed) != raft.term
