"""Profiles: the weights of the actions, and the ranges from which settings are drawn."""

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

DRIFT = 0.3
"""How much the clocks of members may drift where the drivers' leases are simulated."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of run.

    ``weights`` gives the relative frequency of each action in ``actions``, and ``interval`` the mean time between two
    actions in microseconds. The initial number of ``voters`` and ``learners``, and the share of members with
    ``asynchronous`` storage writes, are drawn from these tuples.

    With ``lease``, members answer reads by the leader's lease. Set it only if no action can break a lease.

    ``shrinking`` allows changes that keep less than a majority of the voters. Such a cluster may never elect a leader
    again: a configuration takes effect where it is applied, so the members that stay may need votes from members with
    longer logs that already know that they were removed.

    With ``drift``, leaders read by the lease of their driver, and clocks run at rates between 1 - ``drift`` and
    1 + ``drift``. Leases allow for clocks between 1 - ``DRIFT`` and 1 + ``DRIFT``.

    ``group`` names the ready machine, of those in ``models``, around which the members make a group with sessions. They
    have the machine that ``run`` is given if it is empty.

    With ``sleeps``, heartbeats travel in beats, and an idle group sleeps.
    With ``hosts``, the members are whole hosts, with a log on disk, transport, sessions and versions.
    With ``etcd``, each of these hosts is a member of an etcd cluster too.
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
    drift: float = 0.0
    group: str = ""
    sleeps: bool = False
    hosts: bool = False
    etcd: bool = False


def _times(weights: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: weight * factor for name, weight in weights.items()}


GROUPS = CRASHES | LINKS | CHANGES | ELECTIONS | {"propose": 500, "retry": 60, "compact": 8, "checkpoint": 3}
CALLS = {"write": 60, "write_many": 6, "read": 18, "session": 10, "roam": 20, "ask": 3, "cancel": 3, "request": 3}
HOST_LINKS = {"weather": 0.8, "partition": 0.25, "isolate": 0.4, "one_way": 0.3}
HOST_ENDS = {"kill": 0.3, "power": 0.2, "power_all": 0.06, "power_within": 0.4, "fail": 0.15, "close": 0.15}
HOST_REST = {"pause": 0.2, "skew": 0.2, "slow": 0.3, "transfer": 0.4, "campaign": 0.2, "upgrade": 0.2, "wipe": 0.05}
HOST_MEMBERS = {"join": 0.5, "promote": 0.2, "remove": 0.4, "replace": 0.4}
ETCD_CALLS = {"etcd_write": 60, "etcd_read": 15, "etcd_renew": 14, "etcd_lease": 5, "write": 3}
HOSTS_ALL = CALLS | HOST_LINKS | HOST_ENDS | HOST_REST
ALL = LOAD | ELECTIONS | LINKS | CLOCKS | CRASHES | DISKS | CHANGES

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("default", "everything, in moderation", ALL),
        Profile("calm", "load and snapshots, no faults", LOAD | {"compact": 2, "checkpoint": 1}),
        Profile(
            "lease",
            "reads by the leader's lease, without faults that break a lease",
            LOAD | {"read": 40, "compact": 2},
            lease=True,
            voters=(1, 3, 5),
        ),
        Profile(
            "drifting", "reads by the lease of the driver, while clocks drift and jump",
            LOAD | {"propose": 25, "read": 35, "coup": 15, "apart": 15, "leave": 8, "drift": 2, "jump": 2, "compact": 1}
            | {"pause": 1, "crash": 1} | ELECTIONS | _times(LINKS, 0.3),
            voters=(3, 3, 5), drift=DRIFT,
        ),
        Profile("elections", "leaders come and go", LOAD | _times(ELECTIONS, 6) | LINKS | {"crash": 1}),
        Profile("crashes", "crashes, disk faults", LOAD | _times(CRASHES, 3) | DISKS | {"campaign": 1, "weather": 2}),
        Profile("partitions", "partitions of the network", LOAD | _times(LINKS, 2.5) | ELECTIONS | {"compact": 2}),
        Profile("clocks", "pauses and skewed clocks", LOAD | _times(CLOCKS, 6) | LINKS),
        Profile(
            "membership", "members join and leave",
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
            "contested", "slow asynchronous storage and frequent elections",
            {"propose": 40, "read": 5, "retry": 5, "slow_disk": 40, "campaign": 60, "weather": 10, "crash": 1},
            interval=1_500, voters=(3, 5), asynchronous=(1.0,),
        ),
        Profile(
            "losses", "lost, duplicated and late messages under stable leaders that compact eagerly",
            LOAD | {"weather": 14, "compact": 60, "unreachable": 4, "transfer": 1.5, "slow_disk": 10},
        ),
        Profile(
            "sleeping", "an idle group sleeps, and is woken by load and faults",
            LOAD | ELECTIONS | _times(LINKS, 4) | _times(CLOCKS, 3) | _times(CRASHES, 3) | CHANGES
            | {"propose": 25, "slow_disk": 6},
            interval=60_000, voters=(1, 3, 3, 3, 4, 5), sleeps=True,
        ),
        *(
            Profile(
                name, f"a group with sessions, time and versions, and a {name}",
                GROUPS | _times(CHANGES, changes), interval=800, group=name,
            )
            for name, changes in (("counter", 1), ("dictionary", 12), ("lock", 1), ("queue", 1))
        ),
        *(
            Profile(name, f"whole hosts: {about}", weights, interval, voters=(1, 3, 3, 3, 3, 5), hosts=True)
            for name, about, weights, interval in (
                ("service", "everything, in moderation", HOSTS_ALL, 8_000),
                (
                    "power", "kills, power cuts, failing disks",
                    CALLS | _times(HOST_ENDS, 2.5) | {"slow": 0.6, "weather": 0.3}, 8_000,
                ),
                (
                    "handover", "leaders come and go while commands are forwarded",
                    CALLS | HOST_LINKS | {"transfer": 3, "campaign": 1, "pause": 0.6, "kill": 0.3, "skew": 0.3}, 8_000,
                ),
                (
                    "sessions", "sessions that are repeated and expire",
                    CALLS | HOST_LINKS | {"session": 60, "roam": 90, "write": 10}
                    | {"kill": 0.8, "close": 1, "transfer": 1, "pause": 0.5}, 8_000,
                ),
                (
                    "upgrades", "programs get newer, and older, while they run",
                    CALLS | HOST_LINKS | {"upgrade": 1.5, "kill": 0.5, "power_within": 0.4}
                    | {"close": 0.4, "transfer": 0.4}, 8_000,
                ),
                (
                    "beginning", "the first start under faults, and disks that are lost",
                    CALLS | HOST_LINKS | HOST_ENDS
                    | {"wipe": 0.8, "kill": 0.8, "power_within": 0.8, "pause": 0.5}, 8_000,
                ),
                (
                    "changing", "hosts join, leave and are replaced under faults",
                    CALLS | HOST_LINKS | HOST_MEMBERS | {"kill": 0.5, "power": 0.2, "power_within": 0.2, "pause": 0.3}
                    | {"transfer": 0.5, "close": 0.2}, 12_000,
                ),
                (
                    "dozing", "groups are idle, sleep, and are woken by calls and faults",
                    {"write": 30, "read": 12, "ask": 2, "request": 2, "transfer": 5, "campaign": 2}
                    | _times(HOST_LINKS, 12) | _times(HOST_ENDS, 8) | {"pause": 6, "skew": 4, "slow": 3}, 250_000,
                ),
            )
        ),
        Profile(
            "etcd", "members of an etcd cluster on whole hosts: transactions, leases, watches",
            ETCD_CALLS | _times(HOST_LINKS, 1.5) | {"kill": 0.5, "power": 0.2, "power_within": 0.3, "pause": 0.4}
            | {"slow": 0.3, "etcd_transfer": 2.5, "close": 0.15},
            interval=8_000, voters=(1, 3, 3, 3, 3, 5), hosts=True, etcd=True,
        ),
    )
}  # fmt: skip

MIXED = "mixed"
"""Stands for one of the profiles without a group or hosts, drawn from the seed."""
HOSTS = "hosts"
"""Stands for one of the profiles with hosts, drawn from the seed, except for the one with etcd."""


def names() -> list[str]:
    """The names that ``find`` accepts."""
    return [MIXED, HOSTS, *PROFILES]


def find(name: str | Profile, seed: int) -> Profile:
    """Return the profile of a run, given its name or the profile itself. Raises ValueError for an unknown name."""
    if isinstance(name, Profile):
        return name
    if name in (MIXED, HOSTS):
        # Without hosts, those without a machine of their own: it draws from what any machine can be run with.
        special = [name for name, each in PROFILES.items() if each.group or each.drift or each.sleeps or each.etcd]
        all_of = [profile for profile in PROFILES.values() if profile.name not in special]
        each = [profile for profile in all_of if profile.hosts == (name == HOSTS)]
        return each[int(stream(seed, "profile").random() * len(each))]
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}, not one of {', '.join(names())}")
    return PROFILES[name]
