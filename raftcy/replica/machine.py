"""StateMachine, the protocol of the application's state machine."""

from typing import Any, Protocol

from ..wire.messages import Entry, Snapshot


class StateMachine(Protocol):
    """A deterministic machine: the same entries in the same order lead to the same state and answers on every member.

    A driver calls the methods, so they must not call back into the driver. An error that one raises kills the member.
    """

    def apply(self, entries: list[Entry]) -> Any:
        """Apply committed entries in order. No entry is empty or a configuration change.

        Return a list with the answer to each entry's proposer, or None if there are no answers.
        """

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the whole state by the state in ``snapshot.data``."""

    def capture(self) -> bytes:
        """Return the whole state, in the form that ``restore`` finds in a snapshot's data."""
