"""The Go oracle in `tests/conformance/oracle`: runs the reference, for tests that compare with it."""

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from .needs import ROOT, missing, needs_go

SOURCE = ROOT / "tests/conformance/oracle"


@cache
def oracle_program(name: str) -> Path:
    """The path of one of the oracle's programs, built once per run: `gen`, `vectors`, `wirepeer`, or `oracle.test`."""
    go = needs_go()
    program = Path(_folder().name, name)
    build = (
        ["test", "-c", "-o", str(program), "."]
        if name == "oracle.test"
        else ["build", "-o", str(program), f"./cmd/{name}"]
    )
    done = subprocess.run([go, *build], cwd=SOURCE, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        missing(f"the Go oracle, which cannot be built: {done.stderr[-1000:]}")
    return program


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="raftcy-oracle-")


def run_oracle(test: str, folder: Path, *, rewrite: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run the scripts of a folder through the reference.

    `test` is TestInteraction, TestExtended, TestConfChange, TestQuorum or TestFormat. `rewrite` writes the reference's
    outputs into the scripts.
    """
    command = [str(oracle_program("oracle.test")), "-test.run", f"^{test}$", "-dir", str(folder)]
    command += ["-rewrite"] if rewrite else []
    environment = {**os.environ, "GOTRACEBACK": "none"}
    return subprocess.run(
        command,
        cwd=SOURCE,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=600,
        env=environment,
    )
