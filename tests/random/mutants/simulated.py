"""Runs the simulator in a copy of the package with a fault in it, and keeps the table of the results.

`found.md` has a line for each fault that the simulator must find: the profile, the first seed from 1 on that breaks a
rule, and the rule. ``python -m tests.random.mutants`` writes it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .edit import Edit
from .faults import FAULTS, Fault
from .tree import run, tree

TABLE = Path(__file__).with_name("found.md")
TIMEOUT_S = 3600.0


class Found(NamedTuple):
    """The result of a hunt: the number of seeds run, and the seed that failed with the rule it broke, if one did."""

    seeds: int
    seed: int | None
    rule: str | None
    text: str


class Line(NamedTuple):
    """A line of the table."""

    name: str
    profile: str
    seeds: int
    rule: str


def simulated() -> list[Fault]:
    """The faults that the simulator must find."""
    return [fault for fault in FAULTS.values() if not fault.unseen]


def hunt(edits: Iterable[Edit], profile: str, seeds: Iterable[int]) -> Found:
    """Simulate these seeds in a copy with these edits, in order, until one fails."""
    with tree(edits) as folder:
        done = run(folder, ["-m", "tests.random.mutants.hunt", profile, *map(str, seeds)], TIMEOUT_S)
    told = done.stdout.splitlines()
    if done.returncode != 0 or not told:
        raise RuntimeError(f"the simulator did not run:\n{done.stdout}")
    return Found(**json.loads(told[-1]))


def lines() -> dict[str, Line]:
    """The table, by fault name."""
    rows = [row.strip("| ").split(" | ") for row in TABLE.read_text(encoding="utf-8").splitlines() if row[:2] == "| "]
    found = [Line(name.strip("`"), profile, int(seeds), rule) for name, _, profile, seeds, rule in rows[2:]]
    return {line.name: line for line in found}


def write(table: dict[str, Line]) -> None:
    """Write the table in the order of the faults."""
    ordered = [table[name] for name in FAULTS if name in table]
    counts = sorted(line.seeds for line in ordered)
    text = [
        "# Deliberate faults and the seeds that the simulator needs for them",
        "",
        "<!-- Written by `python -m tests.random.mutants`; not to be edited. -->",
        "",
        f"**{len(ordered)}** faults in the core and around state machines, each found:",
        f"{counts.count(1)} by the first seed,",
        f"half of them within {counts[len(counts) // 2]}, all within {counts[-1]}.",
        "Seeds are of the profile named, counted from 1, of 2,000 steps each.",
        "",
        "| fault | what goes wrong | profile | seeds | rule that breaks |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| `{each.name}` | {FAULTS[each.name].says} | {each.profile} | {each.seeds} | {each.rule} |"
            for each in ordered
        ),
        "",
    ]
    TABLE.write_text("\n".join(text), encoding="utf-8")
