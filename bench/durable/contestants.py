"""The contestants, and the phases of a run.

A phase is a kind and a number: ``write64`` has 64 callers, each of which proposes a command and waits for its answer;
``many1024`` has two callers that propose 512 commands in one call; ``read64`` has 64 callers of linearizable reads.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass, field
from importlib.metadata import version

from ..peers import build

WRITES = ("write1", "write64", "write1024")
MANY = "many1024"
READS = ("read1", "read64")
PHASES = (*WRITES, MANY, *READS)
# A peer has no call for many commands: its most callers stand against it.
AGAINST = {phase: phase for phase in PHASES} | {MANY: "write1024"}


@dataclass(frozen=True)
class Contestant:
    """One implementation, or one way of running ours."""

    name: str
    label: str
    command: tuple[str, ...]
    phases: tuple[str, ...] = PHASES
    version: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    certificates: bool = False


LABELS = {
    "uvloop": "raftcy, uvloop",
    "asyncio": "raftcy, asyncio",
    "tls": "raftcy with TLS",
    "pure": "raftcy, pure build",
    "etcdraft": "etcd raft + WAL",
    "etcdraft-batch": "etcd raft + WAL, batches",
    "dragonboat": "dragonboat, tan",
    "hashicorp": "hashicorp/raft + raft-wal",
    "pysyncobj": "PySyncObj, journal",
    "pysyncobj-seq": "PySyncObj, journal, no batches",
}
OURS = ("uvloop", "asyncio", "tls", "pure")
PEERS = tuple(name for name in LABELS if name not in OURS)
# The pure build only if it is asked for: it takes long, and no aim concerns it.
DEFAULT = tuple(name for name in LABELS if name != "pure")
_GO = {
    "etcdraft": "go.etcd.io/raft/v3",
    "dragonboat": "github.com/lni/dragonboat/v4",
    "hashicorp": "github.com/hashicorp/raft",
}


def _required(module: str) -> str:
    """The version of a Go module that the peers are built with."""
    text = (build.SOURCES / "durable" / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\t{re.escape(module)} (\S+)", text, re.M)
    return found[1] if found else "unknown"


def has_uvloop() -> bool:
    """Whether uvloop is installed."""
    return importlib.util.find_spec("uvloop") is not None


def fastest_loop() -> str:
    """The event loop that stands for raftcy: uvloop where it is installed."""
    return "uvloop" if has_uvloop() else "asyncio"


def _ours(name: str) -> Contestant:
    import raftcy

    loop = name if name in ("uvloop", "asyncio") else fastest_loop()
    words = (sys.executable, "-m", "bench.durable.member", "--loop", loop)
    pure = name == "pure"
    said = f"raftcy {raftcy.__version__} ({'pure' if pure else raftcy.BUILD}, {loop})"
    environment = {"RAFTCY_PURE_PYTHON": "1" if pure or raftcy.BUILD == "pure" else "0"}
    phases = ("write64",) if name == "tls" else PHASES
    return Contestant(name, LABELS[name], words, phases, said, environment, certificates=name == "tls")


def _peer(name: str, command: list[str]) -> Contestant:
    if name.startswith("pysyncobj"):
        phases = WRITES if name == "pysyncobj" else WRITES[:1]
        return Contestant(name, LABELS[name], tuple(command), phases, f"PySyncObj {version('pysyncobj')}")
    module = _GO[name.removesuffix("-batch")]
    return Contestant(name, LABELS[name], tuple(command), (*WRITES, *READS), f"{module} {_required(module)}")


def contestants(names: list[str]) -> tuple[list[Contestant], dict[str, str]]:
    """Build and return the named contestants, and the reasons why the others are left out."""
    found, missing = [], {}
    for name in names:
        if name == "uvloop" and not has_uvloop():
            missing[name] = "uvloop is not installed"
        elif name in OURS:
            found.append(_ours(name))
        else:
            try:
                found.append(_peer(name, build.DURABLE[name]()))
            except build.Missing as reason:
                missing[name] = str(reason)
    return found, missing
