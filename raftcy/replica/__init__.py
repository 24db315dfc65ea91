"""Members of replicated groups.

``Host`` and ``Replica`` are what a service uses: a durable member, with log, transport and machine, for asyncio;
``blocking`` has the same for programs without it. ``docs/replica.md`` shows how.

Below them is ``driver``, which is the whole round of a node: it has no clock, disk or network, and whoever runs it
brings these. ``loopback`` runs the drivers of one process, ``pump`` runs one in an asyncio event loop.
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
    from .replica import Replica
    from .standing import ReplicaStatus
    from .tokens import Fate, RejectReason, Token
    from .tuning import Tuning

__all__ = [
    "Event",
    "EventsMissed",
    "Fate",
    "Host",
    "LeaderChanged",
    "MembersChanged",
    "RejectReason",
    "Replica",
    "ReplicaStatus",
    "ReplicaStopped",
    "SnapshotFailed",
    "SnapshotMade",
    "SnapshotReceived",
    "Token",
    "Tuning",
]

_PLACES = {
    "Host": "host",
    "Replica": "replica",
    "ReplicaStatus": "standing",
    "Fate": "tokens",
    "RejectReason": "tokens",
    "Token": "tokens",
    "Tuning": "tuning",
}


def __getattr__(name: str) -> Any:
    """Import what a program uses when it uses it: whoever wants a driver only needs no transport and no TLS."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES.get(name, 'events')}", __name__), name)
