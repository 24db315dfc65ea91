"""What is wrong with a request by itself, before it is proposed: etcd's checks, in etcd's order, with its texts."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from . import schema
from .keyindex import ALL_FROM
from .refusals import UNIMPLEMENTED, Refused, refused

MAX_TXN_OPS: Final = 128
MAX_REQUEST_BYTES: Final = 1536 * 1024

_SORT_ORDERS: Final = 3
_SORT_TARGETS: Final = 5


def has_default_order(request: schema.RangeRequest) -> bool:
    """Whether the keys come in the order in which the store has them."""
    order = request.sort_order
    if order == schema.RangeRequest.NONE:
        return request.sort_target == schema.RangeRequest.KEY
    return order == schema.RangeRequest.ASCEND and request.sort_target == schema.RangeRequest.KEY


def has_filters(request: schema.RangeRequest) -> bool:
    """Whether some keys are left out by their revisions."""
    return bool(
        request.min_mod_revision
        or request.max_mod_revision
        or request.min_create_revision
        or request.max_create_revision
    )


def check_range(request: schema.RangeRequest) -> None:
    """Raise Refused if etcd refuses a Range whatever the store has."""
    if not request.key:
        raise refused("EMPTY_KEY")
    if not 0 <= request.sort_order < _SORT_ORDERS or not 0 <= request.sort_target < _SORT_TARGETS:
        raise refused("INVALID_SORT_OPTION")


def check_range_stream(request: schema.RangeRequest) -> None:
    """Raise Refused for a RangeStream."""
    check_range(request)
    if request.sort_order != schema.RangeRequest.NONE and not has_default_order(request):
        raise Refused(UNIMPLEMENTED, "RangeStream does not support custom sort orders")
    if has_filters(request):
        raise Refused(UNIMPLEMENTED, "RangeStream does not support revision filters")


def check_put(request: schema.PutRequest) -> None:
    """Raise Refused for a Put."""
    if not request.key:
        raise refused("EMPTY_KEY")
    if request.ignore_value and request.value:
        raise refused("VALUE_PROVIDED")
    if request.ignore_lease and request.lease:
        raise refused("LEASE_PROVIDED")


def check_delete_range(request: schema.DeleteRangeRequest) -> None:
    """Raise Refused for a DeleteRange."""
    if not request.key:
        raise refused("EMPTY_KEY")


def check_txn(request: schema.TxnRequest, max_ops: int = MAX_TXN_OPS) -> None:
    """Raise Refused for a Txn: too many operations, a bad one, or two that write the same key.

    A transaction within it may have as many operations as are left to it by the longest list of those around it.
    """
    is_nested = _check_ops(request, max_ops)
    for ops in (request.success, request.failure):
        if is_nested or len(ops) > 1:
            _check_overlap(ops)


def _check_ops(request: schema.TxnRequest, max_ops: int) -> bool:
    """Check each operation by itself; whether there is a transaction among them."""
    is_nested = False
    longest = max(len(request.compare), len(request.success), len(request.failure))
    if longest > max_ops:
        raise refused("TOO_MANY_OPS")
    for compare in request.compare:
        if not compare.key:
            raise refused("EMPTY_KEY")
    for ops in (request.success, request.failure):
        for op in ops:
            kind = op.WhichOneof("request")
            if kind == "request_range":
                check_range(op.request_range)
            elif kind == "request_put":
                check_put(op.request_put)
            elif kind == "request_delete_range":
                check_delete_range(op.request_delete_range)
            elif kind == "request_txn":
                is_nested = True
                _check_ops(op.request_txn, max_ops - longest)
            else:
                raise refused("KEY_NOT_FOUND")
    return is_nested


class _Spans:
    """Keys that are deleted, as ranges that do not touch each other."""

    def __init__(self) -> None:
        self._starts: list[bytes] = []
        self._ends: list[bytes] = []

    def add(self, start: bytes, end: bytes) -> None:
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def add_all(self, other: "_Spans") -> None:
        for start, end in zip(other._starts, other._ends, strict=True):
            self.add(start, end)

    def has(self, key: bytes) -> bool:
        place = bisect_right(self._starts, key) - 1
        return place >= 0 and key < self._ends[place]


def _check_overlap(ops: Sequence[schema.RequestOp] | Iterable[schema.RequestOp]) -> tuple[set[bytes], _Spans]:
    """Refuse two puts of a key, and a put of a key that is deleted; returns what these operations put and delete.

    The two branches of a transaction exclude each other, so both may put a key. As in etcd, a delete of all keys from
    one on is not looked at: it runs in its place among the operations.
    """
    ops = list(ops)
    puts: set[bytes] = set()
    deletes = _Spans()
    for op in ops:
        if op.WhichOneof("request") == "request_delete_range":
            key, end = op.request_delete_range.key, op.request_delete_range.range_end
            if not end:
                deletes.add(key, key + b"\0")
            elif end != ALL_FROM and key < end:
                deletes.add(key, end)
    for op in ops:
        if op.WhichOneof("request") == "request_txn":
            then_puts, then_deletes = _check_overlap(op.request_txn.success)
            else_puts, else_deletes = _check_overlap(op.request_txn.failure)
            if not puts.isdisjoint(then_puts | else_puts) or any(map(deletes.has, then_puts | else_puts)):
                raise refused("DUPLICATE_KEY")
            puts |= then_puts | else_puts
            deletes.add_all(then_deletes)
            deletes.add_all(else_deletes)
    for op in ops:
        if op.WhichOneof("request") == "request_put":
            key = op.request_put.key
            if key in puts or deletes.has(key):
                raise refused("DUPLICATE_KEY")
            puts.add(key)
    return puts, deletes


def is_read_only(request: schema.TxnRequest) -> bool:
    """Whether a transaction has nothing but ranges, so that it needs no place in the log."""
    return all(op.WhichOneof("request") == "request_range" for ops in (request.success, request.failure) for op in ops)


def is_serializable(request: schema.TxnRequest) -> bool:
    """Whether each of a transaction's operations may be answered from this member's state, however old it is."""
    return all(
        op.WhichOneof("request") == "request_range" and op.request_range.serializable
        for ops in (request.success, request.failure)
        for op in ops
    )
