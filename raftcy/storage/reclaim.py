"""Giving space back, by whole segments, the oldest first.

A group rests on the segments from that of its beginning on. To free the oldest segment, each group that rests on it is
restated: a record says what it begins with, and holds those of its entries that stand in the oldest segment. The
segment may be removed once these records are durable.

Rules:

- So that this comes to an end, the log may grow to twice what is retained and two segments more before anything moves:
  then at least half of what is freed is more than what is written for it.
- A group with much in the oldest segment is not moved. It holds the segment until it compacts.
- Each write moves a bounded amount, so that no sync becomes long by it.
"""

from . import share
from .group import GroupLog
from .layout import segment_name

_MOVED_AT_ONCE = 1 << 20

Restated = tuple[GroupLog, bytes, share.Begin]


class Reclaim:
    """What is being done to free the segment ``first``, the oldest one."""

    __slots__ = ("_allowed", "_left", "_number", "_segment_size", "first")

    def __init__(self, first: int, segment_size: int) -> None:
        self.first = first
        self._segment_size = segment_size
        self._number = 0
        self._allowed = 0
        # Groups that are still to be moved; None if nothing is being done.
        self._left: list[GroupLog] | None = None

    def begun(self, number: int, groups: dict[int, GroupLog]) -> None:
        """A segment has been begun."""
        self._number = number
        retained = sum([group.retained_bytes() for group in groups.values()])
        self._allowed = 2 + 2 * retained // self._segment_size
        self._choose(groups)

    def _choose(self, groups: dict[int, GroupLog]) -> None:
        """See whether the oldest segment is to be freed, and who has to move."""
        self._left = None
        if self._number - self.first >= max(self._allowed, 2):
            self._left = [group for group in groups.values() if group.begun and group.rests <= self.first]

    def move(self, groups: dict[int, GroupLog]) -> list[Restated]:
        """Restate some of the groups that rest on the oldest segment: the records for that."""
        records: list[Restated] = []
        moved = 0
        while self._left and moved < _MOVED_AT_ONCE:
            group = self._left.pop()
            if groups.get(group.id) is not group or group.rests > self.first:
                continue
            made = self._restatement(group)
            if made is None:
                # It holds the segment, so nobody else has to move for that.
                self._left = None
                break
            records.append((group, *made))
            moved += len(made[0])
        return records

    def _restatement(self, group: GroupLog) -> tuple[bytes, share.Begin] | None:
        """The body of a record that restates a group, None if it has too much to move."""
        span = group.flying_span
        rest = group.places.last_up_to(self.first)
        if rest is None:
            rest = group.last_index()
        if span is not None:
            # The places do not know yet what the share of this write replaces.
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
        """A write is durable: the files of the segments that are free now.

        ``leaving`` are groups that are dropped, but not yet durably.
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
        """The groups that have too much in the oldest segment."""
        if self._number - self.first < max(self._allowed, 2):
            return []
        return sorted(group.id for group in groups.values() if group.begun and group.rests <= self.first)
