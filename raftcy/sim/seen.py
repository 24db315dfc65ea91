"""What the checkers see of a member. They depend on this alone, so whatever shows it can be checked by them."""

from typing import NamedTuple, Protocol

from ..core.raft import Raft
from ..wire.messages import Entry, HardState
from .machine import Machine


class View(NamedTuple):
    """What can be seen of a node from outside."""

    term: int
    vote: int
    lead: int
    state: int
    commit: int
    applied: int
    last: int


class SeenDisk(Protocol):
    """A member's disk, read only."""

    @property
    def synced(self) -> HardState | None:
        """The hard state that survives a crash; None before the first."""

    def has(self, index: int, term: int) -> bool:
        """Whether the entry is stored, or covered by a snapshot or a compaction."""

    def first_index(self) -> int:
        """Index of the first entry in the stored log."""

    def last_index(self) -> int:
        """Index of the last entry in the stored log."""

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """The stored entries from ``lo`` up to but excluding ``hi``, as many as fit into ``max_size`` bytes."""


class SeenApplication(Protocol):
    """A member's application, read only."""

    @property
    def applied(self) -> int:
        """Index of the last entry applied."""

    @property
    def machine(self) -> Machine:
        """The state machine; a checker may ask it for a snapshot."""


class Seen(Protocol):
    """A member, read only."""

    @property
    def id(self) -> int:
        """Its id in the cluster."""

    @property
    def life(self) -> int:
        """How many times it has started."""

    @property
    def raft(self) -> Raft:
        """The state machine of its node."""

    @property
    def disk(self) -> SeenDisk:
        """What it has stored."""

    @property
    def application(self) -> SeenApplication:
        """What it has applied."""

    def view(self) -> tuple[int, ...]:
        """The fields of a View, as of now."""
