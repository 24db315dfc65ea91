"""The workloads on RawNode level. Each takes the package and the options, and returns its measurements.

``n`` counts the unit of the tables: entries for replicate1, batch, big, single and five, groups times ticks for
``ticks``, else operations. Set-up is not timed. At its end every run checks the committed and applied entries and the
number of messages per unit, because figures of implementations that sent different messages cannot be compared.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

from .group import COMPACT_EVERY, CompiledGroup, Group, Groups, config_of
from .measured import Measured, expect

KINDS: dict[str, type[Group]] = {"python": Group, "compiled": CompiledGroup}


def group_of(raftcy: Any, o: argparse.Namespace, nodes: int, keep: int = 1_000, batch_append: bool = False) -> Group:
    """A group with the requested loop, its first member elected."""
    group = KINDS[o.loop](raftcy, nodes, random.Random(o.seed), keep, batch_append)
    group.elect()
    return group


def turns_of(batch: int, size: int) -> Iterator[list[bytes]]:
    """An endless sequence of batches to propose: 128 different ones, made before the measurement."""
    data = bytes(range(256)) * ((128 + batch + size) // 256 + 1)
    payloads = [data[at : at + size] for at in range(128 + batch)]
    return itertools.cycle([payloads[at : at + batch] for at in range(128)])


def replicate(raftcy: Any, o: argparse.Namespace, nodes: int, batch: int, size: int) -> Measured:
    """Propose in batches, and drain after each."""
    group = group_of(raftcy, o, nodes, o.keep, o.batch_append)
    propose, drain = group.members[0].node.propose, group.drainer()
    turns = turns_of(batch, size)
    batches = max(1, o.n // batch)
    span = max(1, COMPACT_EVERY // batch)
    out = Measured(batches * batch)
    before = group.sent()

    def work() -> None:
        for start in range(0, batches, span):
            for turn in itertools.islice(turns, min(span, batches - start)):
                for payload in turn:
                    propose(payload)
                drain()
            group.compact()

    out.run(work)
    group.check(1 + out.n, out.n, out.n * size)
    out.extra["messages_per_op"] = (group.sent() - before) / out.n
    each = {1: 0, 3: 8, 5: 16}.get(nodes)
    # With batch_append a batch goes out as one message instead of one per entry.
    expect(out, each / batch if o.batch_append and each is not None else each)
    return out


def readindex(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Safe reads, drained one by one."""
    group = group_of(raftcy, o, o.nodes or 3)
    leader = group.members[0]
    read, drain = leader.node.read_index, group.reader(leader)
    contexts = itertools.cycle([b"%d" % number for number in range(1_000)])
    out = Measured(o.n)
    before = group.sent()

    def work() -> None:
        for context in itertools.islice(contexts, o.n):
            read(context)
            drain()

    out.run(work)
    if leader.reads != o.n:
        raise SystemExit(f"{leader.reads} of {o.n} reads were answered")
    group.check(1, 0, 0)
    out.extra["messages_per_op"] = (group.sent() - before) / out.n
    expect(out, 4 if len(group.members) == 3 else None)
    return out


def ticks(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Idle groups of three: each operation ticks all members of a group, with heartbeats and answers."""
    rss = _rss()
    groups = Groups(raftcy, KINDS[o.loop], o.groups, random.Random(o.seed))
    gc.collect()
    resident = (_rss() - rss) / (3 * o.groups)
    tick = groups.ticker()
    rounds = max(1, o.n // o.groups)
    out = Measured(rounds * o.groups)
    before = groups.sent()

    def work() -> None:
        for _ in range(rounds):
            tick()

    out.run(work)
    for group in groups.all:
        group.check(1, 0, 0)
        if group.leader() != 0:
            raise SystemExit("an idle group has changed its leader")
    out.extra["messages_per_op"] = (groups.sent() - before) / out.n
    out.extra["groups"] = o.groups
    out.extra["resident_bytes_per_node"] = round(resident)
    expect(out, 4)
    return out


def election(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Campaigns from alternating nodes."""
    group = group_of(raftcy, o, o.nodes or 3)
    nodes = [member.node for member in group.members]
    return _changes(group, o, lambda at, to: nodes[to].campaign(), 12)


def transfer(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Leadership transfers to the next node."""
    group = group_of(raftcy, o, o.nodes or 3)
    nodes = [member.node for member in group.members]
    return _changes(group, o, lambda at, to: nodes[at].transfer_leader(to + 1), 13)


def _changes(group: Group, o: argparse.Namespace, change: Callable[[int, int], None], expected: int) -> Measured:
    out = Measured(o.n)
    before = group.sent()
    size = len(group.members)
    drain = group.drainer()

    def work() -> None:
        leader = 0
        for start in range(0, o.n, COMPACT_EVERY):
            for _ in range(start, min(start + COMPACT_EVERY, o.n)):
                next_leader = (leader + 1) % size
                change(leader, next_leader)
                drain()
                leader = next_leader
            group.compact()

    out.run(work)
    if group.leader() != o.n % size:
        raise SystemExit("the last leadership transfer did not succeed")
    group.check(1 + o.n, 0, 0)
    out.extra["messages_per_op"] = (group.sent() - before) / out.n
    expect(out, expected if size == 3 else None)
    return out


def quorum(raftcy: Any, o: argparse.Namespace) -> Measured:
    """The committed index of a majority, through the tracker of a node with that many voters."""
    size = o.nodes or 3
    storage = raftcy.MemoryStorage()
    members = raftcy.ConfState(voters=list(range(1, size + 1)), auto_leave=False)
    metadata = raftcy.SnapshotMetadata(conf_state=members, index=2, term=1)
    storage.apply_snapshot(raftcy.Snapshot(metadata=metadata))
    tracker = raftcy.RawNode(config_of(raftcy, 1, storage)).raft.tracker
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


def _rss() -> int:
    """Resident bytes of this process; 0 if the system does not report them."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return 0
    return pages * 4096
