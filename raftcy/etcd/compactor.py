"""When history is compacted by itself, and up to which revision: ``--auto-compaction-mode`` and ``-retention``.

Without I/O and clock: a caller asks at each ``due_s`` for the revision to compact.

Rules, as in etcd:

- Periodic: the revision is noted ten times in the period (ten times an hour, if the period is longer). Once the period
  has passed, the revision that was the newest one period ago is compacted, and from then on every period, or every hour
  if the period is longer.
- By revisions: every five minutes, all but the newest ``revisions`` are compacted.
- A revision is compacted once. If that fails, it is tried again at the next time.
- Only the leader compacts, but every member notes the revisions, so that a new leader need not wait for a period.
"""

from collections import deque

from .configuration import Retention

REVISIONS_EVERY_S = 300.0
HOUR_S = 3600.0


class Compactor:
    """Decides what to compact. ``now_s`` is the present time by any monotonic clock."""

    def __init__(self, retention: Retention, now_s: float) -> None:
        self._retention = retention
        period_s = retention.seconds
        self.every_s: float = min(period_s, HOUR_S) / 10 if period_s else REVISIONS_EVERY_S
        """How often to ask."""
        self._noted: deque[int] = deque(maxlen=max(1, round(period_s / self.every_s)) if period_s else 1)
        self._last_s = now_s
        self._wait_s = period_s
        self._compacted = 0

    def due(self, now_s: float, revision: int) -> int:
        """Return the revision to compact now, 0 if there is none. ``revision`` is the newest one."""
        if self._retention.revisions:
            found = revision - self._retention.revisions
            return found if found > self._compacted else 0
        found = self._noted[0] if self._noted else 0
        self._noted.append(revision)
        # Timers are a little late or early: half a step decides.
        is_time = now_s - self._last_s >= self._wait_s - self.every_s / 2
        return found if is_time and found > self._compacted else 0

    def done(self, now_s: float, revision: int) -> None:
        """Note that a revision was compacted, by this member or before."""
        self._compacted = max(self._compacted, revision)
        self._last_s = now_s
        self._wait_s = min(self._retention.seconds, HOUR_S)
