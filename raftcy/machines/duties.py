"""The entries that a member must propose without being asked, so that the group's time and version advance."""

from typing import NamedTuple

from .elapsed import INTERVAL_MS, Timekeeper
from .group import GroupMachine

REPORT_AGAIN_MS = 2000


class Duty(NamedTuple):
    """An entry to propose. It may be appended only in the term ``only_in_term``, 0 for any term."""

    data: bytes
    only_in_term: int


class Duties:
    """The duties of the member ``id`` of a group; one object for each start.

    ``interval_ms`` is how often a leader counts time (see `Timekeeper`). A report of the version that was not applied
    within ``again_ms`` may be lost, so it is proposed again.
    """

    __slots__ = ("_group", "_id", "_keeper", "_next_ms", "again_ms")

    def __init__(
        self, group: GroupMachine, id: int, interval_ms: int = INTERVAL_MS, again_ms: int = REPORT_AGAIN_MS
    ) -> None:
        self._group = group
        self._id = id
        self._keeper = Timekeeper(interval_ms)
        self._next_ms: int | None = None
        self.again_ms = again_ms

    def due(self, now_ms: int, term: int, has_leader: bool) -> list[Duty]:
        """Return the entries to propose now. Call it at every tick, but not while a batch is being applied.

        ``now_ms`` is the time of a monotonic clock. ``term`` is the term that this member leads, 0 if it does not lead.
        ``has_leader`` says whether it knows a leader, itself or another member, to which it can propose. The caller may
        drop entries that it cannot propose. Raises UpgradeNeeded if the group's version is beyond this program.
        """
        found: list[Duty] = []
        counted = self._keeper.due(now_ms, term, self._group.needs_time())
        if counted is not None:
            found.append(Duty(counted, term))
        if has_leader and (self._next_ms is None or now_ms >= self._next_ms):
            report = self._group.versions.report_due(self._id)
            if report is not None:
                self._next_ms = now_ms + self.again_ms
                found.append(Duty(report, 0))
        return found
