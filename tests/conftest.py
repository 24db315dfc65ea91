"""Runs both builds in one process, and gives every test its tier.

`raftcy` is the build that this process runs: compiled if the extensions are built, pure with RAFTCY_PURE_PYTHON=1.
`raftcy_pure` is the pure build of the same folder, always loaded beside it. `make test` and `make test-all` run their
tests on both builds, in two passes; mark a test `once` if it needs no second run.

A test belongs to `make test` unless it is `full`, by its folder or by its own mark. `make quick` runs the tests of
tests/unit, and `make test-all` the `full` ones. A test that needs Go, Rust or Java must be `full`. A `full` test that
measures time or memory, or uses every core itself, is `alone`: no other test runs beside it. Of the others more run at
once than there are cores, since one that `waits` mostly waits for other programs: for members, a client, a compiler.
The tests of a file run in one process, since they may share what they have built; files with long ones begin first
(`waits(100)`). A test that takes `build` or `raftcy_pure` runs on the pure build in the first pass already, so the
second one leaves it out. `make quick` leaves out tests that would compare the pure build with itself.
"""

import os
import platform
import sysconfig
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

import raftcy
from raftcy._build import SWITCH, load_pure
from tests.support import needs
from tests.support.needs import IN_CI

# Every test in these folders of tests/ is `full`.
FULL = ("conformance/tla", "random/mutants", "system")
# And of these, every test in these folders is `alone`, unless it is marked `waits`.
ALONE = ("conformance/tla", "random/mutants", "system/faults", "system/replica", "system/storage")

_TESTS = Path(__file__).parent
_PACKAGE = Path(raftcy.__file__).parent
_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def _is_set(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def pure() -> ModuleType:
    """The package `raftcy_pure`; its modules can be imported by that name from then on."""
    return load_pure("raftcy_pure")


# Loaded before any test module, so that test modules can import from raftcy_pure at their top.
pure()

hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if IN_CI else "dev"))


@pytest.fixture(scope="session", name="raftcy")
def active_build() -> ModuleType:
    """The build that this process runs."""
    return raftcy


@pytest.fixture(scope="session", name="raftcy_pure")
def pure_build() -> ModuleType:
    """The pure build, in the same process."""
    return pure()


@pytest.fixture(scope="session", params=sorted({raftcy.BUILD, "pure"}))
def build(request: pytest.FixtureRequest) -> ModuleType:
    """Each build that this process can run, in turn."""
    return raftcy if request.param == raftcy.BUILD else pure()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder and by the fixtures that they take."""
    folders = {"full": FULL, "alone": ALONE}
    for item in items:
        for mark, names in folders.items():
            own = mark == "alone" and item.get_closest_marker("waits")
            if not own and any(_TESTS / name in item.path.parents for name in names):
                item.add_marker(mark)
        taken = set(getattr(item, "fixturenames", ()))
        if "raftcy_pure" in taken:
            item.add_marker("twins")
        if {"build", "raftcy_pure"} & taken:
            item.add_marker("both")
    items.sort(key=_waits_s, reverse=True)


def _waits_s(item: pytest.Item) -> float:
    """About how long a test waits, if that is long: it begins early, so that others run beside it."""
    return max([mark.args[0] for mark in item.iter_markers("waits") if mark.args], default=0.0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """More workers than cores, because many tests wait for a process or for a time; those of test-all more often."""
    cores = os.cpu_count() or 1
    return 2 * cores if config.option.dist == "loadfile" else cores + (cores + 1) // 2


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    needs.toolchains_allowed = item.get_closest_marker("full") is not None


def _stale() -> list[str]:
    """Extension modules beside the sources that are older than their sources."""
    found = []
    for binary in sorted(_PACKAGE.rglob(f"*{_SUFFIX}")):
        base = binary.with_name(binary.name.removesuffix(_SUFFIX))
        source = base.with_suffix(".pyx") if base.with_suffix(".pyx").exists() else base.with_suffix(".py")
        files = [path for path in (source, base.with_suffix(".pxd")) if path.exists()]
        if any(path.stat().st_mtime > binary.stat().st_mtime for path in files):
            found.append(str(base.relative_to(_PACKAGE)))
    return found


def _heading() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"raftcy {raftcy.__version__}, {raftcy.BUILD} build, {python}"


def pytest_configure(config: pytest.Config) -> None:
    if raftcy.BUILD == "pure" and _is_set("RAFTCY_REQUIRE_EXT") and not _is_set(SWITCH):
        pytest.exit("RAFTCY_REQUIRE_EXT is set, but raftcy is not compiled here: run `make build`", returncode=3)


def pytest_report_header() -> str:
    return _heading()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if raftcy.BUILD == "compiled" and (stale := _stale()):
        terminalreporter.write_line(f"older than their sources, run `make build`: {', '.join(stale)}", yellow=True)
    terminalreporter.write_line(_heading())
