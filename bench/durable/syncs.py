"""Counts the syncs of running processes with strace."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .runner import Figures

_CALLS = "fsync,fdatasync,sync_file_range,msync,syncfs"
_ATTACH_S = 10.0


def is_possible() -> bool:
    """Whether strace is installed, and may trace a child of this process."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    sleeper = subprocess.Popen(["sleep", "5"])
    try:
        command = [strace, "-qq", "-e", "trace=none", "-p", str(sleeper.pid)]
        tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return _is_traced(sleeper.pid, tracer)
        finally:
            tracer.kill()
            tracer.wait()
    finally:
        sleeper.kill()
        sleeper.wait()


def _is_traced(pid: int, tracer: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _ATTACH_S
    while time.monotonic() < deadline and tracer.poll() is None:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        if all("TracerPid:\t0\n" not in (task / "status").read_text(encoding="utf-8") for task in tasks):
            return True
        time.sleep(0.01)
    return False


class Syncs:
    """A Watch of the syncs of each process, the leader first."""

    def begin(self, pids: list[int]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._tracers = []
        strace = shutil.which("strace") or "strace"
        for pid in pids:
            command = [strace, "-f", "-qq", "-e", f"trace={_CALLS}", "-o", self._file(pid), "-p", str(pid)]
            tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self._tracers.append((pid, tracer))
        for pid, tracer in self._tracers:
            if not _is_traced(pid, tracer):
                self._stop()
                raise SystemExit("strace could not attach")

    def _file(self, pid: int) -> str:
        return str(Path(self._folder.name, str(pid)))

    def end(self, figures: Figures) -> None:
        self._stop()
        figures["syncs"] = [self._count(pid) for pid, _ in self._tracers]
        self._folder.cleanup()

    def _count(self, pid: int) -> int:
        text = Path(self._file(pid)).read_text(encoding="utf-8", errors="replace")
        # A call that another thread interrupts has a second line, "<... fdatasync resumed>".
        return sum(1 for line in text.splitlines() if "(" in line and "resumed>" not in line)

    def _stop(self) -> None:
        for _, tracer in self._tracers:
            tracer.send_signal(signal.SIGINT)
        for _, tracer in self._tracers:
            tracer.wait(10)
