"""The catalogue of bugs is up to date, and each of them is decided."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests._needs import ROOT

pytestmark = pytest.mark.once


@pytest.fixture(name="catalogue")
def tool() -> ModuleType:
    """tools/catalogue.py as a module; tools is no package."""
    spec = importlib.util.spec_from_file_location("catalogue", ROOT / "tools/catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_up_to_date(catalogue: ModuleType) -> None:
    assert catalogue.check(catalogue.catchers()) == []


def test_the_list_of_bugs_is_whole(catalogue: ModuleType) -> None:
    assert len(catalogue.ROWS) == 59
    assert len({row.name for row in catalogue.ROWS}) == 59
    assert {level for row in catalogue.ROWS for level in row.levels.split()} == set(catalogue.LEVELS)


def faulty(catalogue: ModuleType, folder: Path, text: str) -> str:
    """What the tool says of a tests folder with this one file, in which nothing else is caught."""
    catalogue.ROOT, catalogue.TESTS = folder, folder
    (folder / "test_it.py").write_text(text)
    with pytest.raises(catalogue.Wrong) as caught:
        catalogue.catchers()
    return str(caught.value)


def test_a_claim_needs_a_row_and_a_fault(catalogue: ModuleType, tmp_path: Path) -> None:
    text = 'def test_a():\n    """catches: etcd#1, etcd#6515"""\ndef helper():\n    """catches: etcd#7280"""\n'
    told = faulty(catalogue, tmp_path, text).splitlines()
    assert told[:3] == [
        "test_it.py::test_a catches 'etcd#1', which is no row",
        "test_it.py::test_a catches etcd#6515, but no fault brings it back to show that",
        "test_it.py::helper is no test",
    ]


def test_a_fault_that_the_simulator_cannot_see_needs_a_test(catalogue: ModuleType, tmp_path: Path) -> None:
    told = faulty(catalogue, tmp_path, "")
    unseen = [fault.name for fault in catalogue.FAULTS.values() if fault.unseen]
    assert told.splitlines() == [f"the fault {name} is for nobody to find" for name in unseen]


def test_a_bug_must_be_decided(catalogue: ModuleType) -> None:
    found = catalogue.catchers()
    del found["rabbitmq/ra#442"]
    told = "rabbitmq/ra#442 is a bug of the core, but nothing shows that it is caught"
    assert told in catalogue.check(found)
    catalogue.ROWS.append(catalogue.Row("etcd#1", "W", "Something."))
    assert "etcd#1 is not decided" in catalogue.check(found)
    catalogue.ROWS.pop()
