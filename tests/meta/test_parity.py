"""The table of the reference's tests is up to date and complete."""

from pathlib import Path

import pytest

from tools import parity
from tools.claimed import Wrong, check

pytestmark = pytest.mark.once


def test_the_table_is_up_to_date() -> None:
    assert check(parity.PARITY, parity.answers()) == []


def test_the_list_of_the_reference_is_whole() -> None:
    """The two releases have exactly these many tests. If the list lost one, everything would still look answered."""
    reference = parity.rows(parity.REFERENCE)
    assert len(reference) == 258
    assert len({row.called for row in reference}) == 258
    assert len(parity.rows(parity.SEED_ONLY)) == 8


def faults_of(tests: Path) -> list[str]:
    """What the tool reports about a folder."""
    with pytest.raises(Wrong) as caught:
        parity.answers(tests)
    return str(caught.value).splitlines()


def test_an_unknown_name_is_reported(tmp_path: Path) -> None:
    text = 'def test_a():\n    """answers: TestCommit, TestNothing"""\n'
    (tmp_path / "test_it.py").write_text(text)
    it = f"{tmp_path.name}/test_it.py"
    assert faults_of(tmp_path) == [f"{it}::test_a answers 'TestNothing', which the reference does not have"]


def test_only_what_runs_is_an_answer(tmp_path: Path) -> None:
    text = (
        'def helper():\n    """answers: TestCommit"""\n'
        'class TestA:\n    @pytest.mark.skip(reason="")\n    def test_b(self):\n        """answers: TestCommit"""\n'
    )
    (tmp_path / "test_it.py").write_text(text)
    it = f"{tmp_path.name}/test_it.py"
    assert faults_of(tmp_path) == [
        f"{it}::helper is no test",
        f"{it}::TestA::test_b is always skipped or expected to fail",
    ]


def test_names_go_on_after_a_comma(tmp_path: Path) -> None:
    lines = [
        "def test_a():",
        '    """Does this.',
        "",
        "    answers: TestCommit,",
        "        confchange.TestRestore",
        "",
        '    """',
    ]
    (tmp_path / "test_it.py").write_text("\n".join(lines))
    here = [f"{tmp_path.name}/test_it.py::test_a"]
    assert parity.answers(tmp_path) == {"TestCommit": here, "confchange.TestRestore": here}


def test_a_missing_answer_needs_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parity.answers()
    found.pop("TestCommit", None)
    assert "TestCommit of raft_test.go has neither an answer nor a reason" in check(parity.PARITY, found)
    monkeypatch.setitem(parity.REASONS, "TestCommit", "a reason")
    assert "- TestCommit (raft_test.go): a reason" in parity.render(found)
    assert not any("reason" in each for each in check(parity.PARITY, found) if "TestCommit " in each)
