"""Members of an etcd cluster as processes: started, asked, killed, started again."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raftcy.demo.ports import free_ports
from tests.support.needs import ROOT

READY = b"ready to serve client requests"
START_S_MAX = 60.0
COMMAND = (sys.executable, "-m", "raftcy.etcd.launch")


class Member:
    """One process. ``command`` runs the program, ours or a real etcd."""

    def __init__(self, name: str, folder: Path, arguments: Sequence[str], command: Sequence[str] = COMMAND) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [*command, *arguments]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_ready(self, times: int = 1) -> None:
        """Wait until the process has said so often that it is ready."""
        end = time.monotonic() + START_S_MAX
        while self.log.read_bytes().count(READY) < times:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"{self.name} has ended: {self.log.read_text()[-3000:]}")
            if time.monotonic() > end:
                raise AssertionError(f"{self.name} is not ready: {self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 30.0) -> int:
        """Send a signal, and return the status of the process once it has ended."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Members:
    """A cluster of one or more members on the loopback address. ``tls`` has flags for the listeners of clients."""

    def __init__(
        self,
        folder: Path,
        count: int = 1,
        *,
        flags: Sequence[str] = (),
        tls: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> None:
        names = [f"m{number}" for number in range(1, count + 1)]
        self.ports = free_ports(2 * count)
        clients, peers = self.ports[:count], self.ports[count:]
        scheme = "https" if tls else "http"
        self.urls = [f"{scheme}://127.0.0.1:{port}" for port in clients]
        self.endpoints = [f"127.0.0.1:{port}" for port in clients]
        cluster = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in zip(names, peers, strict=True))
        self.members = [
            Member(
                name,
                folder,
                [
                    *(f"--name={name}", f"--data-dir={folder / name}", f"--initial-cluster={cluster}"),
                    *(f"--listen-client-urls={url}", f"--advertise-client-urls={url}"),
                    *(f"--listen-peer-urls=http://127.0.0.1:{peer}",),
                    *(f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}", "--log-level=info", *tls, *flags),
                ],
                command,
            )
            for name, url, peer in zip(names, self.urls, peers, strict=True)
        ]

    def start(self) -> None:
        """Start all members, and wait until they are ready."""
        for member in self.members:
            member.start()
        for member in self.members:
            member.wait_ready()

    def end(self) -> None:
        """End all members."""
        for member in self.members:
            member.end(signal.SIGKILL)

    def leader(self) -> int:
        """The number of the member that leads, counted from 0."""
        for number, url in enumerate(self.urls):
            status = post(url, "/v3/maintenance/status", {})
            if status["leader"] == status["header"]["member_id"]:
                return number
        raise AssertionError("no member leads")

    def follower(self) -> int:
        """The number of a member that does not lead."""
        return (self.leader() + 1) % len(self.members)


@contextlib.contextmanager
def running(folder: Path, count: int = 1, **options: Any) -> Iterator[Members]:
    """Run a cluster."""
    members = Members(folder, count, **options)
    try:
        members.start()
        yield members
    finally:
        members.end()


def post(url: str, path: str, body: Any) -> Any:
    """Ask the gateway."""
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
