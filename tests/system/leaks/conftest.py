"""What counting objects and memory needs."""

import os
import sys

import pytest

from tests.support.needs import FREE_THREADED, missing


@pytest.fixture(autouse=True)
def has_proc() -> None:
    """Blocks are counted by CPython, resident memory by Linux."""
    if sys.implementation.name != "cpython":
        pytest.skip("needs CPython, which counts its blocks")
    if FREE_THREADED:
        pytest.skip("needs an interpreter with its lock: without it, memory is given back later, and not in rounds")
    if not os.path.exists("/proc/self/statm"):
        missing("/proc/self/statm")
