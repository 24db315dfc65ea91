"""The leases that a group has granted, with the keys that are attached to them: a part of the replicated state.

Rules:

- A key is attached to the lease with which it was put last, and to no other.
- Nothing here depends on time. A lease ends only where an entry of the log revokes it, so all members end it at the
  same revision. The ``Lessor`` of the leader decides when such an entry is due.
- A lease's keys are deleted in the order of the keys, because a member that restored a snapshot does not know in which
  order they were attached.
"""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Protocol

MAX_TTL_S = 9_000_000_000
"""The longest time to live that may be granted, in seconds; it is etcd's."""
_SORTED_AT_ONCE = 2048
"""How many keys are sorted in one step: a million in one call would hold up the event loop for a second."""


class GrantedLease:
    """A lease: its ``id``, its time to live in seconds, and the ``keys`` that are attached to it."""

    __slots__ = ("id", "keys", "ttl_s")

    def __init__(self, id: int, ttl_s: int) -> None:
        self.id = id
        self.ttl_s = ttl_s
        self.keys: set[bytes] = set()

    def sorted_keys(self) -> Iterator[bytes | None]:
        """Iterate over the keys in order; None where the caller may pause. The keys must not change meanwhile."""
        parts: list[list[bytes]] = []
        keys = iter(self.keys)
        while part := sorted(islice(keys, _SORTED_AT_ONCE)):
            if parts:
                yield None
            parts.append(part)
        if len(parts) == 1:
            yield from parts[0]
        else:
            yield from merge(*parts)


class LeaseObserver(Protocol):
    """Hears what becomes of leases."""

    def granted(self, lease: GrantedLease) -> None:
        """A lease was granted."""

    def ended(self, id: int) -> None:
        """A lease was revoked."""

    def replaced(self) -> None:
        """All leases were replaced by those of a snapshot."""


class LeaseTable:
    """The leases by id. ``observer``, if not None, hears of each change."""

    def __init__(self) -> None:
        self.leases: dict[int, GrantedLease] = {}
        self.observer: LeaseObserver | None = None
        self.granted: int = 0
        self.revoked: int = 0
        """How many leases were granted and revoked since this member was started."""

    def __len__(self) -> int:
        return len(self.leases)

    def exists(self, id: int) -> bool:
        """Whether a lease is granted, so that keys may be attached to it."""
        return id in self.leases

    def grant(self, id: int, ttl_s: int) -> None:
        """Grant a lease. ``id`` must be free."""
        lease = self.leases[id] = GrantedLease(id, ttl_s)
        self.granted += 1
        if self.observer is not None:
            self.observer.granted(lease)

    def remove(self, id: int) -> None:
        """Remove a lease whose keys were deleted. A lease that does not exist is ignored."""
        if self.leases.pop(id, None) is None:
            return
        self.revoked += 1
        if self.observer is not None:
            self.observer.ended(id)

    def attach(self, id: int, key: bytes) -> None:
        """Attach a key to a lease. A lease that does not exist is ignored: it is being revoked."""
        lease = self.leases.get(id)
        if lease is not None:
            lease.keys.add(key)

    def detach(self, id: int, key: bytes) -> None:
        """Detach a key from a lease."""
        lease = self.leases.get(id)
        if lease is not None:
            lease.keys.discard(key)

    def replace(self, leases: Iterable[tuple[int, int]]) -> None:
        """Replace all leases by those with these ids and times to live, without keys."""
        self.leases = {id: GrantedLease(id, ttl_s) for id, ttl_s in leases}
        if self.observer is not None:
            self.observer.replaced()
