"""Runs the simulator in a copy of the package with a fault in it, until it breaks a rule."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from .tree import Edit, run, tree

TIMEOUT_S = 3600.0


class Found(NamedTuple):
    """What came of a hunt: how many seeds were run, and the seed that failed with the rule it broke, if one did."""

    seeds: int
    seed: int | None
    rule: str | None
    text: str


def hunt(edits: Iterable[Edit], profile: str, seeds: Iterable[int]) -> Found:
    """Simulate these seeds in a copy with these edits, in order, until one fails."""
    with tree(edits) as folder:
        done = run(folder, ["-m", "tests.mutants.hunt", profile, *map(str, seeds)], TIMEOUT_S)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise RuntimeError(f"the simulator did not run:\n{done.stdout}")
    return Found(**json.loads(lines[-1]))
