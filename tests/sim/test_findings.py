"""The gaps in the reference that docs/findings.md tells of: raftcy and the reference show them alike, and the
simulator finds them when its members leave out the precautions against them."""

import re
import subprocess
import sys

import pytest

from raftcy import sim
from tests._needs import ROOT
from tests._oracle import oracle_program


def programs() -> list[tuple[str, str]]:
    """The programs of the document, each with what it says that it prints."""
    text = (ROOT / "docs/findings.md").read_text()
    return re.findall(r"^```python\n(.*?)^```$\n\nprints\n\n^```\n(.*?)^```$", text, re.M | re.S)


@pytest.mark.parametrize("place", range(3))
def test_the_programs_print_what_the_document_says(place: int) -> None:
    program, printed = programs()[place]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == printed


@pytest.mark.once
def test_the_reference_prints_the_same() -> None:
    done = subprocess.run([str(oracle_program("findings"))], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "".join(printed for _, printed in programs())


@pytest.mark.once
def test_reads_are_found_to_be_stale_without_their_guard() -> None:
    results = (sim.run(seed, "crashes", guard_reads=False) for seed in range(100))
    assert any(result.failure is not None and result.failure.rule == "linearizable reads and writes" for result in results)
