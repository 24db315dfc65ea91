"""How the core logs: finished texts to the user's logger, and none at all for a level that is off.

Owns the asking for levels. Never formats: callers write ``if log.info_on(): log.info(f"…")``, so that a level that is
off costs one question and no text.
"""

import logging
from typing import Any, NoReturn

from ..errors import InvariantError
from ..wire.whole import keep_whole

_NAME = "raftcy"
_DEBUG, _INFO, _WARNING, _ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR  # 10, 20, 30, 40


def default_logger() -> Any:
    """The logger of a Config without one: ``logging.getLogger("raftcy")``, silent until the application sets it up."""
    return logging.getLogger(_NAME)


class Log:
    """A user's logger, as the core sees it.

    ``logger`` has ``debug``, ``info``, ``warning``, ``error`` and ``critical``, each taking one text. If it has
    ``isEnabledFor(level)`` it is asked once for each level that matters in a call of the node, so that a level may be
    changed at any time; otherwise all levels are on.
    """

    __slots__ = ("_asked", "_leveled", "_logger", "_on")

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._leveled = getattr(logger, "isEnabledFor", None) is not None
        # One bit a level. What was answered holds until the next call of the node.
        self._asked = 0
        self._on = 0

    def forget(self) -> None:
        """Ask again from now on."""
        self._asked = 0

    def debug_on(self) -> bool:
        """Whether debug texts are wanted."""
        return self._is_on(_DEBUG)

    def info_on(self) -> bool:
        """Whether info texts are wanted."""
        return self._is_on(_INFO)

    def warning_on(self) -> bool:
        """Whether warnings are wanted."""
        return self._is_on(_WARNING)

    def error_on(self) -> bool:
        """Whether errors are wanted."""
        return self._is_on(_ERROR)

    def _is_on(self, level: int) -> bool:
        bit = 1 << level // 10
        if self._asked & bit == 0:
            on = not self._leveled or self._logger.isEnabledFor(level)
            self._asked |= bit
            self._on = self._on | bit if on else self._on & ~bit
        return self._on & bit != 0

    def debug(self, text: str) -> None:
        """Log for those who look for a defect."""
        self._logger.debug(text)

    def info(self, text: str) -> None:
        """Log a normal event."""
        self._logger.info(text)

    def warning(self, text: str) -> None:
        """Log something unusual."""
        self._logger.warning(text)

    def error(self, text: str) -> None:
        """Log something that should not be."""
        self._logger.error(text)

    def fatal(self, text: str) -> NoReturn:
        """Log a broken rule as critical and raise it as InvariantError: what etcd's raft does by ``Panicf``."""
        if not self._leveled or self._logger.isEnabledFor(logging.CRITICAL):
            self._logger.critical(text)
        raise InvariantError(text)


def _silence() -> None:
    """Keep the default logger from writing to standard error as long as nobody has set up logging."""
    logger = logging.getLogger(_NAME)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


_silence()


keep_whole(Log)
