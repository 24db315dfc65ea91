"""The key-value store of etcd in the plainest way: a dict of all keys for each revision, and protobuf's messages.

The tests hold the store against it, and the simulator whole members (``naivekv``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...etcd import schema


@dataclass(frozen=True)
class Value:
    """What a live key has."""

    create: int
    mod: int
    version: int
    value: bytes
    lease: int


@dataclass(frozen=True)
class Change:
    """One event: what a write made of a key; None if it deleted it."""

    revision: int
    key: bytes
    after: Value | None
    before: Value | None


def in_range(key: bytes, start: bytes, end: bytes) -> bool:
    """Whether a range of a request has a key."""
    if not end:
        return key == start
    return key >= start and (end == b"\0" or key < end)


def message(key: bytes, value: Value) -> schema.KeyValue:
    """The KeyValue of a live key."""
    return schema.KeyValue(
        key=key,
        create_revision=value.create,
        mod_revision=value.mod,
        version=value.version,
        value=value.value,
        lease=value.lease,
    )


@dataclass
class NaiveStore:
    """``states`` has the live keys at each revision; revision 0 is there to keep the others at their places."""

    states: list[dict[bytes, Value]] = field(default_factory=lambda: [{}, {}])
    changes: list[Change] = field(default_factory=list)
    compacted: int = -1

    @property
    def revision(self) -> int:
        """The present revision."""
        return len(self.states) - 1

    def range(self, key: bytes, end: bytes, revision: int = 0) -> list[tuple[bytes, Value]]:
        """The keys of a range at a revision, 0 for the present one."""
        state = self.states[revision or self.revision]
        return [(each, state[each]) for each in sorted(state) if in_range(each, key, end)]

    def begin(self) -> "NaiveTxn":
        """Begin a write transaction."""
        return NaiveTxn(self, dict(self.states[-1]))

    def since(self, revision: int) -> list[Change]:
        """The events from a revision on."""
        return [each for each in self.changes if each.revision >= revision]

    def attached(self) -> dict[int, set[bytes]]:
        """The keys of each lease that has some."""
        found: dict[int, set[bytes]] = {}
        for key, value in self.states[-1].items():
            if value.lease:
                found.setdefault(value.lease, set()).add(key)
        return found

    def kept(self, revision: int = 0) -> list[tuple[bytes, int, Value | None]]:
        """What a compacted store may still have of a revision: key, revision of the write, and what it made."""
        found = []
        upto = [each for each in self.changes if each.revision <= (revision or self.revision)]
        for key in sorted({each.key for each in upto}):
            mine = [each for each in upto if each.key == key]
            old = [each for each in mine if each.revision < self.compacted]
            new = [each for each in mine if each.revision >= self.compacted]
            if old and old[-1].after is not None and (not new or new[0].revision > self.compacted):
                new.insert(0, old[-1])
            found += [(key, each.revision, each.after) for each in new]
        return found


@dataclass
class NaiveTxn:
    """A write transaction; dropped before its end, it has done nothing."""

    store: NaiveStore
    state: dict[bytes, Value]
    changes: list[Change] = field(default_factory=list)

    @property
    def revision(self) -> int:
        """The revision of its writes."""
        return self.store.revision + 1

    @property
    def seen(self) -> int:
        """The revision that its reads see."""
        return self.store.revision + bool(self.changes)

    def put(self, key: bytes, value: bytes, lease: int = 0) -> None:
        """Write a key."""
        before = self.state.get(key)
        after = Value(self.revision, self.revision, 1, value, lease)
        if before is not None:
            after = replace(after, create=before.create, version=before.version + 1)
        self.changes.append(Change(self.revision, key, after, before))
        self.state[key] = after

    def delete(self, key: bytes) -> None:
        """Delete a key, which must be there."""
        before = self.state.pop(key)
        self.changes.append(Change(self.revision, key, None, before))

    def delete_range(self, key: bytes, end: bytes) -> list[tuple[bytes, Value]]:
        """Delete a range, and return what it had."""
        gone = self.range(key, end)
        for each, _ in gone:
            self.delete(each)
        return gone

    def range(self, key: bytes, end: bytes, revision: int = 0) -> list[tuple[bytes, Value]]:
        """The keys of a range, with the writes of this transaction unless a revision is given."""
        state = self.store.states[revision] if 0 < revision <= self.store.revision else self.state
        return [(each, state[each]) for each in sorted(state) if in_range(each, key, end)]

    def end(self) -> list[Change]:
        """Publish the writes, and return them."""
        if self.changes:
            self.store.states.append(self.state)
            self.store.changes += self.changes
        return self.changes


# -- requests --------------------------------------------------------------------------------------------------------


def range_answer(txn: NaiveTxn, request: schema.RangeRequest) -> schema.RangeResponse:
    """The answer to a Range."""
    found = txn.range(request.key, request.range_end, request.revision)
    answer = schema.RangeResponse(count=len(found))
    answer.header.revision = txn.seen
    if request.count_only:
        return answer
    low, high = request.min_mod_revision, request.max_mod_revision
    found = [(k, v) for k, v in found if (not low or v.mod >= low) and (not high or v.mod <= high)]
    low, high = request.min_create_revision, request.max_create_revision
    found = [(k, v) for k, v in found if (not low or v.create >= low) and (not high or v.create <= high)]
    by: list[Any] = [
        lambda each: each[0],
        lambda each: each[1].version,
        lambda each: each[1].create,
        lambda each: each[1].mod,
        lambda each: each[1].value,
    ]
    if request.sort_order == schema.RangeRequest.DESCEND:
        found = sorted(found, key=by[request.sort_target], reverse=True)
    else:
        found = sorted(found, key=by[request.sort_target])
    if request.limit > 0 and len(found) > request.limit:
        found = found[: request.limit]
        answer.more = True
    for key, value in found:
        kv = message(key, value)
        if request.keys_only:
            kv.value = b""
        answer.kvs.append(kv)
    return answer


def compare_holds(txn: NaiveTxn, compare: schema.Compare) -> bool:
    """Whether a compare holds for all keys of its range."""
    names = ("version", "create_revision", "mod_revision", "value", "lease")
    found = [message(*each) for each in txn.range(compare.key, compare.range_end)]
    if not found:
        if compare.target == schema.Compare.VALUE:
            return False
        found = [schema.KeyValue()]
    name = names[compare.target]
    wanted = getattr(compare, name)
    for kv in found:
        has = getattr(kv, name)
        if not (has == wanted, has > wanted, has < wanted, has != wanted)[compare.result]:
            return False
    return True


def path_of(txn: NaiveTxn, request: schema.TxnRequest) -> list[Any]:
    """Which branches are taken, nested as the transactions are: decided before the first write."""
    taken = all(compare_holds(txn, each) for each in request.compare)
    ops = request.success if taken else request.failure
    return [taken, [path_of(txn, op.request_txn) for op in ops if op.WhichOneof("request") == "request_txn"]]


def put_answer(txn: NaiveTxn, put: schema.PutRequest) -> schema.PutResponse:
    """Do a Put, and return its answer."""
    before = txn.state.get(put.key)
    value = before.value if put.ignore_value and before else put.value
    lease = before.lease if put.ignore_lease and before else put.lease
    txn.put(put.key, value, lease)
    answer = schema.PutResponse()
    answer.header.revision = txn.revision
    if put.prev_kv and before:
        answer.prev_kv.CopyFrom(message(put.key, before))
    return answer


def delete_answer(txn: NaiveTxn, delete: schema.DeleteRangeRequest) -> schema.DeleteRangeResponse:
    """Do a DeleteRange, and return its answer."""
    gone = txn.delete_range(delete.key, delete.range_end)
    answer = schema.DeleteRangeResponse(deleted=len(gone))
    answer.header.revision = txn.seen
    if delete.prev_kv:
        answer.prev_kvs.extend(message(*each) for each in gone)
    return answer


def run(txn: NaiveTxn, request: schema.TxnRequest, path: Sequence[Any]) -> schema.TxnResponse:
    """Do a Txn along the branches that are taken, and return its answer."""
    taken, nested = path
    below: Iterator[Any] = iter(nested)
    answer = schema.TxnResponse(succeeded=taken)
    for op in request.success if taken else request.failure:
        kind = op.WhichOneof("request")
        out = answer.responses.add()
        if kind == "request_range":
            out.response_range.CopyFrom(range_answer(txn, op.request_range))
        elif kind == "request_put":
            out.response_put.CopyFrom(put_answer(txn, op.request_put))
        elif kind == "request_delete_range":
            out.response_delete_range.CopyFrom(delete_answer(txn, op.request_delete_range))
        else:
            out.response_txn.CopyFrom(run(txn, op.request_txn, next(below)))
            out.response_txn.header.SetInParent()
    return answer
