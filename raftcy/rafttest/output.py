"""The text buffer to which commands print and all nodes of an environment log."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LEVELS", "RedirectLogger"]

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE")
"""The names of the levels, in ascending order; the position of each is its number. NONE silences commands as well."""

_QUIET = LEVELS.index("NONE")


class RedirectLogger:
    """A logger for ``Config.logger`` that keeps lines at or above ``level``, and the buffer of a script's output.

    ``level`` is a position in LEVELS. At NONE nothing is written at all.
    """

    def __init__(self) -> None:
        self.level = 0
        self._parts: list[str] = []

    @property
    def quiet(self) -> bool:
        """Whether nothing is written at all."""
        return self.level == _QUIET

    def isEnabledFor(self, level: int) -> bool:
        """Whether lines at this level of the ``logging`` module (10 is debug, 50 critical) are kept."""
        return level // 10 - 1 >= self.level

    def debug(self, text: str) -> None:
        self._log(0, text)

    def info(self, text: str) -> None:
        self._log(1, text)

    def warning(self, text: str) -> None:
        self._log(2, text)

    def error(self, text: str) -> None:
        self._log(3, text)

    def critical(self, text: str) -> None:
        self._log(4, text)

    def write(self, text: str) -> None:
        """Add ``text`` unchanged."""
        if self.level != _QUIET:
            self._parts.append(text)

    def line(self, text: str) -> None:
        """Add ``text`` and a newline."""
        self.write(text + "\n")

    def take(self) -> str:
        """Return and clear everything written since the last call."""
        text = "".join(self._parts)
        self._parts = []
        return text

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Indent everything written within the context by two spaces, and end it with a newline."""
        outer, self._parts = self._parts, []
        try:
            yield
        finally:
            lines = self.take().split("\n")
            if lines[-1] == "":
                lines.pop()
            outer += [f"  {line}\n" for line in lines]
            self._parts = outer

    def _log(self, level: int, text: str) -> None:
        if self.level <= level:
            self._parts.append(f"{LEVELS[level]} {text}\n")
