"""Many RawNodes in many threads, one group each, share the package and immutable values without harm.

With the interpreter's lock, threads switch in the middle of anything that is not compiled. Without it they run in
parallel, and a flaw in shared free lists, constants or caches would show here.
"""

import random
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from raftcy import (
    Config,
    ConfState,
    Entry,
    MemoryStorage,
    Message,
    MessageType,
    ProposalDropped,
    RawNode,
    Snapshot,
    SnapshotMetadata,
)
from raftcy.errors import MalformedMessage
from raftcy.replica.loopback import Loopback

THREADS = 4
PAYLOADS = [b"%d" % number * (1 + number % 40) for number in range(100)]


@pytest.fixture(autouse=True)
def eager_switches() -> Iterator[None]:
    """If there is a lock, it changes hands as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[int], None]) -> None:
    """Run threads with their numbers, all from the same moment; raises what one of them raised."""
    together = threading.Barrier(THREADS)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            together.wait(60)
            work(number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Keeper:
    """A machine that keeps applied entries."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []

    def apply(self, entries: list[Entry]) -> None:
        self.kept += entries


def group(size: int, seed: int, applied: dict[int, list[Entry]]) -> Loopback:
    """A group of its own; everything that its nodes apply is kept."""
    loopback = Loopback()
    for id in range(1, size + 1):
        storage = MemoryStorage()
        members = ConfState(voters=list(range(1, size + 1)))
        storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=members, index=1, term=1)))
        config = Config(
            id=id,
            storage=storage,
            election_tick=10,
            heartbeat_tick=1,
            max_size_per_msg=2000,
            max_inflight_msgs=8,
            random=random.Random(f"{seed} {id}"),
        )
        keeper = Keeper()
        applied[id] = keeper.kept
        loopback.add(RawNode(config), storage, keeper)
    return loopback


def replicate(size: int, seed: int, count: int) -> list[list[Any]]:
    """Elections, proposals, reads, ticks and snapshots of one group; returns the applied entries as plain data."""
    applied: dict[int, list[Entry]] = {}
    loopback = group(size, seed, applied)
    draws = random.Random(seed)
    leader = 1
    loopback.find(leader).node.campaign()
    loopback.drain()
    for number in range(count):
        node = loopback.find(leader).node
        node.propose(PAYLOADS[draws.randrange(len(PAYLOADS))])
        if number % 7 == 0:
            node.read_index(b"%d" % number)
        if number % 11 == 0:
            for id in range(1, size + 1):
                loopback.find(id).node.tick()
        loopback.drain()
        if number % 50 == 49:
            leader = leader % size + 1
            loopback.find(leader).node.campaign()
            loopback.drain()
    return [[(e.term, e.index, e.data) for e in entries] for entries in applied.values()]


def test_groups_in_threads_go_as_they_go_alone() -> None:
    alone = [replicate(size=3 + 2 * (number % 2), seed=number, count=2_000) for number in range(THREADS)]
    for nodes in alone:
        assert all(node == nodes[0] for node in nodes)
        assert sum(1 for _, _, data in nodes[0] if data) == 2_000
    found: dict[int, list[list[Any]]] = {}

    def work(number: int) -> None:
        found[number] = replicate(size=3 + 2 * (number % 2), seed=number, count=2_000)

    in_threads(work)
    assert [found[number] for number in range(THREADS)] == alone


def test_nodes_come_and_go() -> None:
    """Nodes are made and dropped in one thread, or dropped in another thread than the one that made them."""
    left: list[Any] = []

    def work(number: int) -> None:
        for turn in range(200):
            applied: dict[int, list[Entry]] = {}
            loopback = group(3, number * 1000 + turn, applied)
            loopback.find(1).node.campaign()
            loopback.drain()
            loopback.find(1).node.propose(PAYLOADS[turn % 100])
            loopback.drain()
            assert [e.data for e in applied[3] if e.data] == [PAYLOADS[turn % 100]]
            left.append(loopback)
            if turn % 3 == number % 3:
                left.pop()

    in_threads(work)


def test_threads_share_immutable_values() -> None:
    """All threads read, encode, decode and compare one message and its entries, and step it into nodes."""
    entries = [Entry(term=1, index=index, data=PAYLOADS[index]) for index in range(2, 66)]
    m = Message(type=MessageType.MSG_APP, to=2, from_=1, term=1, log_term=1, index=1, entries=entries, commit=65)
    data = m.encode()

    def work(number: int) -> None:
        for _ in range(150):
            assert m.encode() == data
            assert Message.decode(data) == m
            assert repr(m) == repr(Message.decode(data))
            applied: dict[int, list[Entry]] = {}
            loopback = group(3, number, applied)
            loopback.find(2).node.step(m)
            loopback.drain()
            assert applied[2] == entries

    in_threads(work)


def test_errors_in_threads() -> None:
    """An error in one thread stays in that thread."""

    def work(number: int) -> None:
        applied: dict[int, list[Entry]] = {}
        node = group(3, number, applied).find(1).node
        last = Entry(term=1, index=2**64 - 1)
        wrong = Message(type=MessageType.MSG_APP, to=1, from_=2, term=1, index=2**64 - 2, entries=[last])
        for _ in range(300):
            with pytest.raises(ProposalDropped):
                node.propose(b"x")
            with pytest.raises(MalformedMessage, match=f"MsgApp up to index {2**64 - 1}"):
                node.step(wrong)
            node.tick()

    in_threads(work)
