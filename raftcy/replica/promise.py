"""Promise: when a member may vote, so that the leader whose heartbeats it answers may read by its lease.

Rules:

- After a start, and after each heartbeat that it has answered, a member grants no vote and no pre-vote for an election
  timeout, itself included. A start counts, because an earlier life may have answered a heartbeat just before its end.
- Nothing else ends a promise: no higher term, no forgotten leader, no removal.
- A vote for a transfer of leadership is free. The leader that asked for the transfer has given up its lease before.
- The timeout must have passed by the clock and in ticks. A clock that jumps ahead therefore shortens no promise, and
  neither do ticks that come too fast.
"""


class Promise:
    """The promise of one member. It begins to count with the first reading of the clock.

    ``length_us`` is the election timeout in microseconds, ``ticks`` the same in ticks.
    """

    __slots__ = ("_length_us", "_ticks", "_ticks_left", "_until_us")

    def __init__(self, length_us: int, ticks: int) -> None:
        self._length_us = length_us
        self._ticks = ticks
        self._ticks_left = ticks
        self._until_us: int | None = None

    def pass_time(self, now_us: int) -> None:
        """Note a reading of the clock. One that has gone back does not lengthen the promise beyond a timeout."""
        until_us = now_us + self._length_us
        if self._until_us is None or self._until_us > until_us:
            self._until_us = until_us

    def renew(self, now_us: int | None) -> None:
        """Begin the promise anew: a heartbeat is answered, and the clock has shown ``now_us`` since it arrived.

        None if the clock was not read yet: the promise then begins to count with its first reading.
        """
        self._until_us = None if now_us is None else now_us + self._length_us
        self._ticks_left = self._ticks

    def tick(self) -> None:
        """Let a tick pass."""
        if self._ticks_left:
            self._ticks_left -= 1

    def holds(self, now_us: int | None) -> bool:
        """Whether the member must not vote yet. Without a reading of the clock, it must not."""
        if now_us is None or self._until_us is None:
            return True
        return self._ticks_left > 0 or now_us < self._until_us
