"""Both builds through the same run, compared after every event.

The sim is part of the package, so each build has its own: `raftcy_pure.sim` drives `raftcy_pure.core` as
`raftcy.sim` drives `raftcy.core`. What is compared is plain data: the digest of all messages and changes, the time, and
the status of the member that the event was about.
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
from .machine import Ledger, Machine
from .profiles import MIXED, Profile
from .result import STEPS, Result
from .runs import Run, chosen, conclude, drive, prepare

PURE = "raftcy_pure"


class Unavailable(Exception):
    """There is only one build here."""


class Pair:
    """The same run in both builds, ``ours`` that of this one: ``begin`` sets both up, ``step`` and ``heal`` go on.

    All three raise Violation: for a difference between the builds, of the rule "both builds agree", or for a rule that
    both break alike. ``ours`` is None if it could not be set up.
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
        """Set both up by ``prepare`` and these options; ``logger`` and ``make_raw`` are for ours alone."""
        if isinstance(profile, Profile):
            raise ValueError("in lockstep a profile is given by its name")

        def ours() -> None:
            self.ours = self._runs[0] = prepare(seed, profile, logger=logger, make_raw=make_raw, **options)

        def theirs() -> None:
            self._runs[1] = self._other.prepare(seed, profile, **options)

        self._both("set up", [ours, theirs])
        if self.ours is None:
            raise InvariantError("a build was set up and is not there")
        return self.ours

    def step(self) -> None:
        """The next event of one, then of the other."""
        self._both("event", [run.step for run in self._runs])

    def heal(self) -> None:
        """All faults end in both."""
        self._both("end of faults", [run.heal for run in self._runs])

    @property
    def done(self) -> bool:
        """Whether ours has come to rest after the last fault; the other one has then too."""
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
        """What came of a call, as plain data; the violation first."""
        broken = name = None
        try:
            name = call()
        except Exception as error:
            # The classes of the two builds are not the same, so both are known by their names.
            if type(error).__name__ != "Violation":
                raise
            broken = error.args
        run = self._runs[place]
        if run is None:
            return (broken,)
        cluster = run.cluster
        member = cluster.touched
        status = str(member.node.status()) if broken is None and member is not None and member.up else ""
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
    """Run a seed in both builds; a difference between them is a failure of the rule "both builds agree".

    The arguments are those of ``runs.run``, but a profile has to be one of ``profiles.names()``: ValueError. Raises
    Unavailable on an installation without the compiled build.
    """
    result = Result(seed, profile, steps, chosen(only), machine, options, lockstep=True)
    pair = Pair()
    try:
        drive(pair.begin(seed, profile, only=only, machine=machine, **options), steps, by=pair)
    except Violation as violation:
        return conclude(result, pair.ours, violation)
    return conclude(result, pair.ours, None)
