"""Clusters of wirepeer processes of both implementations, and the comparison of their outputs."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raftcy.demo.ports import free_ports

from .needs import ROOT, needs_go, needs_shared

GO, OURS = "go", "raftcy"


def build_go_peer(folder: Path) -> Path:
    """Build the reference's peer into a folder."""
    go = needs_go()
    source = os.environ.get("RAFTCY_ORACLE") or ROOT / "tests/conformance/oracle"
    if not (Path(source) / "go.mod").exists():
        source = needs_shared("oracle")
    binary = folder / "wirepeer"
    done = subprocess.run([go, "build", "-o", binary, "./cmd/wirepeer"], cwd=source, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.fail(f"cannot build the reference's peer:\n{done.stderr}", pytrace=False)
    return binary


def free_addresses(count: int) -> list[str]:
    """Addresses on loopback that nobody listens on now."""
    return [f"127.0.0.1:{port}" for port in free_ports(count)]


class Peer:
    """One process. A thread collects its output."""

    def __init__(self, kind: str, command: list[str], errors: Path) -> None:
        self.kind = kind
        self._errors = errors
        self._lines: list[str] = []
        self._lock = threading.Lock()
        with errors.open("wb") as file:
            self.process: Any = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, cwd=ROOT
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def say(self, *lines: str) -> None:
        """Write lines to its standard input."""
        try:
            self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            self.process.wait(10)
            pytest.fail(f"a {self.kind} peer ended with {self.process.returncode}:\n{self.stderr()}", pytrace=False)

    def notes(self, start: str = "") -> list[str]:
        """Its notes with this beginning, without the number sign."""
        return [line[2:] for line in self.lines() if line.startswith(f"# {start}")]

    def log(self) -> dict[int, str]:
        """The committed entries by index."""
        entries = [line.split(" ", 1) for line in self.lines() if not line.startswith("#")]
        return {int(index): rest for index, rest in entries}

    def lines(self) -> list[str]:
        """All lines that it has printed."""
        with self._lock:
            return list(self._lines)

    def stderr(self) -> str:
        """Its output on standard error."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def quit(self) -> int:
        """Ask it to quit; returns the exit status."""
        if self.process.poll() is None:
            self.say("!quit")
        return self._end()

    def quit_by_input(self) -> int:
        """Wait until it quits, as its input asked; returns the exit status."""
        return self._end()

    def _end(self) -> int:
        try:
            status: int = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdin.close()
            self._reader.join(10)
            self.process.stdout.close()
        return status

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._lock:
                self._lines.append(line.decode().rstrip("\n"))


class Cluster:
    """Peers with ids from 1, of the given kinds, that form one cluster."""

    def __init__(self, kinds: tuple[str, ...], go_peer: Path | None, folder: Path, *flags: str, tick: int = 20) -> None:
        self.texts: list[str] = []
        self.peers: dict[int, Peer] = {}
        addresses = free_addresses(len(kinds))
        everybody = ",".join(f"{id}={address}" for id, address in enumerate(addresses, 1))
        for id, kind in enumerate(kinds, 1):
            program = [str(go_peer)] if kind == GO else [sys.executable, "-m", "raftcy.rafttest", "wirepeer"]
            options = ["-id", str(id), "-peers", everybody, "-tick", str(tick), *flags]
            self.peers[id] = Peer(kind, program + options, folder / f"{id}-{kind}.err")

    def __getitem__(self, id: int) -> Peer:
        return self.peers[id]

    def of(self, kind: str) -> int:
        """The id of the first peer of a kind."""
        return next(id for id, peer in self.peers.items() if peer.kind == kind)

    def until(self, condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
        """Wait for a condition; the test fails if it does not come true."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                told = "\n".join(
                    f"{id} ({peer.kind}): {peer.lines()[-5:]} {peer.stderr()[-500:]}" for id, peer in self.peers.items()
                )
                pytest.fail(f"no {what} within {seconds} s\n{told}", pytrace=False)
            time.sleep(0.01)

    def leader(self) -> int:
        """The peer with the highest term whose last printed state is leader; 0 if there is none."""
        best, best_term = 0, 0
        for id, peer in self.peers.items():
            for note in reversed(peer.notes("state ")):
                _, state, _, term, _, _ = note.split()
                if state == "StateLeader" and int(term) > best_term:
                    best, best_term = id, int(term)
                break
        return best

    def elect(self, id: int) -> None:
        """Make a peer the leader, by transfer from the present one."""
        self.until(self.leader, "leader")

        def asked() -> bool:
            leader = self.leader()
            if leader == id:
                return True
            # On a busy machine there may be no leader at the moment.
            if leader:
                self[leader].say(f"!transfer {id}")
            time.sleep(0.3)
            return False

        self.until(asked, f"transfer to {id}")

    def propose(self, count: int, ids: list[int] | None = None, applied_by: list[int] | None = None) -> None:
        """Propose to some peers in turn (default: all), and wait until these or other peers have applied all."""
        through = ids or list(self.peers)
        new = [f"proposal-{len(self.texts) + i}" for i in range(count)]
        self.texts += new
        for number, text in enumerate(new):
            self[through[number % len(through)]].say(text)
        self.applied(new, applied_by or through)

    def applied(self, texts: list[str], ids: list[int]) -> None:
        """Wait until these peers have applied these proposals, and propose lost ones again."""
        wanted = {text.encode().hex() for text in texts}
        repeat_at = time.monotonic() + 3

        def missing() -> set[str]:
            return {data for id in ids for data in wanted - {rest.split()[1] for rest in self[id].log().values()}}

        def done() -> bool:
            nonlocal repeat_at
            leader = self.leader()
            if leader and time.monotonic() > repeat_at:
                repeat_at += 3
                self[leader].say(*(bytes.fromhex(data).decode() for data in sorted(missing())))
            return not missing()

        self.until(done, "agreement on proposals")

    def agree(self) -> None:
        """The logs agree wherever two of them have an entry, and in the end all digests are equal."""
        self.until(self._same_digests, "equal digests")
        merged: dict[int, tuple[int, str]] = {}
        for id, peer in self.peers.items():
            for index, rest in peer.log().items():
                first, expected = merged.setdefault(index, (id, rest))
                assert rest == expected, f"entry {index}: {first} has {expected}, {id} has {rest}"
        data = {rest.split()[1] for _, rest in merged.values()}
        assert data >= {text.encode().hex() for text in self.texts}

    def _same_digests(self) -> bool:
        before = {id: len(peer.notes("digest ")) for id, peer in self.peers.items()}
        for peer in self.peers.values():
            peer.say("!digest")
        self.until(lambda: all(len(p.notes("digest ")) > before[id] for id, p in self.peers.items()), "digests")
        return len({peer.notes("digest ")[-1] for peer in self.peers.values()}) == 1

    def stop(self) -> None:
        """Stop all peers; each must exit with status 0."""
        statuses = {id: peer.quit() for id, peer in self.peers.items()}
        assert set(statuses.values()) <= {0}, (statuses, [peer.stderr() for peer in self.peers.values()])
