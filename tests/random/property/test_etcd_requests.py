"""Random requests to the store of etcd beside a naive one that answers with protobuf's messages."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftcy.etcd import kvapply, schema
from raftcy.etcd.refusals import Refused
from raftcy.etcd.requestchecks import check_txn, is_read_only
from raftcy.etcd.store import Store
from raftcy.sim.etcd.naivestore import NaiveStore, NaiveTxn, message, path_of, range_answer, run
from tests.support.lessors import Attached

pytestmark = pytest.mark.once

KEYS = st.sampled_from([b"a", b"aa", b"b", b"c"])
ENDS = st.sampled_from([b"", b"", b"\0", b"b", b"c", b"a"])
VALUES = st.sampled_from([b"", b"1", b"22"])
NUMBERS = st.integers(0, 6)
FLAGS = st.booleans()


def made(kind: Any, **fields: Any) -> Any:
    return st.builds(kind, **fields)


RANGES = made(
    schema.RangeRequest,
    key=KEYS,
    range_end=ENDS,
    limit=st.integers(-1, 3),
    revision=st.integers(-1, 9),
    sort_order=st.integers(0, 2),
    sort_target=st.integers(0, 4),
    keys_only=FLAGS,
    count_only=st.sampled_from([False, False, True]),
    min_mod_revision=st.sampled_from([0, 0, 0, 2, 3]),
    max_mod_revision=st.sampled_from([0, 0, 0, 5]),
    min_create_revision=st.sampled_from([0, 0, 0, 3]),
    max_create_revision=st.sampled_from([0, 0, 0, 4]),
)
PUTS = st.one_of(
    made(schema.PutRequest, key=KEYS, value=VALUES, lease=st.sampled_from([0, 0, 7, 9]), prev_kv=FLAGS),
    made(schema.PutRequest, key=KEYS, prev_kv=FLAGS, ignore_value=st.just(True), ignore_lease=FLAGS),
    made(schema.PutRequest, key=KEYS, value=VALUES, ignore_lease=st.just(True)),
)
DELETES = made(schema.DeleteRangeRequest, key=KEYS, range_end=ENDS, prev_kv=FLAGS)
COMPARES = st.one_of(
    made(schema.Compare, key=KEYS, range_end=ENDS, result=st.integers(0, 3), target=st.just(0), version=NUMBERS),
    made(
        schema.Compare, key=KEYS, range_end=ENDS, result=st.integers(0, 3), target=st.just(1), create_revision=NUMBERS
    ),
    made(schema.Compare, key=KEYS, range_end=ENDS, result=st.integers(0, 3), target=st.just(2), mod_revision=NUMBERS),
    made(schema.Compare, key=KEYS, range_end=ENDS, result=st.integers(0, 3), target=st.just(3), value=VALUES),
    made(schema.Compare, key=KEYS, range_end=ENDS, result=st.integers(0, 3), target=st.just(4), lease=NUMBERS),
)


def txns(ops: Any) -> Any:
    return made(
        schema.TxnRequest,
        compare=st.lists(COMPARES, max_size=2),
        success=st.lists(ops, max_size=3),
        failure=st.lists(ops, max_size=3),
    )


LEAVES = st.one_of(
    made(schema.RequestOp, request_range=RANGES),
    made(schema.RequestOp, request_put=PUTS),
    made(schema.RequestOp, request_delete_range=DELETES),
)
TXNS = txns(st.recursive(LEAVES, lambda ops: made(schema.RequestOp, request_txn=txns(ops)), max_leaves=4))
REQUESTS = st.one_of(RANGES, PUTS, DELETES, TXNS, TXNS, st.integers(0, 9))


def refusal_of(naive: NaiveStore, leases: Attached, request: Any, path: Any) -> str | None:
    """Why the naive store refuses a transaction for what it would do, in the order of its operations."""
    taken, nested = path
    below = iter(nested)
    for op in request.success if taken else request.failure:
        kind = op.WhichOneof("request")
        found = None
        if kind == "request_range":
            found = range_refusal(naive, op.request_range.revision, in_txn=True)
        elif kind == "request_put":
            found = put_refusal(naive, leases, op.request_put)
        elif kind == "request_txn":
            found = refusal_of(naive, leases, op.request_txn, next(below))
        if found:
            return found
    return None


def range_refusal(naive: NaiveStore, revision: int, in_txn: bool = False) -> str | None:
    if revision > naive.revision:
        return "future"
    if revision < naive.compacted and (revision > 0 or (in_txn and revision < 0)):
        return "compacted"
    return None


def put_refusal(naive: NaiveStore, leases: Attached, put: schema.PutRequest) -> str | None:
    if put.lease and put.lease not in leases.keys:
        return "lease not found"
    if (put.ignore_value or put.ignore_lease) and put.key not in naive.states[-1]:
        return "key not found"
    return None


def whole(applied: kvapply.Applied, kind: Any) -> Any:
    answer = kind.FromString(applied.body)
    answer.header.revision = applied.revision
    return answer


class Pair:
    def __init__(self) -> None:
        self.leases = Attached(7, 8)
        self.store = Store(self.leases)
        self.naive = NaiveStore()

    def put(self, request: schema.PutRequest) -> None:
        wrapped = schema.TxnRequest(success=[schema.RequestOp(request_put=request)])
        expected = self.expect(wrapped)
        if isinstance(expected, str):
            with pytest.raises(Refused, match=expected):
                kvapply.apply_put(self.store, request)
        else:
            assert (
                whole(kvapply.apply_put(self.store, request), schema.PutResponse) == expected.responses[0].response_put
            )

    def delete(self, request: schema.DeleteRangeRequest) -> None:
        expected = self.expect(schema.TxnRequest(success=[schema.RequestOp(request_delete_range=request)]))
        applied = kvapply.at_once(kvapply.apply_delete_range(self.store, request))
        assert whole(applied, schema.DeleteRangeResponse) == expected.responses[0].response_delete_range

    def range(self, request: schema.RangeRequest) -> None:
        expected = range_refusal(self.naive, request.revision)
        if expected:
            with pytest.raises(Refused, match=expected):
                kvapply.at_once(kvapply.read_range(self.store, request))
            with pytest.raises(Refused, match=expected):
                list(kvapply.stream_range(self.store, request, 20))
            return
        wanted = range_answer(NaiveTxn(self.naive, self.naive.states[-1]), request)
        now = kvapply.read_range_now(self.store, request)
        for applied in (kvapply.at_once(kvapply.read_range(self.store, request)), now):
            assert whole(applied, schema.RangeResponse) == wanted
        if not (request.sort_order or request.sort_target) and not wanted.more:
            self.stream(request, wanted)

    def stream(self, request: schema.RangeRequest, wanted: schema.RangeResponse) -> None:
        filters = ("min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision")
        if any(getattr(request, each) for each in filters):
            return
        got = schema.RangeResponse()
        chunks = [each for each in kvapply.stream_range(self.store, request, 20) if each]
        for each in chunks:
            got.MergeFromString(each.body)
        assert [each.revision for each in chunks] == [0] * (len(chunks) - 1) + [self.store.revision]
        got.header.revision = chunks[-1].revision
        assert got == wanted

    def txn(self, request: schema.TxnRequest) -> None:
        try:
            check_txn(request)
        except Refused:
            return
        read_only = is_read_only(request)
        expected = self.expect(request)
        assert kvapply.is_small(self.store, request)

        def apply() -> kvapply.Applied | None:
            if read_only:
                return kvapply.at_once(kvapply.read_txn(self.store, request))
            if self.store.revision % 2:
                return kvapply.apply_txn_now(self.store, request)
            return kvapply.at_once(kvapply.apply_txn(self.store, request))

        if isinstance(expected, str):
            with pytest.raises(Refused, match=expected):
                apply()
        else:
            assert whole(apply(), schema.TxnResponse) == expected

    def expect(self, request: schema.TxnRequest) -> Any:
        """What the naive store does with it: its answer, or a part of the refusal's text."""
        txn = self.naive.begin()
        path = path_of(txn, request)
        why = refusal_of(self.naive, self.leases, request, path)
        if why:
            return why
        answer = run(txn, request, path)
        answer.header.revision = txn.seen
        txn.end()
        return answer

    def compact(self, revision: int) -> None:
        try:
            self.store.compact(revision)
        except Refused:
            assert revision <= self.naive.compacted or revision > self.naive.revision
        else:
            assert self.naive.compacted < revision <= self.naive.revision
            self.naive.compacted = revision
        self.store.work(2)

    def do(self, request: Any) -> None:
        kinds = {
            schema.RangeRequest: self.range,
            schema.PutRequest: self.put,
            schema.DeleteRangeRequest: self.delete,
            schema.TxnRequest: self.txn,
            int: self.compact,
        }
        kinds[type(request)](request)
        state = [message(*each) for each in self.naive.range(b"\0", b"\0")]
        everything = schema.RangeRequest(key=b"\0", range_end=b"\0")
        assert list(whole(kvapply.read_range_now(self.store, everything), schema.RangeResponse).kvs) == state
        assert self.store.revision == self.naive.revision
        assert self.leases.used() == self.naive.attached()


@settings(max_examples=250)
@given(st.lists(REQUESTS, max_size=12))
def test_requests_are_answered_as_by_the_naive_store(requests: list[Any]) -> None:
    pair = Pair()
    for request in requests:
        pair.do(request)
