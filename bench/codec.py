"""The codec workloads: an append with 64 entries of 128 bytes, and a heartbeat, encoded or decoded."""

from __future__ import annotations

import argparse
from typing import Any

from .workloads import Measured


def append_message(raftcy: Any, entries: int, size: int) -> Any:
    """A MsgApp as a leader sends it."""
    batch = [raftcy.Entry(term=5, index=1_000_001 + i, data=bytes([i % 256]) * size) for i in range(entries)]
    return raftcy.Message(
        type=raftcy.MessageType.MSG_APP,
        to=2,
        from_=1,
        term=5,
        log_term=5,
        index=1_000_000,
        entries=batch,
        commit=999_999,
    )


def heartbeat_message(raftcy: Any) -> Any:
    """A MsgHeartbeat as a leader sends it."""
    return raftcy.Message(type=raftcy.MessageType.MSG_HEARTBEAT, to=2, from_=1, term=5, commit=999_999)


def encode(raftcy: Any, o: argparse.Namespace, heartbeat: bool) -> Measured:
    """Encode one message n times."""
    message = heartbeat_message(raftcy) if heartbeat else append_message(raftcy, o.batch or 64, o.size or 128)
    out = Measured(o.n)
    last: list[bytes] = []

    def work() -> None:
        encode_ = message.encode
        for _ in range(o.n - 1):
            encode_()
        last.append(encode_())

    out.run(work)
    if raftcy.Message.decode(last[0]) != message:
        raise SystemExit("the encoding does not decode to the message")
    out.extra["bytes"] = len(last[0])
    return out


def decode(raftcy: Any, o: argparse.Namespace, heartbeat: bool) -> Measured:
    """Decode one encoding n times."""
    message = heartbeat_message(raftcy) if heartbeat else append_message(raftcy, o.batch or 64, o.size or 128)
    data = message.encode()
    out = Measured(o.n)
    last: list[Any] = []

    def work() -> None:
        decode_ = raftcy.Message.decode
        for _ in range(o.n - 1):
            decode_(data)
        last.append(decode_(data))

    out.run(work)
    if last[0] != message or last[0].encode() != data:
        raise SystemExit("the decoded message differs")
    out.extra["bytes"] = len(data)
    return out
