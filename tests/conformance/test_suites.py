"""The quorum suite computes each result in several ways, and notices when an implementation is wrong."""

from types import ModuleType
from typing import Any

import pytest

from tests.support.scripts import kit, load


def answer(build: ModuleType, line: str) -> str:
    rafttest = kit(build)
    command, arguments = rafttest.parse_line(line)
    output = rafttest.SUITES["quorum"]()(rafttest.Case("here:1", command, arguments))
    assert isinstance(output, str)
    return output


def replaced(build: ModuleType, monkeypatch: pytest.MonkeyPatch, committed: Any) -> None:
    """Make the suite use majorities with another ``committed(right, acked)``."""
    quorum = load(build, "core.quorum")

    class Wrong:
        def __init__(self, ids: Any) -> None:
            self.right = quorum.MajorityConfig(ids)

        def ids(self) -> Any:
            return self.right.ids()

        def describe(self, acked: Any) -> Any:
            return self.right.describe(acked)

        def committed_index(self, acked: Any) -> Any:
            return committed(self.right.committed_index(acked), acked)

    monkeypatch.setattr(load(build, "rafttest.quorum_suite"), "MajorityConfig", Wrong)


def test_a_wrong_majority_is_noticed(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "committed cfg=(1,2,3) idx=(5,9,7)"
    assert answer(build, line).splitlines()[-1] == "7"
    replaced(build, monkeypatch, lambda right, acked: max(acked.values()))
    ways = "alternative computation", "zero-joint quorum", "self-joint quorum"
    assert answer(build, line).splitlines()[-4:] == [*(f"7 <-- via {way}" for way in ways), "9"]


def test_a_result_that_depends_on_laggards_is_noticed(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "committed cfg=(1,2,3) idx=(4,9,7)"
    replaced(build, monkeypatch, lambda right, acked: right + sum(index in (3, 0) for index in acked.values()))
    assert answer(build, line).splitlines()[-3:] == ["8 <-- overlaying 1->3", "8 <-- overlaying 1->0", "7"]


@pytest.mark.parametrize(
    ("line", "wrong", "right"),
    [
        ("committed cfg=(1,2,3) cfgj=(2,4,5) idx=(1,5,5,9,9)", "9 <-- via symmetry", "5"),
        ("vote cfg=(1,2,3) cfgj=(4,5) votes=(y,y,y,n,n)", "VoteWon <-- via symmetry", "VoteLost"),
    ],
)
def test_a_joint_config_with_a_favourite_half_is_noticed(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, line: str, wrong: str, right: str
) -> None:
    quorum = load(build, "core.quorum")

    class Wrong:
        """Decides by one half alone, the first or the second, which is right in some cases."""

        def __init__(self, incoming: Any, outgoing: Any) -> None:
            self.both = quorum.JointConfig(incoming, outgoing)
            self.half = quorum.MajorityConfig(outgoing if right == "VoteLost" else incoming)

        def describe(self, acked: Any) -> Any:
            return self.both.describe(acked)

        def committed_index(self, acked: Any) -> Any:
            return self.half.committed_index(acked)

        def vote_result(self, votes: Any) -> Any:
            return self.half.vote_result(votes)

    assert "<--" not in answer(build, line)
    monkeypatch.setattr(load(build, "rafttest.quorum_suite"), "JointConfig", Wrong)
    assert answer(build, line).splitlines()[-2:] == [wrong, right]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("elect cfg=(1)", "unknown command: elect"),
        ("vote cfg=(1) votes=(x)", "unknown vote: x"),
        ("vote cfg=(1) voters=(x)", "unknown arg voters"),
        ("committed cfg=(1) idx=(0)", "cannot use 0 as idx"),
        ("committed cfg=(x) idx=(1)", 'strconv.ParseUint: parsing "x": invalid syntax'),
        ("committed cfgj=(zero,1) idx=(1)", 'strconv.ParseUint: parsing "zero": invalid syntax'),
    ],
)
def test_what_no_quorum_script_may_ask(build: ModuleType, line: str, text: str) -> None:
    rafttest = kit(build)
    with pytest.raises(rafttest.ScriptError) as error:
        rafttest.run_text(f"{line}\n----\n", rafttest.SUITES["quorum"]())
    assert text in str(error.value)
