"""Members of replicated groups.

A service uses ``Host`` and ``Replica``: a durable member, with log, transport and machine, for asyncio. ``blocking``
has the same for programs without asyncio. ``docs/replica.md`` shows how to use them.

They build on ``driver``, which runs the whole round of a node without a clock, a disk or a network; the code around it
supplies these. ``loopback`` runs the drivers of one process, and ``pump`` runs one driver in an asyncio event loop.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .events import (
        Event,
        EventsMissed,
        LeaderChanged,
        MembersChanged,
        ReplicaStopped,
        SnapshotFailed,
        SnapshotMade,
        SnapshotReceived,
    )
    from .host import Host
    from .hostrecords import HostRecord, Role, Wish
    from .metrics import Histogram, HostMetrics, ProposalMetrics, ReplicaMetrics, StageMetrics
    from .replica import Replica
    from .standing import HostStatus, ReplicaStatus
    from .tokens import Fate, RejectReason, Token
    from .tuning import Tuning

__all__ = [
    "Event",
    "EventsMissed",
    "Fate",
    "Histogram",
    "Host",
    "HostMetrics",
    "HostRecord",
    "HostStatus",
    "LeaderChanged",
    "MembersChanged",
    "ProposalMetrics",
    "RejectReason",
    "Replica",
    "ReplicaMetrics",
    "ReplicaStatus",
    "ReplicaStopped",
    "Role",
    "SnapshotFailed",
    "SnapshotMade",
    "SnapshotReceived",
    "StageMetrics",
    "Token",
    "Tuning",
    "Wish",
]

_PLACES = {
    "Host": "host",
    "HostRecord": "hostrecords",
    "HostStatus": "standing",
    "Role": "hostrecords",
    "Wish": "hostrecords",
    "Replica": "replica",
    "ReplicaStatus": "standing",
    "Fate": "tokens",
    "RejectReason": "tokens",
    "Token": "tokens",
    "Histogram": "metrics",
    "HostMetrics": "metrics",
    "ProposalMetrics": "metrics",
    "ReplicaMetrics": "metrics",
    "StageMetrics": "metrics",
    "Tuning": "tuning",
}


def __getattr__(name: str) -> Any:
    """Import a name at its first use, so that a program with drivers only does not load the transport and TLS."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES.get(name, 'events')}", __name__), name)
