"""What an entry of an etcd group's log does, worked out in the plainest form: dictionaries that are copied and sorted.

It knows the requests that the simulator's clients make, and no others.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from ...etcd import schema


class Kept(NamedTuple):
    """A live key."""

    value: bytes
    create: int
    mod: int
    version: int
    lease: int


class Change(NamedTuple):
    """An event: a key's new state, None if it was deleted."""

    revision: int
    key: bytes
    kept: Kept | None


class Refusal(NamedTuple):
    """An entry that is refused, with this text behind "etcdserver: "."""

    text: str


def kv_of(key: bytes, kept: Kept) -> Any:
    """The KeyValue of a live key."""
    return schema.KeyValue(
        key=key,
        value=kept.value,
        create_revision=kept.create,
        mod_revision=kept.mod,
        version=kept.version,
        lease=kept.lease,
    )


class NaiveKv:
    """The state after the entries so far. ``states`` has the live keys after each revision."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = -1
        self.live: dict[bytes, Kept] = {}
        self.leases: dict[int, int] = {}
        self.states: dict[int, dict[bytes, Kept]] = {1: {}}
        self.changes: list[Change] = []

    def apply(self, request: Any, term: int) -> Any:
        """Apply an entry of a term. Returns the answer that it must have, without headers, or a Refusal."""
        name = next(
            field.name for field, _ in request.ListFields() if field.name not in ("ID", "header", "revoked_in_term")
        )
        if name == "lease_revoke" and request.revoked_in_term not in (0, term):
            return Refusal("leader changed")
        done = getattr(self, f"_{name}")(getattr(request, name))
        return schema.AlarmResponse() if done is None else done

    def range(self, request: Any, live: dict[bytes, Kept] | None = None) -> Any:
        """The answer to a Range of live keys."""
        live = self.live if live is None else live
        keys = self._in_range(live, request.key, request.range_end)
        return schema.RangeResponse(kvs=[kv_of(key, live[key]) for key in keys], count=len(keys))

    @staticmethod
    def _in_range(live: Iterable[bytes], key: bytes, end: bytes) -> list[bytes]:
        return sorted(each for each in live if (key <= each < end if end else each == key))

    # -- writes --------------------------------------------------------------------------------------------------

    def _end(self, revision: int, changes: list[Change]) -> None:
        if changes:
            self.revision = revision
            self.changes += changes
            self.states[revision] = dict(self.live)

    def _write(self, revision: int, changes: list[Change], key: bytes, value: bytes | None, lease: int = 0) -> None:
        before = self.live.get(key)
        if value is None:
            del self.live[key]
            changes.append(Change(revision, key, None))
            return
        create, version = (revision, 1) if before is None else (before.create, before.version + 1)
        self.live[key] = kept = Kept(value, create, revision, version, lease)
        changes.append(Change(revision, key, kept))

    def _put_in(self, request: Any, revision: int, changes: list[Change]) -> Any:
        before = self.live.get(request.key)
        answer = schema.PutResponse()
        if request.prev_kv and before is not None:
            answer.prev_kv.CopyFrom(kv_of(request.key, before))
        self._write(revision, changes, request.key, request.value, request.lease)
        return answer

    def _delete_in(self, request: Any, revision: int, changes: list[Change]) -> Any:
        keys = self._in_range(self.live, request.key, request.range_end)
        gone = [kv_of(key, self.live[key]) for key in keys]
        for key in keys:
            self._write(revision, changes, key, None)
        return schema.DeleteRangeResponse(deleted=len(keys), prev_kvs=gone if request.prev_kv else [])

    def _put(self, request: Any) -> Any:
        if request.lease and request.lease not in self.leases:
            return Refusal("requested lease not found")
        changes: list[Change] = []
        answer = self._put_in(request, self.revision + 1, changes)
        self._end(self.revision + 1, changes)
        return answer

    def _delete_range(self, request: Any) -> Any:
        changes: list[Change] = []
        answer = self._delete_in(request, self.revision + 1, changes)
        self._end(self.revision + 1, changes)
        return answer

    def _txn(self, request: Any) -> Any:
        succeeded = all(self._holds(compare) for compare in request.compare)
        ops = request.success if succeeded else request.failure
        leases = [op.request_put.lease for op in ops if op.HasField("request_put") and op.request_put.lease]
        if any(lease not in self.leases for lease in leases):
            return Refusal("requested lease not found")
        changes: list[Change] = []
        revision = self.revision + 1
        answer = schema.TxnResponse(succeeded=succeeded)
        for op in ops:
            kind = op.WhichOneof("request")
            found = answer.responses.add()
            if kind == "request_put":
                found.response_put.CopyFrom(self._put_in(op.request_put, revision, changes))
            elif kind == "request_range":
                found.response_range.CopyFrom(self.range(op.request_range))
            else:
                found.response_delete_range.CopyFrom(self._delete_in(op.request_delete_range, revision, changes))
        self._end(revision, changes)
        return answer

    def _holds(self, compare: Any) -> bool:
        kinds = schema.Compare
        kept = self.live.get(compare.key)
        if compare.target == kinds.VALUE:
            if kept is None:
                return False
            found: Any = kept.value
            given: Any = compare.value
        elif compare.target == kinds.VERSION:
            found, given = (0 if kept is None else kept.version), compare.version
        elif compare.target == kinds.CREATE:
            found, given = (0 if kept is None else kept.create), compare.create_revision
        else:
            found, given = (0 if kept is None else kept.mod), compare.mod_revision
        outcomes = {
            kinds.EQUAL: found == given,
            kinds.GREATER: found > given,
            kinds.LESS: found < given,
            kinds.NOT_EQUAL: found != given,
        }
        return bool(outcomes[compare.result])

    def _compaction(self, request: Any) -> Any:
        if request.revision <= self.compacted:
            return Refusal("mvcc: required revision has been compacted")
        if request.revision > self.revision:
            return Refusal("mvcc: required revision is a future revision")
        self.compacted = request.revision
        return schema.CompactionResponse()

    # -- leases and members --------------------------------------------------------------------------------------

    def _lease_grant(self, request: Any) -> Any:
        if request.ID in self.leases:
            return Refusal("lease already exists")
        self.leases[request.ID] = request.TTL
        return schema.LeaseGrantResponse(ID=request.ID, TTL=request.TTL)

    def _lease_revoke(self, request: Any) -> Any:
        if request.ID not in self.leases:
            return Refusal("requested lease not found")
        changes: list[Change] = []
        for key in sorted(key for key, kept in self.live.items() if kept.lease == request.ID):
            self._write(self.revision + 1, changes, key, None)
        self._end(self.revision + 1, changes)
        del self.leases[request.ID]
        return schema.LeaseRevokeResponse()

    def _cluster_member_attr_set(self, request: Any) -> Any:
        return schema.MemberListResponse()
