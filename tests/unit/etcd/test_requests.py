"""Requests: what etcd refuses by itself and for what the store has, and answers in steps."""

from typing import Any

import pytest

from raftcy.errors import InvariantError
from raftcy.etcd import kvapply, schema
from raftcy.etcd.kvapply import apply_delete_range, apply_put, apply_txn, at_once, is_small, read_range
from raftcy.etcd.refusals import Refused
from raftcy.etcd.requestchecks import (
    check_delete_range,
    check_put,
    check_range,
    check_range_stream,
    check_txn,
    is_read_only,
    is_serializable,
)
from raftcy.etcd.store import Store
from tests.support.lessors import Attached

pytestmark = pytest.mark.once

Range, Put, Delete, Txn = schema.RangeRequest, schema.PutRequest, schema.DeleteRangeRequest, schema.TxnRequest


def op(request: Any) -> schema.RequestOp:
    names = {Range: "request_range", Put: "request_put", Delete: "request_delete_range", Txn: "request_txn"}
    return schema.RequestOp(**{names[type(request)]: request})


def txn(*success: Any, failure: tuple[Any, ...] = (), compare: tuple[Any, ...] = ()) -> schema.TxnRequest:
    return Txn(compare=compare, success=map(op, success), failure=map(op, failure))


def refusal(check: Any, request: Any) -> str:
    with pytest.raises(Refused) as caught:
        check(request)
    return caught.value.text.removeprefix("etcdserver: ")


EMPTY, DUPLICATE = "key is not provided", "duplicate key given in txn request"


@pytest.mark.parametrize(
    ("check", "request_", "text"),
    [
        (check_range, Range(), EMPTY),
        (check_range, Range(range_end=b"a"), EMPTY),
        (check_range, Range(key=b"a", sort_order=3), "invalid sort option"),
        (check_range, Range(key=b"a", sort_target=5), "invalid sort option"),
        (check_range, Range(key=b"a", sort_target=-1), "invalid sort option"),
        (check_range_stream, Range(), EMPTY),
        (check_range_stream, Range(key=b"a", sort_order=2), "RangeStream does not support custom sort orders"),
        (check_range_stream, Range(key=b"a", min_mod_revision=2), "RangeStream does not support revision filters"),
        (check_put, Put(value=b"x"), EMPTY),
        (check_put, Put(key=b"a", value=b"x", ignore_value=True), "value is provided"),
        (check_put, Put(key=b"a", lease=1, ignore_lease=True), "lease is provided"),
        (check_delete_range, Delete(range_end=b"x"), EMPTY),
        (check_txn, txn(Range()), EMPTY),
        (check_txn, txn(Put()), EMPTY),
        (check_txn, txn(Delete()), EMPTY),
        (check_txn, txn(txn(Put())), EMPTY),
        (check_txn, txn(failure=(Put(),)), EMPTY),
        (check_txn, txn(compare=(schema.Compare(),)), EMPTY),
        (check_txn, Txn(success=[schema.RequestOp()]), "key not found"),
        (check_txn, txn(*[Put(key=b"%d" % n) for n in range(129)]), "too many operations in txn request"),
        (check_txn, txn(failure=(Range(key=b"a"),) * 129), "too many operations in txn request"),
        (check_txn, txn(compare=(schema.Compare(key=b"a"),) * 129), "too many operations in txn request"),
        (check_txn, txn(txn(*[Put(key=b"%d" % n) for n in range(128)])), "too many operations in txn request"),
        (check_txn, txn(Put(key=b"a"), Put(key=b"a")), DUPLICATE),
        (check_txn, txn(failure=(Put(key=b"a"), Put(key=b"a"))), DUPLICATE),
        (check_txn, txn(Put(key=b"b"), Delete(key=b"a", range_end=b"c")), DUPLICATE),
        (check_txn, txn(Put(key=b"a"), Delete(key=b"a")), DUPLICATE),
        (check_txn, txn(Put(key=b"a"), txn(Put(key=b"a"))), DUPLICATE),
        (check_txn, txn(txn(Put(key=b"a")), txn(failure=(Put(key=b"a"),))), DUPLICATE),
        (check_txn, txn(Delete(key=b"a"), txn(Put(key=b"a"))), DUPLICATE),
        (check_txn, txn(txn(Delete(key=b"a", range_end=b"b")), Put(key=b"aa")), DUPLICATE),
        (check_txn, txn(txn(Delete(key=b"a")), txn(Put(key=b"a"))), DUPLICATE),
        (check_txn, txn(Delete(key=b"a", range_end=b"c"), Delete(key=b"b", range_end=b"e"), Put(key=b"d")), DUPLICATE),
    ],
)
def test_requests_that_etcd_refuses(check: Any, request_: Any, text: str) -> None:
    assert refusal(check, request_) == text


@pytest.mark.parametrize(
    "request_",
    [
        txn(*[Put(key=b"%d" % n) for n in range(128)], failure=tuple(Put(key=b"%d" % n) for n in range(128))),
        txn(*[Range(key=b"a")] * 128),
        txn(txn(*[Put(key=b"%d" % n) for n in range(127)])),
        txn(txn(Put(key=b"a"), failure=(Put(key=b"a"),))),
        txn(Put(key=b"a"), failure=(Put(key=b"a"), Delete(key=b"b"))),
        txn(Put(key=b"a"), Delete(key=b"b", range_end=b"c"), Put(key=b"c")),
        txn(Delete(key=b"a"), Delete(key=b"a")),
        txn(Delete(key=b"a", range_end=b"\0"), Put(key=b"b")),
        txn(Delete(key=b"c", range_end=b"a"), Put(key=b"b")),
        txn(txn(Put(key=b"a")), txn(Delete(key=b"a"))),
        txn(Put(key=b"a"), Range(key=b"a")),
        txn(),
    ],
)
def test_requests_that_etcd_accepts(request_: Any) -> None:
    check_txn(request_)
    check_range_stream(Range(key=b"a", sort_order=1))
    check_range_stream(Range(key=b"a", limit=3, keys_only=True))


def test_the_limit_of_operations_is_an_option() -> None:
    check_txn(txn(Put(key=b"a"), Put(key=b"b")), 2)
    with pytest.raises(Refused, match="too many operations"):
        check_txn(txn(Put(key=b"a"), Put(key=b"b")), 1)


def test_a_transaction_that_needs_no_log() -> None:
    assert is_read_only(txn())
    assert is_read_only(txn(Range(key=b"a"), failure=(Range(key=b"b"),)))
    assert not is_read_only(txn(Range(key=b"a"), failure=(Put(key=b"b"),)))
    assert not is_read_only(txn(txn(Range(key=b"a"))))
    assert is_serializable(txn(Range(key=b"a", serializable=True)))
    assert not is_serializable(txn(Range(key=b"a", serializable=True), failure=(Range(key=b"b"),)))


class World:
    def __init__(self, *leases: int) -> None:
        self.leases = Attached(*leases)
        self.store = Store(self.leases)

    def put(self, **options: Any) -> schema.PutResponse:
        return schema.PutResponse.FromString(apply_put(self.store, Put(**options)).body)

    def range(self, **options: Any) -> schema.RangeResponse:
        return schema.RangeResponse.FromString(at_once(read_range(self.store, Range(**options))).body)

    def txn(self, request: schema.TxnRequest) -> schema.TxnResponse:
        return schema.TxnResponse.FromString(at_once(apply_txn(self.store, request)).body)

    def state(self) -> Any:
        return (self.store.revision, b"".join(self.store.capture()), self.leases.used())


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (Put(key=b"a", lease=9), "requested lease not found"),
        (Put(key=b"x", ignore_value=True), "key not found"),
        (Put(key=b"x", ignore_lease=True), "key not found"),
        (txn(Put(key=b"n"), Put(key=b"a", lease=9)), "requested lease not found"),
        (txn(Put(key=b"n"), Put(key=b"x", ignore_value=True)), "key not found"),
        (txn(Put(key=b"n"), Range(key=b"a", revision=99)), "future revision"),
        (txn(Put(key=b"n"), Range(key=b"a", revision=2)), "compacted"),
        (txn(Put(key=b"n"), Range(key=b"a", revision=-1)), "compacted"),
        (txn(Put(key=b"n"), txn(failure=(Range(key=b"a"),)), txn(Put(key=b"a", lease=9))), "lease not found"),
        (txn(Range(key=b"a", revision=4), Put(key=b"n")), "future revision"),
    ],
)
def test_a_refusal_changes_nothing(request_: Any, text: str) -> None:
    world = World(7)
    world.put(key=b"a", value=b"1", lease=7)
    world.put(key=b"a", value=b"2", lease=7)
    world.store.compact(3)
    before = world.state()
    apply = apply_put if isinstance(request_, Put) else lambda store, request: at_once(apply_txn(store, request))
    with pytest.raises(Refused, match=text):
        apply(world.store, request_)
    assert world.state() == before
    assert not world.store.is_writing


def test_only_the_branch_that_is_taken_is_checked() -> None:
    world = World()
    answer = world.txn(txn(Put(key=b"a", value=b"1"), failure=(Put(key=b"a", lease=9),)))
    assert answer.succeeded
    assert world.store.revision == 2


def test_compares_are_decided_before_the_first_write() -> None:
    """Those of a transaction within it, too: it does not see what the outer one has put before."""
    world = World()
    created = schema.Compare(key=b"a", target=schema.Compare.VERSION, result=schema.Compare.GREATER, version=0)
    inner = txn(Range(key=b"b"), failure=(Range(key=b"a"),), compare=(created,))
    answer = world.txn(txn(Put(key=b"a", value=b"new"), inner))
    nested = answer.responses[1].response_txn
    assert not nested.succeeded
    assert nested.responses[0].response_range.kvs[0].value == b"new"
    assert nested.HasField("header")


def test_ignored_fields_are_those_of_before() -> None:
    world = World(7)
    world.put(key=b"a", value=b"1", lease=7)
    assert world.put(key=b"a", ignore_value=True, prev_kv=True).prev_kv.value == b"1"
    assert world.range(key=b"a").kvs[0] == schema.KeyValue(
        key=b"a", value=b"1", create_revision=2, mod_revision=3, version=2
    )
    world.put(key=b"a", value=b"2", lease=7)
    world.put(key=b"a", value=b"3", ignore_lease=True)
    assert world.range(key=b"a").kvs[0].lease == 7
    assert world.leases.used() == {7: {b"a"}}


def test_a_put_after_a_delete_of_all_in_one_transaction() -> None:
    """etcd lets this pass; there is nothing left then to take value and lease from."""
    world = World(7)
    world.put(key=b"a", value=b"1", lease=7)
    world.txn(txn(Delete(key=b"a", range_end=b"\0"), Put(key=b"a", ignore_value=True, ignore_lease=True)))
    assert world.range(key=b"a").kvs[0] == schema.KeyValue(key=b"a", create_revision=3, mod_revision=3, version=1)
    assert world.leases.used() == {}


def test_the_keys_of_a_lease_are_deleted_at_one_revision() -> None:
    world = World(7)
    for key in (b"b", b"a", b"c"):
        world.put(key=key, lease=7)
    applied = at_once(kvapply.delete_leased(world.store, [b"c", b"a", b"gone", b"b"]))
    assert [item[2] for item in applied.events] == [b"a", b"b", b"c"]
    assert (applied.revision, applied.body, world.store.revision) == (5, b"", 5)
    assert world.leases.used() == {}
    assert at_once(kvapply.delete_leased(world.store, [])).events == []
    assert world.store.revision == 5


def full(count: int, value: bytes = b"") -> World:
    world = World()
    writing = world.store.begin()
    for number in range(count):
        writing.put(b"%06d" % number, value)
    writing.end()
    return world


def steps_of(steps: Any) -> tuple[int, Any]:
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return count, stop.value
        count += 1


ALL = {"key": b"\0", "range_end": b"\0"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sort_order": 2},
        {"sort_target": schema.RangeRequest.VALUE, "sort_order": 1},
        {"sort_target": schema.RangeRequest.VALUE, "sort_order": 2, "limit": 7},
        {"keys_only": True},
        {"min_mod_revision": 1},
        {"revision": 2, "limit": 7},
        {"revision": 2, "count_only": True},
    ],
)
def test_large_ranges_take_steps_and_are_of_one_revision(options: dict[str, Any]) -> None:
    world = full(9000, b"x")
    world.put(key=b"last")
    options = {"revision": 0} | options
    quiet = at_once(read_range(world.store, Range(**ALL, **options))).body
    steps = read_range(world.store, Range(**ALL, **options))
    for _ in range(3):
        next(steps)
    writing = world.store.begin()
    at_once(writing.delete_range(b"\0", b"\0"))
    writing.put(b"other", b"x")
    writing.end()
    world.store.compact(world.store.revision)
    world.store.work()
    count, applied = steps_of(steps)
    assert count > 5
    assert applied.body == quiet
    assert applied.revision == 3


def test_reads_beside_a_write_that_takes_steps() -> None:
    world = full(3000)
    wanted = at_once(read_range(world.store, Range(**ALL, limit=5))).body
    counted = at_once(read_range(world.store, Range(**ALL, count_only=True))).body
    steps = apply_delete_range(world.store, Delete(**ALL))
    next(steps)
    assert world.store.is_writing
    assert not is_small(world.store, Range(**ALL, count_only=True))
    assert at_once(read_range(world.store, Range(**ALL, limit=5))).body == wanted
    assert at_once(read_range(world.store, Range(**ALL, count_only=True))).body == counted
    assert schema.DeleteRangeResponse.FromString(at_once(steps).body).deleted == 3000
    assert is_small(world.store, Range(**ALL, count_only=True))
    assert world.range(**ALL).count == 0


def test_a_transaction_over_many_keys_takes_steps() -> None:
    world = full(3000)
    compare = schema.Compare(**ALL, target=schema.Compare.VERSION, version=1)
    request = txn(Range(**ALL), Delete(**ALL, prev_kv=True), Range(**ALL, count_only=True), compare=(compare,))
    assert not is_small(world.store, request)
    count, applied = steps_of(apply_txn(world.store, request))
    answer = schema.TxnResponse.FromString(applied.body)
    assert count > 15
    assert answer.succeeded
    assert answer.responses[0].response_range.count == 3000
    assert len(answer.responses[1].response_delete_range.prev_kvs) == 3000
    assert answer.responses[2].response_range.count == 0
    assert [each.WhichOneof("response") for each in answer.responses] == [
        "response_range",
        "response_delete_range",
        "response_range",
    ]


def test_a_transaction_of_many_operations_takes_steps() -> None:
    world = World()
    inner = [txn(*[Put(key=b"%d %d" % (n, m)) for m in range(60)]) for n in range(60)]
    request = txn(*inner)
    check_txn(request)
    assert not is_small(world.store, request)
    assert steps_of(apply_txn(world.store, request))[0] >= 14
    assert world.range(**ALL).count == 3600


@pytest.mark.parametrize(
    ("request_", "small"),
    [
        (Range(key=b"a"), True),
        (Range(**ALL), False),
        (Range(**ALL, count_only=True), True),
        (Range(**ALL, limit=10), True),
        (Range(**ALL, limit=10, sort_target=1), False),
        (Range(**ALL, limit=10, revision=1), False),
        (Range(**ALL, limit=2000), False),
        (Range(key=b"0000", range_end=b"0001"), True),
        (Delete(**ALL), False),
        (Delete(key=b"a"), True),
        (txn(Put(key=b"a"), Range(key=b"0000", range_end=b"0001")), True),
        (txn(Put(key=b"a"), failure=(Range(**ALL),)), False),
        (txn(txn(Delete(**ALL))), False),
        (txn(compare=(schema.Compare(**ALL),)), False),
    ],
)
def test_which_requests_are_small(request_: Any, small: bool) -> None:
    world = full(3000)
    assert is_small(world.store, request_) is small


def test_long_values_make_a_request_large() -> None:
    world = full(100, b"x" * 100_000)
    assert not is_small(world.store, Range(**ALL))
    assert kvapply.read_range_now(world.store, Range(**ALL)) is None


def test_a_stream_of_ranges_is_cut_by_bytes() -> None:
    world = full(2000, b"x" * 50)
    chunks = [each for each in kvapply.stream_range(world.store, Range(**ALL, limit=1500), 10_000) if each]
    answers = [schema.RangeResponse.FromString(each.body) for each in chunks]
    assert sum(len(each.kvs) for each in answers) == 1500
    assert all(len(each.body) < 10_000 for each in chunks)
    assert [each.revision for each in chunks] == [0] * (len(chunks) - 1) + [2]
    assert [(each.count, each.more) for each in answers] == [(0, False)] * (len(chunks) - 1) + [(2000, True)]
    (counted,) = [each for each in kvapply.stream_range(world.store, Range(**ALL, count_only=True), 10) if each]
    assert schema.RangeResponse.FromString(counted.body) == schema.RangeResponse(count=2000)
    (none,) = [each for each in kvapply.stream_range(world.store, Range(key=b"x"), 10) if each]
    assert (none.body, none.revision) == (b"", 2)


def test_a_read_only_transaction_has_no_operation_that_writes() -> None:
    with pytest.raises(InvariantError):
        at_once(kvapply.read_txn(World().store, txn(Put(key=b"a"))))
