"""Both builds through the same run, compared after every event.

The sim is part of the package, so each build has its own: `raftcy_pure.sim` drives `raftcy_pure.core` as
`raftcy.sim` drives `raftcy.core`. What is compared is plain data: the digest of all messages and changes, the time, and
the status of the member that the event was about.
"""

from importlib import import_module
from typing import Any

from .. import BUILD
from .._build import load_pure
from .checkers import Violation
from .profiles import MIXED
from .runs import STEPS, Failure, Result, prepare

PURE = "raftcy_pure"


class Unavailable(Exception):
    """There is only one build here."""


def run(seed: int, profile: str = MIXED, steps: int = STEPS) -> Result:
    """Run a seed in both builds; a difference between them is a failure of the rule "both builds agree".

    Raises Unavailable on an installation without the compiled build.
    """
    if BUILD != "compiled":
        raise Unavailable("there is no compiled build here to compare the pure one with")
    load_pure(PURE)
    other: Any = import_module(f"{PURE}.sim.runs")
    result = Result(seed, profile, steps)
    ours, theirs = prepare(seed, profile), other.prepare(seed, profile)
    try:
        _drive(ours, theirs, steps)
    except Violation as violation:
        result.failure = Failure(violation.rule, violation.text, ours.events, ours.clock.now)
    result.events, result.time, result.digest = ours.events, ours.clock.now, ours.digest
    result.actions, result.coverage = ours.performed, ours.coverage
    result.writes, result.reads = ours.clients.ended[True], ours.clients.ended[False]
    return result


def _drive(ours: Any, theirs: Any, steps: int) -> None:
    """Both phases of both runs, an event of one, then of the other."""
    while ours.operator is None or not ours.operator.done:
        if ours.events >= steps and ours.operator is None:
            ours.heal()
            theirs.heal()
        outcomes = [_step(cluster) for cluster in (ours, theirs)]
        if outcomes[0] != outcomes[1]:
            text = f"after event {ours.events}:\n  {outcomes[0]}\n  {outcomes[1]}"
            raise Violation("both builds agree", text)
        broken = outcomes[0][0]
        if broken is not None:
            raise Violation(*broken)


def _step(cluster: Any) -> tuple[Any, ...]:
    """What came of the next event, as plain data; the violation first."""
    broken = name = None
    try:
        name = cluster.step()
    except Exception as error:
        # The classes of the two builds are not the same, so both are known by their names.
        if type(error).__name__ != "Violation":
            raise
        broken = error.args
    member = cluster.touched
    status = str(member.node.status()) if broken is None and member is not None and member.up else ""
    done = cluster.operator is not None and cluster.operator.done
    return broken, name, cluster.clock.now, cluster.digest, status, done
