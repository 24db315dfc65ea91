"""The interface of a cluster towards its members."""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol, TypeVar

from ..core.config import Config
from ..core.rawnode import RawNode
from ..wire.messages import Message
from .checkers import Checkers
from .clients import Clients
from .clock import Clock
from .seen import View
from .settings import Settings
from .subject import Machine

M_contra = TypeVar("M_contra", contravariant=True)


class Host(Protocol[M_contra]):
    """A cluster, as its members see it. ``M_contra`` is the type of a member."""

    clock: Clock
    settings: Settings
    checkers: Checkers
    clients: Clients
    logger: Any
    make_raw: Callable[[Config], RawNode]
    hold_votes: bool
    guard_reads: bool
    guard_snapshots: bool
    torn_writes: bool

    def stream(self, *purpose: object) -> Random:
        """Return the random numbers for one purpose."""

    def machine(self) -> Machine:
        """Create a state machine in its initial state."""

    def start_ticking(self, member: M_contra) -> None:
        """Start the member's clock."""

    def later(self, member: M_contra, delay: int, call: Any) -> None:
        """Call back after ``delay`` microseconds, unless the member has crashed by then."""

    def changed(self, member: M_contra, before: View, after: View) -> None:
        """Report that the observable state of the member has changed."""

    def send(self, member: M_contra, m: Message) -> None:
        """Put a message on the network."""

    def send_beat(self, member: M_contra, m: Message) -> None:
        """Put a beat, or an answer to one, on the network."""
