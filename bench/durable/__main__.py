"""Compares durable replication: ``python -m bench.durable``, or ``make bench-durable ARGS=…``.

All contestants take turns in each round. It prints tables, and writes the figures into build/bench/durable. With
``--publish`` it writes bench/results/durable/DATE.json, docs/plots/durable.svg and the tables in docs/durable.md
instead. ``--from FILE`` publishes earlier figures.
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
from . import certificates, page
from .contestants import DEFAULT, LABELS, PHASES, Contestant, contestants
from .runner import NODES, Settings, real_time, run
from .syncs import Syncs, is_possible

RESULTS = ROOT / "bench" / "results" / "durable"
PLOT = ROOT / "docs" / "plots" / "durable.svg"
PAGE = ROOT / "docs" / "durable.md"


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


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
    for path in (save(result, RESULTS), PLOT, PAGE):
        say(f"wrote {path.relative_to(ROOT)}")


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
    for name, reason in missing.items():
        say(f"{LABELS[name]} is left out: {reason}")
    if settings.priority and not real_time(2):
        say("there is no real-time priority here: the clocks are read late")
        settings.priority = False
    before = collect.machine()
    runs = in_turns(who, o.phases.split(","), o.rounds, settings)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": o.rounds,
        "seconds": o.seconds,
        "priority": settings.priority,
        "revision": collect.revision(),
        "machine": before,
        "load_after": collect.machine()["load"],
        "versions": {each.name: each.version for each in who},
        "left_out": missing,
        "runs": runs,
        "syncs": count_syncs(who, settings) if o.syncs else {},
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = ending.Parser("bench.durable", "Durable replication, ours and the peers' in turns.")
    p.add_argument("names", nargs="*", metavar="CONTESTANT", help=f"of {', '.join(LABELS)}; default: all but pure")
    p.add_argument("--rounds", type=int, default=5, help="default: 5")
    p.add_argument("--seconds", type=float, default=1.0, help="of a phase (default: 1, at most 10)")
    p.add_argument("--size", type=int, default=128, help="bytes of a command (default: 128)")
    p.add_argument("--phases", default=",".join(PHASES), help=f"default: {','.join(PHASES)}")
    p.add_argument("--data", type=Path, default=OUT, help="where the directories of the members go (default: build)")
    p.add_argument("--no-priority", dest="priority", action="store_false", help="no real-time priority")
    p.add_argument("--no-syncs", dest="syncs", action="store_false", help="do not count syncs")
    p.add_argument("--publish", action="store_true", help="write the results, the plot, and docs/durable.md")
    p.add_argument("--from", dest="source", type=Path, metavar="FILE", help="publish earlier results, measure nothing")
    return p


def main(argv: list[str]) -> int:
    """Measure, print and write."""
    p = parser()
    o = p.parse_args(argv)
    unknown = [name for name in o.names if name not in LABELS] + [
        phase for phase in o.phases.split(",") if phase not in PHASES
    ]
    if unknown:
        p.error(f"unknown: {', '.join(unknown)}")
    if o.rounds < 1 or not 0 < o.seconds <= 10 or o.size < 16:
        p.error("--rounds must be at least 1, --seconds above 0 and at most 10, --size at least 16")
    if o.source is not None:
        publish(json.loads(o.source.read_text(encoding="utf-8")))
        return 0
    if not Path("/proc/self/stat").exists():
        p.error("the CPU time of processes is read from /proc, which only Linux has")
    o.data.mkdir(parents=True, exist_ok=True)
    with (
        (o.data / "durable.lock").open("w") as lock,
        tempfile.TemporaryDirectory(prefix="durable-", dir=o.data) as data,
    ):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            p.error(f"another run is using {o.data}")
        result = measure(o, Path(data))
    if o.publish:
        publish(result)
    else:
        say(f"wrote {os.path.relpath(save(result, OUT / 'durable'))}")
    print(page.text(result))
    return 0


if __name__ == "__main__":
    sys.exit(ending.run("bench.durable", main, sys.argv[1:]))
