"""Where to sync: in the event loop, or on a thread.

A sync in the loop saves two switches between threads, which at a fast disk cost more than the sync. But nothing else
happens while it lasts. So ``auto`` takes the loop until a sync is slow, then a thread for a while: a disk that hangs
stops the loop once.
"""

from ..errors import ConfigError

SLOW_S = 0.005
"""A sync that takes longer is left to a thread the next times, in seconds."""

THREAD_FOR = 20
"""How many syncs after a slow one."""


class Pace:
    """Says for each sync whether a thread is to do it. ``sync`` is "auto", "loop" or "thread" (never in the loop)."""

    __slots__ = ("_left", "sync")

    def __init__(self, sync: str = "auto") -> None:
        if sync not in ("auto", "loop", "thread"):
            raise ConfigError(f'sync must be "auto", "loop" or "thread", not {sync!r}')
        self.sync = sync
        self._left = 0

    def on_thread(self) -> bool:
        """Whether the next sync is to be done by a thread."""
        return self.sync == "thread" or self._left > 0

    def took(self, seconds: float) -> None:
        """A write with its sync has taken so long."""
        if self.sync != "auto":
            return
        if seconds > SLOW_S:
            self._left = THREAD_FOR
        elif self._left > 0:
            self._left -= 1
