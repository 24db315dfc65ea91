"""The key-value store of etcd in the plainest way: a dict of all keys for each revision, and protobuf's messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from raftcy.etcd import schema


@dataclass(frozen=True)
class Value:
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
    if not end:
        return key == start
    return key >= start and (end == b"\0" or key < end)


def message(key: bytes, value: Value) -> schema.KeyValue:
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
    states: list[dict[bytes, Value]] = field(default_factory=lambda: [{}, {}])
    changes: list[Change] = field(default_factory=list)
    compacted: int = -1

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    def range(self, key: bytes, end: bytes, revision: int = 0) -> list[tuple[bytes, Value]]:
        state = self.states[revision or self.revision]
        return [(each, state[each]) for each in sorted(state) if in_range(each, key, end)]

    def begin(self) -> "NaiveTxn":
        return NaiveTxn(self, dict(self.states[-1]))

    def since(self, revision: int) -> list[Change]:
        return [each for each in self.changes if each.revision >= revision]

    def attached(self) -> dict[int, set[bytes]]:
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
    store: NaiveStore
    state: dict[bytes, Value]
    changes: list[Change] = field(default_factory=list)

    @property
    def revision(self) -> int:
        return self.store.revision + 1

    @property
    def seen(self) -> int:
        return self.store.revision + bool(self.changes)

    def put(self, key: bytes, value: bytes, lease: int = 0) -> None:
        before = self.state.get(key)
        after = Value(self.revision, self.revision, 1, value, lease)
        if before is not None:
            after = replace(after, create=before.create, version=before.version + 1)
        self.changes.append(Change(self.revision, key, after, before))
        self.state[key] = after

    def delete(self, key: bytes) -> None:
        before = self.state.pop(key)
        self.changes.append(Change(self.revision, key, None, before))

    def delete_range(self, key: bytes, end: bytes) -> list[tuple[bytes, Value]]:
        gone = self.range(key, end)
        for each, _ in gone:
            self.delete(each)
        return gone

    def range(self, key: bytes, end: bytes, revision: int = 0) -> list[tuple[bytes, Value]]:
        state = self.store.states[revision] if 0 < revision <= self.store.revision else self.state
        return [(each, state[each]) for each in sorted(state) if in_range(each, key, end)]

    def end(self) -> list[Change]:
        if self.changes:
            self.store.states.append(self.state)
            self.store.changes += self.changes
        return self.changes


# -- requests --------------------------------------------------------------------------------------------------------


def range_answer(txn: NaiveTxn, request: schema.RangeRequest) -> schema.RangeResponse:
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


def run(txn: NaiveTxn, request: schema.TxnRequest, path: Sequence[Any]) -> schema.TxnResponse:
    taken, nested = path
    below: Iterator[Any] = iter(nested)
    answer = schema.TxnResponse(succeeded=taken)
    for op in request.success if taken else request.failure:
        kind = op.WhichOneof("request")
        out = answer.responses.add()
        if kind == "request_range":
            out.response_range.CopyFrom(range_answer(txn, op.request_range))
        elif kind == "request_put":
            put = op.request_put
            before = dict(txn.state).get(put.key)
            value = before.value if put.ignore_value and before else put.value
            lease = before.lease if put.ignore_lease and before else put.lease
            txn.put(put.key, value, lease)
            out.response_put.header.revision = txn.revision
            if put.prev_kv and before:
                out.response_put.prev_kv.CopyFrom(message(put.key, before))
        elif kind == "request_delete_range":
            gone = txn.delete_range(op.request_delete_range.key, op.request_delete_range.range_end)
            out.response_delete_range.header.revision = txn.seen
            out.response_delete_range.deleted = len(gone)
            if op.request_delete_range.prev_kv:
                out.response_delete_range.prev_kvs.extend(message(*each) for each in gone)
        else:
            out.response_txn.CopyFrom(run(txn, op.request_txn, next(below)))
            out.response_txn.header.SetInParent()
    return answer
