"""Every workload runs, sends the same messages as every implementation, and notices when something is missing."""

import json
import logging
import random
from argparse import Namespace

import pytest

import raftcy
from bench import backlog, group, measured, workloads
from bench.__main__ import COUNTS, DEFAULTS, GROUPS, WORKLOADS, main, parser

# Messages per operation, the same in every implementation.
MESSAGES = {
    "replicate1": 8,
    "batch": 8,
    "big": 8,
    "single": 0,
    "five": 16,
    "readindex": 4,
    "ticks": 4,
    "election": 12,
    "transfer": 13,
}
FIELDS = ["peer", "version", "build", "loop", "workload", "n", "seconds", "cpu_seconds", "per_sec", "extra"]
SMALL = {"n": 6, "batch": 3, "groups": 2, "waiting": 5}
LOOPS = ["python", "compiled"] if raftcy.BUILD == "compiled" else ["python"]
# The cluster starts processes; test_cluster runs it from its own program.
ALONE = sorted(set(WORKLOADS) - {"cluster"})


@pytest.fixture(autouse=True)
def _log_level():
    """The benchmark turns logging off."""
    log = logging.getLogger("raftcy")
    level = log.level
    yield
    log.setLevel(level)


def small(workload: str) -> list[str]:
    """Options that make a run short, limited to those that the workload takes."""
    takes = ("n", *WORKLOADS[workload].takes)
    return [word for name, value in SMALL.items() if name in takes for word in (f"--{name}", str(value))]


def run(capsys, *words: str) -> dict:
    assert main(list(words)) == 0
    return json.loads(capsys.readouterr().out)


def test_every_group_workload_has_a_message_count() -> None:
    assert set(MESSAGES) == set(GROUPS)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("workload", MESSAGES)
def test_messages_per_operation(workload: str, loop: str, capsys) -> None:
    line = run(capsys, workload, *small(workload), "--loop", loop)
    assert line["extra"]["messages_per_op"] == MESSAGES[workload]
    assert (line["workload"], line["loop"], line["build"]) == (workload, loop, raftcy.BUILD)
    assert line["n"] == 6


@pytest.mark.parametrize("loop", LOOPS)
def test_a_batch_in_one_message(loop: str, capsys) -> None:
    line = run(capsys, "batch", "--n", "128", "--batch-append", "--loop", loop)
    assert line["extra"]["messages_per_op"] == MESSAGES["batch"] / 64


@pytest.mark.parametrize("workload", ALONE)
def test_the_line_has_all_fields(workload: str, capsys) -> None:
    line = run(capsys, workload, *small(workload))
    assert list(line) == FIELDS
    assert (line["peer"], line["version"]) == ("raftcy", raftcy.__version__)
    assert line["per_sec"] > 0
    assert line["extra"]["cpu_us_per_op"] >= 0


@pytest.mark.parametrize("loop", LOOPS)
def test_the_log_is_compacted_and_what_is_kept_is_there(loop: str, monkeypatch) -> None:
    for module in (workloads, group):
        monkeypatch.setattr(module, "COMPACT_EVERY", 20)
    made = []
    kind = workloads.KINDS[loop]
    monkeypatch.setitem(workloads.KINDS, loop, lambda *args: made.append(kind(*args)) or made[-1])
    options = Namespace(loop=loop, seed=1, keep=50, n=100, batch_append=False)
    workloads.replicate(raftcy, options, 3, 4, 128)
    for member in made[0].members:
        # The snapshot at index 2, the 50 entries from the beginning, the leader's empty one, and 100 proposals.
        assert member.storage.last_index() == 2 + 50 + 1 + 100
        assert member.storage.first_index() == member.storage.last_index() - 50 + 1


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("field", "off"), [("applied", 1), ("applied_bytes", -1)])
def test_a_wrong_count_is_noticed(loop: str, field: str, off: int) -> None:
    found = workloads.KINDS[loop](raftcy, 3, random.Random(1))
    found.elect()
    found.members[0].node.propose(b"12345")
    found.drain()
    found.check(2, 1, 5)
    setattr(found.members[2], field, getattr(found.members[2], field) + off)
    with pytest.raises(SystemExit, match="node 3 ended with"):
        found.check(2, 1, 5)


def test_an_uncommitted_entry_is_noticed() -> None:
    found = group.Group(raftcy, 3, random.Random(1))
    found.elect()
    found.members[0].node.propose(b"12345")
    with pytest.raises(SystemExit, match="node 1 ended with"):
        found.check(2, 1, 5)


def test_another_number_of_messages_is_noticed() -> None:
    out = measured.Measured(10)
    out.extra["messages_per_op"] = 8.1
    with pytest.raises(SystemExit, match=r"8\.1 messages an operation instead of 8"):
        measured.expect(out, 8)


@pytest.mark.parametrize("count", [5, 7])
def test_any_size_of_group(count: int, capsys) -> None:
    assert run(capsys, "replicate1", "--n", "3", "--nodes", str(count))["extra"]["messages_per_op"] == 4 * (count - 1)


@pytest.mark.parametrize("nodes", ["1", "4", "101"])
def test_quorum_of_any_size(nodes: str, capsys) -> None:
    assert run(capsys, "quorum", "--n", "3", "--nodes", nodes)["extra"]["nodes"] == int(nodes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "WORKLOAD"),
        (["nothing"], "invalid choice: 'nothing'"),
        (["single", "--n", "0"], "--n: must be greater than 0"),
        (["single", "--n", "many"], "--n: needs a number, not many"),
        (["single", "--nodes", "-3"], "--nodes: must be greater than 0"),
        (["single", "--colour", "red"], "unrecognized arguments"),
        (["single", "--loop", "c"], "invalid choice: 'c'"),
        (["readindex", "--batch-append"], "readindex does nothing with --batch-append; it takes --n, --seed, --nodes"),
        (
            ["node3", "--nodes", "3", "--keep", "9"],
            "node3 does nothing with --nodes, --keep; it takes --n, --seed, --size",
        ),
        (["codec_encode", "--loop", "compiled"], "no compiled loop for codec_encode"),
        (["quorum", "--loop", "compiled"], "no compiled loop for quorum"),
        (["node3", "--loop", "compiled"], "no compiled loop for node3"),
        (["cluster", "--loop", "compiled"], "no compiled loop for cluster"),
    ],
)
def test_a_wrong_command_line(words: list[str], said: str, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    found = capsys.readouterr()
    assert said in found.err
    assert found.out == ""


class Asked(Namespace):
    """Options that remember which of them were read."""

    def __getattribute__(self, name: str) -> object:
        if not name.startswith("_"):
            object.__getattribute__(self, "__dict__").setdefault("_looked_at", set()).add(name)
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("workload", ALONE)
def test_a_workload_looks_at_the_options_that_it_takes(workload: str, capsys) -> None:
    o = parser().parse_args([workload, *small(workload)], namespace=Asked())
    for name, value in DEFAULTS.items():
        setattr(o, name, getattr(o, name) or value)
    o._looked_at.clear()
    WORKLOADS[workload].run(raftcy, o)
    assert o._looked_at & {*COUNTS, "batch_append"} == {"n", *WORKLOADS[workload].takes}


@pytest.mark.parametrize("workload", sorted(WORKLOADS))
def test_an_option_that_does_nothing_is_refused(workload: str, capsys) -> None:
    for name in COUNTS:
        if name != "n" and name not in WORKLOADS[workload].takes:
            with pytest.raises(SystemExit) as left:
                main([workload, f"--{name}", "1"])
            assert left.value.code == 2
            assert f"{workload} does nothing with --{name}" in capsys.readouterr().err


@pytest.mark.parametrize("waiting", ["1", "300"])
@pytest.mark.parametrize(("workload", "messages"), [("backlog", 8), ("backlog_reads", 4)])
def test_a_backlog_stands(workload: str, messages: int, waiting: str, capsys) -> None:
    line = run(capsys, workload, "--n", "7", "--waiting", waiting)
    assert line["extra"]["messages_per_op"] == messages
    assert line["extra"]["waiting"] == int(waiting)


def test_what_was_not_written_or_read_is_noticed() -> None:
    leader = backlog.Leader(raftcy, random.Random(1))
    leader.node.propose(b"12345")
    leader.turn()
    leader.check(1, 5, 0)
    for wrong in [(2, 5, 0), (1, 4, 0), (1, 5, 1)]:
        with pytest.raises(SystemExit, match="the leader ended with"):
            leader.check(*wrong)


@pytest.mark.skipif(raftcy.BUILD == "compiled", reason="needs the pure build")
def test_the_pure_build_has_no_compiled_loop(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["single", "--loop", "compiled"])
    assert left.value.code == 2
    assert "pure build" in capsys.readouterr().err
