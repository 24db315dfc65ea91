"""The rows of the tables, and the contestants in each."""

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
    # Share of a row's n: a slow contestant needs fewer operations for the same time.
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
    "pysyncobj-journal": "PySyncObj, journal",
}

_APPEND = ("python", "compiled", "pure", "rust", "rust-prost")
_GROUP = ("python", "compiled", "pure", "go37", "go36", "rust", "rust-prost")
_QUORUM = ("python", "pure", "go37", "go36", "rust", "rust-prost")
_CODEC = (*_QUORUM, "upb")
_FIELDS = ("python", "pure", "upb")
_CLUSTER = ("python", "pure", "pysyncobj", "pysyncobj-journal")
_NODE = ("python", "pure", "go37", "go36")


@dataclass(frozen=True)
class Row:
    """A workload with its arguments. With ``n`` units a compiled program runs for some tenths of a second."""

    workload: str
    n: int
    who: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    # The row's name in the tables, if not its workload's.
    called: str = ""
    # If tasks or threads wait for each other, the wall clock counts.
    clock: str = "cpu"
    only_full: bool = False

    @property
    def name(self) -> str:
        """The row's name in the tables."""
        return self.called or self.workload


ROWS = (
    Row("replicate1", 30_000, _GROUP),
    Row("batch", 96_000, _GROUP),
    Row("big", 32_000, _GROUP),
    Row("single", 100_000, _GROUP),
    Row("five", 48_000, _GROUP),
    Row("batch", 192_000, _APPEND, ("--batch-append",), "batch, batch_append"),
    Row("five", 192_000, _APPEND, ("--batch-append",), "five, batch_append"),
    Row("readindex", 60_000, _GROUP),
    Row("ticks", 100_000, _GROUP),
    Row("ticks", 200_000, _GROUP, ("--groups", "10000"), "ticks, 10,000 groups", only_full=True),
    Row("election", 15_000, _GROUP),
    Row("transfer", 15_000, _GROUP),
    Row("codec_encode", 80_000, _CODEC),
    Row("codec_decode", 40_000, _CODEC),
    Row("codec_encode_hb", 1_000_000, _CODEC),
    Row("codec_decode_hb", 1_000_000, _CODEC),
    Row("codec_encode_fields", 10_000, _FIELDS),
    Row("codec_decode_fields", 10_000, _FIELDS),
    Row("quorum", 2_000_000, _QUORUM, ("--nodes", "3"), "quorum, 3 voters"),
    Row("quorum", 1_000_000, _QUORUM, ("--nodes", "5"), "quorum, 5 voters"),
    Row("quorum", 1_000_000, _QUORUM, ("--nodes", "7"), "quorum, 7 voters"),
    Row("quorum", 100_000, _QUORUM, ("--nodes", "101"), "quorum, 101 voters"),
    Row("node", 50_000, _NODE, clock="wall"),
    Row("node3", 20_000, _NODE, clock="wall"),
    Row("cluster", 4_000, _CLUSTER, ("--outstanding", "1"), clock="wall"),
    Row("cluster", 60_000, _CLUSTER, ("--outstanding", "2000"), "cluster, 2,000 outstanding", clock="wall"),
)


def contestants(peers: dict[str, list[str]], compiled: bool) -> dict[str, Contestant]:
    """All contestants that can run here, by name, in the order of the tables."""
    ours = [PYTHON, COMPILED, PURE] if compiled else [PURE]
    theirs = [Contestant(name, LABELS[name], tuple(command)) for name, command in peers.items()]
    return {each.name: each for each in [*ours, *theirs]}
