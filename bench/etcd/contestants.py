"""The contestants: our server on both builds and both HTTP/2 libraries, and etcd of two lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from raftcy._build import SWITCH

from ..peers.build import Missing
from . import programs

LABELS = {
    "raftcy": "raftcy-etcd",
    "pure": "raftcy-etcd, pure build, ngh2",
    "pure-h2": "raftcy-etcd, pure build, h2",
    "etcd34": "etcd 3.4",
    "etcd37": "etcd 3.7",
}
OURS = ("raftcy", "pure", "pure-h2")
PEERS = ("etcd34", "etcd37")
DEFAULT = tuple(LABELS)


@dataclass(frozen=True)
class Contestant:
    """One server: the words of its command before the flags, which are the same for all."""

    name: str
    label: str
    command: tuple[str, ...]
    version: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    is_reported_only: bool = False
    """Whether no aim concerns it: it runs fewer cases."""


def ours(name: str, folder: Path | None = None) -> Contestant:
    """One of ours. ``folder`` is the checkout whose program runs, this one by default."""
    import raftcy

    is_pure = name.startswith("pure")
    library = "h2" if name == "pure-h2" else "ngh2"
    environment = {SWITCH: "1" if is_pure or raftcy.BUILD == "pure" else "0", "RAFTCY_HTTP2": library}
    if folder is not None:
        environment["PYTHONPATH"] = str(folder)
    version = f"raftcy {raftcy.__version__} ({'pure' if is_pure else raftcy.BUILD}, {library})"
    command = (sys.executable, "-m", "raftcy.etcd.launch")
    return Contestant(name, LABELS.get(name, name), command, version, environment, is_pure)


def _peer(name: str) -> Contestant:
    find: Callable[[], Path] = programs.debian_etcd
    if name == "etcd37":
        find = lambda: programs.go_program("etcd-real")  # noqa: E731
    program = find()
    return Contestant(name, LABELS[name], (str(program),), programs.version_of(program))


def contestants(names: list[str]) -> tuple[list[Contestant], dict[str, str]]:
    """Build and return the named contestants, and the reasons why the others are left out."""
    found, missing = [], {}
    for name in names:
        try:
            found.append(ours(name) if name in OURS else _peer(name))
        except Missing as reason:
            missing[name] = str(reason)
    return found, missing
