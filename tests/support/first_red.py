"""A plugin for runs with a fault: a test that has failed with one of its parameters is not run with the others.

With a fault, many tests wait until their time is up, each time anew.
"""

import pytest

_red: set[str] = set()


def _function(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _red.add(_function(report.nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if _function(item.nodeid) in _red:
        pytest.skip("it has failed with other parameters")
