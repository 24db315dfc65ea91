"""A program in a pseudo-terminal, as a person runs it."""

import os
import pty
import select
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from .needs import ROOT


class Terminal:
    """Runs ``python -m`` with these arguments in a terminal. Its output, both streams, collects in ``text``."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._master, slave = pty.openpty()
        # A session of its own makes it the foreground of the terminal, so that ctrl-C reaches it and what it started.
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env=os.environ | environment,
            start_new_session=True,
            preexec_fn=lambda: _control(0),
        )
        os.close(slave)
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def until(self, part: str, timeout_s: float = 120) -> None:
        """Read until the output has ``part``."""
        end = time.monotonic() + timeout_s
        while part not in self.text:
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"{part!r} did not come: {self.text!r}")

    def interrupt(self) -> float:
        """Press ctrl-C, wait for the end, and return how many seconds that took."""
        begun = time.monotonic()
        os.write(self._master, b"\x03")
        self.wait()
        return time.monotonic() - begun

    def wait(self, timeout_s: float = 120) -> int:
        """Read to the end of the output, and return the exit status."""
        end = time.monotonic() + timeout_s
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(max(0.1, end - time.monotonic()))

    def _read(self, timeout_s: float) -> bool:
        """Read what comes within a time. Return False at the end, or if nothing comes."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, timeout_s))
        if not ready:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            # Linux reports the end of a terminal whose program has ended in this way.
            return False
        self.text += data.decode(errors="replace")
        return len(data) > 0


def _control(descriptor: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
