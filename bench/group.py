"""A group of RawNodes in one process, drained in a fixed order, so that every implementation sends the same messages.

A pass goes over the nodes by id: step the inbox, then handle at most one Ready (persist, send, apply, advance).
Draining ends with a pass that does nothing. ``Group`` does this in Python, as an application writes it. In
``CompiledGroup`` raftcy's ``Loopback`` does it, and only applying is Python.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from itertools import islice
from typing import Any

COMPACT_EVERY = 10_000
FIRST = 2  # index of the snapshot that each storage begins with
_CHUNK = 100_000


def config_of(raftcy: Any, id: int, storage: Any, **more: Any) -> Any:
    """The Config of every workload and every peer's program, plus the given options."""
    return raftcy.Config(
        id=id,
        election_tick=10,
        heartbeat_tick=1,
        storage=storage,
        max_size_per_msg=1 << 20,
        max_inflight_msgs=256,
        **more,
    )


class Member:
    """A node with its storage, its inbox, and its applied entries, later only their number and bytes."""

    __slots__ = ("applied", "applied_bytes", "inbox", "log", "node", "reads", "storage")
    inbox: list[Any]

    def __init__(self, raftcy: Any, id: int, storage: Any, rng: random.Random, kept: int, batch_append: bool) -> None:
        self.storage = storage
        self.node = raftcy.RawNode(
            config_of(raftcy, id, storage, applied=FIRST + kept, random=rng, batch_append=batch_append)
        )
        # None while empty, because members of idle groups should take no unnecessary memory.
        self.log: list[Any] | None = None
        self.applied = 0
        self.applied_bytes = 0
        self.reads = 0

    def apply(self, entries: list[Any]) -> None:
        """Keep committed entries."""
        if self.log is None:
            self.log = list(entries)
        else:
            self.log += entries

    def handle(self, rd: Any) -> None:
        """Keep committed entries or else count reads: no workload has both in one Ready (checked at the end)."""
        if entries := rd.committed_entries:
            if self.log is None:  # apply() written out: a call costs more than what it does
                self.log = list(entries)
            else:
                self.log += entries
        else:
            self.reads += len(rd.read_states)

    def count(self) -> None:
        """Add up the applied entries, and drop them."""
        if self.log is not None:
            self.applied += len(self.log)
            self.applied_bytes += sum([len(e.data) for e in self.log])
            self.log = None


def storages(raftcy: Any, ids: list[int], kept: int = 0) -> list[Any]:
    """A storage for each id, with a snapshot of the members and ``kept`` committed entries after it."""
    members = raftcy.ConfState(voters=ids, auto_leave=False)
    metadata = raftcy.SnapshotMetadata(conf_state=members, index=FIRST, term=1)
    made = [raftcy.MemoryStorage() for _ in ids]
    for storage in made:
        storage.apply_snapshot(raftcy.Snapshot(metadata=metadata))
    if kept:
        # Nodes of one process share their entries, as they do after replication.
        data = bytes(128)
        entries = (raftcy.Entry(term=1, index=FIRST + 1 + i, data=data) for i in range(kept))
        while chunk := list(islice(entries, _CHUNK)):
            for storage in made:
                storage.append(chunk)
        for storage in made:
            storage.set_hard_state(raftcy.HardState(term=1, commit=FIRST + kept))
    return made


class Group:
    """Members 1 to ``size``, driven by a loop in Python.

    ``compact`` leaves ``keep`` entries. If that is more than the default, they exist from the beginning.
    """

    # A loop of its own: applications write it in Python, and the benchmark compares it with the driver.

    def __init__(
        self, raftcy: Any, size: int, rng: random.Random, keep: int = 1_000, batch_append: bool = False
    ) -> None:
        ids = list(range(1, size + 1))
        self.keep = keep
        self._sent = 0
        self._save = raftcy.save_ready
        self.kept = keep if keep > COMPACT_EVERY else 0
        self.members = [
            Member(raftcy, id, storage, rng, self.kept, batch_append)
            for id, storage in zip(ids, storages(raftcy, ids, self.kept), strict=True)
        ]
        self._prepare(raftcy)

    def _prepare(self, raftcy: Any) -> None:
        """Prepare the loop."""
        for member in self.members:
            member.inbox = []

    def drain(self) -> None:
        """Pass over the members until a pass does nothing."""
        members = self.members
        busy = True
        while busy:
            busy = False
            for member in members:
                node = member.node
                inbox = member.inbox
                if inbox:
                    busy = True
                    member.inbox = []
                    if refused := node.step_many(inbox):
                        raise SystemExit(f"a message was refused: {refused}")
                messages = node.take_messages()
                if messages is None:
                    continue
                busy = True
                if messages:
                    self._deliver(messages)
                else:
                    self._handle(member, node.ready())

    def _handle(self, member: Member, rd: Any) -> None:
        """Persist, send, apply, advance."""
        save = self._save  # not a method of the group: looking that up would cost more than the call
        save(member.storage, rd)
        if messages := rd.messages:
            self._deliver(messages)
        member.handle(rd)
        member.node.advance()

    def _deliver(self, messages: list[Any]) -> None:
        self._sent += len(messages)
        members = self.members
        for m in messages:
            members[m.to - 1].inbox.append(m)

    def drainer(self) -> Callable[[], object]:
        """The function that drains."""
        return self.drain

    def reader(self, member: Member) -> Callable[[], object]:
        """The function that drains and counts the answers to a member's reads."""
        return self.drain

    def sent(self) -> int:
        """Messages sent so far."""
        return self._sent

    def tick(self) -> None:
        """Tick every member."""
        for member in self.members:
            member.node.tick()

    def compact(self) -> None:
        """Drop all but the last ``keep`` entries from each storage."""
        for member in self.members:
            member.count()
            last = member.storage.last_index()
            if last - self.keep >= member.storage.first_index():
                member.storage.compact(last - self.keep)

    def elect(self, place: int = 0) -> None:
        """Make a member the leader."""
        self.members[place].node.campaign()
        self.drain()
        if self.leader() != place:
            raise SystemExit(f"node {place + 1} was not elected")
        for member in self.members:
            member.count()

    def leader(self) -> int:
        """The leader's place in ``members``."""
        leads = {member.node.basic_status().lead for member in self.members}
        if len(leads) != 1:
            raise SystemExit(f"the members disagree on the leader: {leads}")
        return int(leads.pop()) - 1

    def check(self, entries: int, commands: int, payload: int) -> None:
        """Check that every member has committed and applied this many entries, ``commands`` of them with data."""
        index = FIRST + self.kept + entries
        for member in self.members:
            member.count()
            status = member.node.basic_status()
            found = (member.applied, member.applied_bytes, status.commit, status.applied, member.storage.last_index())
            expected = (self._handed(entries, commands), payload, index, index, index)
            if found != expected:
                raise SystemExit(f"node {status.id} ended with {found} instead of {expected}")

    def _handed(self, entries: int, commands: int) -> int:
        """How many entries an application gets. This loop also hands over the empty entries of new leaders."""
        return entries


class CompiledGroup(Group):
    """The same, driven by raftcy's compiled driver."""

    def _prepare(self, raftcy: Any) -> None:
        self.loopback = raftcy.Loopback()
        for member in self.members:
            self.loopback.add(member.node, member.storage, member)

    def _handed(self, entries: int, commands: int) -> int:
        return commands

    def reader(self, member: Member) -> Callable[[], object]:
        """The function that drains and counts the answers to a member's reads."""
        drain, take = self.loopback.drain, self.loopback.find(member.node.id).take_reads

        def read() -> None:
            drain()
            member.reads += len(take())

        return read

    def drain(self) -> None:
        """Pass over the members until a pass does nothing."""
        self.loopback.drain()

    def drainer(self) -> Callable[[], object]:
        """The function that drains: the compiled loop, without a Python frame around it."""
        drain: Callable[[], object] = self.loopback.drain
        return drain

    def sent(self) -> int:
        """Messages sent so far."""
        return int(self.loopback.sent)


class Groups:
    """Many idle groups that are ticked together."""

    def __init__(self, raftcy: Any, kind: type[Group], count: int, rng: random.Random) -> None:
        self.raftcy = raftcy
        self.all = [kind(raftcy, 3, rng) for _ in range(count)]
        for group in self.all:
            group.elect()

    def ticker(self) -> Callable[[], object]:
        """The function for one tick of all groups, with heartbeats and answers."""
        if loopbacks := [group.loopback for group in self.all if isinstance(group, CompiledGroup)]:

            def tick() -> None:
                self.raftcy.tick_groups(loopbacks)

        else:

            def tick() -> None:
                for group in self.all:
                    group.tick()
                    group.drain()

        return tick

    def sent(self) -> int:
        """Messages sent so far."""
        return sum(group.sent() for group in self.all)


def silence() -> None:
    """Turn logging off, as in every peer."""
    logging.getLogger("raftcy").setLevel(logging.CRITICAL + 1)
