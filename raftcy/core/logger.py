"""Log: passes finished texts from the core to the user's logger.

Callers write ``if log.info_on(): log.info(f"…")``, so a level that is off costs one test and no formatting.
"""

import logging
from typing import Any, NoReturn, Protocol

from ..errors import InvariantError
from ..wire.whole import has_one_owner, keep_whole

_NAME = "raftcy"
_DEBUG, _INFO, _WARNING, _ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR  # 10, 20, 30, 40


class Logger(Protocol):
    """The protocol of ``Config.logger``. A ``logging.Logger`` is one. Each method takes one finished text."""

    def debug(self, text: str, /) -> None:
        """Take a text that helps to debug the library."""

    def info(self, text: str, /) -> None:
        """Take a text about what happens, such as an election."""

    def warning(self, text: str, /) -> None:
        """Take a text about something that a person may want to know."""

    def error(self, text: str, /) -> None:
        """Take a text about something that failed."""

    def critical(self, text: str, /) -> None:
        """Take the last text of a node, before it dies of an InvariantError."""


def default_logger() -> logging.Logger:
    """Return the logger of a Config without one: ``logging.getLogger("raftcy")``, silent until logging is set up."""
    return logging.getLogger(_NAME)


class Log:
    """Wraps the user's logger for the core.

    ``logger`` has ``debug``, ``info``, ``warning``, ``error`` and ``critical``, each of which takes one text. If it has
    ``isEnabledFor(level)``, each call of the node asks at most once per level, so that levels may change at any time.
    Otherwise all levels are on.
    """

    __slots__ = ("_asked", "_leveled", "_logger", "_on")

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._leveled = getattr(logger, "isEnabledFor", None) is not None
        # One bit per level: which levels were asked for in this call of the node, and which of them are on.
        self._asked = 0
        self._on = 0

    def forget(self) -> None:
        """Forget which levels are on, and ask the logger again."""
        self._asked = 0

    def debug_on(self) -> bool:
        """Whether the debug level is on."""
        return self._is_on(_DEBUG)

    def info_on(self) -> bool:
        """Whether the info level is on."""
        return self._is_on(_INFO)

    def warning_on(self) -> bool:
        """Whether the warning level is on."""
        return self._is_on(_WARNING)

    def error_on(self) -> bool:
        """Whether the error level is on."""
        return self._is_on(_ERROR)

    def _is_on(self, level: int) -> bool:
        bit = 1 << level // 10
        if self._asked & bit == 0:
            on = not self._leveled or self._logger.isEnabledFor(level)
            self._asked |= bit
            self._on = self._on | bit if on else self._on & ~bit
        return self._on & bit != 0

    def debug(self, text: str) -> None:
        """Log a detail that helps to find defects."""
        self._logger.debug(text)

    def info(self, text: str) -> None:
        """Log a normal event."""
        self._logger.info(text)

    def warning(self, text: str) -> None:
        """Log an unusual event."""
        self._logger.warning(text)

    def error(self, text: str) -> None:
        """Log an event that should not happen."""
        self._logger.error(text)

    def fatal(self, text: str, hint: str = "") -> NoReturn:
        """Log a violated invariant as critical and raise it as InvariantError with a ``hint`` (etcd's ``Panicf``)."""
        if not self._leveled or self._logger.isEnabledFor(logging.CRITICAL):
            self._logger.critical(text)
        raise InvariantError(text).hinted(hint)


def _silence() -> None:
    """Keep the default logger from writing to standard error until the application configures logging."""
    logger = logging.getLogger(_NAME)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


_silence()


keep_whole(Log)
has_one_owner(Log)
