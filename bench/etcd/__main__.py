"""Compares the etcd server with etcd: ``python -m bench.etcd``, or ``make bench-etcd ARGS=…``.

In each round, all contestants take turns case by case. It prints tables, and writes the figures into build/bench/etcd.
With ``--publish`` it writes bench/results/etcd/DATE.json and the tables in docs/etcd-speed.md instead. ``--from FILE``
publishes earlier figures. ``--against FOLDER`` compares the server of this checkout with that of another one, which is
built, instead of with etcd.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from .. import collect, contest, ending, tables
from ..contest import say
from ..peers.build import Missing
from ..report import ROOT
from . import page, programs
from .cases import CASES, ONCE, Case, Load
from .contestants import DEFAULT, LABELS, Contestant, contestants, ours
from .servers import Broken, on_core

RESULTS = ROOT / "bench" / "results" / "etcd"
PAGE = ROOT / "docs" / "etcd-speed.md"


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
    contest.save_published(result, RESULTS, PAGE)


def measure(o: argparse.Namespace, who: list[Contestant], missing: dict[str, str], folder: Path) -> dict[str, Any]:
    """Measure, and return the results."""
    load = Load(programs.go_program("benchmark"), folder, o.share)
    before = collect.machine()
    runs = in_turns(who, [CASES[name] for name in o.cases.split(",")], o.rounds, load)
    pinned = on_core(0) is not None
    return contest.results(before, o.rounds, who, missing, runs, share=o.share, pinned=pinned)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = ending.Parser("bench.etcd", "The etcd server beside etcd, in turns.")
    p.add_argument("names", nargs="*", metavar="CONTESTANT", help=f"of {', '.join(LABELS)}; default: all")
    p.add_argument("--cases", default=",".join(CASES), help=f"default: {','.join(CASES)}")
    p.add_argument("--share", type=float, default=1.0, help="of the operations of each case (default: 1)")
    p.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout of raftcy, in the place of etcd")
    contest.add_options(p, "the results and docs/etcd-speed.md")
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
    contest.check_names(p, (o.names, LABELS), (o.cases.split(","), CASES))
    if o.rounds < 1 or not 0 < o.share <= 10:
        p.error("--rounds must be at least 1, --share above 0 and at most 10")
    if o.source is not None:
        publish(json.loads(o.source.read_text(encoding="utf-8")))
        return 0
    contest.check_system(p)
    if o.against is not None:
        there = o.against.resolve()
        who, missing = [ours("raftcy", ROOT), ours("there", there)], {}
    else:
        who, missing = contestants(o.names or list(DEFAULT))
    contest.say_left_out(missing, LABELS)
    with contest.folder_for(p, "etcd", o.data) as folder:
        try:
            result = measure(o, who, missing, folder)
        except Missing as reason:
            p.error(f"the tool is missing: {reason}")
    if o.against is not None:
        print(_compared(result, "raftcy", "there"))
        return 0
    if o.publish:
        publish(result)
    else:
        contest.save_here(result, "etcd")
    print(page.text(result))
    return 0


if __name__ == "__main__":
    sys.exit(ending.run("bench.etcd", main, sys.argv[1:]))
