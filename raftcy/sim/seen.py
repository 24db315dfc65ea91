"""The view of a member that checkers get. They depend on nothing else, so they can check anything that provides it."""

from typing import NamedTuple, Protocol

from ..core.raft import Raft
from ..wire.messages import Entry, HardState
from .subject import Machine


class View(NamedTuple):
    """The observable state of a node: the hard state, the soft state, and the applied and last indexes."""

    term: int
    vote: int
    lead: int
    state: int
    commit: int
    applied: int
    last: int


class SeenDisk(Protocol):
    """A member's disk, read-only."""

    @property
    def synced(self) -> HardState | None:
        """The hard state that would survive a crash; None before the first."""

    def has(self, index: int, term: int) -> bool:
        """Whether the entry is stored, or covered by a snapshot or a compaction."""

    def first_index(self) -> int:
        """The index of the first entry in the stored log."""

    def last_index(self) -> int:
        """The index of the last entry in the stored log."""

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """The stored entries from ``lo`` up to but not including ``hi``, as many as fit into ``max_size`` bytes."""


class SeenApplication(Protocol):
    """A member's application, read-only."""

    @property
    def applied(self) -> int:
        """The index of the last applied entry."""

    @property
    def machine(self) -> Machine:
        """The state machine. A checker may call its ``snapshot``."""


class Seen(Protocol):
    """A member, read-only."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def life(self) -> int:
        """How many times it has started."""

    @property
    def raft(self) -> Raft:
        """The state machine of its node."""

    @property
    def disk(self) -> SeenDisk:
        """Its disk."""

    @property
    def application(self) -> SeenApplication:
        """Its application."""

    @property
    def is_running(self) -> bool:
        """Whether it is up and not paused."""

    @property
    def is_asleep(self) -> bool:
        """Whether it takes no ticks, because its group sleeps."""

    def view(self) -> tuple[int, ...]:
        """The fields of a View of the current state."""
