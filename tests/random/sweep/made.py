"""What a case is made of: odd values, and an ordinary object of each class whose methods are called.

Everything is of the package `raftcy` as this process runs it, so that one expression means the same on both builds.
"""

import random
from collections.abc import Callable
from typing import Any

import raftcy
from raftcy.recorder import Recorder, Recording, Replay, Ring
from raftcy.wire.enums import MessageType


class Quiet:
    """A logger of nothing."""

    def isEnabledFor(self, level: int) -> bool:
        return False

    def debug(self, text: str) -> None:
        pass

    info = warning = error = critical = debug


class Machine:
    """A machine of nothing."""

    def apply(self, entries: list[Any]) -> list[Any]:
        return [None] * len(entries)

    def restore(self, snapshot: Any) -> None:
        pass

    def capture(self) -> bytes:
        return b""


class Index:
    """A number by `__index__` alone."""

    def __index__(self) -> int:
        return 7


class Raising:
    """Raises whatever it is asked."""

    def __index__(self) -> int:
        raise ZeroDivisionError

    def __iter__(self) -> Any:
        raise ZeroDivisionError

    def __len__(self) -> int:
        raise ZeroDivisionError

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError

    def __bool__(self) -> bool:
        raise ZeroDivisionError


def half(name: str) -> Any:
    """An object of a class whose `__init__` did not run."""
    cls = getattr(raftcy, name)
    return cls.__new__(cls)


# Each is an expression of the names of this module, so that a case can be shown and run by hand.
ODD = [
    *("None", "-1", "0", "2**63", "2**64-2", "2**64-1", "2**64", "10**300", "True", "1.5"),
    *("'a\\0b'", "b'a\\0b'", "memoryview(b'abc')[::-1]", "memoryview(bytes(8)).cast('I')"),
    *("[]", "[None]", "[1]", "(None,)", "[[]]", "{1: 2}", "iter([None])", "Index()", "Raising()", "[Raising()]"),
    *("raftcy.Message", "raftcy.Message()", "(raftcy.Message(),)", "[raftcy.Message(), None]", "raftcy.Entry()"),
    *("[raftcy.Entry(index=2**64-1)]", "[raftcy.HardState()]", "raftcy.Snapshot()", "raftcy.ConfState()"),
    *("raftcy.Ready()", "raftcy.ConfChangeV2()", "[raftcy.ReadState()]", "[node(), None]", "(node(),)", "driver()"),
    *("[loopback(), None]", "(loopback(),)", "storage()", "config()", "[raftcy.Peer(id=1)]", "half('Message')"),
    *("[half('Entry')]", "half('ConfChange')", "half('Config')", "[half('Peer')]", "half('Ready')", "snap()"),
    *("append()", "raftcy.SnapshotStatus.FAILURE"),
]

# What the other arguments of a call are, by name.
GOOD = {
    "m": "vote()",
    "messages": "[]",
    "message": "vote()",
    "config": "config()",
    "storage": "storage()",
    "node": "node()",
    "nodes": "[]",
    "groups": "[]",
    "peers": "[raftcy.Peer(id=1)]",
    "data": "b'x'",
    "rctx": "b'x'",
    "context": "b'x'",
    "status": "raftcy.SnapshotStatus.FINISH",
    "cs": "raftcy.ConfState(voters=[1])",
    "snap": "snapshot(9)",
    "snapshot": "None",
    "entries": "[raftcy.Entry(term=1, index=2)]",
    "hard_state": "raftcy.HardState(term=1, commit=1)",
    "st": "raftcy.HardState(term=1, commit=1)",
    "change": "None",
    "cc": "raftcy.ConfChange()",
    "ready": "raftcy.Ready()",
    "rd": "raftcy.Ready()",
    "write": "None",
    "batch": "None",
    "machine": "Machine()",
    "send": "None",
    "name": "'term'",
    "e": "raftcy.Entry()",
    "sink": "Ring(4096)",
    "recording": "Recording(b'')",
    "max_bytes": "4096",
    "visitor": "print",
    "file": "None",
}


def snapshot(index: int) -> Any:
    """A snapshot of one voter."""
    metadata = raftcy.SnapshotMetadata(index=index, term=1, conf_state=raftcy.ConfState(voters=[1]))
    return raftcy.Snapshot(metadata=metadata)


def vote() -> Any:
    """A request that the node answers."""
    return raftcy.Message(type=MessageType.MSG_VOTE, from_=2, to=1, term=3, index=9, log_term=2)


def append() -> Any:
    """An append that the node takes as a follower."""
    entries = [raftcy.Entry(term=2, index=2, data=b"x")]
    return raftcy.Message(
        type=MessageType.MSG_APP, from_=2, to=1, term=2, index=1, log_term=1, commit=1, entries=entries
    )


def snap() -> Any:
    """A leader's snapshot."""
    return raftcy.Message(type=MessageType.MSG_SNAP, from_=2, to=1, term=2, snapshot=snapshot(5))


def storage() -> Any:
    """A storage that holds one snapshot and the entry after it."""
    made = raftcy.MemoryStorage()
    made.save(raftcy.HardState(term=1, commit=1), [raftcy.Entry(term=1, index=2)], snapshot(1))
    return made


def config(**options: Any) -> Any:
    """A Config that works."""
    given = {
        "id": 1,
        "election_tick": 10,
        "heartbeat_tick": 1,
        "storage": storage(),
        "max_size_per_msg": 1000,
        "max_inflight_msgs": 10,
        "logger": Quiet(),
        "random": random.Random(1),
    }
    return raftcy.Config(**(given | options))


def node() -> Any:
    """The only voter of its group, and its leader."""
    given = config()
    made = raftcy.RawNode(given)
    made.campaign()
    raftcy.save_ready(given.storage, made.ready())
    made.advance()
    return made


def driver() -> Any:
    """A driver of the only voter."""
    given = config()
    return raftcy.Driver(raftcy.RawNode(given), given.storage, Machine())


def loopback() -> Any:
    """A group of one."""
    made = raftcy.Loopback()
    given = config()
    made.add(raftcy.RawNode(given), given.storage, Machine())
    return made


def status() -> Any:
    """The status of a leader."""
    return node().status()


def work() -> Any:
    """What the driver of a new leader has to say."""
    made = driver()
    made.node.campaign()
    return made.poll()


def progress() -> Any:
    """What a leader knows of itself."""
    return node().raft.tracker.progress[1].copy(None)


def running() -> Any:
    """A node in the event loop that runs."""
    return raftcy.restart_node(config())


def replay() -> Any:
    """A replay of nothing but a start."""
    ring = Ring(4096)
    Recorder(ring).make_raw(config())
    return Replay(Recording(ring.to_bytes()))


def recorder() -> Any:
    """A recorder of a ring."""
    return Recorder(Ring(4096))


OBJECTS: dict[str, Callable[[], Any]] = {
    "RawNode": node,
    "Driver": driver,
    "Loopback": loopback,
    "MemoryStorage": storage,
    "Node": running,
    "Config": config,
    "Message": vote,
    "Entry": raftcy.Entry,
    "HardState": raftcy.HardState,
    "ConfState": raftcy.ConfState,
    "Snapshot": lambda: snapshot(1),
    "SnapshotMetadata": raftcy.SnapshotMetadata,
    "ConfChange": raftcy.ConfChange,
    "ConfChangeSingle": raftcy.ConfChangeSingle,
    "ConfChangeV2": raftcy.ConfChangeV2,
    "Ready": raftcy.Ready,
    "ReadState": raftcy.ReadState,
    "SoftState": raftcy.SoftState,
    "Peer": lambda: raftcy.Peer(id=1),
    "Status": status,
    "BasicStatus": lambda: node().basic_status(),
    "Progress": progress,
    "TrackerConfig": raftcy.TrackerConfig,
    "Work": work,
    "Write": lambda: work().write,
    "Batch": lambda: raftcy.Batch(None, [], []),
    "Recorder": recorder,
    "Ring": lambda: Ring(4096),
}

# The names that the expressions use.
NAMES = {name: value for name, value in globals().items() if not name.startswith("_")}
