"""Operations as the clients saw them, and what porcupine says of them (``checker``, in Go)."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.needs import missing, needs_go

SOURCE = Path(__file__).parent / "checker"


@dataclass(slots=True)
class Operation:
    """One operation. Times are in nanoseconds; without ``returned`` it may take effect at any later time, or never.

    ``answer`` is None if the caller was not answered, or if there is nothing to say.
    """

    client: int
    key: str
    kind: str
    x: int
    y: int
    called: int
    returned: int | None = None
    answer: int | None = None

    def line(self) -> str:
        """The operation for the checker."""
        found = {"c": self.client, "k": self.key, "op": self.kind, "x": self.x, "y": self.y, "call": self.called}
        if self.returned is not None:
            found["ret"] = self.returned
        if self.answer is not None:
            found["out"] = self.answer
        return json.dumps(found)


def build_checker(folder: Path) -> Path:
    """Build the checker into a folder. It needs Go, and porcupine, which Go fetches."""
    program = folder / "checker"
    command = [needs_go(), "build", "-o", str(program), "."]
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        missing(f"the checker of histories, which cannot be built: {done.stderr[-1000:]}")
    return program


def verdicts(checker: Path, operations: Iterable[Operation]) -> dict[str, str]:
    """What the checker says of each key: "ok", "illegal", or "unknown"."""
    lines = "".join(f"{each.line()}\n" for each in operations)
    done = subprocess.run([str(checker)], input=lines, capture_output=True, text=True, timeout=1200)
    if done.returncode != 0:
        pytest.fail(f"the checker of histories has failed: {done.stderr[-1000:]}", pytrace=False)
    found: dict[str, str] = json.loads(done.stdout)
    return found
