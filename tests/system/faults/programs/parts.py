"""What the programs share: storages that have begun, Configs, receivers, and calls that may fail."""

import asyncio
import json
import os
import random
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from raftcy import Config, ConfState, Driver, MemoryStorage, Message, RawNode, Snapshot, SnapshotMetadata

HOST = "127.0.0.1"


class Quiet:
    """A logger for nothing."""

    def isEnabledFor(self, level: int) -> bool:
        return False

    def debug(self, text: str) -> None:
        """Nothing."""

    info = warning = error = critical = debug


def snapshot(index: int = 1, voters: tuple[int, ...] = (1, 2, 3), data: bytes = b"") -> Snapshot:
    members = ConfState(voters=list(voters))
    return Snapshot(data=data, metadata=SnapshotMetadata(index=index, term=1, conf_state=members))


def begun(storage: Any = None, voters: tuple[int, ...] = (1, 2, 3)) -> Any:
    """A storage that begins with a snapshot that names the members."""
    storage = MemoryStorage() if storage is None else storage
    storage.apply_snapshot(snapshot(1, voters))
    return storage


def config(id: int, storage: Any, **options: Any) -> Config:
    given = {
        "election_tick": 10,
        "heartbeat_tick": 1,
        "max_size_per_msg": 1 << 20,
        "max_inflight_msgs": 64,
        "logger": Quiet(),
        "random": random.Random(id),
    }
    return Config(id=id, storage=storage, **(given | options))


class Member:
    """A driver with what it has sent, applied and read."""

    def __init__(self, id: int, nonce: bytes = bytes(16), **options: Any) -> None:
        self.id = id
        self.options = options
        self.storage = begun()
        self.start(nonce)

    def start(self, nonce: bytes) -> None:
        """Start, anew after a crash."""
        self.sent: list[Message] = []
        self.reads: list[Any] = []
        self.applied: list[Any] = []
        node = RawNode(config(self.id, self.storage, **self.options))
        self.driver = Driver(node, self.storage, self, self.sent.extend, nonce=nonce)
        self.node = node

    def apply(self, entries: list[Any]) -> None:
        self.applied += entries

    def work(self) -> list[Message]:
        """Work until idle, and return the messages."""
        while self.driver.run():
            pass
        self.reads += self.driver.take_reads()
        sent = list(self.sent)
        self.sent.clear()
        return sent


def exchange(members: Mapping[int, Member], keep: Callable[[Message], bool] = lambda m: False) -> list[Message]:
    """Deliver all messages until none is left, except those that ``keep`` returns True for, which come back."""
    kept: list[Message] = []
    while messages := [m for member in members.values() for m in member.work()]:
        for m in messages:
            if keep(m):
                kept.append(m)
            elif m.to in members:
                attempt(lambda m=m: members[m.to].node.step(m))
    return kept


def attempt(act: Callable[[], Any]) -> str:
    """What a call returns, or the error that it raises, without addresses in memory."""
    try:
        said = repr(act())
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    return re.sub(" at 0x[0-9a-f]+", "", said)


def kind_of(said: str) -> str:
    """The type of the error in what ``attempt`` returns."""
    return said.partition(":")[0]


class Receiver:
    """Keeps what a transport delivers and reports."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.unreachable = 0
        self.snapshots: list[Any] = []

    async def step(self, m: Message) -> None:
        self.got.append(m)

    async def step_many(self, messages: list[Message]) -> list[Any]:
        self.got += messages
        return []

    def report_unreachable(self, id: int) -> None:
        self.unreachable += 1

    def report_snapshot(self, id: int, status: Any) -> None:
        self.snapshots.append(status)


async def until(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Wait for something; return whether it came."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(0.005)
    return True


def tasks_left() -> int:
    """How many tasks there are beside this one."""
    return len(asyncio.all_tasks()) - 1


def show_each(cases: list[tuple[str, Callable[[], str]]]) -> None:
    """Print what each case gives, or that it ends the process, which is a forked one for every case that does."""
    at = 0
    while at < len(cases):
        reading, writing = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(reading)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with os.fdopen(writing, "w") as out:
                for _, act in cases[at:]:
                    out.write(json.dumps(act()) + "\n")
                    out.flush()
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answers:
            for answer in answers:
                sys.stdout.write(f"{cases[at][0]}: {json.loads(answer)}\n")
                at += 1
        os.waitpid(worker, 0)
        if at < len(cases):
            sys.stdout.write(f"{cases[at][0]}: CRASH\n")
            at += 1
    sys.stdout.flush()
