"""What is compared: the rows of the tables, and who runs in them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Contestant:
    """One implementation, or one way of running ours."""

    name: str
    label: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    # Share of a row's n: a slow one needs fewer operations for the same time.
    share: float = 1.0


OURS = (sys.executable, "-m", "bench")
_BUILT, _PLAIN = {"RAFTCY_PURE_PYTHON": "0"}, {"RAFTCY_PURE_PYTHON": "1"}
PYTHON = Contestant("python", "raftcy, Python loop", OURS, _BUILT)
COMPILED = Contestant("compiled", "raftcy, compiled loop", OURS, _BUILT, ("--loop", "compiled"))
PURE = Contestant("pure", "raftcy, pure build", OURS, _PLAIN, share=0.04)
LABELS = {
    "go37": "etcd 3.7",
    "go36": "etcd 3.6",
    "rust": "raft-rs 0.7",
    "rust-prost": "raft-rs, prost",
    "upb": "protobuf (upb)",
    "pysyncobj": "PySyncObj",
}

_GROUP = ("python", "compiled", "pure", "go37", "go36", "rust", "rust-prost")
_CODEC = ("python", "pure", "go37", "go36", "rust", "rust-prost", "upb")
_FIELDS = ("python", "pure", "upb")
_CLUSTER = ("python", "pysyncobj")
_NODE = ("python", "pure", "go37", "go36")


@dataclass(frozen=True)
class Row:
    """A workload with its arguments; ``n`` takes a compiled program some tenths of a second."""

    name: str
    workload: str
    n: int
    who: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    # Where tasks and threads wait for each other, the wall clock is what counts.
    clock: str = "cpu"
    only_full: bool = False


ROWS = (
    Row("replicate1", "replicate1", 30_000, _GROUP),
    Row("batch", "batch", 96_000, _GROUP),
    Row("big", "big", 32_000, _GROUP),
    Row("single", "single", 100_000, _GROUP),
    Row("five", "five", 48_000, _GROUP),
    Row("readindex", "readindex", 60_000, _GROUP),
    Row("ticks", "ticks", 100_000, _GROUP),
    Row("ticks, 10,000 groups", "ticks", 200_000, _GROUP, ("--groups", "10000"), only_full=True),
    Row("election", "election", 15_000, _GROUP),
    Row("transfer", "transfer", 15_000, _GROUP),
    Row("codec_encode", "codec_encode", 80_000, _CODEC),
    Row("codec_decode", "codec_decode", 40_000, _CODEC),
    Row("codec_encode_hb", "codec_encode_hb", 1_000_000, _CODEC),
    Row("codec_decode_hb", "codec_decode_hb", 1_000_000, _CODEC),
    Row("codec_encode_fields", "codec_encode_fields", 10_000, _FIELDS),
    Row("codec_decode_fields", "codec_decode_fields", 10_000, _FIELDS),
    Row("quorum, 3 voters", "quorum", 2_000_000, _CODEC[:-1], ("--nodes", "3")),
    Row("quorum, 101 voters", "quorum", 100_000, _CODEC[:-1], ("--nodes", "101")),
    Row("node", "node", 50_000, _NODE, clock="wall"),
    Row("node3", "node3", 20_000, _NODE, clock="wall"),
    Row("cluster", "cluster", 4_000, ("python", "pysyncobj"), ("--outstanding", "1"), clock="wall"),
    Row(
        "cluster, 2,000 outstanding",
        "cluster",
        60_000,
        ("python", "pysyncobj"),
        ("--outstanding", "2000"),
        clock="wall",
    ),
)


def contestants(peers: dict[str, list[str]], compiled: bool) -> dict[str, Contestant]:
    """All that can run here, by name, in the order of the tables."""
    ours = [PYTHON, COMPILED, PURE] if compiled else [PURE]
    theirs = [Contestant(name, LABELS[name], tuple(command)) for name, command in peers.items()]
    return {each.name: each for each in [*ours, *theirs]}
