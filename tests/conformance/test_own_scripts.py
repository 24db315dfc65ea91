"""The project's own scripts on every build of this process. The reference agrees where it can."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.needs import ROOT
from tests.support.oracle import run_oracle
from tests.support.scripts import kit

SCRIPTS = ROOT / "tests/conformance/scripts"


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*/*.txt")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_own_script(build: ModuleType, script: Path) -> None:
    kit(build).run_script("extended", script)


def test_the_scripts_are_there() -> None:
    assert len(list((SCRIPTS / "extended").glob("*.txt"))) >= 30
    assert len(list((SCRIPTS / "own").glob("*.txt"))) >= 4


@pytest.mark.full
@pytest.mark.once
def test_the_reference_gives_the_same_outputs() -> None:
    done = run_oracle("TestExtended", SCRIPTS / "extended")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.full
@pytest.mark.once
def test_the_reference_has_no_answer_to_the_others(tmp_path: Path) -> None:
    """Every script in `own` makes the reference fail; a script that does not belongs in `extended`."""
    for script in sorted((SCRIPTS / "own").glob("*.txt")):
        folder = tmp_path / script.stem
        folder.mkdir()
        (folder / script.name).write_bytes(script.read_bytes())
        assert run_oracle("TestExtended", folder).returncode != 0, script
