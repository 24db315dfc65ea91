"""What a run is made of: for each profile the weights of the actions and the ranges of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from .streams import stream

LOAD = {"propose": 60, "read": 14, "retry": 10}
ELECTIONS = {"campaign": 1.5, "transfer": 1.5, "forget": 0.7}
LINKS = {"weather": 3, "partition": 1.6, "isolate": 1.2, "one_way": 1.2, "unreachable": 0.5}
CLOCKS = {"pause": 1.2, "skew": 0.8}
CRASHES = {"crash": 2.4, "crash_all": 0.3, "fail_write": 0.8, "fail_read": 0.3}
DISKS = {"slow_disk": 1.5, "compact": 2.5, "checkpoint": 1, "no_snapshot": 0.8}
CHANGES = {"change": 2.5, "leave": 0.7}


@dataclass(frozen=True, slots=True)
class Profile:
    """``weights`` of the actions that ``actions`` knows; ``interval`` between two of them, in mean microseconds.

    ``voters`` and ``learners`` to begin with and ``asynchronous``, the share of members with asynchronous storage
    writes, are drawn from these lists. ``lease`` is for profiles without anything that could break a lease: members
    answer reads by it. ``shrinking`` allows changes that leave less than a majority of the voters in place: a new
    configuration is in force where it is applied, so those that are to stay may need the votes of those that know
    themselves removed and have longer logs, for ever.
    """

    name: str
    about: str
    weights: Mapping[str, float]
    interval: int = 5_000
    voters: tuple[int, ...] = (1, 2, 3, 3, 3, 3, 4, 5, 5)
    learners: tuple[int, ...] = (0, 0, 1)
    asynchronous: tuple[float, ...] = (0.0, 0.0, 0.5, 1.0)
    lease: bool = False
    shrinking: bool = False


def _times(weights: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: weight * factor for name, weight in weights.items()}


ALL = LOAD | ELECTIONS | LINKS | CLOCKS | CRASHES | DISKS | CHANGES

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("default", "everything, in moderation", ALL),
        Profile("calm", "load and snapshots, no faults", LOAD | {"compact": 2, "checkpoint": 1}),
        Profile(
            "lease",
            "reads by the leader's lease, where nothing can break it",
            LOAD | {"read": 40, "compact": 2},
            lease=True,
            voters=(1, 3, 5),
        ),
        Profile("elections", "leaders come and go", LOAD | _times(ELECTIONS, 6) | LINKS | {"crash": 1}),
        Profile("crashes", "power fails", LOAD | _times(CRASHES, 3) | DISKS | {"campaign": 1, "weather": 2}),
        Profile("partitions", "the network falls apart", LOAD | _times(LINKS, 2.5) | ELECTIONS | {"compact": 2}),
        Profile("clocks", "clocks stop and go wrong", LOAD | _times(CLOCKS, 6) | LINKS),
        Profile(
            "membership", "members come and go",
            LOAD | _times(CHANGES, 5) | LINKS | {"crash": 1.5, "transfer": 1.5, "slow_disk": 1.5},
        ),
        Profile("reads", "reads while leaders change", LOAD | {"read": 60} | ELECTIONS | LINKS | CLOCKS | {"crash": 1}),
        Profile(
            "async", "slow asynchronous storage",
            LOAD | CRASHES | LINKS | {"crash": 5, "slow_disk": 10, "campaign": 4, "transfer": 1},
            asynchronous=(1.0,),
        ),
        Profile(
            "snapshots", "followers far behind",
            LOAD | LINKS | CRASHES | {"compact": 14, "no_snapshot": 4, "change": 1.5, "slow_disk": 4},
        ),
        Profile(
            "contested", "slow asynchronous storage under leaders that come and go",
            {"propose": 40, "read": 5, "retry": 5, "slow_disk": 40, "campaign": 60, "weather": 10, "crash": 1},
            interval=1_500, voters=(3, 5), asynchronous=(1.0,),
        ),
        Profile(
            "losses", "messages go lost, come twice and late, under leaders that stay and compact what they can",
            LOAD | {"weather": 14, "compact": 60, "unreachable": 4, "transfer": 1.5, "slow_disk": 10},
        ),
    )
}  # fmt: skip

MIXED = "mixed"
"""The name that stands for one of the profiles, drawn from the seed."""


def names() -> list[str]:
    """What may be asked for."""
    return [MIXED, *PROFILES]


def find(name: str | Profile, seed: int) -> Profile:
    """The profile of a run, by its name or as it is; ValueError for a name that is not known."""
    if isinstance(name, Profile):
        return name
    if name == MIXED:
        each = list(PROFILES.values())
        return each[int(stream(seed, "profile").random() * len(each))]
    if name not in PROFILES:
        raise ValueError(f"there is no profile {name!r}: {', '.join(names())}")
    return PROFILES[name]
