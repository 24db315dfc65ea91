"""asyncio Nodes for tests: a single one with its storage, and clusters whose messages the test carries."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from raftcy.core.config import Config
from raftcy.core.ready import Ready
from raftcy.core.storage import MemoryStorage
from raftcy.node import Node, restart_node
from raftcy.wire.changes import decode_change
from raftcy.wire.enums import EntryType, StateType
from raftcy.wire.messages import ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata

NO_LIMIT = 2**64 - 1


class Recorder:
    """A logger that keeps texts with their levels."""

    def __init__(self) -> None:
        self.texts: list[tuple[int, str]] = []

    def debug(self, text: str) -> None:
        self.texts.append((logging.DEBUG, text))

    def info(self, text: str) -> None:
        self.texts.append((logging.INFO, text))

    def warning(self, text: str) -> None:
        self.texts.append((logging.WARNING, text))

    def error(self, text: str) -> None:
        self.texts.append((logging.ERROR, text))

    def critical(self, text: str) -> None:
        self.texts.append((logging.CRITICAL, text))

    def of_node(self) -> list[str]:
        """The texts that the Node itself logged."""
        return [text for _, text in self.texts if text.startswith("raft.node: ")]


def storage_with(*voters: int, learners: tuple[int, ...] = ()) -> MemoryStorage:
    """An empty storage that knows its members, like those of the reference's tests."""
    storage = MemoryStorage()
    members = ConfState(voters=list(voters), learners=list(learners))
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=members)))
    return storage


def config(storage: Any, id: int = 1, **fields: Any) -> Config:
    """A Config like those of the reference's tests."""
    defaults = {"election_tick": 10, "heartbeat_tick": 1, "max_size_per_msg": NO_LIMIT, "max_inflight_msgs": 256}
    return Config(id=id, storage=storage, **(defaults | fields))


def store(storage: MemoryStorage, rd: Ready) -> None:
    """Persist the contents of a Ready."""
    if rd.snapshot is not None:
        storage.apply_snapshot(rd.snapshot)
    storage.append(rd.entries)
    if rd.hard_state is not None:
        storage.set_hard_state(rd.hard_state)


class Member:
    """A Node with its storage. Keeps committed entries and applies configuration changes.

    ``decode`` is the ``decode_change`` of the node's build.
    """

    # A loop of its own: it tests Node, one step at a time; a Driver owns a RawNode instead.

    def __init__(self, node: Node, storage: MemoryStorage, decode: Callable[[Entry], Any] = decode_change) -> None:
        self.node = node
        self.storage = storage
        self.decode = decode
        self.committed: list[Entry] = []
        self.states: list[ConfState] = []
        self.reads: list[Any] = []

    async def take(self) -> Ready:
        """The next Ready, stored and applied, but not advanced."""
        async with asyncio.timeout(5):
            rd = await self.node.ready()
        self.handle(rd)
        return rd

    def handle(self, rd: Ready) -> None:
        """Store and apply a Ready."""
        store(self.storage, rd)
        self.reads += rd.read_states
        for entry in rd.committed_entries:
            self.committed.append(entry)
            if entry.type != EntryType.NORMAL:
                self.states.append(self.node.apply_conf_change(self.decode(entry)))

    async def turn(self) -> Ready:
        """Handle one Ready completely: store, apply, advance."""
        rd = await self.take()
        self.node.advance()
        return rd

    async def settle(self) -> None:
        """Handle Readys until there are none."""
        while self.has_ready():
            await self.turn()

    def has_ready(self) -> bool:
        """Whether the state machine has a Ready to hand out."""
        return bool(self.node._raw.has_ready())

    async def nothing_is_ready(self) -> bool:
        """Whether waiting for a Ready times out."""
        try:
            async with asyncio.timeout(0.01):
                await self.node.ready()
        except TimeoutError:
            return True
        return False


def member(storage: MemoryStorage | None = None, id: int = 1, **fields: Any) -> Member:
    """A node with the configuration that its storage knows: by default only itself."""
    storage = storage_with(id) if storage is None else storage
    return Member(restart_node(config(storage, id, **fields)), storage)


async def leader(storage: MemoryStorage | None = None, **fields: Any) -> Member:
    """Node 1 alone, elected, with its first entry applied."""
    single = member(storage, **fields)
    await single.node.campaign()
    await single.settle()
    return single


class Cluster:
    """Nodes with ids 1 to n, whose messages ``pump`` carries."""

    def __init__(self, size: int, **fields: Any) -> None:
        voters = range(1, size + 1)
        self.members = {id: member(storage_with(*voters), id, **fields) for id in voters}
        self.accepts: Callable[[Message], bool] = lambda m: True
        self.seen: list[Message] = []

    def __getitem__(self, id: int) -> Member:
        return self.members[id]

    async def pump(self) -> None:
        """Handle all Readys and deliver all messages that are accepted, until none are left."""
        moved = True
        while moved:
            moved = False
            for each in self.members.values():
                while each.has_ready():
                    moved = True
                    rd = await each.turn()
                    for m in rd.messages:
                        self.seen.append(m)
                        if self.accepts(m) and m.to in self.members:
                            await self[m.to].node.step(m)

    async def elect(self, id: int) -> Member:
        """Make a node the leader."""
        await self[id].node.campaign()
        await self.pump()
        if self[id].node.status().raft_state != StateType.LEADER:
            raise RuntimeError(f"{id} was not elected")
        return self[id]

    async def stop(self) -> None:
        """Stop all nodes."""
        for each in self.members.values():
            await each.node.stop()


def hard_state(term: int, vote: int, commit: int) -> HardState:
    """A HardState with all fields."""
    return HardState(term=term, vote=vote, commit=commit)
