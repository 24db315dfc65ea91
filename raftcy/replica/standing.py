"""The state of a replica at one moment."""

from dataclasses import dataclass

from ..wire.enums import StateType
from ..wire.messages import ConfState
from .hostrecords import HostRecord


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
    addresses: dict[int, tuple[str, ...]]
    """The addresses of the cluster's hosts, as far as this host knows them."""
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


@dataclass(frozen=True, slots=True)
class HostStatus:
    """A host's view of its cluster. It may be behind the other hosts."""

    id: int
    identity: int
    """The identity of the data directory."""
    cluster: int
    hosts: dict[int, HostRecord]
    """The hosts, with reserved places, by id."""
    removed: frozenset[int]
    """The ids that were removed, and are never taken again."""
    groups: tuple[str, ...]
    """The names of all groups, sorted."""
    system: ReplicaStatus | None
    """How this host stands in the system group, None before it has begun."""
    failure: BaseException | None


def is_member(id: int, members: ConfState) -> bool:
    """Whether a configuration names this member, in any role."""
    return id in members.voters or id in members.learners or id in members.voters_outgoing
