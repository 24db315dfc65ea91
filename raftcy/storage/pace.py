"""Where to sync: in the event loop, or on a thread.

A sync in the loop saves two switches between threads, which cost more than the sync of a fast disk. But the loop does
nothing else during the sync. So ``auto`` syncs in the loop until a sync is slow, and then on a thread for a while: a
disk that hangs stops the loop only once. A large write goes to a thread in any case, because to copy its bytes takes
long on the fastest disk: a segment that no spare is ready for is tens of megabytes of zeros.
"""

from ..errors import ConfigError

SLOW_S = 0.005
"""After a sync longer than this, in seconds, a thread does the next ones."""

THREAD_FOR = 20
"""How many syncs a thread does after a slow one."""

LARGE_BYTES = 1 << 20
"""A thread does a write of more bytes than this."""


class Pace:
    """Decides for each sync whether a thread does it. ``sync`` is "auto", "loop" (always in the loop) or "thread"."""

    __slots__ = ("_left", "sync")

    def __init__(self, sync: str = "auto") -> None:
        if sync not in ("auto", "loop", "thread"):
            raise ConfigError(f'sync must be "auto", "loop" or "thread", not {sync!r}')
        self.sync = sync
        self._left = 0

    def on_thread(self, written_bytes: int) -> bool:
        """Whether a thread should do the next sync, of a write of this many bytes."""
        return self.sync == "thread" or self._left > 0 or (self.sync == "auto" and written_bytes > LARGE_BYTES)

    def took(self, seconds: float) -> None:
        """Note how long a write with its sync took."""
        if self.sync != "auto":
            return
        if seconds > SLOW_S:
            self._left = THREAD_FOR
        elif self._left > 0:
            self._left -= 1
