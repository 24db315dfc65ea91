"""Runs a seed and returns its result.

A run has two phases. In the first, the actions of the schedule happen, for a number of events. Then all faults end, an
operator repairs the cluster (``operator``), and the run continues until all checkers agree that the cluster has
settled. If it does not settle in time, that is a violation.
"""

from collections.abc import Callable, Collection
from typing import Any, Protocol

from ..core.rawnode import RawNode
from .checkers import Violation
from .cluster import Cluster
from .course import Run
from .profiles import MIXED, Profile, find
from .result import STEPS, Failure, Result
from .schedule import schedule
from .settings import Settings
from .subject import Ledger, Machine

DEFAULTS: dict[str, Any] = {
    "make_raw": RawNode,
    "hold_votes": True,
    "guard_reads": True,
    "guard_snapshots": True,
    "torn_writes": False,
}
"""The options of a run, which a profile of whole hosts does not have."""


class Driven(Protocol):
    """What ``drive`` advances: a run, or the same run in both builds."""

    @property
    def done(self) -> bool:
        """Whether the cluster has settled after the last fault."""

    def step(self) -> Any:
        """Run the next event. Raises Violation."""

    def heal(self) -> None:
        """Begin the second phase. Raises Violation."""


def prepare(
    seed: int,
    profile: str | Profile = MIXED,
    *,
    only: Collection[int] | None = None,
    machine: Callable[[], Machine] = Ledger,
    **options: Any,
) -> Run:
    """Set up a run. ``only`` restricts its schedule to the actions with these numbers.

    Raises Violation if a rule is violated during set-up, and ValueError for an unknown profile.
    """
    found = find(profile, seed)
    if found.hosts:
        return _hosts(seed, found, only, machine, options)
    if found.group and machine is Ledger:
        machine = _group(found.group)
    return Run(Cluster(Settings.draw(seed, found), machine, **options), schedule(seed, found, only))


def _hosts(
    seed: int, profile: Profile, only: Collection[int] | None, machine: Callable[[], Machine], options: dict[str, Any]
) -> Run:
    # Only these profiles need what whole hosts need.
    from .hosts.hostrun import prepare as prepare_hosts

    logger = options.pop("logger", None)
    other = [name for name, value in options.items() if value is not DEFAULTS[name]]
    if machine is not Ledger or other:
        raise ValueError(f"the profile {profile.name} runs whole hosts, which have their own machine and drivers")
    return prepare_hosts(seed, profile, only, logger)


def _group(name: str) -> Callable[[], Machine]:
    # Only these profiles need what the ready machines need.
    from .groups import subject

    return lambda: subject(name)


def run(
    seed: int,
    profile: str | Profile = MIXED,
    steps: int = STEPS,
    *,
    only: Collection[int] | None = None,
    machine: Callable[[], Machine] = Ledger,
    **options: Any,
) -> Result:
    """Run a seed: ``steps`` events under the actions of its schedule, then until the cluster has settled.

    ``profile`` is one of ``profiles.names()`` or a Profile. ``machine`` creates the replicated state machine. ``only``
    restricts the schedule to the actions with these numbers. ``hold_votes``, ``guard_reads`` and ``guard_snapshots``,
    if False, disable a safety rule of the members' drivers. With ``torn_writes``, disks write as a storage of single
    calls does: a crash may leave entries without the hard state of their write.

    Does not raise for a violated rule: see ``Result.failure`` and ``Result.check``. Raises ValueError for an unknown
    profile.
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
    """Sort the numbers of the actions to perform; None means all actions."""
    return None if only is None else sorted(only)


def conclude(result: Result, run: Run | None, violation: Violation | None) -> Result:
    """Complete a result with the state of its run, which is None if it was never set up."""
    if run is not None:
        run.end()
        cluster = run.cluster
        result.events, result.time, result.digest = cluster.events, cluster.clock.now, cluster.digest
        result.actions, result.coverage = run.performed, cluster.coverage
        result.writes, result.reads = cluster.ended[True], cluster.ended[False]
    if violation is not None:
        result.failure = Failure(violation.rule, violation.text, result.events, result.time)
    return result


def drive(run: Run, steps: int, by: Driven | None = None) -> None:
    """Run both phases, advancing ``by`` if given, otherwise the run itself. Raises Violation."""
    step = (by or run).step
    while run.cluster.events < steps:
        step()
    settle(by or run)


def settle(driven: Driven) -> None:
    """Run the second phase. Raises Violation."""
    driven.heal()
    while not driven.done:
        driven.step()
