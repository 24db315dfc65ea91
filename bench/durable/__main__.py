"""Compares durable replication: ``python -m bench.durable``, or ``make bench-durable ARGS=…``.

All contestants take turns in each round. It prints tables, and writes the figures into build/bench/durable. With
``--publish`` it writes bench/results/durable/DATE.json, docs/plots/durable.svg and the tables in docs/durable.md
instead. ``--from FILE`` publishes earlier figures.
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
from . import certificates, page
from .contestants import DEFAULT, LABELS, PHASES, Contestant, contestants
from .runner import NODES, Settings, real_time, run
from .syncs import Syncs, is_possible

RESULTS = ROOT / "bench" / "results" / "durable"
PLOT = ROOT / "docs" / "plots" / "durable.svg"
PAGE = ROOT / "docs" / "durable.md"


def in_turns(who: list[Contestant], phases: list[str], rounds: int, settings: Settings) -> dict[str, list[Any]]:
    """The figures of all runs, by contestant. Who fails in a round has no figures of it."""
    found: dict[str, list[Any]] = {each.name: [] for each in who}
    for number in range(1, rounds + 1):
        for each in who:
            own = [phase for phase in phases if phase in each.phases]
            if not own:
                continue
            began = time.monotonic()
            ran = run(each, own, settings)
            for figures in ran.phases:
                found[each.name].append({"round": number, **figures})
            rates = ", ".join(f"{figures['phase']} {figures['per_sec']:,.0f}" for figures in ran.phases)
            took = time.monotonic() - began
            say(f"round {number} of {rounds}, {each.label}: {rates or 'nothing'} ({took:.0f} s)")
            if ran.wrong:
                say(f"  {each.label} failed: {ran.wrong}")
    return found


def count_syncs(who: list[Contestant], settings: Settings) -> dict[str, Any]:
    """The syncs of each contestant with one command outstanding; empty without strace."""
    if not is_possible():
        say("strace is missing or may not trace: syncs are not counted")
        return {}
    found = {}
    for each in who:
        if "write1" in each.phases:
            ran = run(each, ["write1"], settings, Syncs)
            if ran.phases:
                found[each.name] = {"ops": ran.phases[0]["ops"], "syncs": ran.phases[0]["syncs"]}
            say(f"syncs of {each.label}: {found.get(each.name, ran.wrong)}")
    return found


def publish(result: dict[str, Any]) -> None:
    """Write the results, the plot, and the tables of the page."""
    from . import plot

    plot.draw(result, PLOT)
    tables.replace(PAGE, "durable", page.text(result))
    contest.save_published(result, RESULTS, PLOT, PAGE)


def measure(o: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Build, measure, and return the results."""
    who, missing = contestants(o.names or list(DEFAULT))
    settings = Settings(folder, o.seconds, o.size, priority=o.priority)
    if any(each.certificates for each in who):
        try:
            settings.certificates = certificates.make(folder / "certificates", NODES)
        except Missing as reason:
            who = [each for each in who if not each.certificates]
            missing["tls"] = str(reason)
    contest.say_left_out(missing, LABELS)
    if settings.priority and not real_time(2):
        say("there is no real-time priority here: the clocks are read late")
        settings.priority = False
    before = collect.machine()
    runs = in_turns(who, o.phases.split(","), o.rounds, settings)
    result = contest.results(before, o.rounds, who, missing, runs, seconds=o.seconds, priority=settings.priority)
    result["syncs"] = count_syncs(who, settings) if o.syncs else {}
    return result


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = ending.Parser("bench.durable", "Durable replication, ours and the peers' in turns.")
    p.add_argument("names", nargs="*", metavar="CONTESTANT", help=f"of {', '.join(LABELS)}; default: all but pure")
    p.add_argument("--seconds", type=float, default=1.0, help="of a phase (default: 1, at most 10)")
    p.add_argument("--size", type=int, default=128, help="bytes of a command (default: 128)")
    p.add_argument("--phases", default=",".join(PHASES), help=f"default: {','.join(PHASES)}")
    p.add_argument("--no-priority", dest="priority", action="store_false", help="no real-time priority")
    p.add_argument("--no-syncs", dest="syncs", action="store_false", help="do not count syncs")
    contest.add_options(p, "the results, the plot, and docs/durable.md")
    return p


def main(argv: list[str]) -> int:
    """Measure, print and write."""
    p = parser()
    o = p.parse_args(argv)
    contest.check_names(p, (o.names, LABELS), (o.phases.split(","), PHASES))
    if o.rounds < 1 or not 0 < o.seconds <= 10 or o.size < 16:
        p.error("--rounds must be at least 1, --seconds above 0 and at most 10, --size at least 16")
    if o.source is not None:
        publish(json.loads(o.source.read_text(encoding="utf-8")))
        return 0
    contest.check_system(p)
    with contest.folder_for(p, "durable", o.data) as folder:
        result = measure(o, folder)
    if o.publish:
        publish(result)
    else:
        contest.save_here(result, "durable")
    print(page.text(result))
    return 0


if __name__ == "__main__":
    sys.exit(ending.run("bench.durable", main, sys.argv[1:]))
