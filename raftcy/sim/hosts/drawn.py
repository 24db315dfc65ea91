"""The set-up of simulated hosts, drawn once from the seed within the limits of the profile."""

from dataclasses import dataclass

from ...replica.tuning import Tuning
from ..clock import MS
from ..profiles import Profile
from ..streams import stream

TICK_MS = 50
"""The length of a tick of a correct clock."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The set-up of one run: members 1 to ``count``, which all serve the ``groups``.

    ``segment_size`` is that of the logs, ``latency_us`` the mean time of a sync, ``knows`` the newest version that the
    programs know at first, and ``network_us`` the mean delay of a message.
    """

    seed: int
    profile: Profile
    count: int
    groups: tuple[str, ...]
    tuning: Tuning
    segment_size: int
    latency_us: int
    network_us: int
    knows: int

    @staticmethod
    def draw(seed: int, profile: Profile) -> "HostSettings":
        """Draw the settings of a run."""
        random = stream(seed, "hosts")
        ticks = random.choice((3, 4, 6))
        tight = random.random() < 0.3
        return HostSettings(
            seed=seed,
            profile=profile,
            count=random.choice(profile.voters),
            groups=("one", "other")[: random.choice((1, 1, 2))],
            tuning=Tuning(
                tick_ms=TICK_MS,
                election_ms=ticks * TICK_MS,
                sync=random.choice(("auto", "auto", "thread")),
                lease_reads=random.random() < 0.3,
                waiting_commands=random.choice((4, 16)) if tight else 1 << 10,
                waiting_bytes=random.choice((2_100, 20_000)) if tight else 1 << 20,
                command_bytes=random.choice((1_000, 2_000)) if tight else 1 << 16,
                waiting_reads=4 if tight else 64,
                snapshot_entries=random.choice((8, 25, 80, 400)),
                snapshot_bytes=random.choice((4_000, 1 << 20)),
                kept_entries=random.choice((1, 4, 30)),
                handover_ms=300,
                call_ms=random.choice((100, 300, 600)),
            ),
            segment_size=random.choice((4096, 8192, 32768)),
            latency_us=random.choice((0, 0, 300, 2 * MS, 8 * MS)),
            network_us=random.choice((300, 1 * MS, 4 * MS)),
            knows=random.choice((1, 1, 2)),
        )

    @property
    def election_us(self) -> int:
        """The election timeout in microseconds."""
        return self.tuning.election_ms * MS
