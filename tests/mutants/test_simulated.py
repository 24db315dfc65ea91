"""The simulator finds each fault that it is to find, and nothing without one.

Each is tried with the seed that the table has for it. A change of the simulator may have given that seed another run,
so seeds from 1 on are tried next, up to ``MORE`` times as many as it took; `python -m tests.mutants` counts afresh.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from raftcy import sim

from .faults import FAULTS
from .simulated import Found, hunt, lines, simulated

pytestmark = pytest.mark.once

TABLE = lines()
MORE = 4
LEAST = 60


def tries(name: str) -> list[int]:
    """The seeds to try, the most promising one first."""
    known = TABLE[name].seeds
    return [known, *(seed for seed in range(1, max(LEAST, MORE * known) + 1) if seed != known)]


@pytest.fixture(scope="module", name="found")
def hunts(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Found]]:
    """What came of the hunt for a fault. All that this run will ask for are begun at once, on all cores."""
    wanted: list[str] = []
    for item in request.session.items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if item.path == request.path and "fault" in parameters:
            wanted.append(parameters["fault"])
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        futures: dict[str, Future[Found]] = {
            name: pool.submit(hunt, FAULTS[name].edits, FAULTS[name].profile, tries(name)) for name in wanted
        }
        yield lambda name: futures[name].result()


def test_table_is_of_these_faults() -> None:
    assert {name: line.profile for name, line in TABLE.items()} == {each.name: each.profile for each in simulated()}
    assert len(TABLE) >= 30


@pytest.mark.parametrize("fault", TABLE)
def test_found(fault: str, found: Callable[[str], Found]) -> None:
    """A rule breaks within the seeds stated."""
    outcome = found(fault)
    assert outcome.seed is not None, (
        f"not found in {outcome.seeds} seeds: count them afresh by `python -m tests.mutants`"
    )


@pytest.mark.parametrize("fault", TABLE)
def test_nothing_without_the_fault(fault: str) -> None:
    """The very seed that shows the fault passes on the core as it is."""
    line = TABLE[fault]
    sim.run(line.seeds, line.profile).check()
