"""The catalogue of bugs is up to date, and each bug in it is decided."""

from pathlib import Path

import pytest

from tools import catalogue
from tools.claimed import Wrong, check

pytestmark = pytest.mark.once


def test_the_table_is_up_to_date() -> None:
    assert check(catalogue.CATALOGUE, catalogue.catchers()) == []


def test_each_bug_is_there_once_and_has_a_level() -> None:
    assert len({row.name for row in catalogue.ROWS}) == len(catalogue.ROWS)
    assert {level for row in catalogue.ROWS for level in row.levels.split()} == set(catalogue.LEVELS)


def faults_of(tests: Path) -> list[str]:
    """What the tool reports about a folder in which nothing else is caught."""
    with pytest.raises(Wrong) as caught:
        catalogue.catchers(tests)
    return str(caught.value).splitlines()


def test_a_claim_needs_a_row_and_a_fault(tmp_path: Path) -> None:
    text = 'def test_a():\n    """catches: etcd#1, faults#X3"""\ndef helper():\n    """catches: etcd#7280"""\n'
    (tmp_path / "test_it.py").write_text(text)
    it = f"{tmp_path.name}/test_it.py"
    assert faults_of(tmp_path)[:3] == [
        f"{it}::test_a catches 'etcd#1', which is not a row",
        f"{it}::test_a catches faults#X3, but no fault brings it back to prove that",
        f"{it}::helper is no test",
    ]


def test_a_fault_that_the_simulator_cannot_see_needs_a_test(tmp_path: Path) -> None:
    unseen = [fault.name for fault in catalogue.FAULTS.values() if fault.unseen]
    assert faults_of(tmp_path) == [f"no test has to find the fault {name}" for name in unseen]


def test_a_bug_must_be_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    found = catalogue.catchers()
    del found["rabbitmq/ra#442"]
    told = "rabbitmq/ra#442 is a bug of the core, but nothing proves that it is caught"
    assert told in check(catalogue.CATALOGUE, found)
    monkeypatch.setattr(catalogue, "ROWS", [*catalogue.ROWS, catalogue.Row("etcd#1", "W", "Something.")])
    assert "etcd#1 is undecided" in check(catalogue.CATALOGUE, found)
