"""Runs the same seed in both builds, and compares them after every event.

The simulator is part of the package, so each build has one: `raftcy_pure.sim` drives `raftcy_pure.core` as `raftcy.sim`
drives `raftcy.core`. Only plain data is compared: the digest of all messages and changes, the time, and the status of
the member that the event concerned.
"""

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

from .. import BUILD
from .._build import load_pure
from ..core.config import Config
from ..core.rawnode import RawNode
from ..errors import InvariantError
from .checkers import Violation
from .course import Run
from .profiles import MIXED, Profile
from .result import STEPS, Result
from .runs import chosen, conclude, drive, prepare
from .subject import Ledger, Machine

PURE = "raftcy_pure"


class Unavailable(Exception):
    """The compiled build, and with it the comparison, is not available here."""


class Pair:
    """The same run in both builds. ``ours`` is the run in this build, or None if it could not be set up.

    ``begin`` sets both up; ``step`` and ``heal`` advance both. All three raise Violation: of "both builds agree" if the
    builds differ, or of the rule that both violate in the same way.
    """

    def __init__(self) -> None:
        if BUILD != "compiled":
            raise Unavailable("there is no compiled build here to compare the pure one with")
        load_pure(PURE)
        self.ours: Run | None = None
        self._other: Any = import_module(f"{PURE}.sim.runs")
        self._runs: list[Any] = [None, None]

    def begin(
        self,
        seed: int,
        profile: str | Profile,
        *,
        logger: Any = None,
        make_raw: Callable[[Config], RawNode] = RawNode,
        **options: Any,
    ) -> Run:
        """Set both up by ``prepare`` with these options. ``logger`` and ``make_raw`` apply to ours only.

        Raises ValueError for a Profile: each build has its own, so only a name fits both.
        """
        if isinstance(profile, Profile):
            raise ValueError("lockstep takes a profile by its name")

        def ours() -> None:
            self.ours = self._runs[0] = prepare(seed, profile, logger=logger, make_raw=make_raw, **options)

        # Each build has its own default, which gives way to a profile's group.
        same = {name: value for name, value in options.items() if name != "machine" or value is not Ledger}

        def theirs() -> None:
            self._runs[1] = self._other.prepare(seed, profile, **same)

        self._both("set up", [ours, theirs])
        if self.ours is None:
            raise InvariantError("a build was set up but has no run")
        return self.ours

    def step(self) -> None:
        """Run the next event in ours, then in the other."""
        self._both("event", [run.step for run in self._runs])

    def heal(self) -> None:
        """End all faults in both."""
        self._both("end of faults", [run.heal for run in self._runs])

    def end(self) -> None:
        """End both."""
        for each in self._runs:
            if each is not None:
                each.end()

    @property
    def done(self) -> bool:
        """Whether ours has settled after the last fault; then the other has too."""
        return self.ours is not None and self.ours.done

    def _both(self, what: str, calls: list[Callable[[], Any]]) -> None:
        outcomes = [self._outcome(place, call) for place, call in enumerate(calls)]
        if outcomes[0] != outcomes[1]:
            at = f"at the {what}"
            if what == "event" and self.ours is not None:
                at = f"after event {self.ours.cluster.events}"
            raise Violation("both builds agree", f"{at}:\n  {outcomes[0]}\n  {outcomes[1]}")
        broken = outcomes[0][0]
        if broken is not None:
            raise Violation(*broken)

    def _outcome(self, place: int, call: Callable[[], Any]) -> tuple[Any, ...]:
        """The outcome of a call as plain data, starting with the arguments of its Violation, if any."""
        broken = name = None
        try:
            name = call()
        except Exception as error:
            # Each build has a Violation class; compare the names.
            if type(error).__name__ != "Violation":
                raise
            broken = error.args
        run = self._runs[place]
        if run is None:
            return (broken,)
        cluster = run.cluster
        status = run.status() if broken is None else ""
        return broken, name, cluster.clock.now, cluster.digest, status, run.done


def run(
    seed: int,
    profile: str | Profile = MIXED,
    steps: int = STEPS,
    *,
    only: Collection[int] | None = None,
    machine: Callable[[], Machine] = Ledger,
    **options: Any,
) -> Result:
    """Run a seed in both builds. A difference between them violates the rule "both builds agree".

    Takes the arguments of ``runs.run``, except that the profile must be one of ``profiles.names()``; otherwise it
    raises ValueError. Raises Unavailable without the compiled build.
    """
    result = Result(seed, profile, steps, chosen(only), machine, options, lockstep=True)
    pair = Pair()
    try:
        drive(pair.begin(seed, profile, only=only, machine=machine, **options), steps, by=pair)
    except Violation as violation:
        return conclude(result, pair.ours, violation)
    finally:
        pair.end()
    return conclude(result, pair.ours, None)
