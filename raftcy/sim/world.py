"""What a member sees of the cluster that it runs in."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from ..core.config import Config
from ..core.rawnode import RawNode
from ..wire.messages import Message
from .checkers import Checkers, View
from .clients import Clients
from .machine import Machine
from .settings import Settings

if TYPE_CHECKING:
    from .member import Member


class Host(Protocol):
    """The cluster, as far as a member needs it."""

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

    def start_ticking(self, member: "Member") -> None:
        """The member's clock goes from now on."""

    def later(self, member: "Member", delay: int, call: Any) -> None:
        """Call back after a delay, unless the member has crashed meanwhile."""

    def changed(self, member: "Member", before: View, after: View) -> None:
        """What can be seen of the member has changed."""

    def send(self, member: "Member", m: Message) -> None:
        """Put a message on the network."""
