"""Compares the etcd server with etcd: ``python -m bench.etcd``, or ``make bench-etcd ARGS=…``.

In each round, all contestants take turns case by case. It prints tables, and writes the figures into build/bench/etcd.
With ``--publish`` it writes bench/results/etcd/DATE.json and the tables in docs/etcd-speed.md instead. ``--from FILE``
publishes earlier figures. ``--against FOLDER`` compares the server of this checkout with that of another one, which is
built, instead of with etcd.
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .. import collect, ending, tables
from ..peers.build import OUT, Missing
from ..report import ROOT, save
from . import page, programs
from .cases import CASES, ONCE, Case, Load
from .contestants import DEFAULT, LABELS, Contestant, contestants, ours
from .servers import Broken, on_core

RESULTS = ROOT / "bench" / "results" / "etcd"
PAGE = ROOT / "docs" / "etcd-speed.md"


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def in_turns(who: list[Contestant], cases: list[Case], rounds: int, load: Load) -> dict[str, list[Any]]:
    """The figures of all runs, by contestant. Who fails in a case has no figures of that round."""
    found: dict[str, list[Any]] = {each.name: [] for each in who}
    for number in range(1, rounds + 1):
        for case in cases:
            if number > 1 and case.name in ONCE:
                continue
            for each in who:
                if each.is_reported_only and not case.is_for_all:
                    continue
                began_s = time.monotonic()
                try:
                    figures = case.measure(each, load)
                except Broken as reason:
                    say(f"  {each.label} failed at {case.head}: {reason}")
                    continue
                found[each.name].append({"round": number, "case": case.name, **figures})
                shown = ", ".join(f"{name} {value:,.4g}" for name, value in figures.items())
                took_s = time.monotonic() - began_s
                say(f"round {number} of {rounds}, {case.head}, {each.label}: {shown} ({took_s:.0f} s)")
    return found


def publish(result: dict[str, Any]) -> None:
    """Write the results, and the tables of the page."""
    tables.replace(PAGE, "etcd-speed", page.text(result))
    for path in (save(result, RESULTS), PAGE):
        say(f"wrote {path.relative_to(ROOT)}")


def measure(o: argparse.Namespace, who: list[Contestant], missing: dict[str, str], folder: Path) -> dict[str, Any]:
    """Measure, and return the results."""
    load = Load(programs.go_program("benchmark"), folder, o.share)
    before = collect.machine()
    runs = in_turns(who, [CASES[name] for name in o.cases.split(",")], o.rounds, load)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": o.rounds,
        "share": o.share,
        "pinned": on_core(0) is not None,
        "revision": collect.revision(),
        "machine": before,
        "load_after": collect.machine()["load"],
        "versions": {each.name: each.version for each in who},
        "left_out": missing,
        "runs": runs,
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = ending.Parser("bench.etcd", "The etcd server beside etcd, in turns.")
    p.add_argument("names", nargs="*", metavar="CONTESTANT", help=f"of {', '.join(LABELS)}; default: all")
    p.add_argument("--rounds", type=int, default=5, help="default: 5")
    p.add_argument("--cases", default=",".join(CASES), help=f"default: {','.join(CASES)}")
    p.add_argument("--share", type=float, default=1.0, help="of the operations of each case (default: 1)")
    p.add_argument("--data", type=Path, default=OUT, help="where the directories of the members go (default: build)")
    p.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout of raftcy, in the place of etcd")
    p.add_argument("--publish", action="store_true", help="write the results and docs/etcd-speed.md")
    p.add_argument("--from", dest="source", type=Path, metavar="FILE", help="publish earlier results, measure nothing")
    return p


def _compared(result: dict[str, Any], one: str, other: str) -> str:
    """The medians of two checkouts, and how the first compares with the second."""
    cells = []
    for case in CASES:
        for figure in page.FIGURES:
            found = [page.median(result, case, who, figure) for who in (one, other)]
            share = page.ratio(result, case, figure, one, other)
            if share is not None:
                shown = [tables.number(value) for value in found]
                cells.append([f"{CASES[case].head}, {page.FIGURES[figure]}", *shown, f"{share:.3f}"])
    return tables.table(["", "here", "there", "here by there"], cells)


def main(argv: list[str]) -> int:
    """Measure, print and write."""
    p = parser()
    o = p.parse_args(argv)
    unknown = [name for name in o.names if name not in LABELS] + [
        name for name in o.cases.split(",") if name not in CASES
    ]
    if unknown:
        p.error(f"unknown: {', '.join(unknown)}")
    if o.rounds < 1 or not 0 < o.share <= 10:
        p.error("--rounds must be at least 1, --share above 0 and at most 10")
    if o.source is not None:
        publish(json.loads(o.source.read_text(encoding="utf-8")))
        return 0
    if not Path("/proc/self/stat").exists():
        p.error("the CPU time of processes is read from /proc, which only Linux has")
    if o.against is not None:
        there = o.against.resolve()
        who, missing = [ours("raftcy", ROOT), ours("there", there)], {}
    else:
        who, missing = contestants(o.names or list(DEFAULT))
    for name, reason in missing.items():
        say(f"{LABELS[name]} is left out: {reason}")
    o.data.mkdir(parents=True, exist_ok=True)
    with (o.data / "etcd.lock").open("w") as lock, tempfile.TemporaryDirectory(prefix="etcd-", dir=o.data) as data:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            result = measure(o, who, missing, Path(data))
        except BlockingIOError:
            p.error(f"another run is using {o.data}")
        except Missing as reason:
            p.error(f"the tool is missing: {reason}")
    if o.against is not None:
        print(_compared(result, "raftcy", "there"))
        return 0
    if o.publish:
        publish(result)
    else:
        say(f"wrote {os.path.relpath(save(result, OUT / 'etcd'))}")
    print(page.text(result))
    return 0


if __name__ == "__main__":
    sys.exit(ending.run("bench.etcd", main, sys.argv[1:]))
