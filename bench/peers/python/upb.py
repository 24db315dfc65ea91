"""The codec workloads on protobuf's own codec (upb): ``python -m bench.peers.python.upb WORKLOAD``.

``codec_encode`` and ``codec_decode`` encode an existing message, and decode one without reading its fields. With
``_fields``, the message is first built from Python values, or all its fields are read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from google import protobuf
from google.protobuf.internal import api_implementation

from raftcy.wire import raft_pb2

from ...measured import Measured, counts, line

WORKLOADS = {
    "codec_encode": 20_000,
    "codec_decode": 20_000,
    "codec_encode_hb": 200_000,
    "codec_decode_hb": 200_000,
    "codec_encode_fields": 5_000,
    "codec_decode_fields": 5_000,
    "codec_encode_hb_fields": 100_000,
    "codec_decode_hb_fields": 100_000,
}


def append_message(payloads: list[bytes]) -> Any:
    """A MsgApp as a leader sends it, built from Python values."""
    entry = raft_pb2.Entry
    return raft_pb2.Message(
        type=raft_pb2.MsgApp,
        to=2,
        term=5,
        logTerm=5,
        index=1_000_000,
        entries=[entry(Term=5, Index=1_000_001 + i, Type=0, Data=data) for i, data in enumerate(payloads)],
        commit=999_999,
        **{"from": 1},
    )


def heartbeat_message() -> Any:
    """A MsgHeartbeat as a leader sends it, built from Python values."""
    return raft_pb2.Message(type=raft_pb2.MsgHeartbeat, to=2, term=5, commit=999_999, **{"from": 1})


def read(m: Any) -> int:
    """Read all fields that a node reads; returns how many there were."""
    fields = (m.type, m.to, getattr(m, "from"), m.term, m.logTerm, m.index, m.commit, m.reject)
    count = len(fields)
    for e in m.entries:
        fields = (e.Term, e.Index, e.Type, e.Data)
        count += len(fields)
    return count


def work_of(name: str, build: Callable[[], Any], n: int) -> tuple[Callable[[], Any], Callable[[Any], bool]]:
    """The function to time, and whether its last result is correct."""
    message = build()
    data = message.SerializeToString()
    fields = name.endswith("_fields")
    if name.startswith("codec_encode"):
        make = build if fields else lambda: message

        def encode() -> bytes:
            out = b""
            for _ in range(n):
                out = make().SerializeToString()
            return out

        return encode, lambda out: raft_pb2.Message.FromString(out) == message

    def decode() -> Any:
        parse, out = raft_pb2.Message.FromString, None
        for _ in range(n):
            out = parse(data)
            if fields:
                read(out)
        return out

    return decode, lambda out: out == message and out.SerializeToString() == data and read(out) >= 8


def main(argv: list[str]) -> int:
    """Run one workload and print one JSON line."""
    p = argparse.ArgumentParser(prog="python -m bench.peers.python.upb")
    p.add_argument("workload", choices=sorted(WORKLOADS))
    counts(p, "n", "size", "batch")
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args(argv)
    if "_hb" in o.workload and (o.size or o.batch):
        p.error(f"{o.workload} does nothing with --size and --batch; it takes --n, --seed")
    payloads = [bytes([i % 256]) * (o.size or 128) for i in range(o.batch or 64)]
    build = heartbeat_message if "_hb" in o.workload else lambda: append_message(payloads)
    out = Measured(o.n or WORKLOADS[o.workload])
    work, right = work_of(o.workload, build, out.n)
    found: list[Any] = []
    out.run(lambda: found.append(work()))
    if not right(found[0]):
        raise SystemExit("the result differs from the message")
    out.extra["bytes"] = build().ByteSize()
    print(line(out, "protobuf", protobuf.__version__, api_implementation.Type(), "python", o.workload))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
