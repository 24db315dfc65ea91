"""The simulator finds each fault that it must find, exactly as the table says, and finds nothing without a fault.

A run depends only on its seed, so the seed in the table breaks the rule beside it everywhere and always. A change of
the simulator or the core gives seeds other runs, and then the table is out of date. `python -m tests.random.mutants`
writes it again, and that command alone tries all seeds before the one it states (its text names quicker ways). Review
the new table like any change: a fault that now takes many more seeds is a loss.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from raftcy import sim

from .__main__ import holds
from .faults import FAULTS
from .sample import sample
from .simulated import Found, hunt, lines, simulated

pytestmark = pytest.mark.once

TABLE = lines()
TAKEN = sample(TABLE)


@pytest.fixture(scope="module", name="found")
def hunts(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Found]]:
    """The result of the hunt for a fault. The first call starts all hunts that this run needs, on all cores."""
    wanted: list[str] = []
    for item in request.session.items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if item.path == request.path and "fault" in parameters:
            wanted.append(parameters["fault"])
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        futures: dict[str, Future[Found]] = {
            name: pool.submit(hunt, FAULTS[name].edits, FAULTS[name].profile, [TABLE[name].seeds]) for name in wanted
        }
        yield lambda name: futures[name].result()


def test_table_is_of_these_faults() -> None:
    assert {name: line.profile for name, line in TABLE.items()} == {each.name: each.profile for each in simulated()}
    assert len(TABLE) >= 30


@pytest.mark.parametrize("fault", TAKEN)
def test_found(fault: str, found: Callable[[str], Found]) -> None:
    """The stated seed breaks the stated rule."""
    line, outcome = TABLE[fault], found(fault)
    assert (outcome.seed, outcome.rule) == (line.seeds, line.rule), (
        f"the table is out of date, run `python -m tests.random.mutants`: {outcome.text or 'nothing found'}"
    )


def test_a_line_that_is_not_true_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong rule is noticed, and a wrong seed: the first does not find the fault that takes the most seeds."""
    line = max(TABLE.values(), key=lambda each: each.seeds)
    fault = FAULTS[line.name]
    assert holds(fault, TABLE)
    assert not holds(fault, {line.name: line._replace(rule="another")})
    assert not holds(fault, {line.name: line._replace(seeds=1)})
    assert not holds(fault, {})
    assert capsys.readouterr().out.count("OUT OF DATE") == 2


@pytest.mark.parametrize("fault", TAKEN)
def test_nothing_without_the_fault(fault: str) -> None:
    """The seed that reveals the fault passes on the unchanged core."""
    line = TABLE[fault]
    sim.run(line.seeds, line.profile).check()
