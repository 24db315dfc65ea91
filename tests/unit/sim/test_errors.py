"""Errors of the tested state machine and of the core, wherever raised, are broken rules, never tracebacks."""

from collections.abc import Callable
from random import Random
from types import ModuleType

import pytest

import raftcy
from raftcy import cli, sim
from raftcy.sim import cluster, lockstep, operator
from raftcy.sim.disk import Disk
from raftcy.sim.member import Member
from raftcy.sim.runs import prepare
from raftcy.sim.subject import Ledger
from tests.support.needs import ROOT

SINGLE = sim.Profile("single", "one voter", {"retry": 1.0}, voters=(1,), learners=(0,), asynchronous=(0.0,))
LOADED = sim.Profile("loaded", "one voter with load", {"propose": 10, "compact": 4}, voters=(1,), learners=(0,))
FAR = sim.Profile(
    "far", "followers far behind", {"propose": 40, "change": 4, "compact": 14}, voters=(3,), learners=(0,)
)


class InApply(Ledger):
    """Fails as soon as anything is applied."""

    def apply(self, data: bytes) -> None:
        raise AssertionError("nothing may be applied")


class InSnapshot(Ledger):
    def snapshot(self) -> bytes:
        raise AssertionError("no snapshot")


class InRestore(Ledger):
    def restore(self, data: bytes) -> None:
        raise AssertionError("no restore")


class InCommand(Ledger):
    def command(self, random: Random) -> bytes:
        raise AssertionError("no command")


class Unmade(Ledger):
    def __init__(self) -> None:
        raise AssertionError("not made")


def at_set_up(profile: sim.Profile, machine: Callable[[], sim.Machine], bootstrapped: bool) -> int:
    """A seed whose cluster starts in this way."""
    return next(seed for seed in range(50) if prepare(seed, profile).cluster.settings.bootstrapped is bootstrapped)


@pytest.mark.parametrize(
    ("machine", "bootstrapped", "text"),
    [
        (InSnapshot, False, "no snapshot"),
        (InRestore, True, "no restore"),
        (InRestore, False, "no restore"),
        (Unmade, True, "not made"),
    ],
)
def test_a_machine_that_fails_at_set_up(machine: type[Ledger], bootstrapped: bool, text: str) -> None:
    """The run fails with its seed, before the first event, and a replay says the same."""
    seed = at_set_up(SINGLE, machine, bootstrapped)
    result = sim.run(seed, SINGLE, machine=machine)
    assert result.failure == sim.Failure("no error", f"AssertionError: {text}", 0, 0)
    told: list[str] = []
    violation = sim.replay(seed, SINGLE, machine=machine, write=told.append)
    assert told == [f"*** no error: AssertionError: {text}"] == [f"*** {violation}"]
    with pytest.raises(sim.SimulationFailed, match=rf"seed {seed}, profile single: event 0, .*{text}"):
        sim.check(machine, 1, first=seed, profile=SINGLE, shrink_s=1)


@pytest.mark.parametrize(("machine", "text"), [(InApply, "nothing may be applied"), (InCommand, "no command")])
def test_a_machine_that_fails_only_when_all_faults_end(machine: type[Ledger], text: str) -> None:
    """Nothing is proposed before; a single voter applies the operator's first write at once."""
    at_once = [seed for seed in range(40) if not prepare(seed, SINGLE).cluster.settings.latency(1)]
    for seed in at_once[:4]:
        result = sim.run(seed, SINGLE, 100, machine=machine)
        assert result.failure is not None
        assert (result.failure.rule, result.failure.event) == ("no error", 100)
        assert result.failure.text == f"AssertionError: {text}"
        told: list[str] = []
        assert sim.replay(seed, SINGLE, 100, machine=machine, write=told.append) is not None
        assert told[-2:] == ["--- all faults end", f"*** no error: AssertionError: {text}"]


def test_an_error_of_the_core_while_faults_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line names the seed, shrinks it, and continues with the next."""

    def broken(self: object) -> None:
        raise raftcy.InvariantError("planted")

    monkeypatch.setattr(operator.Operator, "begin", broken)
    assert cli.main(["sim", "--seeds", "2", "--from", "7", "--steps", "20", "--jobs", "1"]) == 1
    told = capsys.readouterr().out
    assert "seed 7, profile mixed: event 20, " in told
    assert "seed 8, profile mixed: event 20, " in told
    assert "no error: InvariantError: planted" in told
    assert told.endswith("0 seeds passed, 2 failed\n")


@pytest.mark.parametrize("method", ["_set_up", "_heal"])
def test_an_error_of_one_build_outside_the_events_is_a_difference(
    raftcy: ModuleType, raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    from raftcy_pure.sim import cluster as pure_cluster

    def broken(self: object) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(pure_cluster.Cluster, method, broken)
    found = lockstep.run(3, steps=20)
    assert found.failure is not None
    assert found.failure.rule == "both builds agree"
    assert "ValueError: planted" in found.failure.text
    monkeypatch.setattr(cluster.Cluster, method, broken)
    both = lockstep.run(3, steps=20)
    assert both.failure is not None
    assert str(both.failure) == "no error: ValueError: planted"


# -- errors of the operating system --------------------------------------------------------------------------------


class Filed(Ledger):
    """A state machine that needs a file which does not exist."""

    def apply(self, data: bytes) -> None:
        with (ROOT / "no" / "such" / "file").open("ab") as file:
            file.write(data)


class FiledSnapshot(Ledger):
    """Fails at every snapshot except the first few of the set-up."""

    def snapshot(self) -> bytes:
        if self.count:
            raise FileNotFoundError("no such file")
        return super().snapshot()


@pytest.mark.parametrize("profile", [LOADED, "calm"])
@pytest.mark.parametrize(("machine"), [Filed, FiledSnapshot])
def test_an_oserror_of_the_machine_is_not_one_of_the_disk(profile: sim.Profile | str, machine: type[Ledger]) -> None:
    result = sim.run(1, profile, machine=machine)
    assert result.failure is not None
    assert str(result.failure).startswith("no error: FileNotFoundError: ")
    assert result.coverage.counts["faults"]["failed write"] == 0


def test_a_snapshot_that_raft_asks_for_and_the_machine_fails_to_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core takes any error of a Storage for a failure of the storage, but this one comes from the machine."""
    asked = []

    class Offered(Ledger):
        def snapshot(self) -> bytes:
            if asked:
                raise FileNotFoundError("no such file")
            return super().snapshot()

    snapshot, watch = Disk.snapshot, Member.watch

    def offered(self: Disk) -> object:
        # Raft asks by way of the driver; the next watched call comes after its answer.
        asked.append(self)
        return snapshot(self)

    def watched(self: Member) -> None:
        asked.clear()
        watch(self)

    monkeypatch.setattr(Disk, "snapshot", offered)
    monkeypatch.setattr(Member, "watch", watched)
    failures = [sim.run(seed, FAR, machine=Offered) for seed in range(6)]
    found = [result for result in failures if not result.passed]
    assert found
    for result in found:
        assert str(result.failure) == "no error: FileNotFoundError: no such file"
        assert result.coverage.counts["faults"]["failed write"] == 0
