"""``python -m bench WORKLOAD``: run one workload and print one JSON line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import backlog, cluster, codec, ending, loop, replica, workloads
from .group import silence
from .measured import Measured, counts, line

Run = Callable[[Any, argparse.Namespace], Measured]
COUNTS = ("n", "nodes", "size", "batch", "groups", "keep", "outstanding", "waiting")
DEFAULTS = {"groups": 1_000, "keep": 1_000, "outstanding": 1, "waiting": 1_000}


@dataclass(frozen=True)
class Workload:
    """What to run, its default n, and its options besides --n, --seed and --loop."""

    n: int
    run: Run
    takes: tuple[str, ...] = ()


def _replicate(n: int, nodes: int, batch: int, size: int) -> Workload:
    def run(raftcy: Any, o: argparse.Namespace) -> Measured:
        return workloads.replicate(raftcy, o, o.nodes or nodes, o.batch or batch, o.size or size)

    return Workload(n, run, ("nodes", "size", "batch", "keep", "batch_append"))


# These drive groups of RawNodes and have a compiled loop.
GROUPS: dict[str, Workload] = {
    "replicate1": _replicate(20_000, 3, 1, 128),
    "batch": _replicate(64_000, 3, 64, 128),
    "big": _replicate(16_000, 3, 16, 4096),
    "single": _replicate(50_000, 1, 1, 128),
    "five": _replicate(32_000, 5, 64, 128),
    "readindex": Workload(20_000, workloads.readindex, ("nodes",)),
    "ticks": Workload(50_000, workloads.ticks, ("groups",)),
    "election": Workload(5_000, workloads.election, ("nodes",)),
    "transfer": Workload(5_000, workloads.transfer, ("nodes",)),
}
WORKLOADS: dict[str, Workload] = GROUPS | {
    "codec_encode": Workload(50_000, codec.encode, ("size", "batch")),
    "codec_decode": Workload(50_000, codec.decode, ("size", "batch")),
    "codec_encode_hb": Workload(500_000, codec.encode),
    "codec_decode_hb": Workload(500_000, codec.decode),
    "codec_encode_fields": Workload(10_000, codec.encode, ("size", "batch")),
    "codec_decode_fields": Workload(10_000, codec.decode, ("size", "batch")),
    "codec_encode_hb_fields": Workload(200_000, codec.encode),
    "codec_decode_hb_fields": Workload(200_000, codec.decode),
    "quorum": Workload(500_000, workloads.quorum, ("nodes",)),
    "backlog": Workload(20_000, backlog.entries, ("size", "waiting")),
    "backlog_reads": Workload(20_000, backlog.reads, ("waiting",)),
    "node": Workload(50_000, lambda raftcy, o: loop.node(raftcy, o, 1), ("size",)),
    "node3": Workload(20_000, lambda raftcy, o: loop.node(raftcy, o, 3), ("size",)),
    "cluster": Workload(4_000, cluster.run, ("size", "outstanding")),
    "replica": Workload(20_000, lambda raftcy, o: replica.run(raftcy, o, "write"), ("size", "outstanding")),
    "replica_many": Workload(100_000, lambda raftcy, o: replica.run(raftcy, o, "many"), ("size", "outstanding")),
    "replica_read": Workload(20_000, lambda raftcy, o: replica.run(raftcy, o, "read"), ("outstanding",)),
}


def parser() -> argparse.ArgumentParser:
    """The command line.

    Every peer's program has --n, --seed, and its workload's options among --nodes, --size, --batch and --groups.
    raft-rs also has --batch-append.
    """
    p = ending.Parser("bench", "Run one workload and print one JSON line.")
    p.add_argument("workload", choices=sorted(WORKLOADS), metavar="WORKLOAD", help=", ".join(sorted(WORKLOADS)))
    counts(p, *COUNTS)
    p.add_argument("--seed", type=int, default=1, help="of the election timeouts (default: 1)")
    p.add_argument("--loop", choices=["python", "compiled"], default="python", help="what drains the group")
    p.add_argument("--batch-append", action="store_true", help="Config.batch_append, for workloads that propose")
    return p


def refused(o: argparse.Namespace) -> list[str]:
    """Given options that the workload does not use."""
    takes = ("n", *WORKLOADS[o.workload].takes)
    return [name for name in (*COUNTS, "batch_append") if getattr(o, name) and name not in takes]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def main(argv: list[str]) -> int:
    """Run the command line."""
    p = parser()
    o = p.parse_args(argv)
    silence()
    import raftcy

    if o.loop == "compiled" and o.workload not in GROUPS:
        p.error(f"there is no compiled loop for {o.workload}")
    workload = WORKLOADS[o.workload]
    if wrong := refused(o):
        takes = ", ".join(_option(name) for name in ("n", "seed", *workload.takes))
        p.error(f"{o.workload} does nothing with {', '.join(map(_option, wrong))}; it takes {takes}")
    if o.loop == "compiled" and raftcy.BUILD != "compiled":
        p.error("the pure build has no compiled loop")
    for name, value in DEFAULTS.items():
        setattr(o, name, getattr(o, name) or value)
    o.n = o.n or workload.n
    out = workload.run(raftcy, o)
    print(line(out, "raftcy", raftcy.__version__, raftcy.BUILD, o.loop, o.workload))
    return 0


if __name__ == "__main__":
    sys.exit(ending.run("bench", main, sys.argv[1:]))
