"""A pytest plugin: ``pytest_plugins = "raftcy.sim.pytest_plugin"`` in a conftest.py gives the fixture ``simulate``."""

from collections.abc import Callable
from typing import Any

import pytest

from .check import check
from .machine import Machine
from .result import Result, SimulationFailed

Simulate = Callable[..., list[Result]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--sim-seeds`` and ``--sim-from``."""
    group = parser.getgroup("raftcy.sim")
    group.addoption("--sim-seeds", type=int, metavar="N", help="seeds for each simulation, in place of its own number")
    group.addoption("--sim-from", type=int, default=1, metavar="SEED", help="the first seed (%(default)s)")


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Simulate:
    """``simulate(machine, seeds=20, profile=..., steps=...)``: ``raftcy.sim.check``, whose failure fails the test."""

    def run(machine: Callable[[], Machine], seeds: int = 20, **options: Any) -> list[Result]:
        number = request.config.getoption("--sim-seeds") or seeds
        first = options.pop("first", request.config.getoption("--sim-from"))
        try:
            return check(machine, number, first=first, **options)
        except SimulationFailed as failed:
            pytest.fail(str(failed), pytrace=False)

    return run
