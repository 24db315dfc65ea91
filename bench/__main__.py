"""``python -m bench WORKLOAD``: run one workload and print one JSON line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from . import cluster, codec, loop, workloads
from .group import silence
from .measured import Measured, counts, line

Run = Callable[[Any, argparse.Namespace], Measured]


def _replicate(nodes: int, batch: int, size: int) -> Run:
    return lambda raftcy, o: workloads.replicate(raftcy, o, o.nodes or nodes, o.batch or batch, o.size or size)


# Name -> (default n, what to run). With a compiled loop: those that drive groups of RawNodes.
PROPOSALS: dict[str, tuple[int, Run]] = {
    "replicate1": (20_000, _replicate(3, 1, 128)),
    "batch": (64_000, _replicate(3, 64, 128)),
    "big": (16_000, _replicate(3, 16, 4096)),
    "single": (50_000, _replicate(1, 1, 128)),
    "five": (32_000, _replicate(5, 64, 128)),
}
GROUPS: dict[str, tuple[int, Run]] = PROPOSALS | {
    "readindex": (20_000, workloads.readindex),
    "ticks": (50_000, workloads.ticks),
    "election": (5_000, workloads.election),
    "transfer": (5_000, workloads.transfer),
}
WORKLOADS: dict[str, tuple[int, Run]] = GROUPS | {
    "codec_encode": (50_000, codec.encode),
    "codec_decode": (50_000, codec.decode),
    "codec_encode_hb": (500_000, codec.encode),
    "codec_decode_hb": (500_000, codec.decode),
    "codec_encode_fields": (10_000, codec.encode),
    "codec_decode_fields": (10_000, codec.decode),
    "codec_encode_hb_fields": (200_000, codec.encode),
    "codec_decode_hb_fields": (200_000, codec.decode),
    "quorum": (500_000, workloads.quorum),
    "node": (50_000, lambda raftcy, o: loop.node(raftcy, o, 1)),
    "node3": (20_000, lambda raftcy, o: loop.node(raftcy, o, 3)),
    "cluster": (4_000, cluster.run),
}


def parser() -> argparse.ArgumentParser:
    """The command line of every peer program as well, but for --keep, --outstanding, --loop and --batch-append.

    The latter is known to the program of raft-rs alone, which has that option too.
    """
    p = argparse.ArgumentParser(prog="python -m bench", description="Run one workload and print one JSON line.")
    p.add_argument("workload", choices=sorted(WORKLOADS), metavar="WORKLOAD", help=", ".join(sorted(WORKLOADS)))
    counts(p, "n", "nodes", "size", "batch", "groups", "keep", "outstanding")
    p.add_argument("--seed", type=int, default=1, help="of the election timeouts (default: 1)")
    p.add_argument("--loop", choices=["python", "compiled"], default="python", help="what drains the group")
    p.add_argument(
        "--batch-append", action="store_true", help="Config.batch_append, for replicate1, batch, big, single and five"
    )
    p.set_defaults(groups=1_000, keep=1_000, outstanding=1)
    return p


def main(argv: list[str]) -> int:
    """Run what the command line asks for."""
    p = parser()
    o = p.parse_args(argv)
    silence()
    import raftcy

    if o.loop == "compiled" and o.workload not in GROUPS:
        p.error(f"there is no compiled loop for {o.workload}")
    if o.batch_append and o.workload not in PROPOSALS:
        p.error(f"nothing is proposed by {o.workload}")
    if o.loop == "compiled" and raftcy.BUILD != "compiled":
        p.error("the pure build has no compiled loop")
    default, run = WORKLOADS[o.workload]
    o.n = o.n or default
    out = run(raftcy, o)
    print(line(out, "raftcy", raftcy.__version__, raftcy.BUILD, o.loop, o.workload))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
