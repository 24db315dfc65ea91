"""Judges at regular intervals whether the other end of a connection still answers. This module does no I/O.

It counts looks, not seconds. A process that was stopped for a minute looks only once afterwards; if it counted seconds,
it would take its pause for a silence of the peer.
"""

__all__ = ["Pulse"]


class Pulse:
    """Counts the looks since the other end was heard. It counts as alive for ``patience`` of them."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._silent = 0

    def heard(self) -> None:
        """Start over: bytes have arrived, or the other end has acknowledged some."""
        self._silent = 0

    def look(self) -> bool:
        """Count a look, and return whether the other end still counts as alive."""
        self._silent += 1
        return self._silent <= self._patience
