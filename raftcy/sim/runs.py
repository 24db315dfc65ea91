"""A run from its seed to its result.

A run has two phases. In the first the schedule's actions happen, for a number of events. Then all faults end, an
operator puts the cluster in order (``operator``), and the run goes on until all checkers say that it is at rest, or
until the time for that is up, which is a violation.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

from .actions import perform
from .checkers import Violation
from .cluster import Cluster, guarded
from .machine import Ledger, Machine
from .operator import Operator
from .profiles import MIXED, Profile, find
from .result import STEPS, Failure, Result
from .schedule import Action, schedule
from .settings import Settings


class Driven(Protocol):
    """What ``drive`` moves: a run, or a run and another one beside it."""

    @property
    def done(self) -> bool:
        """Whether it has come to rest after the last fault."""

    def step(self) -> Any:
        """The next event. Raises Violation."""

    def heal(self) -> None:
        """The second phase begins. Raises Violation."""


class Run:
    """A cluster on which ``actions`` are performed until ``heal`` ends all faults and an operator takes over.

    ``performed`` are the actions so far, each with what it did.
    """

    def __init__(self, cluster: Cluster, actions: Iterator[Action]) -> None:
        self.cluster = cluster
        self.performed: list[tuple[Action, str]] = []
        self._actions = actions
        self._operator: Operator | None = None
        self._next_action()

    @property
    def done(self) -> bool:
        """Whether the operator has found the cluster at rest."""
        return self._operator is not None and self._operator.done

    def step(self) -> str:
        """Let the next event happen; its name. Raises Violation."""
        return self.cluster.step()

    def heal(self) -> None:
        """All faults end; from now on an operator brings the cluster to rest. Raises Violation."""
        self._operator = Operator(self.cluster)
        self.cluster.heal()
        guarded(self._operator.begin)

    def _next_action(self) -> None:
        action = next(self._actions, None)
        if action is not None:
            clock = self.cluster.clock
            clock.after(action.at - clock.now, self._act, action)

    def _act(self, action: Action) -> None:
        if self.cluster.healed:
            return
        self.performed.append((action, ""))
        self.performed[-1] = (action, perform(self.cluster, action))
        self._next_action()


def prepare(
    seed: int,
    profile: str | Profile = MIXED,
    *,
    only: Collection[int] | None = None,
    machine: Callable[[], Machine] = Ledger,
    **options: Any,
) -> Run:
    """A run before its first event; ``only`` leaves of its schedule the actions of these numbers.

    Raises Violation if a rule is broken while it is set up. ValueError for a profile that is not known.
    """
    found = find(profile, seed)
    return Run(Cluster(Settings.draw(seed, found), machine, **options), schedule(seed, found, only))


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
    prepared = None
    try:
        prepared = prepare(seed, profile, only=only, machine=machine, **options)
        drive(prepared, steps)
    except Violation as violation:
        return conclude(result, prepared, violation)
    return conclude(result, prepared, None)


def chosen(only: Collection[int] | None) -> list[int] | None:
    """The numbers of the actions that a run is left with, in order; None for all."""
    return None if only is None else sorted(only)


def conclude(result: Result, run: Run | None, violation: Violation | None) -> Result:
    """Write into a result what came of its run; ``run`` is None if it was never set up."""
    if run is not None:
        cluster = run.cluster
        result.events, result.time, result.digest = cluster.events, cluster.clock.now, cluster.digest
        result.actions, result.coverage = run.performed, cluster.coverage
        result.writes, result.reads = cluster.clients.ended[True], cluster.clients.ended[False]
    if violation is not None:
        result.failure = Failure(violation.rule, violation.text, result.events, result.time)
    return result


def drive(run: Run, steps: int, by: Driven | None = None) -> None:
    """Both phases of a run, moved ``by`` itself if nothing else is given. Raises Violation."""
    step = (by or run).step
    while run.cluster.events < steps:
        step()
    settle(by or run)


def settle(driven: Driven) -> None:
    """The second phase. Raises Violation."""
    driven.heal()
    while not driven.done:
        driven.step()
