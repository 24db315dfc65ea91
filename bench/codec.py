"""The codec workloads: an append with 64 entries of 128 bytes, and a heartbeat, encoded or decoded.

With ``_fields`` the message is first built from Python values, or all its fields are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .measured import Measured


def append_builder(raftcy: Any, payloads: list[bytes]) -> Callable[[], Any]:
    """A function that makes a MsgApp whose entries have their type, as in etcd's raft before 3.7."""
    message, kind, entry = raftcy.Message, raftcy.MessageType, raftcy.Entry
    return lambda: message(
        type=kind.MSG_APP,
        to=2,
        from_=1,
        term=5,
        log_term=5,
        index=1_000_000,
        entries=[entry(term=5, index=1_000_001 + i, type=0, data=data) for i, data in enumerate(payloads)],
        commit=999_999,
    )


def heartbeat_builder(raftcy: Any) -> Callable[[], Any]:
    """A function that makes a MsgHeartbeat as a leader sends it."""
    message, kind = raftcy.Message, raftcy.MessageType
    return lambda: message(type=kind.MSG_HEARTBEAT, to=2, from_=1, term=5, commit=999_999)


def builder(raftcy: Any, o: argparse.Namespace) -> Callable[[], Any]:
    """The function that makes the workload's message. It looks up raftcy's names once, as a ``from`` import does."""
    if "_hb" in o.workload:
        return heartbeat_builder(raftcy)
    payloads = [bytes([i % 256]) * (o.size or 128) for i in range(o.batch or 64)]
    return append_builder(raftcy, payloads)


def encode(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Encode a message n times."""
    build = builder(raftcy, o)
    message = build()
    out = Measured(o.n)
    last: list[bytes] = []

    def plain() -> None:
        encode_, data = message.encode, b""
        for _ in range(o.n):
            data = encode_()
        last.append(data)

    def with_fields() -> None:
        data = b""
        for _ in range(o.n):
            data = build().encode()
        last.append(data)

    out.run(with_fields if o.workload.endswith("_fields") else plain)
    if raftcy.Message.decode(last[0]) != message:
        raise SystemExit("the encoding does not decode to the message")
    out.extra["bytes"] = len(last[0])
    return out


def read(m: Any) -> int:
    """Read all fields that a node reads; returns how many there were."""
    fields = (m.type, m.to, m.from_, m.term, m.log_term, m.index, m.commit, m.reject)
    count = len(fields)
    for e in m.entries:
        fields = (e.term, e.index, e.type, e.data)
        count += len(fields)
    return count


def decode(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Decode one encoding n times."""
    message = builder(raftcy, o)()
    data = message.encode()
    out = Measured(o.n)
    last: list[Any] = []

    def plain() -> None:
        decode_, m = raftcy.Message.decode, None
        for _ in range(o.n):
            m = decode_(data)
        last.append(m)

    def with_fields() -> None:
        decode_, m = raftcy.Message.decode, None
        for _ in range(o.n):
            m = decode_(data)
            read(m)
        last.append(m)

    out.run(with_fields if o.workload.endswith("_fields") else plain)
    if last[0] != message or last[0].encode() != data:
        raise SystemExit("the decoded message differs")
    out.extra["bytes"] = len(data)
    return out
