"""Log lines of hosts and replicas, for the standard logging module.

Rules:

- What needs a person is at WARNING or above: a member that is alone, a disk that is slow, a replica that has died.
- A line of one kind is logged at most once in some seconds, and says how many lines like it were left out. Otherwise
  one bad peer, or a caller that never stops proposing, would fill a disk.
- Every record has the fields ``group``, the name of the group or "" for the host, ``id``, the member's id, and
  ``term``, 0 if the line is not about one.
"""

import logging
from collections.abc import Callable
from typing import Any

KIND_S = 10.0
"""A line of one kind is logged at most once in this time, in seconds."""
LINES_MAX = 20
"""The most lines of the core that are logged in a second, for each replica."""
_KINDS_MAX = 100


_NO_LINES: dict[object, tuple[float, int]] = {}


class Notices:
    """The log lines of one host, or of one replica if ``group`` is its name.

    ``clock`` returns seconds, and ``term`` the present term.
    """

    __slots__ = ("_clock", "_group", "_id", "_logged", "_logger", "_term")

    def __init__(
        self,
        logger: logging.Logger,
        clock: Callable[[], float],
        id: int,
        group: str = "",
        term: Callable[[], int] = lambda: 0,
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._id = id
        self._group = group
        self._term = term
        # For each kind: when a line was logged last, and how many were left out since.
        self._logged: dict[object, tuple[float, int]] = _NO_LINES

    def say(self, level: int, kind: object, text: str, *arguments: object) -> None:
        """Log a line, unless one of its kind was logged a moment ago. A kind is a word, or a short tuple."""
        if not self._logger.isEnabledFor(level):
            return
        now = self._clock()
        at, left_out = self._logged.get(kind, (now - KIND_S, 0))
        if now - at < KIND_S:
            self._logged[kind] = (at, left_out + 1)
            return
        if self._logged is _NO_LINES or len(self._logged) >= _KINDS_MAX:
            self._logged = {}
        self._logged[kind] = (now, 0)
        if left_out:
            text, arguments = text + " (and %d more like this)", (*arguments, left_out)
        self._log(level, text, arguments)

    def warn(self, kind: object, text: str, *arguments: object) -> None:
        """Log a warning, as ``say`` does."""
        self.say(logging.WARNING, kind, text, *arguments)

    def always(self, level: int, text: str, *arguments: object) -> None:
        """Log a line that comes once in the life of a member."""
        self._log(level, text, arguments)

    def _log(self, level: int, text: str, arguments: tuple[object, ...]) -> None:
        group = self._group
        about = f"host {self._id:x}" if not group else f"{group}: {self._id:x}"
        fields = {"group": group, "id": self._id, "term": self._term()}
        self._logger.log(level, f"%s: {text}", about, *arguments, extra=fields)


class CoreLogger:
    """Passes the lines of one replica's core on, with the fields, and at most ``LINES_MAX`` of them in a second."""

    __slots__ = ("_clock", "_lines", "_logger", "_notices", "_second")

    def __init__(self, notices: Notices, logger: logging.Logger, clock: Callable[[], float]) -> None:
        self._logger = logger
        self._notices = notices
        self._clock = clock
        self._second = 0.0
        self._lines = 0

    def isEnabledFor(self, level: int) -> bool:
        """Whether lines of this level are logged at all."""
        return self._logger.isEnabledFor(level)

    def _say(self, level: int, text: str) -> None:
        now = self._clock()
        if now - self._second >= 1:
            left_out = self._lines - LINES_MAX
            self._second, self._lines = now, 0
            if left_out > 0:
                self._notices.always(logging.WARNING, "%d lines of the core were left out", left_out)
        self._lines += 1
        if self._lines <= LINES_MAX or level >= logging.ERROR:
            self._notices.always(level, "%s", text)

    def debug(self, text: str) -> Any:
        """Log a detail."""
        self._say(logging.DEBUG, text)

    def info(self, text: str) -> Any:
        """Log a normal event."""
        self._say(logging.INFO, text)

    def warning(self, text: str) -> Any:
        """Log an unusual event."""
        self._say(logging.WARNING, text)

    def error(self, text: str) -> Any:
        """Log an event that should not happen."""
        self._say(logging.ERROR, text)

    def critical(self, text: str) -> Any:
        """Log a violated invariant."""
        self._say(logging.CRITICAL, text)
