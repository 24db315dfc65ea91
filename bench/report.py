"""``python -m bench report``: both builds taking turns over several rounds, best and median of CPU time, and ratios."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from typing import Any

# Workload -> n of the compiled build and of the pure one: about half a second each on a slow machine.
ROUNDS: dict[str, tuple[int, int]] = {
    "replicate1": (20_000, 1_500),
    "batch": (64_000, 3_200),
    "big": (16_000, 1_600),
    "single": (40_000, 5_000),
    "five": (19_200, 1_280),
    "readindex": (20_000, 2_000),
    "ticks": (50_000, 5_000),
    "election": (5_000, 500),
    "transfer": (5_000, 500),
    "codec_encode": (50_000, 2_000),
    "codec_decode": (50_000, 2_000),
    "codec_encode_hb": (300_000, 30_000),
    "codec_decode_hb": (300_000, 30_000),
    "quorum": (500_000, 100_000),
    "node": (30_000, 3_000),
    "node3": (10_000, 1_000),
}


def run(workload: str, n: int, pure: bool) -> dict[str, Any]:
    """One run in a process of its own."""
    env = dict(os.environ, RAFTCY_PURE_PYTHON="1" if pure else "0")
    command = [sys.executable, "-m", "bench", workload, "--n", str(n)]
    if workload == "ticks":
        command += ["--groups", "200" if pure else "1000"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    line: dict[str, Any] = json.loads(done.stdout)
    return line


def measure(names: list[str], rounds: int, builds: list[bool]) -> dict[tuple[str, bool], list[float]]:
    """CPU microseconds a unit, by workload and build, the builds taking turns."""
    found: dict[tuple[str, bool], list[float]] = {}
    for round_ in range(rounds):
        for name in names:
            for pure in builds:
                line = run(name, ROUNDS[name][int(pure)], pure)
                if line["build"] != ("pure" if pure else "compiled"):
                    raise SystemExit(f"asked for the {'pure' if pure else 'compiled'} build, got {line['build']}")
                found.setdefault((name, pure), []).append(line["extra"]["cpu_us_per_op"])
        print(f"round {round_ + 1} of {rounds} done", file=sys.stderr)
    return found


def table(names: list[str], found: dict[tuple[str, bool], list[float]], builds: list[bool]) -> str:
    """The figures as a Markdown table."""
    heads = ["workload"]
    for pure in builds:
        word = "pure" if pure else "compiled"
        heads += [f"{word}, best", f"{word}, median"]
    if len(builds) == 2:
        heads.append("pure / compiled")
    rows = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for name in names:
        cells = [name]
        for pure in builds:
            times = found[name, pure]
            cells += [f"{min(times):.2f}", f"{statistics.median(times):.2f}"]
        if len(builds) == 2:
            ratios = [p / c for c, p in zip(found[name, False], found[name, True], strict=True)]
            cells.append(f"{statistics.median(ratios):.1f}")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main(argv: list[str]) -> int:
    """Measure and print."""
    p = argparse.ArgumentParser(prog="python -m bench report")
    p.add_argument("workloads", nargs="*", help="default: all")
    p.add_argument("--rounds", type=int, default=5)
    o = p.parse_args(argv)
    names = o.workloads or list(ROUNDS)
    unknown = [name for name in names if name not in ROUNDS]
    if unknown:
        p.error(f"no such workload: {', '.join(unknown)}")
    import raftcy

    builds = [True] if raftcy.BUILD == "pure" else [False, True]
    if len(builds) == 1:
        print("there is no compiled build here: only the pure one is measured", file=sys.stderr)
    found = measure(names, o.rounds, builds)
    print(f"CPU microseconds a unit, {o.rounds} rounds, the builds taking turns.")
    load = os.getloadavg()[0]
    print(f"CPython {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs, load {load:.1f}.\n")
    print(table(names, found, builds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
