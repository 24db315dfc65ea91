"""What a replicated state machine is to a driver."""

from typing import Any, Protocol

from ..wire.messages import Entry, Snapshot


class StateMachine(Protocol):
    """A deterministic machine: the same entries in the same order give the same state and answers on every member.

    A driver calls it, so its methods must not call back into the driver. Whatever it raises ends the member.
    """

    def apply(self, entries: list[Entry]) -> Any:
        """Apply committed entries, in order. None of them is empty or a configuration change.

        Returns the answers to the proposers, a list with one for each entry, or None for no answers.
        """

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the state by that of a snapshot."""

    def capture(self) -> bytes:
        """The whole state, as ``restore`` is given it in a snapshot's data."""
