"""Members of one contestant as processes on one core, with their directories on disk, and what they use."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..processes import HOST, free_ports
from .contestants import Contestant

ROOT = Path(__file__).resolve().parents[2]
SERVER_CORE, TOOL_CORE = 0, 1
START_S_MAX = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Broken(Exception):
    """A contestant cannot be measured; the text says why."""


def on_core(core: int) -> Callable[[], None] | None:
    """What a child calls to stay on a core; None where this process has no two cores."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None
    chosen = cores[core]
    return lambda: os.sched_setaffinity(0, {chosen})


class Servers:
    """The members of one contestant. ``endpoints`` are their client addresses."""

    def __init__(self, contestant: Contestant, folder: Path, count: int) -> None:
        ports = free_ports(2 * count)
        self.endpoints = [f"{HOST}:{port}" for port in ports[:count]]
        self._contestant = contestant
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        peers = [f"http://{HOST}:{port}" for port in ports[count:]]
        cluster = ",".join(f"m{number}={peer}" for number, peer in enumerate(peers))
        self._flags = [
            [
                *("--name", f"m{number}", "--data-dir", str(folder / f"m{number}"), "--initial-cluster", cluster),
                *("--listen-client-urls", f"http://{endpoint}", "--advertise-client-urls", f"http://{endpoint}"),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            ]
            for number, (endpoint, peer) in enumerate(zip(self.endpoints, peers, strict=True))
        ]

    def start(self) -> None:
        """Start all members, and wait until each serves clients. Raises Broken."""
        self._folder.mkdir(parents=True)
        environment = {**os.environ, **self._contestant.environment}
        with (self._folder / "log").open("wb") as log:
            for flags in self._flags:
                process = subprocess.Popen(
                    [*self._contestant.command, *flags],
                    cwd=self._contestant.environment.get("PYTHONPATH", ROOT),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=on_core(SERVER_CORE),
                )
                self._processes.append(process)
        end_s = time.monotonic() + START_S_MAX
        for endpoint in self.endpoints:
            while not _is_healthy(endpoint):
                if time.monotonic() > end_s or any(each.poll() is not None for each in self._processes):
                    raise Broken(f"it does not start: {self._said()}")
                time.sleep(0.05)

    def _said(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace").strip()[-1000:]

    def cpu_s(self) -> float:
        """The CPU time of all members since they started."""
        return sum(_stat(each.pid) for each in self._processes)

    def resident_bytes(self) -> int:
        """The memory of all members that is in RAM."""
        pages = [int(Path(f"/proc/{each.pid}/statm").read_text().split()[1]) for each in self._processes]
        return sum(pages) * _PAGE_BYTES

    def stop(self) -> None:
        """Kill the members, and remove their directories."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _stat(pid: int) -> float:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _is_healthy(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{endpoint}/health", timeout=2) as answer:
            return b"true" in answer.read()
    except (OSError, urllib.error.URLError):
        return False


@contextlib.contextmanager
def running(contestant: Contestant, data: Path, count: int = 1) -> Iterator[Servers]:
    """Run the members of a contestant in a folder below ``data``."""
    servers = Servers(contestant, data / f"{contestant.name}-{time.monotonic_ns()}", count)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def run_tool(command: list[str], timeout_s: float) -> Any:
    """Run a program on the tool's core, and return what it has printed. Raises Broken."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False,
            preexec_fn=on_core(TOOL_CORE),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Broken(f"the tool did not end within {timeout_s:.0f} s") from None
    if done.returncode or "Error distribution" in done.stdout:
        raise Broken(f"the tool failed: {done.stdout[-500:]} {done.stderr[-500:]}")
    return done.stdout
