"""Whether the other end of a connection still answers, judged by looks at regular intervals. Does no I/O.

Looks are counted, not seconds: a process that was stopped for a minute looks once after it, and must not take its own
absence for its peer's.
"""

__all__ = ["Pulse"]


class Pulse:
    """Counts the looks at which nothing was heard. ``patience`` of them are forgiven."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._silent = 0

    def heard(self) -> None:
        """Something has arrived, or the other end has acknowledged bytes."""
        self._silent = 0

    def look(self) -> bool:
        """Count a look, and return whether the other end still counts as alive."""
        self._silent += 1
        return self._silent <= self._patience
