"""Compares instructions with another commit, counted here as well (``bench.instructions --check --base REV``).

The kept counts belong to one interpreter and one compiler, and say nothing about others. This module builds the other
commit with the interpreter and compiler in use, and counts both. Growth that ``instructions.json`` has recorded since
that commit is intended, and allowed. A row that the other commit does not have is new.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .cachegrind import ROOT, Failure

Counts = dict[str, int]


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "RAFTCY_REQUIRE_EXT": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def _counts(folder: Path) -> Counts:
    text = (folder / "bench" / "instructions.json").read_text(encoding="utf-8")
    counts: Counts = json.loads(text)["counts"]
    return counts


def counts_of(revision: str) -> tuple[Counts, Counts]:
    """The counts that a commit keeps, and its own program's counts here, built in a separate folder. Raises Failure."""
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer, "base")
        _run(["git", "worktree", "add", "--detach", str(folder), revision], ROOT)
        try:
            kept = _counts(folder)
            _run([sys.executable, "-W", "ignore", "setup.py", "-q", "build_ext", "--inplace"], folder)
            _run([sys.executable, "-m", "bench.instructions", "--update"], folder)
            return kept, _counts(folder)
        finally:
            _run(["git", "worktree", "remove", "--force", str(folder)], ROOT)


def allowed(base_kept: Counts, base_found: Counts, kept: Counts) -> Counts:
    """The base's counts, plus the growth of the kept counts since then."""
    return {
        name: round(each * max(1.0, kept[name] / base_kept[name])) if name in kept and name in base_kept else each
        for name, each in base_found.items()
    }
