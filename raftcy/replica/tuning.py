"""The times and limits of a host and its replicas, with defaults for members in one data centre."""

from dataclasses import dataclass

from ..errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Times are in milliseconds. All members of a cluster should have the same ones.

    Raises ConfigError for values that cannot work.
    """

    tick_ms: int = 100
    """How often time is looked at. Heartbeats are sent at every tick."""
    election_ms: int = 1000
    """A follower that has heard of no leader for this long, and up to twice as long, begins an election; a leader that
    has heard of no majority for this long steps down. At least twice ``tick_ms``; ten times is a good value, and far
    more than a sync or a round trip takes."""
    sync: str = "auto"
    """Where the log is synced: "auto" in the event loop while the disk is quick, else on a thread; "thread" never in
    the loop."""
    waiting_commands: int = 1 << 16
    """So many commands of a replica wait for an answer at most; further ones are rejected as overloaded."""
    waiting_bytes: int = 64 << 20
    """The same in bytes."""
    command_bytes: int = 8 << 20
    """The most bytes of one command."""
    waiting_reads: int = 1 << 16
    """So many reads of a replica wait at most; further ones raise Overloaded."""
    events: int = 1024
    """So many events wait for each follower at most; the oldest are dropped first."""
    snapshot_entries: int = 100_000
    """A snapshot is made after so many entries."""
    snapshot_bytes: int = 256 << 20
    """A snapshot is made after so many bytes of commands, at least."""
    kept_entries: int = 10_000
    """So many entries before a snapshot stay in the log, for followers that are a little behind."""
    handover_ms: int = 3000
    """A replica that is closed while it leads tries for so long to hand its leadership over. A host that is closed then
    waits for so long until a sync has ended, and once more until its log is closed."""
    call_ms: int = 5000
    """How long a request to another host waits for its reply."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name != "sync" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigError(f"{name} must be a whole number above 0, not {value!r}")
        if self.election_ms < 2 * self.tick_ms:
            raise ConfigError(f"election_ms must be at least twice tick_ms, {self.tick_ms}, not {self.election_ms}")
        if self.sync not in ("auto", "thread"):
            raise ConfigError(f'sync must be "auto" or "thread", not {self.sync!r}')
        if self.command_bytes > self.waiting_bytes:
            raise ConfigError("waiting_bytes must be at least command_bytes")

    @property
    def election_ticks(self) -> int:
        """``election_ms`` in ticks."""
        return self.election_ms // self.tick_ms

    def ticks(self, milliseconds: int) -> int:
        """A time in ticks, 1 at least."""
        return max(1, -(-milliseconds // self.tick_ms))
