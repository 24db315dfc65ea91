"""The versions of Python that pyproject.toml promises are those that CI tests and that wheels are built for."""

import re
import tomllib

import pytest

from tests._needs import ROOT

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


def tested() -> set[str]:
    """The versions in the matrix of the test job."""
    path = ROOT / ".github/workflows/tests.yml"
    if not path.exists():
        pytest.skip("needs .github, which an sdist does not hold")
    matrix = re.search(r"^ +python: \[(.*)\]", path.read_text(encoding="utf-8"), re.M)
    assert matrix is not None
    return set(re.findall(r'"(3\.\d+t?)"', matrix[1]))


def test_wheels() -> None:
    """Each promised version has one, and free-threaded ones have since they are no experiment any more."""
    assert LOWEST in PROMISED
    assert {version for version in BUILT if not version.endswith("t")} == PROMISED
    assert {version for version in BUILT if version.endswith("t")} == {
        f"{version}t" for version in PROMISED if int(version.partition(".")[2]) >= 14
    }


def test_jobs() -> None:
    """Each promised version is tested, and free-threaded ones are."""
    assert PROMISED <= tested()
    assert {"3.13t", "3.14t"} <= tested()
    assert {version.removesuffix("t") for version in tested()} == PROMISED
