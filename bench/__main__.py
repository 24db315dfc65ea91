"""``python -m bench WORKLOAD``: run one workload and print one JSON line. ``python -m bench report``: tables."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from . import codec, loop, workloads
from .group import silence

Run = Callable[[Any, argparse.Namespace], workloads.Measured]


def _replicate(nodes: int, batch: int, size: int) -> Run:
    return lambda raftcy, o: workloads.replicate(raftcy, o, o.nodes or nodes, o.batch or batch, o.size or size)


# Name -> (default n, what to run).
WORKLOADS: dict[str, tuple[int, Run]] = {
    "replicate1": (20_000, _replicate(3, 1, 128)),
    "batch": (64_000, _replicate(3, 64, 128)),
    "big": (16_000, _replicate(3, 16, 4096)),
    "single": (50_000, _replicate(1, 1, 128)),
    "five": (32_000, _replicate(5, 64, 128)),
    "readindex": (20_000, workloads.readindex),
    "ticks": (50_000, workloads.ticks),
    "election": (5_000, workloads.election),
    "transfer": (5_000, workloads.transfer),
    "codec_encode": (50_000, lambda raftcy, o: codec.encode(raftcy, o, False)),
    "codec_decode": (50_000, lambda raftcy, o: codec.decode(raftcy, o, False)),
    "codec_encode_hb": (500_000, lambda raftcy, o: codec.encode(raftcy, o, True)),
    "codec_decode_hb": (500_000, lambda raftcy, o: codec.decode(raftcy, o, True)),
    "quorum": (500_000, workloads.quorum),
    "node": (50_000, lambda raftcy, o: loop.node(raftcy, o, 1)),
    "node3": (20_000, lambda raftcy, o: loop.node(raftcy, o, 3)),
}
# What runs no group of RawNodes.
NO_CYCLE = {name for name in WORKLOADS if name.startswith(("codec", "quorum", "node"))}


def parser() -> argparse.ArgumentParser:
    """The command line that every peer program has as well."""
    p = argparse.ArgumentParser(prog="python -m bench", description="Run one workload and print one JSON line.")
    p.add_argument("workload", choices=sorted(WORKLOADS), help="what to run; or: report")
    p.add_argument("--n", type=int, help="units of the workload (entries, operations, groups times ticks)")
    p.add_argument("--nodes", type=int, help="nodes of a group, or voters for quorum")
    p.add_argument("--size", type=int, help="bytes of a proposal")
    p.add_argument("--batch", type=int, help="proposals between two drains, or entries of the codec's message")
    p.add_argument("--seed", type=int, default=1, help="of the election timeouts (default: 1)")
    p.add_argument("--groups", type=int, default=1_000, help="groups of three for ticks (default: 1000)")
    p.add_argument("--keep", type=int, default=1_000, help="entries that compaction keeps (default: 1000)")
    p.add_argument("--loop", choices=["python", "compiled"], default="python", help="what drains the group")
    return p


def main(argv: list[str]) -> int:
    """Run what the command line asks for."""
    if argv[:1] == ["report"]:
        from . import report

        return report.main(argv[1:])
    p = parser()
    o = p.parse_args(argv)
    if o.loop == "compiled" and o.workload in NO_CYCLE:
        p.error(f"there is no compiled loop for {o.workload}")
    for name in ("n", "nodes", "size", "batch", "groups", "keep"):
        value = getattr(o, name)
        if value is not None and value <= 0:
            p.error(f"--{name} must be greater than 0")
    default, run = WORKLOADS[o.workload]
    o.n = o.n or default
    silence()
    import raftcy

    if o.loop == "compiled" and raftcy.BUILD != "compiled":
        p.error("the pure build has no compiled loop")
    out = run(raftcy, o)
    out.extra["cpu_us_per_op"] = round(out.cpu_seconds / out.n * 1e6, 4)
    line = {
        "peer": "raftcy",
        "version": raftcy.__version__,
        "build": raftcy.BUILD,
        "loop": o.loop,
        "workload": o.workload,
        "n": out.n,
        "seconds": round(out.seconds, 6),
        "cpu_seconds": round(out.cpu_seconds, 6),
        "per_sec": round(out.n / out.seconds, 1),
        "extra": out.extra,
    }
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
