"""Loggers that misbehave."""

from typing import Any


class RaisingLogger:
    """Raises an error at its nth call, of whatever method."""

    def __init__(self, turn: int, error: BaseException) -> None:
        self._turn = turn
        self._raised = error

    def _call(self, *args: Any) -> bool:
        self._turn -= 1
        if self._turn == 0:
            raise self._raised
        return True

    isEnabledFor = debug = info = warning = error = critical = _call
