"""The workloads on RawNode level. Each takes the package and the options, and returns what it measured.

``n`` counts the unit of the tables: entries for replicate1, batch, big, single and five, else operations, and groups
times ticks for ``ticks``. Set-up is not timed.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable
from typing import Any

from .group import Group


class Measured:
    """Time of a run, wall and CPU, and what else is worth telling."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.extra: dict[str, Any] = {}

    def run(self, work: Callable[[], None]) -> None:
        """Time ``work``."""
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.cpu_seconds += time.process_time() - cpu
        self.seconds += time.perf_counter() - wall


def replicate(raftcy: Any, o: argparse.Namespace, nodes: int, batch: int, size: int) -> Measured:
    """Proposals in batches, each batch drained."""
    group = Group(raftcy, nodes, random.Random(o.seed), o.keep)
    group.elect()
    node = group.members[0].node
    payload = bytes(range(256)) * (size // 256 + 1)
    batches = max(1, o.n // batch)
    out = Measured(batches * batch)
    before = group.messages

    def work() -> None:
        for number in range(batches):
            for place in range(batch):
                at = (number + place) % 256
                node.propose(payload[at : at + size])
            group.drain()
            group.compact()

    payload += payload[:256]
    out.run(work)
    group.check(1 + out.n, out.n * size)
    out.extra["messages_per_op"] = (group.messages - before) / out.n
    expected = {1: 0, 3: 8, 5: 16}.get(nodes)
    _expect(out, expected)
    return out


def readindex(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Safe reads, each drained."""
    group = Group(raftcy, o.nodes or 3, random.Random(o.seed))
    group.elect()
    leader = group.members[0]
    out = Measured(o.n)
    before = group.messages

    def work() -> None:
        for number in range(o.n):
            leader.node.read_index(b"%d" % number)
            group.drain()

    out.run(work)
    if leader.reads != o.n:
        raise SystemExit(f"{leader.reads} of {o.n} reads were answered")
    out.extra["messages_per_op"] = (group.messages - before) / out.n
    _expect(out, 4 if len(group.members) == 3 else None)
    return out


def ticks(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Idle groups of three: each operation is one tick of all members of a group, with heartbeats and answers."""
    rng = random.Random(o.seed)
    rss = _rss()
    groups = [Group(raftcy, 3, rng) for _ in range(o.groups)]
    for group in groups:
        group.elect()
    gc.collect()
    resident = (_rss() - rss) / (3 * o.groups)
    rounds = max(1, o.n // o.groups)
    out = Measured(rounds * o.groups)
    before = sum(group.messages for group in groups)

    def work() -> None:
        for _ in range(rounds):
            for group in groups:
                for member in group.members:
                    member.node.tick()
                group.drain()

    out.run(work)
    for group in groups:
        group.check(1, 0)
        group.leader()
    out.extra["messages_per_op"] = (sum(group.messages for group in groups) - before) / out.n
    out.extra["groups"] = o.groups
    out.extra["resident_bytes_per_node"] = round(resident)
    _expect(out, 4)
    return out


def election(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Campaigns from alternating nodes."""
    group = Group(raftcy, o.nodes or 3, random.Random(o.seed))
    group.elect()
    return _changes(group, o, lambda to: group.members[to].node.campaign(), 12)


def transfer(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Leadership transfers to the next node."""
    group = Group(raftcy, o.nodes or 3, random.Random(o.seed))
    group.elect()
    return _changes(group, o, lambda to: group.members[group.leader()].node.transfer_leader(to + 1), 13)


def _changes(group: Group, o: argparse.Namespace, change: Callable[[int], None], expected: int) -> Measured:
    out = Measured(o.n)
    before = group.messages
    size = len(group.members)

    def work() -> None:
        for number in range(1, o.n + 1):
            change(number % size)
            group.drain()
            group.compact()

    out.run(work)
    if group.leader() != o.n % size:
        raise SystemExit("the last change of leader did not come off")
    group.check(1 + o.n, 0)
    out.extra["messages_per_op"] = (group.messages - before) / out.n
    _expect(out, expected if size == 3 else None)
    return out


def quorum(raftcy: Any, o: argparse.Namespace) -> Measured:
    """The committed index of a majority, through the tracker of a node with that many voters."""
    size = o.nodes or 3
    storage = raftcy.MemoryStorage()
    members = raftcy.ConfState(voters=list(range(1, size + 1)), auto_leave=False)
    metadata = raftcy.SnapshotMetadata(conf_state=members, index=2, term=1)
    storage.apply_snapshot(raftcy.Snapshot(metadata=metadata))
    config = raftcy.Config(
        id=1, election_tick=10, heartbeat_tick=1, storage=storage, max_size_per_msg=1 << 20, max_inflight_msgs=256
    )
    tracker = raftcy.RawNode(config).raft.tracker
    rng = random.Random(o.seed)
    for pr in tracker.progress.values():
        pr.match = rng.randrange(1, 1_000_000)
    matches = sorted(pr.match for pr in tracker.progress.values())
    out = Measured(o.n)
    found = []

    def work() -> None:
        committed = tracker.committed
        for _ in range(o.n - 1):
            committed()
        found.append(committed())

    out.run(work)
    if found != [matches[size - (size // 2 + 1)]]:
        raise SystemExit(f"committed index {found} of {matches}")
    out.extra["nodes"] = size
    return out


def _expect(out: Measured, messages: int | None) -> None:
    if messages is not None and out.extra["messages_per_op"] != messages:
        raise SystemExit(f"{out.extra['messages_per_op']} messages an operation instead of {messages}")


def _rss() -> int:
    """Resident bytes of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return 0
    return pages * 4096
