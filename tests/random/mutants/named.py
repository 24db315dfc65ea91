"""Runs tests by their ids in a copy of the package with a fault in it, and reports which of them fail."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence

from .edit import Edit
from .tree import run, tree

# The tests of all rows together, on the pure build, take some minutes on a busy machine.
TIMEOUT_S = 1800.0


class Outcome:
    """Which of the tests failed. `text` is pytest's output."""

    def __init__(self, text: str) -> None:
        self.red: set[str] = set()
        self.green: set[str] = set()
        self.skipped: set[str] = set()
        self.broken: list[str] = []
        self.text = text


def outcome_of(edits: Iterable[Edit], tests: Sequence[str]) -> Outcome:
    """Run tests in a copy with these edits. A test with several parameters is red if it fails for one of them.

    With the others it is skipped then.
    """
    with tree(edits) as folder:
        options = ["-q", "-p", "no:cacheprovider", "-p", "tests.support.first_red", "--junitxml=outcome.xml"]
        done = run(folder, ["-m", "pytest", *options, *tests], TIMEOUT_S)
        outcome = Outcome(done.stdout)
        report = folder / "outcome.xml"
        if not report.exists():
            outcome.broken.append("pytest did not come to an end")
            return outcome
        cases = list(ET.parse(report).getroot().iter("testcase"))
    ids = {dotted(test): test for test in tests}
    for case in cases:
        name = f"{case.get('classname')}.{case.get('name')}"
        test = ids.get(name.partition("[")[0]) or ids.get(name.rpartition(".")[0])
        if test is None or case.find("error") is not None:
            outcome.broken.append(name)
        elif case.find("failure") is not None:
            outcome.red.add(test)
        elif case.find("skipped") is not None:
            outcome.skipped.add(test)
        else:
            outcome.green.add(test)
    missing = set(tests) - outcome.red - outcome.green - outcome.skipped
    outcome.broken += [f"{test} was not run" for test in sorted(missing)]
    return outcome


def dotted(test: str) -> str:
    """A pytest id as its report writes it: file, classes and name joined by dots."""
    file, *rest = test.split("::")
    return ".".join([file.removesuffix(".py").replace("/", "."), *rest])
