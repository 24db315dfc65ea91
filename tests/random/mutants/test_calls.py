"""Each fault in gRPC or HTTP/2 makes the tests fail that are there to find it."""

import pytest

from .calls import FAULTS, CallFault
from .named import outcome_of

pytestmark = pytest.mark.once


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_tests_turn_red(fault: CallFault) -> None:
    done = outcome_of(fault.edits, fault.tests)
    assert done.broken == [], done.text
    assert done.red == set(fault.tests), done.text


def test_without_a_fault_all_are_green() -> None:
    tests = sorted({test for fault in FAULTS for test in fault.tests})
    done = outcome_of((), tests)
    assert (done.red, done.skipped, done.broken) == (set(), set(), []), done.text
