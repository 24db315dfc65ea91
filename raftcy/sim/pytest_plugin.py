"""A pytest plugin with the fixture ``simulate``.

To use it, put ``pytest_plugins = "raftcy.sim.pytest_plugin"`` into conftest.py.
"""

from collections.abc import Callable
from typing import Any

import pytest

from .check import check
from .result import Result, SimulationFailed
from .subject import Machine

Simulate = Callable[..., list[Result]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options ``--sim-seeds`` and ``--sim-from``."""
    group = parser.getgroup("raftcy.sim")
    group.addoption("--sim-seeds", type=int, metavar="N", help="seeds per simulation, instead of the test's number")
    group.addoption("--sim-from", type=int, default=1, metavar="SEED", help="first seed (default: %(default)s)")


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Simulate:
    """``simulate(machine, seeds=20, profile=..., steps=...)`` calls ``raftcy.sim.check``; a failure fails the test."""

    def run(machine: Callable[[], Machine], seeds: int = 20, **options: Any) -> list[Result]:
        number = request.config.getoption("--sim-seeds") or seeds
        first = options.pop("first", request.config.getoption("--sim-from"))
        try:
            return check(machine, number, first=first, **options)
        except SimulationFailed as failed:
            pytest.fail(str(failed), pytrace=False)

    return run
