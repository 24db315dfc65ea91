"""None, or an item of a wrong type, where compiled code has a typed argument.

It prints what each statement returns, or the type of its error: the same on both builds, and none ends the process.
"""

from collections.abc import Callable
from functools import partial

import raftcy

from .parts import attempt, begun, config, kind_of, show_each

CALLS = """
raftcy.refuse_from_network({})
raftcy.Driver({}, None)
raftcy.Driver({}, s)
raftcy.Driver(n, s).step({})
raftcy.Loopback().add({}, None)
raftcy.Loopback().add(n, {})
raftcy.Loopback().route({})
raftcy.Loopback().route([{}])
raftcy.tick_all({})
raftcy.tick_all([{}])
raftcy.drain_all({})
raftcy.drain_all([{}])
raftcy.tick_groups({})
raftcy.tick_groups([{}])
n.step({})
n.step_many({})
n.step_many([{}])
n.accept_ready({})
n.advance({})
n.apply_conf_change({})
n.propose_conf_change({})
n.bootstrap([{}])
n.__init__({})
s.save({})
s.append({})
s.append([{}])
s.apply_snapshot({})
s.set_hard_state({})
s.create_snapshot(1, {}, b"")
s.create_snapshot(1, None, {})
raftcy.describe_message({})
raftcy.describe_entry({})
raftcy.describe_ready({})
raftcy.describe_hard_state({})
raftcy.describe_snapshot({})
raftcy.describe_conf_state({})
raftcy.describe_soft_state({})
raftcy.describe_entries({})
raftcy.describe_entries([{}])
raftcy.describe_conf_change({})
raftcy.is_empty_hard_state({})
raftcy.is_empty_snap({})
raftcy.is_hard_state_equal({}, {})
raftcy.is_hard_state_equal(raftcy.HardState(), {})
raftcy.must_sync({}, None, 0)
raftcy.must_sync(raftcy.HardState(), {}, 0)
raftcy.is_local_msg({})
raftcy.Message(entries=[{}])
raftcy.Message(responses=[{}])
raftcy.Message(snapshot={})
raftcy.Message(context={})
raftcy.Message.decode({})
raftcy.Message().__init__(entries={})
raftcy.Entry(data={})
raftcy.Snapshot(metadata={})
raftcy.SnapshotMetadata(conf_state={})
raftcy.ConfChangeV2(changes=[{}])
raftcy.ConfState(voters={})
raftcy.ConfState(voters=[{}])
raftcy.Ready(entries={})
raftcy.Ready(entries=[{}])
raftcy.Ready(messages=[{}])
"""
# What each `{}` is in turn.
VALUES = ("None", "1", "'x'", "raftcy.Message()", "object.__new__(object)")
# Objects whose `__init__` did not run, here and as an argument. (A field such as `node.raft` is left out: it may be
# read only, but Python has no way to refuse its assignment in the pure build without a cost for every access.)
HALF_MADE = """
new(raftcy.Message).encode()
repr(new(raftcy.Message))
new(raftcy.Message) == raftcy.Message()
new(raftcy.Entry).encode()
hash(new(raftcy.Entry)) == hash(raftcy.Entry())
new(raftcy.Snapshot).encode()
new(raftcy.HardState).encode()
repr(new(raftcy.Ready))
new(raftcy.Ready) == raftcy.Ready()
new(raftcy.RawNode).tick()
new(raftcy.RawNode).ready()
new(raftcy.RawNode).status()
new(raftcy.RawNode).has_ready()
new(raftcy.RawNode).step(raftcy.Message())
new(raftcy.RawNode).propose(b"")
new(raftcy.MemoryStorage).last_index()
new(raftcy.MemoryStorage).append([raftcy.Entry(term=1, index=1)])
new(raftcy.MemoryStorage).entries(1, 2, 3)
new(raftcy.Driver).run()
new(raftcy.Loopback).drain()
new(raftcy.Loopback).tick()
new(raftcy.Loopback).route([raftcy.Message()])
new(raftcy.Loopback).find(1)
n.step(new(raftcy.Message))
s.append([new(raftcy.Entry)])
s.apply_snapshot(new(raftcy.Snapshot))
s.set_hard_state(new(raftcy.HardState))
"""


def new(cls: type) -> object:
    return cls.__new__(cls)


def run(statement: str) -> str:
    storage = begun(voters=(1,))
    node = raftcy.RawNode(config(1, storage))
    names = {"raftcy": raftcy, "s": storage, "n": node, "new": new}
    return kind_of(attempt(partial(eval, statement, names)))[:100]


def main() -> None:
    statements = [line.replace("{}", value) for line in CALLS.split("\n") if line for value in VALUES]
    statements += [line for line in HALF_MADE.split("\n") if line]
    cases: list[tuple[str, Callable[[], str]]] = [(each, partial(run, each)) for each in statements]
    show_each(cases)


if __name__ == "__main__":
    main()
