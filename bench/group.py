"""A group of RawNodes in one process, drained in a fixed order, so that every implementation sends the same messages.

A pass goes over the nodes by id: step the inbox, then handle at most one Ready (persist, send, apply, advance).
Draining ends with a pass that does nothing.
"""

from __future__ import annotations

import logging
import random
from typing import Any

COMPACT_EVERY = 10_000


class Member:
    """A node with its storage, its inbox, and what it has applied."""

    __slots__ = ("applied", "applied_bytes", "group", "inbox", "node", "reads", "storage")

    def __init__(self, raftcy: Any, group: Group, id: int, ids: list[int], rng: random.Random) -> None:
        self.group = group
        self.storage = raftcy.MemoryStorage()
        members = raftcy.ConfState(voters=ids, auto_leave=False)
        metadata = raftcy.SnapshotMetadata(conf_state=members, index=2, term=1)
        self.storage.apply_snapshot(raftcy.Snapshot(metadata=metadata))
        self.node = raftcy.RawNode(
            raftcy.Config(
                id=id,
                election_tick=10,
                heartbeat_tick=1,
                storage=self.storage,
                max_size_per_msg=1 << 20,
                max_inflight_msgs=256,
                random=rng,
            )
        )
        self.inbox: list[Any] = []
        self.applied = 0
        self.applied_bytes = 0
        self.reads = 0

    def handle_ready(self) -> None:
        """Persist, send, apply, advance."""
        node = self.node
        rd = node.ready()
        if rd.hard_state is not None:
            self.storage.set_hard_state(rd.hard_state)
        if rd.entries:
            self.storage.append(rd.entries)
        messages = rd.messages
        if messages:
            group = self.group
            group.messages += len(messages)
            members = group.members
            for m in messages:
                members[m.to - 1].inbox.append(m)
        for e in rd.committed_entries:
            self.applied += 1
            self.applied_bytes += len(e.data)
        self.reads += len(rd.read_states)
        node.advance()


class Group:
    """Members 1 to ``size``; ``messages`` counts everything that was sent."""

    def __init__(self, raftcy: Any, size: int, rng: random.Random, keep: int = 1_000) -> None:
        ids = list(range(1, size + 1))
        self.keep = keep
        self.messages = 0
        self.members: list[Member] = []
        self.members = [Member(raftcy, self, id, ids, rng) for id in ids]
        self.compacted_at = 0

    def drain(self) -> None:
        """Pass over the members until a pass does nothing."""
        members = self.members
        busy = True
        while busy:
            busy = False
            for member in members:
                inbox = member.inbox
                if inbox:
                    busy = True
                    member.inbox = []
                    step = member.node.step
                    for m in inbox:
                        step(m)
                if member.node.has_ready():
                    busy = True
                    member.handle_ready()

    def compact(self) -> None:
        """Every COMPACT_EVERY applied entries, drop all but the last ``keep`` from each storage."""
        applied = self.members[0].applied
        if applied - self.compacted_at < max(COMPACT_EVERY, self.keep):
            return
        self.compacted_at = applied
        for member in self.members:
            last = member.storage.last_index()
            if last - self.keep > member.storage.first_index():
                member.storage.compact(last - self.keep)

    def elect(self, place: int = 0) -> None:
        """Make a member leader."""
        self.members[place].node.campaign()
        self.drain()
        if self.leader() != place:
            raise SystemExit(f"node {place + 1} was not elected")

    def leader(self) -> int:
        """The place of the leader in ``members``."""
        leads = {member.node.basic_status().lead for member in self.members}
        if len(leads) != 1:
            raise SystemExit(f"the members disagree on the leader: {leads}")
        return int(leads.pop()) - 1

    def check(self, entries: int, payload: int) -> None:
        """Every member has committed and applied just that many entries and bytes."""
        for member in self.members:
            status = member.node.basic_status()
            found = (member.applied, member.applied_bytes, status.commit, status.applied)
            expected = (entries, payload, 2 + entries, 2 + entries)
            if found != expected:
                raise SystemExit(f"node {status.id} ended with {found} instead of {expected}")


def silence() -> None:
    """Turn logging off, as for every peer."""
    logging.getLogger("raftcy").setLevel(logging.CRITICAL + 1)
