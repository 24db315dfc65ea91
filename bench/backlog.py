"""The cost of an operation behind a backlog of entries that a slow storage has not written, or of unconfirmed reads.

A leader of three runs alone with ``async_storage_writes``. Its followers' answers are made here, which sets the length
of the backlog. With ``backlog`` the storage stays ``waiting`` writes behind: an operation proposes, replicates and
commits one entry, and the storage reports the oldest write. With ``backlog_reads`` the network stays ``waiting``
heartbeats behind: an operation asks for a read, and the oldest heartbeat is answered. A longer backlog must not make an
operation more expensive.
"""

from __future__ import annotations

import argparse
import random
from collections import deque
from typing import Any

from .group import FIRST, config_of, storages
from .measured import Measured, expect
from .workloads import turns_of


class Leader:
    """Node 1 of three, the writes that its storage has not done, and the messages that are not answered yet."""

    def __init__(self, raftcy: Any, rng: random.Random) -> None:
        self.raftcy = raftcy
        self.storage = storages(raftcy, [1, 2, 3])[0]
        self.node = raftcy.RawNode(
            config_of(raftcy, 1, self.storage, applied=FIRST, random=rng, async_storage_writes=True)
        )
        self.driver = raftcy.Driver(self.node, self.storage)
        kind = raftcy.MessageType
        self.answers = {
            kind.MSG_APP: kind.MSG_APP_RESP,
            kind.MSG_HEARTBEAT: kind.MSG_HEARTBEAT_RESP,
            kind.MSG_VOTE: kind.MSG_VOTE_RESP,
        }
        self.writes: deque[Any] = deque()
        self.unanswered: deque[Any] = deque()
        self.messages = 0
        self.applied = 0
        self.applied_bytes = 0
        self.reads = 0
        self.node.campaign()
        self.turn()
        self.write_all()
        self.answer_all()
        self.write_all()
        if self.node.basic_status().lead != 1:
            raise SystemExit("node 1 was not elected")
        self.applied = 0

    def turn(self) -> None:
        """Handle everything except the backlog: writes, and messages to followers."""
        driver = self.driver
        while (work := driver.poll()) is not None:
            if messages := work.messages:
                self.messages += len(messages)
                self.unanswered += messages
            if (write := work.write) is not None:
                self.writes.append(write)
            while (batch := driver.next_batch()) is not None:
                for e in batch.entries:
                    self.applied += 1
                    self.applied_bytes += len(e.data)
                driver.finish(batch)

    def write(self) -> None:
        """Let the storage do its oldest writes and report them, up to the first with entries."""
        holds = False
        while self.writes and not holds:
            write = self.writes.popleft()
            entries = write.entries
            holds = len(entries) > 0
            if (state := write.hard_state) is not None:
                self.storage.set_hard_state(state)
            self.storage.append(entries)
            if messages := self.driver.stored(write):
                self.messages += len(messages)
                self.unanswered += messages
            self.turn()

    def answer(self) -> None:
        """Let a follower answer the oldest message."""
        m = self.unanswered.popleft()
        self.messages += 1
        reply = self.raftcy.Message(
            type=self.answers[m.type],
            from_=m.to,
            to=1,
            term=m.term,
            index=m.index + len(m.entries) if m.type == self.raftcy.MessageType.MSG_APP else 0,
            context=m.context,
        )
        self.node.step(reply)
        self.turn()

    def count_reads(self) -> None:
        """Count the answers to reads."""
        self.reads += len(self.driver.take_reads())

    def write_all(self) -> None:
        """Let the storage catch up."""
        while self.writes:
            self.write()

    def answer_all(self) -> None:
        """Let the followers catch up."""
        while self.unanswered:
            self.answer()

    def check(self, entries: int, payload: int, reads: int) -> None:
        """Finish the backlog, and check that exactly this much was written, applied and read."""
        self.answer_all()
        self.write_all()
        self.answer_all()
        self.count_reads()
        index = FIRST + 1 + entries
        status = self.node.basic_status()
        found = (self.applied, self.applied_bytes, self.reads, status.commit, status.applied, self.storage.last_index())
        expected = (entries, payload, reads, index, index, index)
        if found != expected:
            raise SystemExit(f"the leader ended with {found} instead of {expected}")


def entries(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Proposals at a leader whose storage stays behind."""
    leader = Leader(raftcy, random.Random(o.seed))
    propose, size = leader.node.propose, o.size or 128
    payloads = turns_of(1, size)
    for _ in range(o.waiting):
        propose(next(payloads)[0])
        leader.turn()
    leader.answer_all()
    out = Measured(o.n)
    before = leader.messages

    def work() -> None:
        for _ in range(o.n):
            propose(next(payloads)[0])
            leader.turn()
            leader.answer_all()
            leader.write()

    out.run(work)
    behind = leader.storage.last_index() + o.waiting
    if behind != leader.node.basic_status().commit:
        raise SystemExit(f"with {o.waiting} waiting entries the log would end at {behind}")
    return _done(out, leader, before, 8, (o.waiting + o.n, (o.waiting + o.n) * size, 0), o.waiting)


def reads(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Safe reads at a leader whose heartbeats are answered late."""
    leader = Leader(raftcy, random.Random(o.seed))
    read = leader.node.read_index
    for number in range(o.waiting):
        read(b"%d" % number)
        leader.turn()
    out = Measured(o.n)
    before = leader.messages

    def work() -> None:
        for number in range(o.waiting, o.waiting + o.n):
            read(b"%d" % number)
            leader.turn()
            leader.answer()
            leader.answer()

    out.run(work)
    leader.count_reads()
    if leader.reads != o.n:
        raise SystemExit(f"{leader.reads} of {o.n} reads were answered while {o.waiting} wait")
    return _done(out, leader, before, 4, (0, 0, o.waiting + o.n), o.waiting)


def _done(out: Measured, leader: Leader, before: int, each: int, ends: tuple[int, int, int], waiting: int) -> Measured:
    out.extra["messages_per_op"] = (leader.messages - before) / out.n
    out.extra["waiting"] = waiting
    expect(out, each)
    leader.check(*ends)
    return out
