"""The times and limits of a host and its replicas, with defaults for members in one data centre."""

from dataclasses import dataclass

from ..errors import ConfigError
from .lease import DRIFT_MOST_PPM, Lease
from .offers import MAX_MESSAGE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Times, in milliseconds, and limits. All members of a cluster should use the same times.

    Raises ConfigError for values that cannot work.
    """

    tick_ms: int = 100
    """The time between two ticks. A leader sends heartbeats at every tick."""
    election_ms: int = 1000
    """A follower begins an election when it has not heard from a leader for a random time of one to two times this. A
    leader steps down when it has not heard from a majority for this time. It must be at least twice ``tick_ms``; ten
    times is a good value. It should be far more than a sync or a round trip takes, or healthy leaders are deposed."""
    lease_reads: bool = False
    """Whether the leader answers reads by a lease, at once and without a message, while no other leader can exist. That
    depends on clocks: see "Reads by lease" in the documentation of replicas. A member answers a leader's heartbeats
    with a promise not to vote for an election timeout; only members that have this set do, and the leader needs
    a majority of them, with its own ``election_ms`` or a longer one."""
    clock_drift_ppm: int = 10_000
    """With ``lease_reads``: by how many millionths the clock of any member may run too fast or too slow, up to 300,000.
    Clocks of computers stay below 500, so the default is generous; it shortens a lease by 2 %."""
    sync: str = "auto"
    """Where the log is synced: "auto" syncs in the event loop while the disk is quick, and otherwise on a thread;
    "thread" never syncs in the loop."""
    waiting_commands: int = 1 << 16
    """The most commands of a replica that wait for an answer. Further ones are rejected as overloaded."""
    waiting_bytes: int = 64 << 20
    """The most bytes of a replica's commands that wait for an answer."""
    command_bytes: int = 8 << 20
    """The most bytes of one command with its envelope, 63 MiB at most: a longer one would fit into no message, and
    the group could never pass it."""
    waiting_reads: int = 1 << 16
    """The most waiting reads of a replica. Further ones raise Overloaded."""
    events: int = 1024
    """The most events that wait for one follower. The oldest are dropped first."""
    snapshot_entries: int = 100_000
    """A replica makes a snapshot after this many entries."""
    snapshot_bytes: int = 256 << 20
    """A replica makes a snapshot after this many bytes of commands, even with fewer entries."""
    kept_entries: int = 10_000
    """How many entries before a snapshot stay in the log, for followers that are a little behind."""
    snapshot_streams: int = 4
    """The most snapshots with a file that this host sends at a time. Further ones wait."""
    snapshot_bytes_per_second: int = 256 << 20
    """How many bytes of snapshots' files this host sends in a second, to all members together."""
    handover_ms: int = 3000
    """How long a leader that is being closed tries to hand over its leadership. A closing host then waits
    as long for the present sync, and as long again until its log is closed."""
    sleep: bool = True
    """Whether groups that have nothing to do may sleep. Asleep they take no ticks and send no heartbeats."""
    call_ms: int = 5000
    """How long a request to another host waits for its reply."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name not in ("sync", "sleep", "lease_reads") and (
                isinstance(value, bool) or not isinstance(value, int) or value < 1
            ):
                raise ConfigError(f"{name} must be a whole number above 0, not {value!r}")
        if self.election_ms < 2 * self.tick_ms:
            raise ConfigError(f"election_ms must be at least twice tick_ms, {self.tick_ms}, not {self.election_ms}")
        if not isinstance(self.sleep, bool):
            raise ConfigError(f"sleep must be True or False, not {self.sleep!r}")
        if self.sync not in ("auto", "thread"):
            raise ConfigError(f'sync must be "auto" or "thread", not {self.sync!r}')
        if not isinstance(self.lease_reads, bool):
            raise ConfigError(f"lease_reads must be True or False, not {self.lease_reads!r}")
        if self.clock_drift_ppm > DRIFT_MOST_PPM:
            raise ConfigError(f"clock_drift_ppm must be at most {DRIFT_MOST_PPM}, not {self.clock_drift_ppm}")
        if self.command_bytes > MAX_MESSAGE_BYTES:
            raise ConfigError(f"command_bytes must be at most {MAX_MESSAGE_BYTES}, not {self.command_bytes}")
        if self.command_bytes > self.waiting_bytes:
            raise ConfigError("waiting_bytes must be at least command_bytes")

    @property
    def election_ticks(self) -> int:
        """``election_ms`` in ticks."""
        return self.election_ms // self.tick_ms

    def lease(self, is_new: bool) -> Lease | None:
        """Return the lease of a member, None if it needs none: it has no ``lease_reads``, and ``is_new``.

        A member that is not new may have promised in an earlier life not to vote.
        """
        if is_new and not self.lease_reads:
            return None
        return Lease(
            election_us=self.election_ticks * self.tick_ms * 1000,
            tick_us=self.tick_ms * 1000,
            drift_ppm=self.clock_drift_ppm,
            promises=self.lease_reads,
        )

    def ticks(self, milliseconds: int) -> int:
        """Return a time in ticks, at least 1."""
        return max(1, -(-milliseconds // self.tick_ms))
