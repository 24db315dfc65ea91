"""Runs one contestant once: three processes on the loopback address, with their directories on disk.

Node 1 leads and drives the load. Before each phase it prints ``START PHASE`` and waits for a line on its standard
input; after it, ``END`` with the figures as JSON; in the end ``DONE``. The runner reads the CPU time of all processes
from /proc before and after a phase. Every process ends when its standard input ends, and so with the runner.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from raftcy.demo.ports import free_ports

from .contestants import Contestant

ROOT = Path(__file__).resolve().parents[2]
NODES = 3
# Phases take a second or a few, and a contestant needs some time until it has a leader.
PATIENCE_S = 60.0
DISK_FREE = 4 << 30
Figures = dict[str, Any]


class Watch(Protocol):
    """Watches the processes of a phase, and adds to its figures."""

    def begin(self, pids: list[int]) -> None:
        """The phase begins when this returns."""

    def end(self, figures: Figures) -> None:
        """The phase has ended."""


@dataclass
class Settings:
    """How contestants run: the seconds of a phase, the bytes of a command, and where the directories go."""

    data: Path
    seconds: float = 1.0
    size: int = 128
    settle: float = 0.5
    priority: bool = True
    certificates: Path | None = None


@dataclass
class Ran:
    """The figures of a run's phases, and what went wrong, empty if nothing did."""

    phases: list[Figures] = field(default_factory=list)
    wrong: str = ""


class Cpu:
    """A Watch of the CPU time, in microseconds an operation of all processes together."""

    _TICKS = os.sysconf("SC_CLK_TCK")

    def begin(self, pids: list[int]) -> None:
        self._pids = pids
        self._before = self._seconds()

    def end(self, figures: Figures) -> None:
        used = [after - before for before, after in zip(self._before, self._seconds(), strict=True)]
        figures["cpu_us"] = sum(used) * 1e6 / max(1, figures["ops"])
        figures["leader_cpu_us"] = used[0] * 1e6 / max(1, figures["ops"])
        figures["cores"] = sum(used) / figures["secs"]

    def _seconds(self) -> list[float]:
        found = []
        for pid in self._pids:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            fields = text.rpartition(")")[2].split()
            found.append((int(fields[11]) + int(fields[12])) / self._TICKS)
        return found


def real_time(priority: int) -> bool:
    """Give this process real-time priority, and return whether that was possible."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except (AttributeError, OSError):
        return False
    return True


def run(contestant: Contestant, phases: list[str], settings: Settings, watch: Callable[[], Watch] = Cpu) -> Ran:
    """Run the phases that the contestant has, each under a Watch, and remove everything that it leaves."""
    settings.data.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(settings.data).free < DISK_FREE:
        raise SystemExit(f"{settings.data} has less than {DISK_FREE >> 30} GiB free")
    folder = settings.data / f"{contestant.name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ran = Ran()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "errors").open("wb") as errors:
            base = free_ports(NODES)[0] - 1
            for id in range(NODES, 0, -1):
                command = _command(contestant, phases, settings, folder, base, id)
                processes.insert(0, _start(command, contestant, settings, errors, leads=id == 1))
            _follow(processes, ran, settings.seconds, watch)
        if ran.wrong:
            said = (folder / "errors").read_text(encoding="utf-8", errors="replace").strip()
            ran.wrong = f"{ran.wrong}: {said[-1500:]}" if said else ran.wrong
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()
        shutil.rmtree(folder, ignore_errors=True)
    return ran


def _command(
    contestant: Contestant, phases: list[str], settings: Settings, folder: Path, base: int, id: int
) -> list[str]:
    words = [*contestant.command, "--id", str(id), "--nodes", str(NODES), "--port", str(base)]
    words += ["--dir", str(folder / str(id)), "--phases", ",".join(phases)]
    words += ["--seconds", str(settings.seconds), "--settle", str(settings.settle), "--size", str(settings.size)]
    if contestant.certificates:
        words += ["--certificates", str(settings.certificates)]
    return words


def _start(
    command: list[str], contestant: Contestant, settings: Settings, errors: Any, leads: bool
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **contestant.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if leads else errors,
        stderr=errors,
        # Below the runner, which would otherwise read the clocks late.
        preexec_fn=(lambda: real_time(1)) if settings.priority else None,
    )


def _follow(processes: list[subprocess.Popen[bytes]], ran: Ran, seconds: float, watch: Callable[[], Watch]) -> None:
    """Let the phases of a run begin and end."""
    leader = processes[0]
    pids = [process.pid for process in processes]
    present = watch()
    for line in _lines(leader, PATIENCE_S + seconds):
        word, _, rest = line.partition(" ")
        if word == "START":
            present = watch()
            present.begin(pids)
            if leader.stdin is not None:
                leader.stdin.write(b"\n")
                leader.stdin.flush()
        elif word == "END":
            figures = json.loads(rest)
            present.end(figures)
            ran.phases.append(figures)
        elif word == "DONE":
            return
    try:
        # Its output may end a moment before it does.
        leader.wait(1)
        ran.wrong = "it ended"
    except subprocess.TimeoutExpired:
        ran.wrong = "it said nothing in time"


def _lines(process: subprocess.Popen[bytes], patience_s: float) -> Iterator[str]:
    """The lines of a process, until it ends or says nothing for too long."""
    if process.stdout is None:
        return
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + patience_s
        while selector.select(max(0.0, deadline - time.monotonic())):
            found = os.read(process.stdout.fileno(), 1 << 16)
            if not found:
                return
            *lines, rest = (rest + found).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
                deadline = time.monotonic() + patience_s
