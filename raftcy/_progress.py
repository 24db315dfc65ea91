"""Shows how far a command is: one line of standard error that is written again and again, on a terminal only.

In a pipe or a log file nothing appears, so the output of a command is the same each time.
"""

import sys
import time
from typing import TextIO

EVERY_S = 0.2
"""The line is written at most this often, in seconds."""
# Go to the beginning of the line and erase it: every terminal since the VT100 does that.
_ERASE = "\r\x1b[K"


class Progress:
    """The line of one command. ``name`` begins it.

    Use it in a ``with`` statement, which erases the line at the end. Erase it before other output too.
    """

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self._name = name
        self._stream = sys.stderr if stream is None else stream
        self.is_shown: bool = self._stream.isatty()
        """Whether anybody sees it. If not, texts need not be made."""
        self._due = 0.0
        self._written = False

    def is_due(self) -> bool:
        """Whether the line should be written again now."""
        return self.is_shown and time.monotonic() >= self._due

    def show(self, text: str) -> None:
        """Write the line, unless that was done a moment ago."""
        if self.is_due():
            self._due = time.monotonic() + EVERY_S
            self._written = True
            self._stream.write(f"{_ERASE}{self._name}: {text}")
            self._stream.flush()

    def erase(self) -> None:
        """Erase the line, before something else is written."""
        if self._written:
            self._written = False
            self._due = 0.0
            self._stream.write(_ERASE)
            self._stream.flush()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.erase()
