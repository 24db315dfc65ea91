"""The table of the reference's tests is up to date and complete."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests._needs import ROOT

pytestmark = pytest.mark.once


@pytest.fixture(name="parity")
def tool() -> ModuleType:
    """tools/parity.py as a module; tools is no package."""
    spec = importlib.util.spec_from_file_location("parity", ROOT / "tools/parity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_up_to_date(parity: ModuleType) -> None:
    assert parity.check(parity.answers()) == []


def test_the_list_of_the_reference_is_whole(parity: ModuleType) -> None:
    reference = parity.rows(parity.REFERENCE)
    assert len(reference) == 258
    assert len({row.called for row in reference}) == 258
    assert len(parity.rows(parity.SEED_ONLY)) == 8


def faulty(parity: ModuleType, folder: Path, text: str) -> str:
    """What the tool says of a tests folder with this one file."""
    parity.ROOT, parity.TESTS = folder, folder
    (folder / "test_it.py").write_text(text)
    with pytest.raises(parity.Wrong) as caught:
        parity.answers()
    return str(caught.value)


def test_a_name_that_the_reference_does_not_have_is_told(parity: ModuleType, tmp_path: Path) -> None:
    text = 'def test_a():\n    """answers: TestCommit, TestNothing"""\n'
    told = faulty(parity, tmp_path, text)
    assert told == "test_it.py::test_a answers 'TestNothing', which the reference does not have"


def test_only_what_runs_is_an_answer(parity: ModuleType, tmp_path: Path) -> None:
    text = (
        'def helper():\n    """answers: TestCommit"""\n'
        'class TestA:\n    @pytest.mark.skip(reason="")\n    def test_b(self):\n        """answers: TestCommit"""\n'
    )
    told = faulty(parity, tmp_path, text)
    assert told == "test_it.py::helper is no test\ntest_it.py::TestA::test_b is always skipped or expected to fail"


def test_names_go_on_after_a_comma(parity: ModuleType, tmp_path: Path) -> None:
    lines = [
        "def test_a():",
        '    """Does this.',
        "",
        "    answers: TestCommit,",
        "        confchange.TestRestore",
        "",
        '    """',
    ]
    text = "\n".join(lines)
    parity.ROOT, parity.TESTS = tmp_path, tmp_path
    (tmp_path / "test_it.py").write_text(text)
    assert dict(parity.answers()) == {
        "TestCommit": ["test_it.py::test_a"],
        "confchange.TestRestore": ["test_it.py::test_a"],
    }


def test_a_missing_answer_needs_its_reason(parity: ModuleType) -> None:
    found = parity.answers()
    found.pop("TestCommit", None)
    assert "TestCommit of raft_test.go has neither an answer nor a reason" in parity.check(found)
    parity.REASONS["TestCommit"] = "a reason"
    assert "- TestCommit (raft_test.go): a reason" in parity.render(found)
    assert not any("reason" in each for each in parity.check(found) if "TestCommit " in each)
