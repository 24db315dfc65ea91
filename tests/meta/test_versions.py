"""CI tests exactly the Python versions that pyproject.toml promises, and wheels are built for them."""

import re
import tomllib

import pytest

from tests.support.needs import ROOT, missing

pytestmark = pytest.mark.once

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROMISED = {
    name.rpartition(" ")[2]
    for name in PROJECT["project"]["classifiers"]
    if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
}
BUILT = {
    f"3.{minor}{kind}"
    for minor, kind in re.findall(r"cp3(\d+)(t?)-\*", " ".join(PROJECT["tool"]["cibuildwheel"]["build"]))
}
LOWEST = PROJECT["project"]["requires-python"].removeprefix(">=")


def job_versions() -> set[str]:
    """The versions in the matrix of the test job."""
    path = ROOT / ".github/workflows/tests.yml"
    if not path.exists():
        missing(".github, which an sdist does not hold")
    found = re.search(r"^ +python: \[(.*)\]", path.read_text(encoding="utf-8"), re.M)
    assert found is not None
    return set(re.findall(r'"(3\.\d+t?)"', found[1]))


def test_wheels() -> None:
    """Each promised version has a wheel, and so do free-threaded ones since they left the experimental stage."""
    assert LOWEST in PROMISED
    assert {version for version in BUILT if not version.endswith("t")} == PROMISED
    assert {version for version in BUILT if version.endswith("t")} == {
        f"{version}t" for version in PROMISED if int(version.partition(".")[2]) >= 14
    }


def test_jobs() -> None:
    """Each promised version is tested, and so are free-threaded ones."""
    assert PROMISED <= job_versions()
    assert {"3.13t", "3.14t"} <= job_versions()
    assert {version.removesuffix("t") for version in job_versions()} == PROMISED
