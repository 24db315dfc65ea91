"""The leader's clock for leases: when each lease is over, and which revocations are due. It does no I/O.

Rules:

- Only the leader counts. No other member knows when a lease ends, so two members never disagree about it.
- A leader counts for one term. A new leader gives every lease its full time again, and an election timeout more: it
  cannot know which renewals the former leader has answered.
- A lease is renewed only after the leader has confirmed that it still led when the request came, and has applied what
  was committed by then. Otherwise a deposed leader could answer a client whose lease the new leader revokes.
- A lease whose time is over is not renewed any more, because its revocation may be in the log already.
- A lease that was granted, or renewed, counts from a moment after that. So it may end late, and never early.
- A revocation goes through the log, in the leader's term only. If it gets lost, it is due again after ``retry_s``.
- Revocations leave in bounded batches. A million leases that end at once must not fill the log's queue.

Times are readings of one monotonic clock, in seconds.
"""

from heapq import heapify, heappop, heappush

from .leasetable import GrantedLease, LeaseTable

BATCH = 256
"""The most revocations that are due in one call."""
IN_FLIGHT = 1024
"""The most leases whose revocation may be on its way."""

_STALE_MOST = 4096


class NotPrimary(Exception):
    """This member does not count the leases, because it does not lead."""


class NoSuchLease(Exception):
    """There is no lease with this id."""


class LeaseOver(Exception):
    """The time of the lease is over, and it will be revoked."""


class Lessor:
    """Counts the leases of a table while its member leads.

    ``extend_s`` is added to every lease at the beginning of a leadership: the election timeout. A revocation that has
    not been applied after ``retry_s`` is due again.
    """

    def __init__(self, table: LeaseTable, *, extend_s: float, retry_s: float = 3.0) -> None:
        self._table = table
        self._extend_s = extend_s
        self._retry_s = retry_s
        self.term: int = 0
        """The term in which this member counts, 0 if it does not."""
        # When each lease ends. A lease has one place in the heap, which may be earlier than its end.
        self._ends_s: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []
        # Leases that were granted since the last call that knew the time.
        self._fresh: list[int] = []
        # When the revocation of a lease is due again, in the order in which they were begun.
        self._revoking: dict[int, float] = {}
        self.renewed = 0
        """How many renewals there were."""
        table.observer = self

    @property
    def is_primary(self) -> bool:
        """Whether this member counts."""
        return self.term != 0

    # -- leadership ----------------------------------------------------------------------------------------------

    def promote(self, term: int, now_s: float) -> None:
        """Begin to count, as the leader of a term. A second call for the same term changes nothing."""
        if term == self.term:
            return
        self.term = term
        self._begin(now_s)

    def demote(self) -> None:
        """Stop counting, because this member does not lead any more."""
        self.term = 0
        self._ends_s.clear()
        self._heap.clear()
        self._fresh.clear()
        self._revoking.clear()

    def _begin(self, now_s: float) -> None:
        extend_s = self._extend_s
        self._fresh.clear()
        self._revoking.clear()
        self._ends_s = {id: now_s + lease.ttl_s + extend_s for id, lease in self._table.leases.items()}
        self._heap = [(end_s, id) for id, end_s in self._ends_s.items()]
        heapify(self._heap)

    # -- what the table reports ----------------------------------------------------------------------------------

    def granted(self, lease: GrantedLease) -> None:
        """A lease was granted: it counts from the next call that knows the time."""
        if self.term:
            self._fresh.append(lease.id)

    def ended(self, id: int) -> None:
        """A lease was revoked."""
        self._ends_s.pop(id, None)
        self._revoking.pop(id, None)
        if len(self._heap) > 2 * len(self._ends_s) + _STALE_MOST:
            # Otherwise leases that are granted and revoked at once would pile up until their times are over.
            self._heap = [(end_s, id) for id, end_s in self._ends_s.items()]
            heapify(self._heap)

    def replaced(self) -> None:
        """All leases were replaced by those of a snapshot. A leader never restores one, but it would count anew."""
        if self.term:
            self._ends_s.clear()
            self._heap.clear()
            self._revoking.clear()
            self._fresh = list(self._table.leases)

    def _take_fresh(self, now_s: float) -> None:
        for id in self._fresh:
            lease = self._table.leases.get(id)
            if lease is not None and id not in self._ends_s:
                self._ends_s[id] = end_s = now_s + lease.ttl_s
                heappush(self._heap, (end_s, id))
        self._fresh.clear()

    # -- renewing and asking -------------------------------------------------------------------------------------

    def renew(self, id: int, now_s: float) -> int:
        """Give a lease its full time again, and return its time to live in seconds.

        Call it after this member has confirmed its leadership. Raises NotPrimary, NoSuchLease and LeaseOver.
        """
        end_s = self._end_of(id, now_s)
        if end_s <= now_s or id in self._revoking:
            raise LeaseOver(f"lease {id:x} is over")
        ttl_s = self._table.leases[id].ttl_s
        self._ends_s[id] = max(end_s, now_s + ttl_s)
        self.renewed += 1
        return ttl_s

    def remaining_s(self, id: int, now_s: float) -> float:
        """Return how long a lease goes on, in seconds; 0 or less if it is over. Raises NotPrimary and NoSuchLease."""
        return self._end_of(id, now_s) - now_s

    def _end_of(self, id: int, now_s: float) -> float:
        if not self.term:
            raise NotPrimary("this member does not count the leases")
        if self._fresh:
            self._take_fresh(now_s)
        end_s = self._ends_s.get(id)
        if end_s is None:
            raise NoSuchLease(f"there is no lease {id:x}")
        return end_s

    # -- ends ----------------------------------------------------------------------------------------------------

    def due(self, now_s: float) -> list[int]:
        """Return leases whose revocation has to be proposed now, in the present term, at most ``BATCH``.

        They count as on their way from now on.
        """
        if not self.term:
            return []
        if self._fresh:
            self._take_fresh(now_s)
        found = self._lost(now_s)
        most = min(BATCH, IN_FLIGHT - len(self._revoking))
        heap, ends_s = self._heap, self._ends_s
        while heap and heap[0][0] <= now_s and len(found) < most:
            _, id = heappop(heap)
            end_s = ends_s.get(id)
            if end_s is None or id in self._revoking:
                continue
            if end_s > now_s:
                heappush(heap, (end_s, id))
                continue
            found.append(id)
        for id in found:
            self._revoking[id] = now_s + self._retry_s
        return found

    def _lost(self, now_s: float) -> list[int]:
        """Take the revocations that were on their way for too long."""
        found: list[int] = []
        for id, again_s in self._revoking.items():
            if again_s > now_s or len(found) >= BATCH:
                break
            found.append(id)
        for id in found:
            del self._revoking[id]
        return found

    def not_revoked(self, ids: list[int], now_s: float) -> None:
        """Note that revocations were rejected: they are due again at once, unless they are over."""
        for id in ids:
            if self._revoking.pop(id, None) is not None:
                heappush(self._heap, (now_s, id))
