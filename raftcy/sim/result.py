"""The result of a run, and how to repeat the run: with a command line or a line of Python."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from .clock import ms
from .coverage import Coverage
from .profiles import MIXED, PROFILES, Profile
from .schedule import Action, numbers
from .subject import Ledger, Machine

STEPS = 2_000
"""The default number of events under faults."""


@dataclass(slots=True)
class Failure:
    """A violation: the rule, what was observed, after how many events, and at which virtual time in microseconds."""

    rule: str
    text: str
    event: int
    time: int

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


@dataclass(slots=True)
class Result:
    """The result of a run. ``failure`` is None if it passed. ``actions`` lists the performed actions and their effects.

    ``only``, ``machine`` and ``options`` are the arguments of ``run``, and ``lockstep`` says whether both builds ran.
    Together with the seed, the profile and the steps they suffice to repeat the run.
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
        """Whether no rule was violated."""
        return self.failure is None

    def check(self) -> None:
        """Raise SimulationFailed unless the run passed."""
        if self.failure is not None:
            raise SimulationFailed(failure(self))


class SimulationFailed(AssertionError):
    """A run violated a rule. The text has the seed, the actions, and a command that replays the run."""


def command(result: Result, actions: list[int] | None = None) -> str:
    """Return a command line that replays a run or a part of its schedule, or a line of Python if that is not enough."""
    if actions is None:
        actions = result.only
    given = {name: value for name, value in result.options.items() if name != "logger"}
    known = isinstance(result.profile, str) or PROFILES.get(result.profile.name) == result.profile
    if given or not known or result.machine is not Ledger:
        return _program(result, actions, given)
    words = ["python -m raftcy sim replay", str(result.seed)]
    if result.profile != MIXED:
        words.append(f"--profile {profile_name(result)}")
    if result.steps != STEPS:
        words.append(f"--steps {result.steps}")
    if actions is not None:
        words.append(f"--only {numbers(actions)}")
    if result.lockstep:
        words.append("--lockstep")
    return " ".join(words)


def _program(result: Result, actions: list[int] | None, given: dict[str, Any]) -> str:
    """Return a line of Python that replays a run. An object that cannot be imported appears by its name, if any."""
    imports = ["from raftcy import sim"]
    words = [str(result.seed)]
    if result.profile != MIXED:
        words.append(repr(result.profile) if isinstance(result.profile, str) else _profile(result.profile))
    if result.steps != STEPS:
        words.append(f"steps={result.steps}")
    if actions is not None:
        words.append(f"only={actions}")
    if result.machine is not Ledger:
        words.append(f"machine={_named(result.machine, imports)}")
    words += [f"{name}={_named(value, imports) if callable(value) else repr(value)}" for name, value in given.items()]
    if result.lockstep:
        words.append("lockstep=True")
    return f"{'; '.join(imports)}; sim.replay({', '.join(words)})"


def _profile(profile: Profile) -> str:
    """Return an expression for a profile that is not predefined."""
    words = [repr(profile.name), repr(profile.about), repr(dict(profile.weights))]
    for each in fields(profile)[len(words) :]:
        value = getattr(profile, each.name)
        if value != each.default:
            words.append(f"{each.name}={value!r}")
    return f"sim.Profile({', '.join(words)})"


def _named(value: Any, imports: list[str]) -> str:
    """Return an expression for a class or function, and add the import that it needs, if any."""
    module, path = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    first, _, rest = path.partition(".")
    found = getattr(sys.modules.get(module), first, None)
    for name in rest.split(".") if rest else ():
        found = getattr(found, name, None)
    if path and found is value:
        if module != "__main__":
            imports.append(f"from {module} import {first}")
        return str(path)
    name = path.rpartition(".")[2]
    return name if name.isidentifier() else "<as given>"


def profile_name(result: Result) -> str:
    """Return the name of a run's profile."""
    return result.profile if isinstance(result.profile, str) else result.profile.name


def failure(result: Result) -> str:
    """Describe the failure of a run, with a command that replays it."""
    found = result.failure
    if found is None:
        return f"seed {result.seed} passed"
    where = f"event {found.event}, {ms(found.time)}"
    return f"seed {result.seed}, profile {profile_name(result)}: {where}: {found}\n  replay: {command(result)}"
