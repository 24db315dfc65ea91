"""A run from its seed to its result."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from .actions import Action, schedule
from .checkers import Violation
from .cluster import Cluster
from .coverage import Coverage
from .machine import Ledger, Machine
from .profiles import MIXED, Profile, find
from .settings import Settings

STEPS = 2_000


@dataclass(slots=True)
class Failure:
    """What went wrong: which rule, what was seen, and after how many events."""

    rule: str
    text: str
    event: int
    time: int

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


@dataclass(slots=True)
class Result:
    """What came of a run. ``failure`` is None if it passed; ``actions`` are those performed, with what they did.

    ``only``, ``machine`` and ``options`` are as ``run`` was given them, and ``lockstep`` tells whether both builds ran
    (``lockstep.run``): all that it takes to run the same again.
    """

    seed: int
    profile: str | Profile
    steps: int
    only: list[int] | None = None
    machine: Callable[[], Machine] = Ledger
    options: dict[str, Any] = field(default_factory=dict)
    lockstep: bool = False
    events: int = 0
    time: int = 0
    digest: int = 0
    failure: Failure | None = None
    actions: list[tuple[Action, str]] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    writes: int = 0
    reads: int = 0

    @property
    def passed(self) -> bool:
        """Whether no rule was broken."""
        return self.failure is None

    def end(self, cluster: Cluster | None, violation: Violation | None) -> "Result":
        """Take in what came of a run; ``cluster`` is None if it was never set up."""
        if cluster is not None:
            self.events, self.time, self.digest = cluster.events, cluster.clock.now, cluster.digest
            self.actions, self.coverage = cluster.performed, cluster.coverage
            self.writes, self.reads = cluster.clients.ended[True], cluster.clients.ended[False]
        if violation is not None:
            self.failure = Failure(violation.rule, violation.text, self.events, self.time)
        return self

    def check(self) -> None:
        """Raise SimulationFailed, with the text of ``report.failure``, unless the run passed."""
        if self.failure is not None:
            from .report import failure

            raise SimulationFailed(failure(self))


class SimulationFailed(AssertionError):
    """A run has broken a rule; the text has the seed, the actions and how to replay it."""


def prepare(
    seed: int,
    profile: str | Profile = MIXED,
    *,
    only: Collection[int] | None = None,
    machine: Callable[[], Machine] = Ledger,
    **options: Any,
) -> Cluster:
    """The cluster of a run before its first event; ``only`` leaves of its schedule the actions of these numbers.

    Raises Violation if a rule is broken while it is set up. ValueError for a profile that is not known.
    """
    found = find(profile, seed)
    return Cluster(Settings.draw(seed, found), schedule(seed, found, only), machine, **options)


def run(
    seed: int,
    profile: str | Profile = MIXED,
    steps: int = STEPS,
    *,
    only: Collection[int] | None = None,
    machine: Callable[[], Machine] = Ledger,
    **options: Any,
) -> Result:
    """Run a seed: ``steps`` events under the actions of its schedule, then until the cluster is at rest.

    ``profile`` is one of ``profiles.names()`` or a Profile of one's own, ``machine`` makes the state machine that is
    replicated. ``only`` performs only the actions of these numbers. ``hold_votes``, ``guard_reads`` and
    ``guard_snapshots``, if False, leave out a precaution of the members (``member``). Never raises for a broken rule:
    see ``Result.failure`` and ``Result.check``. ValueError for a profile that is not known.
    """
    result = Result(seed, profile, steps, chosen(only), machine, options)
    cluster = None
    try:
        cluster = prepare(seed, profile, only=only, machine=machine, **options)
        drive(cluster, steps)
    except Violation as violation:
        return result.end(cluster, violation)
    return result.end(cluster, None)


def chosen(only: Collection[int] | None) -> list[int] | None:
    """The numbers of the actions that a run is left with, in order; None for all."""
    return None if only is None else sorted(only)


class Driven(Protocol):
    """What moves a cluster: the cluster, or what takes another one along with it."""

    def step(self) -> Any:
        """The next event."""

    def heal(self) -> None:
        """All faults end."""


def drive(cluster: Cluster, steps: int, by: Driven | None = None) -> None:
    """Both phases of a run, moved ``by`` the cluster itself if nothing else is given. Raises Violation."""
    step = (by or cluster).step
    while cluster.events < steps:
        step()
    settle(cluster, by)


def settle(cluster: Cluster, by: Driven | None = None) -> None:
    """The second phase. Raises Violation."""
    driven = by or cluster
    driven.heal()
    operator = cluster.operator
    while operator is not None and not operator.done:
        driven.step()
