"""The inputs to start from: those kept in `corpus`, the published vectors if present, and messages of random runs.

A file `corpus/TARGET.hex` has one input per line, in hexadecimal. `python -m tests.random.fuzz minimise` rewrites it.
"""

import json
import os
import random
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from tests.random.lockstep.cluster import Cluster, Options
from tests.random.lockstep.runs import draw
from tests.support.values import KINDS

FOLDER = Path(__file__).with_name("corpus")
_SHARED = Path(os.environ.get("RAFTCY_SHARED") or FOLDER.parents[3] / "shared")


def kept(target: str) -> list[bytes]:
    """The inputs that the project keeps for a target."""
    return [bytes.fromhex(line) for line in (FOLDER / f"{target}.hex").read_text().split()]


def keep(target: str, inputs: Iterable[bytes]) -> None:
    """Replace the kept inputs."""
    FOLDER.mkdir(exist_ok=True)
    lines = sorted({each.hex() for each in inputs if each}, key=lambda line: (len(line), line))
    (FOLDER / f"{target}.hex").write_text("".join(line + "\n" for line in lines))


def vectors() -> list[tuple[str, bytes]]:
    """The published encodings, each with its kind; none if the shared folder is missing."""
    path = _SHARED / "conformance" / "vectors.jsonl"
    if not path.exists():
        return []
    given = [json.loads(line) for line in path.read_text().splitlines()]
    return [(each["kind"], bytes.fromhex(each["hex"])) for each in given]


def overheard(build: ModuleType, runs: int = 4) -> list[bytes]:
    """Messages from a few random clusters."""
    heard: set[bytes] = set()
    for seed in range(runs):
        rng = random.Random(seed)
        options = Options(rng)
        cluster = Cluster(build, options)
        for _ in range(150):
            cluster.run(draw(rng, cluster, options, False))
            heard.update(cluster.flight)
    return sorted(heard)


def seeds(target: str, build: ModuleType) -> list[bytes]:
    """All inputs to start from."""
    found = kept(target) if (FOLDER / f"{target}.hex").exists() else []
    if target == "decode":
        found += [bytes([KINDS.index(kind)]) + data for kind, data in vectors()]
        found += [bytes([KINDS.index("Message")]) + data for data in overheard(build)]
    elif target == "frames":
        found += [bytes(2) + b"".join(len(m).to_bytes(4, "big") + m for m in overheard(build, 1)[:6])]
    else:
        found += [random.Random(seed).randbytes(200) for seed in range(40)]
    return found
