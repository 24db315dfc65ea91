"""The group's time: milliseconds that its leaders have counted, and that the log carries.

Rules:

- No clock's date is in it. A leader counts by a monotonic clock, from the moment on that it leads, and proposes what
  has passed since it proposed last.
- What a leader proposes counts only if the entry is of its own term. The times of two leaders thus never overlap, and
  the group's time never runs ahead of real time: a lost entry, a leader's absence, or a clock that stands still makes
  it late, nothing makes it early.
- One entry adds `ADVANCE_MOST_MS` at most. A command may stand in the log right before an entry that counts time from
  before the command; a `deadline` has that much added, so that it never comes before its real time.
"""

from . import envelope
from .envelope import ADVANCE_MOST_MS, TimePassed

INTERVAL_MS = 500


def deadline(now_ms: int, after_ms: int) -> int:
    """The group's time at which ``after_ms`` have certainly passed since a command that was applied at ``now_ms``."""
    return now_ms + after_ms + ADVANCE_MOST_MS


def advanced(now_ms: int, entry_term: int, content: TimePassed) -> int:
    """The group's time after an entry of ``entry_term``."""
    return now_ms + content.elapsed_ms if content.term == entry_term else now_ms


class Timekeeper:
    """What a leader counts, and when it proposes it.

    ``interval_ms`` is how often: shorter makes deadlines finer, longer saves entries. 1 to `ADVANCE_MOST_MS`;
    ValueError for anything else.
    """

    __slots__ = ("_since_ms", "_term", "interval_ms")

    def __init__(self, interval_ms: int = INTERVAL_MS) -> None:
        if not 1 <= interval_ms <= ADVANCE_MOST_MS:
            raise ValueError(f"interval_ms must be 1 to {ADVANCE_MOST_MS}, not {interval_ms}")
        self.interval_ms = interval_ms
        self._term = 0
        self._since_ms = 0

    def due(self, now_ms: int, term: int, wanted: bool) -> bytes | None:
        """The entry to propose now, None if none is due. Call it at every tick.

        ``now_ms`` is a monotonic clock's, ``term`` the term that this member leads, 0 if it does not lead. ``wanted``
        is whether anything of the group ends by time (``GroupMachine.needs_time``). Propose the entry at once, and in
        this term only. If it gets lost, the group's time is late by as much, which does no harm.
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
