"""A few rounds of kills; the long form is ``python -m tests.system.replica.rounds``."""

import asyncio
from pathlib import Path

import pytest

from .nursery import packed, unpacked
from .rounds import rounds

pytestmark = [pytest.mark.once, pytest.mark.waits(10)]


def test_rounds_of_kills(tmp_path: Path) -> None:
    """One, two and all members are killed under load: all that was acknowledged is there, once."""
    made = asyncio.run(rounds(tmp_path, 12, seed=3))
    assert made.wrong == []
    assert made.killed.total() == 12
    assert set(made.killed) == {1, 2, 3}
    assert sum(len(client.applied) for client in made.clients) > 100


def test_marks_are_packed() -> None:
    for marks in (b"", b"\0", b"\1", b"\0\0\1\0\1\1\1\0\0\0", bytes(1000) + b"\1"):
        assert unpacked(packed(bytearray(marks))) == marks
