"""Every published script and vector, on every build of this process."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.needs import shared_files
from tests.support.scripts import kit, load

FOLDERS = {
    "interaction": ("interaction", 28),
    "random": ("interaction", 60),
    "extended": ("extended", 40),
    "confchange": ("confchange", 9),
    "random-confchange": ("confchange", 20),
    "quorum": ("quorum", 4),
    "random-quorum": ("quorum", 12),
    "datadriven": ("format", 2),
}


def run(build: ModuleType, script: Path) -> None:
    suite, _ = FOLDERS[script.parent.name]
    kit(build).run_script(suite, script)


@pytest.mark.parametrize("script", shared_files("conformance/interaction"))
def test_interaction(build: ModuleType, script: Path) -> None:
    """answers: TestInteraction"""
    run(build, script)


@pytest.mark.parametrize("script", shared_files("conformance/confchange"))
def test_confchange(build: ModuleType, script: Path) -> None:
    """answers: TestConfChangeDataDriven"""
    run(build, script)


@pytest.mark.parametrize("script", shared_files("conformance/quorum"))
def test_quorum(build: ModuleType, script: Path) -> None:
    """answers: TestDataDriven"""
    run(build, script)


@pytest.mark.parametrize("script", shared_files("conformance/random"))
def test_random_interaction(build: ModuleType, script: Path) -> None:
    run(build, script)


@pytest.mark.parametrize("script", shared_files("conformance/extended"))
def test_extended(build: ModuleType, script: Path) -> None:
    run(build, script)


@pytest.mark.parametrize("script", shared_files("conformance/random-confchange"))
def test_random_confchange(build: ModuleType, script: Path) -> None:
    run(build, script)


@pytest.mark.parametrize("script", shared_files("conformance/random-quorum"))
def test_random_quorum(build: ModuleType, script: Path) -> None:
    run(build, script)


@pytest.mark.parametrize("script", shared_files("conformance/datadriven"))
def test_format(build: ModuleType, script: Path) -> None:
    run(build, script)


@pytest.mark.parametrize("file", shared_files("conformance", "vectors.jsonl"))
def test_vectors(build: ModuleType, file: Path) -> None:
    passed, failed, differences = load(build, "rafttest.vectors").run_file(file)
    assert (passed, failed) == (200, 0), differences


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_script_is_missing(folder: str) -> None:
    """No set is incomplete; an emptied folder would pass as a good one otherwise."""
    scripts = shared_files(f"conformance/{folder}")
    if scripts[0].values == (None,):
        pytest.skip("needs the shared folder")
    assert len(scripts) == FOLDERS[folder][1]


@pytest.mark.parametrize("folder", FOLDERS)
def test_rewriting_changes_nothing(build: ModuleType, folder: str) -> None:
    """Rewriting a script that passes gives the same bytes."""
    for parameter in shared_files(f"conformance/{folder}")[:6]:
        (script,) = parameter.values
        if script is None:
            pytest.skip("needs the shared folder")
        text = script.read_bytes().decode()
        rafttest = kit(build)
        assert rafttest.rewrite_text(text, rafttest.SUITES[FOLDERS[folder][0]]()) == text, script
