"""Numbers, texts and buffers of unusual types as arguments, and mutable arguments that change after the call.

It prints what each call does: the same on both builds, and none ends the process.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import raftcy

from .parts import attempt, begun, config, show_each


class Number(int):
    """A number of a class of its own."""


class Like:
    """Not a number, but like one."""

    def __index__(self) -> int:
        return 7


VALUES: dict[str, Any] = {
    "-1": -1,
    "2**64": 2**64,
    "2**64-1": 2**64 - 1,
    "True": True,
    "1.0": 1.0,
    "'1'": "1",
    "None": None,
    "Number(3)": Number(3),
    "Like()": Like(),
    "b''": b"",
    "a bytearray": bytearray(b"q"),
    "a memoryview": memoryview(b"q"),
    "a list": [1],
    "a memoryview of numbers": memoryview(bytearray(8)).cast("I"),
    "a memoryview backwards": memoryview(b"abc")[::-1],
}
NODE = ("propose", "read_index", "transfer_leader", "report_unreachable", "propose_conf_change", "step")
NODE += ("step_many", "apply_conf_change", "bootstrap")
STORAGE = ("set_hard_state", "append", "apply_snapshot", "term", "compact")
FUNCTIONS = ("refuse_from_network", "is_empty_snap", "describe_message", "tick_all", "drain_all", "is_local_msg")
FUNCTIONS += ("conf_changes_from_string", "describe_entries", "tick_groups")
FIELDS: dict[str, tuple[str, ...]] = {
    "Entry": ("term", "index", "type", "data"),
    "HardState": ("term", "vote", "commit"),
    "Message": ("type", "to", "from_", "term", "context", "entries", "snapshot", "reject", "responses", "vote"),
    "SnapshotMetadata": ("index", "term", "conf_state"),
    "Snapshot": ("data", "metadata"),
    "ConfState": ("voters", "learners", "auto_leave"),
    "ConfChange": ("type", "node_id", "context", "id"),
    "ConfChangeV2": ("transition", "changes", "context"),
    "ConfChangeSingle": ("type", "node_id"),
    "ReadState": ("index", "request_ctx"),
    "Peer": ("id", "context"),
}


def leader() -> tuple[Any, raftcy.RawNode]:
    storage = begun(voters=(1,))
    node = raftcy.RawNode(config(1, storage))
    node.campaign()
    raftcy.save_ready(storage, node.ready())
    node.advance()
    return storage, node


def said(act: Callable[[], Any]) -> str:
    return attempt(act)[:150]


def calls(value: Any) -> list[tuple[str, Callable[[], Any]]]:
    """Every call with the value in each place."""
    found: list[tuple[str, Callable[[], Any]]] = []
    found += [(name, partial(lambda name: getattr(leader()[1], name)(value), name)) for name in NODE]
    found += [(f"storage.{name}", partial(lambda name: getattr(begun(), name)(value), name)) for name in STORAGE]
    found += [(name, partial(getattr(raftcy, name), value)) for name in FUNCTIONS]
    for cls, fields in FIELDS.items():
        found += [(f"{cls}.{field}", partial(getattr(raftcy, cls), **{field: value})) for field in fields]
    found.append(("storage.entries", lambda: begun().entries(value, value, value)))
    found.append(("storage.create_snapshot", lambda: begun().create_snapshot(value, value, value)))
    found.append(("report_snapshot", lambda: leader()[1].report_snapshot(1, value)))
    found.append(("must_sync", lambda: raftcy.must_sync(value, value, value)))
    found.append(("Message.decode", lambda: raftcy.Message.decode(value)))
    found.append(("Config.id", lambda: config(value, begun()).validate()))
    return found


def changed_buffer() -> Any:
    data = bytearray(b"abc")
    _, node = leader()
    node.propose(data)
    data[0] = 0x7A
    return node.ready().entries[-1].data


def changed_list() -> Any:
    voters = [1, 2]
    members = raftcy.ConfState(voters=voters)
    voters.append(3)
    return members.voters


def main() -> None:
    cases: list[tuple[str, Callable[[], str]]] = []
    for shown, value in VALUES.items():
        cases += [(f"{name}, {shown}", partial(said, act)) for name, act in calls(value)]
    cases.append(("a buffer that changes after it was proposed", partial(said, changed_buffer)))
    cases.append(("a list that changes after it was given", partial(said, changed_list)))
    show_each(cases)


if __name__ == "__main__":
    main()
