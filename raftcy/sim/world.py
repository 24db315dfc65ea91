"""What a member sees of the cluster that it runs in."""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol, TypeVar

from ..core.config import Config
from ..core.rawnode import RawNode
from ..wire.messages import Message
from .checkers import Checkers
from .clients import Clients
from .machine import Machine
from .seen import View
from .settings import Settings

M_contra = TypeVar("M_contra", contravariant=True)


class Host(Protocol[M_contra]):
    """The cluster as its members need it; M_contra is the type of a member."""

    settings: Settings
    checkers: Checkers
    clients: Clients
    logger: Any
    make_raw: Callable[[Config], RawNode]
    hold_votes: bool
    guard_reads: bool
    guard_snapshots: bool

    def stream(self, *purpose: object) -> Random:
        """Random numbers for one purpose."""

    def machine(self) -> Machine:
        """A state machine at its beginning."""

    def start_ticking(self, member: M_contra) -> None:
        """The member's clock goes from now on."""

    def later(self, member: M_contra, delay: int, call: Any) -> None:
        """Call back after a delay, unless the member has crashed meanwhile."""

    def changed(self, member: M_contra, before: View, after: View) -> None:
        """What can be seen of the member has changed."""

    def send(self, member: M_contra, m: Message) -> None:
        """Put a message on the network."""
