"""What an entry of an etcd group's log does, worked out with the naive store.

It knows the requests that the simulator's clients make, and no others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ...etcd import schema
from .naivestore import Change, NaiveStore, NaiveTxn, delete_answer, path_of, put_answer, range_answer, run


class Refusal(NamedTuple):
    """An entry that is refused, with this text behind "etcdserver: "."""

    text: str


_NO_LEASE = Refusal("requested lease not found")


class NaiveKv:
    """The state after the entries so far."""

    def __init__(self) -> None:
        self.store = NaiveStore()
        self.leases: dict[int, int] = {}

    @property
    def revision(self) -> int:
        """The present revision."""
        return self.store.revision

    @property
    def changes(self) -> list[Change]:
        """All events."""
        return self.store.changes

    def apply(self, request: Any, term: int) -> Any:
        """Apply an entry of a term. Returns the answer that it must have, or a Refusal."""
        name = next(
            field.name for field, _ in request.ListFields() if field.name not in ("ID", "header", "revoked_in_term")
        )
        if name == "lease_revoke" and request.revoked_in_term not in (0, term):
            return Refusal("leader changed")
        return getattr(self, f"_{name}")(getattr(request, name))

    def range(self, request: Any, revision: int) -> Any:
        """The answer to a Range at a revision."""
        return range_answer(NaiveTxn(self.store, self.store.states[revision]), request)

    # -- writes --------------------------------------------------------------------------------------------------

    def _ended(self, act: Callable[[NaiveTxn], Any]) -> Any:
        txn = self.store.begin()
        answer = act(txn)
        txn.end()
        return answer

    def _put(self, request: Any) -> Any:
        if request.lease and request.lease not in self.leases:
            return _NO_LEASE
        return self._ended(lambda txn: put_answer(txn, request))

    def _delete_range(self, request: Any) -> Any:
        return self._ended(lambda txn: delete_answer(txn, request))

    def _txn(self, request: Any) -> Any:
        path = path_of(self.store.begin(), request)
        for op in request.success if path[0] else request.failure:
            if op.request_put.lease and op.request_put.lease not in self.leases:
                return _NO_LEASE
        return self._ended(lambda txn: run(txn, request, path))

    def _compaction(self, request: Any) -> Any:
        if request.revision <= self.store.compacted:
            return Refusal("mvcc: required revision has been compacted")
        if request.revision > self.revision:
            return Refusal("mvcc: required revision is a future revision")
        self.store.compacted = request.revision
        return schema.CompactionResponse()

    # -- leases and members --------------------------------------------------------------------------------------

    def _lease_grant(self, request: Any) -> Any:
        if request.ID in self.leases:
            return Refusal("lease already exists")
        self.leases[request.ID] = request.TTL
        return schema.LeaseGrantResponse(ID=request.ID, TTL=request.TTL)

    def _lease_revoke(self, request: Any) -> Any:
        if request.ID not in self.leases:
            return _NO_LEASE
        txn = self.store.begin()
        for key in sorted(self.store.attached().get(request.ID, ())):
            txn.delete(key)
        txn.end()
        del self.leases[request.ID]
        return schema.LeaseRevokeResponse()

    def _cluster_member_attr_set(self, request: Any) -> Any:
        return schema.MemberListResponse()
