"""The set-up of a cluster and its members, drawn once from the seed within the limits of the profile."""

from dataclasses import dataclass, field, fields
from random import Random
from typing import Any

from ..core.config import Config
from ..replica.lease import Lease
from ..wire import consts as k
from ..wire.enums import ReadOnlyOption
from .clock import TICK
from .profiles import DRIFT, Profile
from .streams import stream

ELECTION_TICKS = (3, 4, 6)
# Not drawn: with this option, the application is responsible for safety.
UNSAFE = "disable_conf_change_validation"
FLAGS = [each.name for each in fields(Config) if each.type is bool and each.name != UNSAFE]


@dataclass(slots=True)
class Settings:
    """The set-up of one run: the initial members, the election timeout in ticks, and how members start.

    The first members have the ids 1 to ``voters``; the learners follow. If ``bootstrapped``, they start with
    ``RawNode.bootstrap``; otherwise with a snapshot at index ``index``.
    """

    seed: int
    profile: Profile
    voters: int
    learners: int
    election_tick: int
    bootstrapped: bool
    index: int
    pre_vote: float
    check_quorum: float
    lease: bool
    asynchronous: float
    members: dict[int, dict[str, Any]] = field(default_factory=dict)

    @staticmethod
    def draw(seed: int, profile: Profile) -> "Settings":
        """Draw the settings of a run."""
        random = stream(seed, "settings")
        lease = profile.lease
        # A lease is a tick and twice the drift shorter than an election timeout.
        longer = 3 if profile.drift else 0
        return Settings(
            seed=seed,
            profile=profile,
            voters=random.choice(profile.voters),
            learners=random.choice(profile.learners),
            election_tick=random.choice(ELECTION_TICKS) + longer,
            bootstrapped=random.random() < 0.5,
            index=random.choice((5, 2**32, 2**63 - 10)),
            # On every member, on none, or drawn for each member.
            pre_vote=random.choice((0.0, 1.0, 0.5)),
            check_quorum=1.0 if lease or profile.drift else random.choice((0.0, 1.0, 1.0, 0.5)),
            lease=lease,
            asynchronous=random.choice(profile.asynchronous),
        )

    def of(self, id: int) -> dict[str, Any]:
        """The options of a member as keywords for its Config: all except ``disable_conf_change_validation``."""
        if id not in self.members:
            self.members[id] = self._draw_member(stream(self.seed, "member", id))
        return self.members[id]

    def _draw_member(self, random: Random) -> dict[str, Any]:
        size = random.choice((0, 64, 200, 1000, k.NO_LIMIT))
        drawn = {
            "election_tick": self.election_tick,
            "heartbeat_tick": 2 if self.election_tick > 4 and random.random() < 0.3 else 1,
            "max_size_per_msg": size,
            "max_committed_size_per_ready": random.choice((64, 300, k.NO_LIMIT)),
            "max_uncommitted_entries_size": random.choice((0, 0, 200, 1000)),
            "max_inflight_msgs": random.choice((1, 2, 4, 256)),
            "max_inflight_bytes": random.choice((0, 0, max(size, 300))),
            "pre_vote": random.random() < self.pre_vote,
            "check_quorum": random.random() < self.check_quorum,
            "step_down_on_removal": random.random() < 0.5,
            "disable_proposal_forwarding": random.random() < 0.2,
            "async_storage_writes": random.random() < self.asynchronous,
            "read_only_option": ReadOnlyOption.LEASE_BASED if self.lease else ReadOnlyOption.SAFE,
            "batch_append": random.random() < 0.3,
            "max_pending_reads": random.choice((0, 0, 4, 32)),
            "max_pending_msgs": random.choice((0, 0, 8, 64)),
        }
        # Drawn last, so that a new option changes existing runs only by its effect, not by shifting other draws.
        return drawn | {name: random.random() < 0.3 for name in FLAGS if name not in drawn}

    def drivers_lease(self, id: int) -> Lease | None:
        """Return a lease for a start of a member, if members have leases; some take no part in them."""
        if not self.profile.drift:
            return None
        length = self.election_tick * TICK
        takes_part = stream(self.seed, "lease", id).random() < 0.85
        return Lease(election_us=length, tick_us=TICK, drift_ppm=int(DRIFT * 1_000_000), promises=takes_part)

    def keeps_snapshots(self, id: int) -> bool:
        """Whether a member delays a snapshot that cannot be stepped yet, as Node does, or drops it."""
        return stream(self.seed, "snapshots", id).random() < 0.5

    def latency(self, id: int) -> int:
        """The mean latency of a member's disk without faults, in microseconds."""
        if self.profile.drift:
            return stream(self.seed, "latency", id).choice((0, 0, 500))
        usual = (0, 500, 4_000, 20_000) if self.of(id)["async_storage_writes"] else (0, 0, 0, 500, 4_000)
        return stream(self.seed, "latency", id).choice(usual)

    def config(self, id: int, storage: Any, applied: int, random: Random, logger: Any) -> Config:
        """Create a member's Config."""
        return Config(id=id, storage=storage, applied=applied, random=random, logger=logger, **self.of(id))
