"""The group's time: milliseconds that its leaders have counted, and that the log carries.

Rules:

- No date enters it. A leader counts with a monotonic clock from the moment it leads, and proposes the time since its
  last proposal. So a clock that is set to another date does no harm.
- A leader's count applies only in an entry of the leader's term. Otherwise the counts of two leaders could overlap, and
  the group's time could run ahead of real time. It can only be late: after a lost entry, without a leader, or while a
  clock stands still.
- One entry adds at most `ADVANCE_MOST_MS`. The entry right after a command may count time from before the command, so a
  `deadline` adds that much. Otherwise a lease could end early.
"""

from . import envelope
from .envelope import ADVANCE_MOST_MS, TimePassed

INTERVAL_MS = 500


def deadline(now_ms: int, after_ms: int) -> int:
    """Return the group's time at which ``after_ms`` have certainly passed since a command applied at ``now_ms``."""
    return now_ms + after_ms + ADVANCE_MOST_MS


def advanced(now_ms: int, entry_term: int, content: TimePassed) -> int:
    """Return the group's time after an entry of ``entry_term``."""
    return now_ms + content.elapsed_ms if content.term == entry_term else now_ms


class Timekeeper:
    """Counts a leader's time, and decides when the leader proposes it.

    ``interval_ms`` is how often, 1 to `ADVANCE_MOST_MS`; ValueError for anything else. A shorter interval makes
    deadlines finer, a longer one saves entries.
    """

    __slots__ = ("_since_ms", "_term", "interval_ms")

    def __init__(self, interval_ms: int = INTERVAL_MS) -> None:
        if not 1 <= interval_ms <= ADVANCE_MOST_MS:
            raise ValueError(f"interval_ms must be 1 to {ADVANCE_MOST_MS}, not {interval_ms}")
        self.interval_ms = interval_ms
        self._term = 0
        self._since_ms = 0

    def due(self, now_ms: int, term: int, wanted: bool) -> bytes | None:
        """Return the entry to propose now, None if none is due. Call it at every tick.

        ``now_ms`` is the time of a monotonic clock, and ``term`` the term that this member leads, 0 if it does not
        lead. ``wanted`` says whether any session or state of the group ends by time (``GroupMachine.needs_time``).
        Propose the entry at once, and in this term only. If it gets lost, the group's time is late by that much, which
        does no harm.
        """
        if term != self._term or not wanted:
            self._term = term
            self._since_ms = now_ms
            return None
        passed = now_ms - self._since_ms
        if term == 0 or passed < self.interval_ms:
            return None
        self._since_ms = now_ms
        return envelope.time_passed(term, min(passed, ADVANCE_MOST_MS))
