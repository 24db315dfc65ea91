"""Frees space in whole segments, the oldest first.

A group rests on all segments from its beginning on. To free the oldest segment, the log restates each group that rests
on it: a new record holds a beginning of the group, with its entries from the oldest segment. The segment may be removed
once these records are durable.

Rules:

- The log may grow to twice the retained bytes plus two segments before any group moves. So it frees more than it writes
  for that; otherwise it could move the same groups again and again without an end.
- A group with many bytes in the oldest segment does not move. It holds the segment until it compacts.
- Each write moves a bounded number of bytes, so that its sync stays short.
"""

from . import share
from .group_log import GroupLog
from .layout import segment_name

_MOVED_AT_ONCE = 1 << 20

Restated = tuple[GroupLog, bytes, share.Begin]


class Reclaim:
    """The work to free the oldest segment, ``first``."""

    __slots__ = ("_allowed", "_left", "_number", "_segment_size", "first")

    def __init__(self, first: int, segment_size: int) -> None:
        self.first = first
        self._segment_size = segment_size
        self._number = 0
        self._allowed = 0
        # The groups that still have to move; None if no segment is being freed.
        self._left: list[GroupLog] | None = None

    def begun(self, number: int, groups: dict[int, GroupLog]) -> None:
        """Note that the log has begun a segment."""
        self._number = number
        retained = sum([group.retained_bytes() for group in groups.values()])
        self._allowed = 2 + 2 * retained // self._segment_size
        self._choose(groups)

    def _choose(self, groups: dict[int, GroupLog]) -> None:
        """Decide whether to free the oldest segment, and which groups have to move for it."""
        self._left = None
        if self._number - self.first >= max(self._allowed, 2):
            self._left = [group for group in groups.values() if group.begun and group.rests <= self.first]

    def move(self, groups: dict[int, GroupLog]) -> list[Restated]:
        """Restate some groups that rest on the oldest segment, and return the records."""
        records: list[Restated] = []
        moved = 0
        while self._left and moved < _MOVED_AT_ONCE:
            group = self._left.pop()
            if groups.get(group.id) is not group or group.rests > self.first:
                continue
            made = self._restatement(group)
            if made is None:
                # This group holds the segment, so moving the others would free nothing.
                self._left = None
                break
            records.append((group, *made))
            moved += len(made[0])
        return records

    def _restatement(self, group: GroupLog) -> tuple[bytes, share.Begin] | None:
        """Return the body of a record that restates a group, None if the group has too many bytes to move."""
        span = group.flying_span
        rest = group.places.last_up_to(self.first)
        if rest is None:
            rest = group.last_index()
        if span is not None:
            # The places do not have the share of this write yet, which may replace some of their entries.
            rest = min(rest, span[0] - 1)
        begin = group.restated(rest)
        parts: list[bytes] = []
        share.add_begin(parts, begin)
        if begin.prefix > begin.floor:
            limit = self._segment_size // 8
            entries = group.retained(begin.prefix, limit)
            if entries[-1].index < begin.prefix or sum(len(e.data) for e in entries) > limit:
                return None
            share.add_entries(parts, share.PREFIX, entries)
        group.describe(parts)
        return b"".join(parts), begin

    def landed(self, groups: dict[int, GroupLog], leaving: list[GroupLog]) -> list[str]:
        """Note that a write is durable, and return the files of the segments that are free now.

        ``leaving`` has the dropped groups whose drop is not durable yet.
        """
        free: list[str] = []
        while self._left is not None and not self._left:
            if any(group.begun and group.rests <= self.first for group in [*groups.values(), *leaving]):
                self._left = None
                break
            free.append(segment_name(self.first))
            self.first += 1
            self._choose(groups)
        return free

    def holders(self, groups: dict[int, GroupLog]) -> list[int]:
        """Return the groups that hold the oldest segment although it could be freed."""
        if self._number - self.first < max(self._allowed, 2):
            return []
        return sorted(group.id for group in groups.values() if group.begun and group.rests <= self.first)
