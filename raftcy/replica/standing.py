"""How a replica stands at one moment."""

from dataclasses import dataclass

from ..wire.enums import StateType
from ..wire.messages import ConfState


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """A replica's state, as it knows it. It may be behind the others, and the leader that it knows may be gone."""

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
    """The index up to which the machine has applied it."""
    last_index: int
    """The index of the last entry of the log."""
    snapshot_index: int
    members: ConfState
    lag: dict[int, int]
    """On a leader, how many entries each other member is behind; empty elsewhere."""
    waiting_commands: int
    waiting_reads: int
    failure: BaseException | None
    """What the replica died of, None while it lives and after an ordinary end."""
