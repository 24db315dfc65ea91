"""Recordings for tests: a sink that keeps a whole recording and a small ring, and a node with every call made."""

from __future__ import annotations

import importlib
import itertools
from types import ModuleType
from typing import Any

from raftcy import (
    ConfChange,
    ConfChangeType,
    Config,
    ConfState,
    Driver,
    Entry,
    MemoryStorage,
    Message,
    MessageType,
    Peer,
    RawNode,
    Ready,
    Snapshot,
    SnapshotMetadata,
    SnapshotStatus,
)
from raftcy.recorder import Recorder, Ring

from . import network

WHOLE = 1 << 30


class TwoSinks:
    """Writes everything into a large ring that keeps it all, and into a small one."""

    def __init__(self, small: int = 4096, ring: Any = Ring) -> None:
        self.whole = ring(WHOLE)
        self.small = ring(small)
        self.deaths = 0

    def begin(self, header: bytes) -> None:
        self.whole.begin(header)
        self.small.begin(header)

    def write(self, frame: bytes) -> bool:
        self.whole.write(frame)
        return bool(self.small.write(frame))

    def checkpoint(self, frame: bytes) -> None:
        self.whole.checkpoint(frame)
        self.small.checkpoint(frame)

    def died(self) -> None:
        self.deaths += 1


def recorder_of(raftcy: ModuleType) -> Any:
    """The recorder of a build."""
    return importlib.import_module(f"{raftcy.__name__}.recorder")


def counting() -> Any:
    """A clock that counts, so that every run gives the same recording."""
    numbers = itertools.count(1)
    return lambda: next(numbers)


def make_config(storage: Any, id: int = 1, **options: Any) -> Config:
    """A Config like those of the core's tests."""
    return network.make_config(id, storage, **options)


def storage_of(*voters: int, index: int = 2) -> MemoryStorage:
    """A storage that knows its members from a snapshot."""
    storage = MemoryStorage()
    members = ConfState(voters=voters)
    storage.apply_snapshot(Snapshot(data=b"s", metadata=SnapshotMetadata(conf_state=members, index=index, term=1)))
    return storage


def save(storage: MemoryStorage, rd: Ready) -> None:
    """Store the contents of a Ready."""
    if rd.hard_state is not None:
        storage.set_hard_state(rd.hard_state)
    if rd.snapshot is not None:
        storage.apply_snapshot(rd.snapshot)
    storage.append(rd.entries)


def settle(node: Any, storage: MemoryStorage) -> list[Message]:
    """Run a node until it is idle; returns the messages that it wanted to send."""
    sent: list[Message] = []
    driver = Driver(node, storage, None, sent.extend)
    while driver.run():
        pass
    return sent


def every_call(sink: Any, **options: Any) -> RawNode:
    """A node on which every recorded call was made at least once. It ends as leader, with two peers that answer."""
    storage = MemoryStorage()
    node = Recorder(sink, counting()).make_raw(make_config(storage, **options))
    node.bootstrap([Peer(1, b"here"), Peer(2), Peer(3)])
    settle(node, storage)
    node.tick()
    node.tick_quiesced()
    node.set_randomized_election_timeout(11)
    node.campaign()
    rd = node.ready_without_accept()
    node.accept_ready(rd)
    save(storage, rd)
    node.advance()
    settle(node, storage)
    term = node.basic_status().term
    node.step(Message(type=MessageType.MSG_VOTE_RESP, from_=2, to=1, term=term))
    settle(node, storage)
    node.propose(b"data")
    node.propose(None)
    node.propose_conf_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4))
    settle(node, storage)
    last = storage.last_index()
    answers = [Message(type=MessageType.MSG_APP_RESP, from_=id, to=1, term=term, index=last) for id in (2, 3)]
    stranger = Message(type=MessageType.MSG_APP_RESP, from_=9, to=1, term=term)
    assert [place for place, _ in node.step_many([answers[0], stranger, answers[1]])] == [1]
    settle(node, storage)
    node.read_index(b"read")
    node.report_unreachable(2)
    node.report_snapshot(3, SnapshotStatus.FINISH)
    node.transfer_leader(2)
    node.forget_leader()
    settle(node, storage)
    return node


def other_start(sink: Any) -> RawNode:
    """The one call that excludes another: a start without peers."""
    node = Recorder(sink, counting()).make_raw(make_config(MemoryStorage()))
    node.begin_empty()
    return node


def small_recording() -> bytes:
    """A short recording with all kinds of answers, as bytes."""
    ring = Ring(WHOLE)
    storage = storage_of(1)
    node = Recorder(ring, counting()).make_raw(make_config(storage))
    node.campaign()
    settle(node, storage)
    node.propose(b"x")
    settle(node, storage)
    return ring.to_bytes()


def entry(index: int, term: int = 1, data: bytes = b"") -> Entry:
    """An entry."""
    return Entry(index=index, term=term, data=data)
