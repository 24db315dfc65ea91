"""Skips tests that count objects and memory where that is not possible."""

import os
import sys

import pytest

from tests.support.needs import FREE_THREADED, missing


@pytest.fixture(autouse=True)
def has_proc() -> None:
    """CPython counts blocks, and Linux resident memory."""
    if sys.implementation.name != "cpython":
        pytest.skip("needs CPython, which counts its blocks")
    if FREE_THREADED:
        pytest.skip("needs an interpreter with its lock: without it, memory is given back later, and not in rounds")
    if not os.path.exists("/proc/self/statm"):
        missing("/proc/self/statm")
