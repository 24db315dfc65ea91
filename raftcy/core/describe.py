"""Formats values for people and scripts, byte for byte as the ``Describe…`` functions of etcd's raft v3.7.0.

Ids in messages are hexadecimal, all other numbers decimal. The texts are not part of the protocol, and no code reads
them back.
"""

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import DecodeError
from ..wire import consts as k
from ..wire.changes import ConfChange, ConfChangeV2, conf_changes_to_string
from ..wire.gotext import quote
from ..wire.messages import ConfState, Entry, HardState, Message, Snapshot
from .hardstate import is_empty_hard_state, is_empty_snap
from .ready import SoftState

__all__ = [
    "EntryFormatter",
    "describe_conf_change",
    "describe_conf_state",
    "describe_entries",
    "describe_entry",
    "describe_hard_state",
    "describe_message",
    "describe_ready",
    "describe_snapshot",
    "describe_soft_state",
    "quote",
]

EntryFormatter = Callable[[bytes], str]
"""A function that formats the data of a normal entry, instead of ``quote`` (etcd's ``EntryFormatter``)."""

# etcd's raft prints this for changes that it cannot decode. The protobuf library varies the kind of space in it.
_UNREADABLE = "proto: cannot parse invalid wire-format data"
_TARGETS = {k.NONE: "None", k.LOCAL_APPEND_THREAD: "AppendThread", k.LOCAL_APPLY_THREAD: "ApplyThread"}


def describe_hard_state(hs: HardState) -> str:
    """Format as ``Term:2 Vote:1 Commit:11``, without the vote if it is 0 (etcd's ``DescribeHardState``)."""
    vote = f" Vote:{hs.vote}" if hs.vote else ""
    return f"Term:{hs.term}{vote} Commit:{hs.commit}"


def describe_soft_state(ss: SoftState) -> str:
    """Format as ``Lead:1 State:StateFollower`` (etcd's ``DescribeSoftState``)."""
    return f"Lead:{ss.lead} State:{ss.raft_state}"


def describe_conf_state(state: ConfState) -> str:
    """Format the five fields on one line, with ids in the order that they have (etcd's ``DescribeConfState``)."""
    return (
        f"Voters:{_numbers(state.voters)} VotersOutgoing:{_numbers(state.voters_outgoing)} "
        f"Learners:{_numbers(state.learners)} LearnersNext:{_numbers(state.learners_next)} "
        f"AutoLeave:{_boolean(state.auto_leave)}"
    )


def describe_snapshot(snap: Snapshot) -> str:
    """Format the metadata, without the data (etcd's ``DescribeSnapshot``)."""
    m = snap.metadata
    return f"Index:{m.index} Term:{m.term} ConfState:{describe_conf_state(m.conf_state)}"


def describe_entry(e: Entry, formatter: EntryFormatter | None = None) -> str:
    """Format as ``1/11 EntryNormal "a"``: term, index, type, and the data or the changes (etcd's ``DescribeEntry``).

    Changes look like ``v1 l2``. An unknown type appears as its number, without data. ``formatter`` formats the data of
    normal entries, by default ``quote``; if it returns an empty text, no space follows the type.
    """
    kind = e.type
    text = ""
    if kind == k.NORMAL:
        text = (formatter or quote)(e.data)
    elif kind == k.CONF_CHANGE:
        text = _changes(ConfChange, e.data)
    elif kind == k.CONF_CHANGE_V2:
        text = _changes(ConfChangeV2, e.data)
    return f"{e.term}/{e.index} {kind}{' ' if text else ''}{text}"


def describe_entries(ents: Iterable[Entry], formatter: EntryFormatter | None = None) -> str:
    """Format each entry as ``describe_entry`` does, followed by a newline (etcd's ``DescribeEntries``)."""
    return "".join(f"{describe_entry(e, formatter)}\n" for e in ents)


def describe_message(m: Message, formatter: EntryFormatter | None = None) -> str:
    """Format a message, without a newline at its end (etcd's ``DescribeMessage``).

    If there are several entries, each takes a line, and so does each response. The context does not appear.
    """
    return _message(m, formatter, "")


def describe_ready(rd: Any, formatter: EntryFormatter | None = None) -> str:
    """Format the parts of a Ready, each on separate lines, or ``<empty Ready>`` (etcd's ``DescribeReady``)."""
    parts = []
    if rd.soft_state is not None:
        parts.append(f"{describe_soft_state(rd.soft_state)}\n")
    if not is_empty_hard_state(rd.hard_state):
        parts.append(f"HardState {describe_hard_state(rd.hard_state)}\n")
    if rd.read_states:
        states = " ".join(f"{{{s.index} {_numbers(s.request_ctx)}}}" for s in rd.read_states)
        parts.append(f"ReadStates [{states}]\n")
    if rd.entries:
        parts.append(f"Entries:\n{describe_entries(rd.entries, formatter)}")
    if not is_empty_snap(rd.snapshot):
        parts.append(f"Snapshot {describe_snapshot(rd.snapshot)}\n")
    if rd.committed_entries:
        parts.append(f"CommittedEntries:\n{describe_entries(rd.committed_entries, formatter)}")
    if rd.messages:
        parts.append("Messages:\n")
        parts += [f"{describe_message(m, formatter)}\n" for m in rd.messages]
    if not parts:
        return "<empty Ready>"
    return f"Ready MustSync={_boolean(rd.must_sync)}:\n{''.join(parts)}"


def describe_conf_change(cc: ConfChange | ConfChangeV2) -> str:
    """Format a configuration change as log lines do (etcd's ``DescribeConfChange``); a v1 change as its v2 form."""
    v2 = cc.as_v2()
    steps = "".join(f" changes:{{type:{c.type} node_id:{c.node_id}}}" for c in v2.changes)
    context = f" context:{quote(v2.context)}" if v2.context else ""
    return f"transition:{v2.transition}{steps}{context}"


def _message(m: Message, formatter: EntryFormatter | None, indent: str) -> str:
    text = (
        f"{indent}{_target(m.from_)}->{_target(m.to)} {m.type} Term:{m.term} Log:{m.log_term}/{m.index}"
        f"{f' Rejected (Hint: {m.reject_hint})' if m.reject else ''}"
        f"{f' Commit:{m.commit}' if m.commit else ''}"
        f"{f' Vote:{m.vote}' if m.vote else ''}"
    )
    entries = [describe_entry(e, formatter) for e in m.entries]
    if len(entries) == 1:
        text += f" Entries:[{entries[0]}]"
    elif entries:
        lines = "".join(f"\n{indent}  {entry}" for entry in entries)
        text += f" Entries:[{lines}\n{indent}]"
    if m.snapshot is not None and not is_empty_snap(m.snapshot):
        text += f"\n{indent}  Snapshot: {describe_snapshot(m.snapshot)}"
    if m.responses:
        lines = "".join(f"\n{_message(r, formatter, indent + '  ')}" for r in m.responses)
        text += f" Responses:[{lines}\n{indent}]"
    return text


def _changes(cls: type[ConfChange] | type[ConfChangeV2], data: bytes) -> str:
    try:
        return conf_changes_to_string(cls.decode(data).as_v2().changes)
    except DecodeError:
        return _UNREADABLE


def _target(id: int) -> str:
    return _TARGETS.get(id) or f"{id:x}"


def _numbers(values: Iterable[int]) -> str:
    return f"[{' '.join(map(str, values))}]"


def _boolean(value: bool) -> str:
    return "true" if value else "false"
