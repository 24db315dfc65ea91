"""What comparisons in turns share: progress, options, a folder that no other run uses, and the frame of the results."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import collect
from .peers.build import OUT
from .report import ROOT, save


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def say_left_out(missing: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """Say who is left out, and why."""
    for name, reason in missing.items():
        say(f"{labels[name]} is left out: {reason}")


def add_options(p: argparse.ArgumentParser, written: str) -> None:
    """Add the options that each comparison has. ``written`` is what ``--publish`` writes."""
    p.add_argument("--rounds", type=int, default=5, help="default: 5")
    p.add_argument("--data", type=Path, default=OUT, help="where the directories of the members go (default: build)")
    p.add_argument("--publish", action="store_true", help=f"write {written}")
    p.add_argument("--from", dest="source", type=Path, metavar="FILE", help="publish earlier results, measure nothing")


def check_names(p: argparse.ArgumentParser, *given: tuple[list[str], Collection[str]]) -> None:
    """Refuse names that are not among the known ones beside them."""
    unknown = [name for names, known in given for name in names if name not in known]
    if unknown:
        p.error(f"unknown: {', '.join(unknown)}")


def check_system(p: argparse.ArgumentParser) -> None:
    """Refuse a system on which nothing can be measured."""
    if not Path("/proc/self/stat").exists():
        p.error("the CPU time of processes is read from /proc, which only Linux has")


@contextmanager
def folder_for(p: argparse.ArgumentParser, kind: str, data: Path) -> Iterator[Path]:
    """A folder in ``data`` that goes away at the end. Two runs of a kind at once would measure each other."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / f"{kind}.lock").open("w") as lock, tempfile.TemporaryDirectory(prefix=f"{kind}-", dir=data) as folder:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            p.error(f"another run is using {data}")
        yield Path(folder)


def results(
    machine: Mapping[str, Any], rounds: int, who: list[Any], missing: Mapping[str, str], runs: Any, **more: Any
) -> dict[str, Any]:
    """The results, with everything that a reader needs to judge them. ``machine`` is that of the beginning."""
    versions = {each.name: each.version for each in who}
    return {**collect.frame(machine, rounds, versions), "left_out": missing, "runs": runs, **more}


def save_published(result: dict[str, Any], folder: Path, *written: Path) -> None:
    """Save results among the published ones, and say what was written, these files too."""
    for path in (save(result, folder), *written):
        say(f"wrote {os.path.relpath(path, ROOT)}")


def save_here(result: dict[str, Any], kind: str) -> None:
    """Save results in the folder of builds."""
    say(f"wrote {os.path.relpath(save(result, OUT / kind))}")
