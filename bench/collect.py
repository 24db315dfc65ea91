"""Runs the contestants in turns, each run in its own process, and records the machine."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raftcy._progress import Progress

from .ending import Interrupted
from .instructions import combination
from .rows import Contestant, Row

ROOT = Path(__file__).resolve().parent.parent
Runs = dict[str, dict[str, list[dict[str, Any]]]]


def run(contestant: Contestant, row: Row, scale: float) -> dict[str, Any]:
    """Run once; returns its JSON line."""
    n = max(1, int(row.n * contestant.share * scale))
    command = [*contestant.command, row.workload, "--n", str(n), *row.arguments, *contestant.options]
    environment = {**os.environ, **contestant.environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    line: dict[str, Any] = json.loads(done.stdout)
    return line


def in_turns(rows: list[Row], who: dict[str, Contestant], rounds: int, scale: float) -> Runs:
    """The lines of all runs, by row and contestant; in each round everybody runs every row once.

    Raises Interrupted, with the lines of the rounds that had ended, or with those of the first one as far as it came.
    """
    found: Runs = {row.name: {name: [] for name in row.who if name in who} for row in rows}
    count = sum(len(lines) for lines in found.values())
    for number in range(1, rounds + 1):
        this: dict[tuple[str, str], dict[str, Any]] = {}
        try:
            with Progress(f"round {number} of {rounds}") as progress:
                for row in rows:
                    for name in found[row.name]:
                        progress.show(f"{len(this) + 1} of {count} runs, {row.name} by {name}")
                        this[row.name, name] = run(who[name], row, scale)
        except KeyboardInterrupt:
            what = f"{number - 1} of {rounds} rounds" if number > 1 else f"{len(this)} of {count} runs"
            print(f"interrupted: the figures are those of {what}", file=sys.stderr)
            if number == 1:
                _add(found, this)
            raise Interrupted(found) from None
        _add(found, this)
        print(f"round {number} of {rounds} done, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    return found


def _add(found: Runs, lines: dict[tuple[str, str], dict[str, Any]]) -> None:
    for (row, name), line in lines.items():
        found[row][name].append(line)


def figures(lines: list[dict[str, Any]], clock: str) -> list[float]:
    """Microseconds per operation of each run, by the CPU or the wall clock."""
    if clock == "cpu":
        return [line["cpu_seconds"] / line["n"] * 1e6 for line in lines]
    return [line["seconds"] / line["n"] * 1e6 for line in lines]


def revision() -> str:
    """The measured commit, with ``-dirty`` if files differ from it; empty without git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """The machine and the software of the measurement."""
    configured = shlex.split(sysconfig.get_config_var("CONFIG_ARGS") or "")
    return {
        **combination(),
        "configured_with": [word for word in configured if "/" not in word],  # without folders
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "processors": os.cpu_count(),
        "load": load(),
    }


def load() -> list[float]:
    """The load averages."""
    return [round(each, 1) for each in os.getloadavg()]


def frame(before: Mapping[str, Any], rounds: int, versions: Mapping[str, str]) -> dict[str, Any]:
    """What a reader of results needs to judge them. ``before`` is the machine at the beginning; this is the end."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": rounds,
        "revision": revision(),
        "machine": before,
        "load_after": load(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def versions(runs: Runs) -> dict[str, str]:
    """Version and build of every contestant, by its own report."""
    return {
        name: f"{lines[0]['peer']} {lines[0]['version']} ({lines[0]['build']})"
        for by_name in runs.values()
        for name, lines in by_name.items()
        if lines
    }


def series(
    sizes: list[int], row_of: Callable[[int], Row], who: dict[str, Contestant], rounds: int
) -> dict[str, dict[str, float]]:
    """Best microseconds per operation, by contestant and size."""
    rows = {size: row_of(size) for size in sizes}
    runs = in_turns(list(rows.values()), who, rounds, 1.0)
    found: dict[str, dict[str, float]] = {}
    for size, row in rows.items():
        for name, lines in runs[row.name].items():
            found.setdefault(name, {})[str(size)] = min(figures(lines, row.clock))
    return found
