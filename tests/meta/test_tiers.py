"""Every test is in a tier: the tests that the Makefile's commands collect are compared with all tests."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

import raftcy
from raftcy._build import SWITCH
from tests.support import needs
from tests.support.needs import ROOT, needs_tool

pytestmark = [pytest.mark.once, pytest.mark.full]

# Every change must pass these, however long they take: files and folders, and tests in them by name.
IN_MAKE_TEST = (
    "tests/conformance/test_published.py::test_interaction",
    "tests/conformance/test_published.py::test_random_interaction",
    "tests/conformance/test_published.py::test_vectors",
    "tests/conformance/test_own_scripts.py::test_own_script",
    "tests/meta/test_rooms.py",
    "tests/random/lockstep/test_lockstep.py::test_builds_never_differ",
    "tests/unit/core/test_elections.py",
    "tests/unit/core/test_storage_suite.py",
    "tests/unit/node/test_node.py",
    "tests/random/sim/test_seeds.py::test_seeds_pass",
    "tests/unit/transport/test_transport.py",
)


class Pass(NamedTuple):
    """One run of pytest: on the pure build or on this process's, and with its options."""

    pure: bool
    options: str


def passes(target: str) -> list[Pass]:
    """The pytest runs of a Makefile target, in order."""
    command = [needs_tool("make"), "-s", "-n", target, "ARGS="]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    found = re.findall(rf"({SWITCH}=1 )?\S+ -m pytest ([^;&|}}\n]*)", done.stdout)
    return [Pass(bool(pure), options.strip()) for pure, options in found]


def collected(pure: bool, options: Sequence[str]) -> dict[str, set[str]]:
    """The marks of each test that pytest collects, by its id."""
    environment = {**os.environ, SWITCH: "1"} if pure else os.environ
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
    told = ["-p", "tests.support.told_marks"]
    done = subprocess.run([*command, *told, *options], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return {id: set(marks) for id, marks in found.items()}


def chosen(run: Pass, tests: dict[str, set[str]]) -> set[str]:
    """The ids of the tests of a run, as pytest reads its options: folders to take, to ignore, and marks."""
    words = shlex.split(run.options)
    folders = tuple(f"{word}/" for word in words if word.startswith("tests/")) or ("tests/",)
    ignored = tuple(f"{word.partition('=')[2]}/" for word in words if word.startswith("--ignore="))
    expression = words[words.index("-m") + 1]
    names = set(re.findall(r"\w+", expression)) - {"not", "and", "or"}
    return {
        id
        for id, marks in tests.items()
        if id.startswith(folders)
        and not id.startswith(ignored or "?")
        and eval(expression, {}, {name: name in marks for name in names})
    }


@pytest.fixture(scope="module", name="tests")
def collected_tests() -> dict[bool, dict[str, set[str]]]:
    """All tests with their marks, as this process's build and the pure one collect them."""
    with ThreadPoolExecutor(2) as pool:
        own, pure = pool.map(lambda pure: collected(pure, ()), (False, True))
    return {False: own, True: pure}


@pytest.fixture(scope="module", name="ids")
def collected_ids(tests: dict[bool, dict[str, set[str]]]) -> dict[Pass, set[str]]:
    """The ids of each run of a target, and of all tests on each build."""
    runs = {run for target in ("quick", "test", "test-all") for run in passes(target)}
    return {run: chosen(run, tests[run.pure]) for run in {*runs, *EVERYTHING}}


EVERYTHING = (Pass(False, '-m "not nothing"'), Pass(True, '-m "not once and not both"'))


def test_pytest_chooses_the_same(tests: dict[bool, dict[str, set[str]]]) -> None:
    run = Pass(
        False, '-m "(full or both) and not once and not alone" tests/unit/core tests/system --ignore=tests/system/etcd'
    )
    assert set(collected(run.pure, shlex.split(run.options))) == chosen(run, tests[False])


def tiers() -> list[list[Pass]]:
    """The runs of the two tiers on the compiled build, on the pure one, and where there is but one build."""
    short, rest = passes("test"), passes("test-all")
    return [[each, *rest[n :: len(short)]] for n, each in enumerate(short)]


def test_no_test_is_without_a_tier(ids: dict[Pass, set[str]]) -> None:
    """On each build, the two tiers together run everything."""
    first, second, alone = tiers()
    assert alone == first, "where there is but one build its pass is the first one"
    for runs, everything in zip((first, second), EVERYTHING, strict=True):
        assert {run.pure for run in runs} == {everything.pure}
        assert set().union(*(ids[run] for run in runs)) == ids[everything]
        assert all(ids[run] for run in runs)


def test_no_test_is_in_two_tiers(ids: dict[Pass, set[str]]) -> None:
    for runs in tiers():
        assert sum(len(ids[run]) for run in runs) == len(set().union(*(ids[run] for run in runs)))


def test_the_second_pass_leaves_out_what_the_first_has_run_on_the_pure_build(ids: dict[Pass, set[str]]) -> None:
    """The first pass runs a test that takes each build in turn on the pure one too."""
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    first, second, _ = (ids[run] for run in passes("test"))
    twins = {name.replace("[compiled", "[pure") for name in first if "[compiled]" in name or "[compiled-" in name}
    assert len(twins) > 300
    assert twins <= first
    assert twins & second == set()


def test_quick_is_a_part_of_make_test(ids: dict[Pass, set[str]]) -> None:
    (run,) = passes("quick")
    assert run.pure
    first, second, _ = (ids[each] for each in passes("test"))
    assert len(ids[run]) > 2_000
    assert ids[run] <= first | second
    assert all(name.startswith("tests/unit/") for name in ids[run])


@pytest.mark.parametrize("start", IN_MAKE_TEST)
def test_what_make_test_has_in_any_case(ids: dict[Pass, set[str]], start: str) -> None:
    first, *_ = (ids[run] for run in passes("test"))
    assert any(name.startswith(start) for name in first)


def test_a_toolchain_is_refused_to_a_test_of_make_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails with or without the toolchain installed."""
    assert needs.toolchains_allowed
    monkeypatch.setattr(needs, "toolchains_allowed", False)
    for need in (needs.needs_go, needs.needs_cargo, needs.needs_java):
        with pytest.raises(pytest.fail.Exception, match="is for tests marked `full`"):
            need()
