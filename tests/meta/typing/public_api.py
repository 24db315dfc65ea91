"""A program that uses the public API, for the type checkers alone: mypy and pyright check it strictly, and nothing runs
it.
"""

from typing import Literal, assert_type

import raftcy
from raftcy import (
    BasicStatus,
    ConfChange,
    ConfChangeType,
    Config,
    ConfState,
    Driver,
    Entry,
    EntryType,
    HardState,
    LogStorage,
    MemoryStorage,
    Message,
    MessageType,
    Node,
    Peer,
    RaftError,
    RawNode,
    Ready,
    Snapshot,
    StateMachine,
    Status,
    Storage,
    check_log_storage,
    compact_log,
    decode_change,
    save_ready,
)

assert_type(raftcy.BUILD, Literal["compiled", "pure"])
assert_type(raftcy.__version__, str)


def configured(storage: Storage) -> Config:
    return Config(id=1, election_tick=10, heartbeat_tick=1, storage=storage, max_inflight_msgs=256, pre_vote=True)


class Machine:
    def apply(self, entries: list[Entry]) -> list[int]:
        return [len(entry.data) for entry in entries]

    def restore(self, snapshot: Snapshot) -> None:
        assert_type(snapshot.data, bytes)

    def capture(self) -> bytes:
        return b""


def drive(node: RawNode, storage: MemoryStorage) -> list[Message]:
    sent: list[Message] = []
    machine: StateMachine = Machine()
    driver = Driver(node, storage, machine, sent.extend)
    assert_type(driver.run(), bool)
    work = driver.poll()
    if work is not None and work.write is not None:
        sent += driver.stored(work.write)
    while (batch := driver.next_batch()) is not None:
        driver.finish(batch)
    return sent


def store(ready: Ready, storage: MemoryStorage) -> None:
    if ready.snapshot is not None:
        assert_type(ready.snapshot, Snapshot)
        storage.apply_snapshot(ready.snapshot)
    storage.append(ready.entries)
    if ready.hard_state is not None:
        assert_type(ready.hard_state, HardState)
        storage.set_hard_state(ready.hard_state)


def end(node: RawNode) -> list[Message]:
    ready = node.ready()
    assert_type(ready, Ready)
    for entry in ready.committed_entries:
        if entry.type == EntryType.CONF_CHANGE:
            assert_type(node.apply_conf_change(decode_change(entry)), ConfState)
    messages = ready.messages
    node.advance(ready)
    return messages


def keep(node: RawNode, storage: LogStorage, members: ConfState) -> int:
    """The same through the write half of a storage, up to a snapshot and a compaction."""
    assert_type(check_log_storage(storage), LogStorage)
    if node.has_ready():
        ready = node.ready()
        save_ready(storage, ready)
        storage.save(ready.hard_state, ready.entries, ready.snapshot)
        storage.sync()
        node.advance()
    applied = node.basic_status().applied
    assert_type(storage.create_snapshot(applied, members, b"state"), Snapshot)
    compact_log(storage, applied)
    storage.close()
    return storage.first_index()


kept: LogStorage = MemoryStorage()


def look(node: RawNode) -> int:
    assert_type(node.status(), Status)
    assert_type(node.basic_status(), BasicStatus)
    return node.basic_status().term


def exchange(data: bytes) -> bytes:
    message = Message.decode(data)
    if message.type == MessageType.MSG_APP:
        assert_type(message.term, int)
        assert_type(message.entries, list[Entry])
    copied = Message(type=MessageType.MSG_HUP, to=message.to, from_=message.from_)
    assert_type(copied.encode(), bytes)
    return copied.encode()


async def serve(storage: MemoryStorage) -> None:
    node = raftcy.start_node(configured(storage), [Peer(1), Peer(2, b"address")])
    assert_type(node, Node)
    async with node:
        node.tick()
        try:
            await node.propose(b"data")
            await node.propose_conf_change(ConfChange(type=ConfChangeType.ADD_NODE, node_id=3))
        except RaftError:
            await node.stop()
        async for ready in node:
            assert_type(ready, Ready)
            node.advance()
