"""Limits a rate: each byte takes its time. This module does no I/O."""

__all__ = ["Bucket"]


class Bucket:
    """Lets ``per_second`` bytes pass in a second. Bytes that nobody used for a while are not saved for later."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._free_at = 0.0

    def take(self, count: int, now: float) -> float:
        """Take ``count`` bytes at the time ``now``, and return how many seconds to wait before the next ones."""
        self._free_at = max(self._free_at, now) + count / self._per_second
        return self._free_at - now
