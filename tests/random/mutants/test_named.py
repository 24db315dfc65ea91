"""With a bug of the catalogue back in the core, every test that claims to catch the bug fails.

Each fault is made in its own copy, and the tests that catch one of its rows run there.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tools.catalogue import catchers

from .faults import FAULTS
from .named import Outcome, outcome_of
from .rows import ROWS
from .sample import sample

pytestmark = pytest.mark.once

CATCHERS = catchers()
CAUGHT = [row.name for row in ROWS if CATCHERS.get(row.name)]
TAKEN = sample(CAUGHT)
FAULTS_OF = {name: [fault for fault in FAULTS.values() if name in fault.rows] for name in TAKEN}
# Where tests wait for what never comes if a fault is there: longest in whole commands, then over sockets.
WAITING = ("tests/system/", "tests/unit/transport/", "tests/")
# Without a fault, all the tests that this run needs, in parts that run at the same time.
CONTROLS = {f"without a fault, part {part}": part for part in range(6)}


def named_for(rows: Iterable[str]) -> list[str]:
    """The tests that catch these rows."""
    return sorted({test for row in rows for test in CATCHERS.get(row, ())})


def needed() -> set[str]:
    """The rows whose tests run with the faults of this run: a fault may belong to several rows."""
    return {row for faults in FAULTS_OF.values() for fault in faults for row in fault.rows}


def catching(fault: str) -> list[str]:
    """The tests that run with a fault, or without one."""
    if fault in CONTROLS:
        return named_for(needed())[CONTROLS[fault] :: len(CONTROLS)]
    return named_for(FAULTS[fault].rows)


def run_with(fault: str) -> Outcome:
    return outcome_of(() if fault in CONTROLS else FAULTS[fault].edits, catching(fault))


def place_in_line(fault: str) -> int:
    """Faults go first whose tests wait long: each of these waits until its time is up."""
    tests = catching(fault)
    return min([place for place, start in enumerate(WAITING) for test in tests if test.startswith(start)])


@pytest.fixture(scope="module", name="outcome")
def outcomes(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Outcome]]:
    """The outcome with a fault. The first call starts all outcomes that this run needs.

    Several to each core, because with a fault many tests only wait: until their time is up.
    """
    wanted: set[str] = set()
    for item in request.session.items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if item.path == request.path and "row" in parameters:
            wanted |= {fault.name for fault in FAULTS_OF[parameters["row"]]}
    with ThreadPoolExecutor(3 * len(os.sched_getaffinity(0))) as pool:
        names = sorted([*CONTROLS, *sorted(wanted)], key=place_in_line)
        futures: dict[str, Future[Outcome]] = {name: pool.submit(run_with, name) for name in names}
        yield lambda name: futures[name].result()


@pytest.mark.parametrize("part", CONTROLS)
def test_without_a_fault_all_are_green(part: str, outcome: Callable[[str], Outcome]) -> None:
    done = outcome(part)
    assert (done.red, done.skipped, done.broken) == (set(), set(), []), done.text


@pytest.mark.parametrize("row", TAKEN)
def test_tests_turn_red(row: str, outcome: Callable[[str], Outcome]) -> None:
    """Each fault of the row makes one of its tests fail, and each of its tests fails with one of its faults."""
    red: set[str] = set()
    for fault in FAULTS_OF[row]:
        done = outcome(fault.name)
        assert done.broken == [], done.text
        found = done.red & set(CATCHERS[row])
        if fault.unseen:
            assert found, f"{fault.name} is found by none of {CATCHERS[row]}\n{done.text}"
        red |= found
    assert set(CATCHERS[row]) - red == set(), f"not red with any of {[fault.name for fault in FAULTS_OF[row]]}"
