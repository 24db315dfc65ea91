"""Which faults a run of the suite makes: RAFTCY_MUTANTS=all, or the sixth that the state of the source chooses.

All of them take ten minutes. Each change of the package chooses another sixth, the same one on every machine, so what a
change breaks in another sixth is found a few changes later. `make mutants` makes all of them.
"""

import hashlib
import os
from collections.abc import Iterable
from functools import cache

from .edit import ROOT

PARTS = 6


@cache
def _state() -> str:
    """A digest of the package's sources."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "raftcy").rglob("*.p[yx]*")):
        if path.suffix in {".py", ".pyx", ".pxd"} and "__pycache__" not in path.parts:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def part_of(name: str, state: str) -> int:
    """The part that a name belongs to in a state of the source, from 0 on."""
    return hashlib.sha256(f"{state} {name}".encode()).digest()[0] % PARTS


def sample(names: Iterable[str]) -> list[str]:
    """The names that this run takes."""
    every = os.environ.get("RAFTCY_MUTANTS") == "all"
    return [name for name in names if every or part_of(name, _state()) == 0]
