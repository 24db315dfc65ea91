"""The state of a replica at one moment."""

from dataclasses import dataclass

from ..wire.enums import StateType
from ..wire.messages import ConfState


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """A replica's view of its state. It may be behind the other members, and the leader that it knows may be gone."""

    name: str
    id: int
    cluster: int
    """The id of the cluster."""
    role: StateType
    term: int
    leader: int | None
    leader_addresses: tuple[str, ...]
    commit: int
    """The index up to which the log is known to be committed."""
    applied: int
    """The index up to which the machine has applied the log."""
    last_index: int
    """The index of the last entry of the log."""
    snapshot_index: int
    members: ConfState
    lag: dict[int, int]
    """On a leader, how many entries each other member is behind; empty elsewhere."""
    waiting_commands: int
    waiting_reads: int
    failure: BaseException | None
    """The error that ended the replica, None while it runs and after an ordinary end."""


def is_member(id: int, members: ConfState) -> bool:
    """Whether a configuration names this member, in any role."""
    return id in members.voters or id in members.learners or id in members.voters_outgoing
