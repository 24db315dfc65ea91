"""The faults fit the core, and what makes and runs them works."""

import pytest

from .faults import FAULTS, elections, joint, logs, reads, replication, snapshots, stored
from .named import outcome_of
from .rows import ROWS
from .tree import ROOT, Edit, Moved, edited, edited_files, run, tree

pytestmark = pytest.mark.once
MODULES = (elections, replication, logs, stored, snapshots, joint, reads)


@pytest.mark.parametrize("name", FAULTS)
def test_fault_fits(name: str) -> None:
    """Each edit has its place, and the edited source compiles."""
    for file, text in edited_files(FAULTS[name].edits).items():
        compile(text, file, "exec")
        assert text != (ROOT / "raftcy" / file).read_text(encoding="utf-8")


def test_names_are_unique() -> None:
    assert len(FAULTS) == sum(len(module.FAULTS) for module in MODULES)
    assert len({fault.edits for fault in FAULTS.values()}) == len(FAULTS)


def test_faults_bring_back_bugs_of_the_catalogue() -> None:
    assert {name for fault in FAULTS.values() for name in fault.rows} <= {row.name for row in ROWS}


def test_an_edit_must_fit() -> None:
    for text in ("a", "x x"):
        with pytest.raises(Moved, match=r"^core/raft.py has this [02] times instead of once"):
            edited(Edit("core/raft.py", "x", "y"), text)
    with pytest.raises(Moved, match="changes nothing"):
        edited(Edit("core/raft.py", "x", "x"), "x")
    assert edited(Edit("core/raft.py", "x", "y"), "axb") == "ayb"


def test_a_copy_runs_its_own_source() -> None:
    """What runs in the copy is the pure build of the edited files, and the original is as it was."""
    before = (ROOT / "raftcy/wire/consts.py").read_text(encoding="utf-8")
    ask = "import raftcy.wire.consts as k; import raftcy; print(k.NO_LIMIT, raftcy.BUILD, k.__file__)"
    with tree([Edit("wire/consts.py", "NO_LIMIT = 2**64 - 1", "NO_LIMIT = 7")]) as folder:
        done = run(folder, ["-c", ask], 60)
        assert done.stdout.split() == ["7", "pure", str(folder / "raftcy/wire/consts.py")]
    assert not folder.exists()
    assert (ROOT / "raftcy/wire/consts.py").read_text(encoding="utf-8") == before


def test_what_cannot_be_run_is_no_red_test() -> None:
    """A test that is not there, or a package that cannot be imported, proves nothing."""
    good, missing = "tests/unit/core/test_util.py::test_limit_size", "tests/unit/core/test_util.py::test_nothing"
    done = outcome_of([], [good, missing])
    assert (done.red, done.broken != []) == (set(), True)
    done = outcome_of([Edit("wire/consts.py", "NO_LIMIT = 2**64 - 1", "NO_LIMIT = ")], [good])
    assert (done.red, done.broken != []) == (set(), True)
