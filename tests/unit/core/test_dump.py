"""The dump of a node is complete, and a node that loads it behaves like the original."""

import ast
import importlib
import random
from types import ModuleType
from typing import Any

import pytest

from raftcy import InvariantError, MemoryStorage, Message, MessageType, RawNode, Stopped
from raftcy.core.dump import dump, load
from raftcy.recorder.pack import pack
from raftcy_pure.core import log as pure_log
from raftcy_pure.core import outbox as pure_outbox
from raftcy_pure.core import progress as pure_progress
from raftcy_pure.core import raft as pure_raft
from raftcy_pure.core import rawnode as pure_rawnode
from raftcy_pure.core import readonly as pure_readonly
from raftcy_pure.core import tracker as pure_tracker
from raftcy_pure.core import unstable as pure_unstable
from tests.random.lockstep.cluster import Cluster, Options
from tests.random.lockstep.runs import _outcome, dead, draw
from tests.support.needs import ROOT
from tests.support.options import FLAGS
from tests.support.recording import make_config, settle, storage_of
from tests.support.state import dump_node

# Not part of the state: objects, and values kept twice for speed. The options in OPTIONS are not part of it either.
ASIDE = {
    "_died_of", "_observer", "_watched", "raft", "_log", "_random", "trace_logger", "log", "read_only", "tracker",
    "storage", "_memory", "unstable", "offer", "_peers", "_incoming", "_outgoing",
    "_plain_random", "_ticks", "has_own", "outbox", "_by_id", "_window_is_shared", "_head", "count",
}  # fmt: skip
CLASSES = [
    pure_rawnode.RawNode,
    pure_raft.Raft,
    pure_log.RaftLog,
    pure_unstable.Unstable,
    pure_tracker.ProgressTracker,
    pure_progress.Progress,
    pure_readonly.ReadOnly,
    pure_outbox.Outbox,
]
# Numbers and flags that a node takes from its Config, and that nothing changes later.
OPTIONS = {
    pure_rawnode.RawNode: {"_async"},
    pure_raft.Raft: {
        "max_msg_size", "max_uncommitted_size", "max_pending_msgs", "election_timeout",
        "heartbeat_timeout", *FLAGS,
    },
    pure_log.RaftLog: {"max_applying_size"},
    pure_tracker.ProgressTracker: {"max_inflight", "max_inflight_bytes"},
    pure_readonly.ReadOnly: {"max_pending", "option"},
}  # fmt: skip


def public(name: str) -> str:
    """The name of the property in front of an attribute that is None if empty, else the attribute's own name."""
    behind = {"_read_states", "_pending", "_votes", "_msgs", "_msgs_after_append", "_entries"}
    return name.removeprefix("_") if name in behind else name


@pytest.mark.once
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_no_attribute_is_left_out(cls: type) -> None:
    """Every attribute is named at least twice, where it is read and where it is set."""
    text = (ROOT / "raftcy/core/dump.py").read_text()
    once = {"id", "config", "progress", "_waiting", "_indexes"}  # set through another attribute
    aside = ASIDE | once | OPTIONS.get(cls, set())
    missing = [name for name in cls.__slots__ if name not in aside and text.count(f".{public(name)}") < 2]  # type: ignore[attr-defined]
    assert missing == []


def assigned_in(node: ast.AST) -> set[str]:
    """The names of attributes that the code below a node assigns, on any object, outside of __init__."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            continue
        if isinstance(child, ast.Attribute) and not isinstance(child.ctx, ast.Load):
            found.add(child.attr)
        found |= assigned_in(child)
    return found


@pytest.mark.once
def test_nothing_changes_an_option() -> None:
    """Options are not dumped, because they never change: only __init__ in the core sets them.

    (A Config fills in its own defaults.)
    """
    changed = set()
    for path in (ROOT / "raftcy/core").glob("*.py"):
        if path.name != "config.py":
            changed |= assigned_in(ast.parse(path.read_text()))
    assert {"term", "randomized_election_timeout", "_waiting"} <= changed
    assert changed & {name for names in OPTIONS.values() for name in names} == set()


def test_a_new_node_is_refused_another_ones_state() -> None:
    one, two = (RawNode(make_config(storage_of(1, 2), id=id)) for id in (1, 2))
    with pytest.raises(InvariantError, match="the state belongs to node 2, not to 1"):
        load(one, dump(two))


def test_a_dead_node_has_no_state() -> None:
    node = RawNode(make_config(storage_of(1), async_storage_writes=True))
    with pytest.raises(InvariantError):
        node.advance()
    with pytest.raises(Stopped):
        dump(node)


def copy_of(host: Any) -> Any:
    """A second node in the same state as a host's, on the same storage and with the same random numbers to come."""
    r = host.raftcy
    state = checkpoint_of(r).dump(host.node)
    source = random.Random()
    source.setstate(host.random.getstate())
    blank = r.MemoryStorage()
    config = host.config(Switch(blank), source)
    node = r.RawNode(config)
    source.setstate(host.random.getstate())
    host.random = source
    config.storage.to = host.storage
    checkpoint_of(r).load(node, state)
    assert pack(checkpoint_of(r).dump(node)) == pack(state)
    return node


class Switch:
    """A storage that forwards every call to another one."""

    def __init__(self, to: Any) -> None:
        self.to = to

    def __getattr__(self, name: str) -> Any:
        return getattr(self.to, name)


def checkpoint_of(raftcy: ModuleType) -> Any:
    return importlib.import_module(f"{raftcy.__name__}.core.dump")


@pytest.mark.parametrize("part", range(4))
def test_a_copy_goes_on_like_the_original(raftcy: ModuleType, part: int) -> None:
    """Two clusters run in lockstep; in one of them, copies keep replacing nodes."""
    replaced = 0
    for seed in range(part, 40, 4):
        rng = random.Random(seed)
        o = Options(rng)
        first, second = Cluster(raftcy, o), Cluster(raftcy, o)
        for _ in range(100):
            event = draw(rng, first, o, False)
            results = [_outcome(cluster, event) for cluster in (first, second)]
            assert results[0] == results[1], (seed, event)
            if dead(first, event[1]):
                break
            if rng.random() < 0.3:
                host = second.hosts[event[1]]
                lines = host.log.lines
                host.node = copy_of(host)
                host.log.lines = lines
                replaced += 1
    assert replaced > 100


def test_the_picture_of_the_tests_is_the_same_too() -> None:
    storage = storage_of(1, 2, 3)
    node = RawNode(make_config(storage))
    node.campaign()
    settle(node, storage)
    node.step(Message(type=MessageType.MSG_VOTE_RESP, from_=2, to=1, term=node.raft.term))
    node.propose(b"x")
    copy = RawNode(make_config(storage))
    load(copy, dump(node))
    assert dump_node(copy) == dump_node(node)
    assert MemoryStorage is type(copy.raft.log.storage)
    assert dump(copy) == dump(node)
