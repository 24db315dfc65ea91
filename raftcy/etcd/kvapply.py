"""Requests applied to the store: puts, deletes, transactions, and the reads that need no log.

Rules:

- A request is refused before anything changes: `Refused` is raised, and the store is as it was. Everything that could
  be refused is looked at first, in the branches that the compares choose.
- All compares of a transaction, nested ones too, are decided before its first write. Reads within it see the writes
  before them.
- Work that grows with the store is a generator, which yields between steps of a few milliseconds and returns the
  answer. No other request may be applied before it has ended. `is_small` says that a request needs no steps; `at_once`
  runs it.

Answers are encoded without their header, which is the first field of every answer: ``header + body`` is the message.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from ..errors import InvariantError
from . import ranges, schema
from .encoding import field, number, tag
from .items import CREATE, FRAMED, LEASE, MOD, PREV_TAG, VERSION, Item, value_of
from .pages import Pages
from .refusals import refused
from .requestchecks import has_default_order, has_filters
from .store import Store, WriteTxn
from .views import PAGE

SMALL_KEYS: Final = 1000  # that a request may look at without steps
SMALL_BYTES: Final = 1 << 21
STEP_OPS: Final = 256  # operations of a transaction in one step

_HEADER: Final = tag(1)
_REVISION: Final = tag(3, 0)
_DELETED: Final = tag(2, 0)
_ONE_DELETED: Final = tag(2, 0) + b"\x01"
_SUCCEEDED: Final = tag(2, 0) + b"\x01"
_RESPONSE: Final = tag(3)
_RESPONSE_OF: Final = {
    "request_range": tag(1),
    "request_put": tag(2),
    "request_delete_range": tag(3),
    "request_txn": tag(4),
}

_T = TypeVar("_T")
# A branch that is taken: whether all compares hold, and the same for each transaction within the branch, in order.
_Path = tuple[bool, list[Any]]


class Applied(NamedTuple):
    """The answer to a request.

    ``parts`` together are the encoded message without its header; ``revision`` belongs into that. ``events`` are the
    writes, for the watchers: none if the request has read only.
    """

    parts: Sequence[bytes]
    revision: int
    events: Sequence[Item] | Pages = ()

    @property
    def body(self) -> bytes:
        """The encoded message without its header, in one piece."""
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


def at_once(steps: Generator[object, None, _T]) -> _T:
    """Run all steps, and return what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: _T = stop.value
            return result


# -- how much work a request is --


def is_small(store: Store, request: schema.TxnRequest | schema.DeleteRangeRequest | schema.RangeRequest) -> bool:
    """Whether the request is done within a few milliseconds, so that `at_once` may run it."""
    budget = _Budget(store)
    if isinstance(request, schema.TxnRequest):
        return budget.pays_txn(request)
    if isinstance(request, schema.RangeRequest):
        return budget.pays_range(request)
    return budget.pays(request.key, request.range_end)


class _Budget:
    """What is left of the keys that a small request may look at."""

    def __init__(self, store: Store) -> None:
        self._index = store.history.index
        mean = store.size // (len(self._index) or 1)
        self._left = min(SMALL_KEYS, SMALL_BYTES // (mean or 1))
        self._newest = store.revision
        self._is_counted = store.counted == store.revision

    def pays(self, key: bytes, end: bytes) -> bool:
        self._left -= self._index.span(key, end) if end else 1
        return self._left >= 0

    def pays_range(self, request: schema.RangeRequest) -> bool:
        if request.range_end and request.revision in (0, self._newest) and self._is_counted:
            if request.count_only:
                return True
            plain = has_default_order(request) and not has_filters(request)
            if plain and 0 < request.limit <= PAGE:
                self._left -= request.limit
                return self._left >= 0
        return self.pays(request.key, request.range_end)

    def pays_txn(self, request: schema.TxnRequest) -> bool:
        if not all(self.pays(compare.key, compare.range_end) for compare in request.compare):
            return False
        return all(self._pays_op(op) for ops in (request.success, request.failure) for op in ops)

    def _pays_op(self, op: schema.RequestOp) -> bool:
        kind = op.WhichOneof("request")
        if kind == "request_range":
            return self.pays_range(op.request_range)
        if kind == "request_delete_range":
            return self.pays(op.request_delete_range.key, op.request_delete_range.range_end)
        return self.pays_txn(op.request_txn) if kind == "request_txn" else self.pays(b"", b"")


# -- reads --


def read_range(store: Store, request: schema.RangeRequest) -> Generator[None, None, Applied]:
    """The answer to a Range, in steps, at one revision."""
    store.check_revision(request.revision)
    revision = store.revision
    parts = yield from ranges.read(store.history, request, revision, store.counted)
    return Applied(parts, revision)


def read_range_now(store: Store, request: schema.RangeRequest) -> Applied | None:
    """The answer to a Range if it `is_small`, else None."""
    if not request.range_end and not has_filters(request):
        store.check_revision(request.revision)
        revision = store.revision
        at = request.revision if request.revision > 0 else revision
        return Applied((ranges.read_key(store.history, request, at),), revision)
    return at_once(read_range(store, request)) if is_small(store, request) else None


def stream_range(store: Store, request: schema.RangeRequest, max_bytes: int) -> Generator[Applied | None, None, None]:
    """The answers to a RangeStream, each an encoded RangeResponse without its header; None between steps.

    Only the last one has a revision, and so a header. All others have revision 0.
    """
    store.check_revision(request.revision)
    if not has_default_order(request):
        # Without an order, but by something else than the key: as in etcd, that sorts, so the answer is a whole one.
        yield (yield from read_range(store, request))
        return
    revision = store.revision
    for found in ranges.stream(store.history, request, revision, store.counted, max_bytes):
        yield None if found is None else Applied((found[0],), revision if found[1] else 0)


def read_txn(store: Store, request: schema.TxnRequest) -> Generator[None, None, Applied]:
    """The answer to a transaction that `is_read_only`."""
    revision = store.revision
    path = yield from _decide(store, request)
    _check_branch(store, request, path)
    run = _Run(store, None)
    body = yield from run.txn(request, path)
    store.counts.ended(run.kinds)
    return Applied((body,), revision)


# -- writes --


def apply_put(store: Store, request: schema.PutRequest) -> Applied:
    """Apply a Put."""
    key, value, lease = request.key, request.value, request.lease
    if lease and not store.leases.exists(lease):
        raise refused("LEASE_NOT_FOUND")
    body = b""
    if request.prev_kv or request.ignore_value or request.ignore_lease:
        before = store.get(key)
        if before is not None:
            if request.prev_kv:
                body = before[FRAMED]
            if request.ignore_value:
                value = value_of(before)
            if request.ignore_lease:
                lease = before[LEASE]
        elif request.ignore_value or request.ignore_lease:
            raise refused("KEY_NOT_FOUND")
    item = store.put(key, value, lease)
    return Applied((body,), item[MOD], (item,))


def apply_delete_range(store: Store, request: schema.DeleteRangeRequest) -> Generator[None, None, Applied]:
    """Apply a DeleteRange, in steps."""
    txn = store.begin()
    gone = yield from txn.delete_range(request.key, request.range_end)
    parts = yield from _deleted(gone, request.prev_kv)
    revision = txn.seen
    return Applied(parts, revision, txn.end())


def apply_txn(store: Store, request: schema.TxnRequest) -> Generator[None, None, Applied]:
    """Apply a Txn, in steps if it looks at many keys."""
    path = yield from _decide(store, request)
    _check_branch(store, request, path)
    txn = store.begin()
    run = _Run(store, txn)
    body = yield from run.txn(request, path)
    store.counts.ended(run.kinds)
    revision = txn.seen
    return Applied((body,), revision, txn.end())


def apply_txn_now(store: Store, request: schema.TxnRequest) -> Applied | None:
    """Apply a Txn if it `is_small`, else return None, and nothing has been done.

    A transaction whose operations are of single keys, and none of them a transaction, takes no generator.
    """
    taken = _decide_plainly(store, request)
    ops = [(op.WhichOneof("request"), op) for op in (request.success if taken else request.failure)]
    if taken is None or len(ops) > STEP_OPS or not all(_is_plain(kind, op) for kind, op in ops):
        return at_once(apply_txn(store, request)) if is_small(store, request) else None
    _check_ops(store, ops, iter(()))
    txn = store.begin()
    run = _Run(store, txn)
    parts = [_SUCCEEDED] if taken else []
    for kind, op in ops:
        if kind == "request_put":
            answer = run.put(txn, op.request_put)
        elif kind == "request_range":
            answer = run.header() + ranges.read_key(
                store.history, op.request_range, op.request_range.revision or txn.seen
            )
        else:
            gone = txn.delete(op.request_delete_range.key)
            answer = run.header()
            if gone is not None:
                answer += _ONE_DELETED
                if op.request_delete_range.prev_kv:
                    answer += PREV_TAG + gone[FRAMED][1:]
        parts.append(field(_RESPONSE, field(_RESPONSE_OF[kind], answer)))
    store.counts.ended([kind for kind, _ in ops])
    revision = txn.seen
    return Applied((b"".join(parts),), revision, txn.end())


def _decide_plainly(store: Store, request: schema.TxnRequest) -> bool | None:
    """Evaluate the compares of a transaction; None if one of a range would have to be evaluated."""
    for compare in request.compare:
        if compare.range_end:
            return None
        if not _fits(compare, store.get(compare.key)):
            return False
    return True


def _is_plain(kind: str, op: schema.RequestOp) -> bool:
    """Whether an operation looks at one key."""
    if kind == "request_put":
        return True
    if kind == "request_range":
        request = op.request_range
        return not request.range_end and request.revision >= 0 and not has_filters(request)
    return kind == "request_delete_range" and not op.request_delete_range.range_end


def apply_delete_range_now(store: Store, request: schema.DeleteRangeRequest) -> Applied | None:
    """Apply a DeleteRange if it `is_small`, else return None, and nothing has been done."""
    return at_once(apply_delete_range(store, request)) if is_small(store, request) else None


def delete_leased(store: Store, keys: Sequence[bytes]) -> Generator[None, None, Applied]:
    """Delete the keys of a lease that has ended, all at one revision, in steps; the answer has no fields."""
    txn = store.begin()
    ordered = sorted(keys)
    for start in range(0, len(ordered), PAGE):
        for key in ordered[start : start + PAGE]:
            txn.delete(key)
        if start + PAGE < len(ordered):
            txn.settle()
            yield
    revision = txn.seen
    return Applied((), revision, txn.end())


def _deleted(gone: Pages, prev_kv: bool) -> Generator[None, None, list[bytes]]:
    """The DeleteRangeResponse, without its header."""
    parts = [number(_DELETED, len(gone))]
    if prev_kv:
        for page in gone.pages():
            if len(parts) > 1:
                yield
            parts.append(b"".join([PREV_TAG + item[FRAMED][1:] for item in page]))
    return parts


# -- transactions --


def _decide(store: Store, request: schema.TxnRequest) -> Generator[None, None, _Path]:
    """Evaluate all compares of a transaction, and of those in the branch that it takes."""
    taken = True
    for compare in request.compare:
        if not (yield from _holds(store, compare)):
            taken = False
            break
    below = []
    for op in request.success if taken else request.failure:
        if op.WhichOneof("request") == "request_txn":
            below.append((yield from _decide(store, op.request_txn)))
    return taken, below


def _holds(store: Store, compare: schema.Compare) -> Generator[None, None, bool]:
    """Whether all keys of a compare's range fit; a range without keys counts as one key of zeros, without a value."""
    if not compare.range_end:
        return _fits(compare, store.get(compare.key))
    found = False
    with store.view() as view:
        for items in view.items(compare.key, compare.range_end):
            for item in items:
                found = True
                if not _fits(compare, item):
                    return False
            yield
    return found or _fits(compare, None)


def _fits(compare: schema.Compare, item: Item | None) -> bool:
    target = compare.target
    has: Any
    wanted: Any
    if target == schema.Compare.VALUE:
        if item is None:
            return False
        has, wanted = value_of(item), compare.value
    elif target == schema.Compare.CREATE:
        has, wanted = item[CREATE] if item else 0, compare.create_revision
    elif target == schema.Compare.MOD:
        has, wanted = item[MOD] if item else 0, compare.mod_revision
    elif target == schema.Compare.VERSION:
        has, wanted = item[VERSION] if item else 0, compare.version
    elif target == schema.Compare.LEASE:
        has, wanted = item[LEASE] if item else 0, compare.lease
    else:
        has, wanted = 0, 0  # a target that etcd does not know compares nothing
    result = compare.result
    if result == schema.Compare.EQUAL:
        return bool(has == wanted)
    if result == schema.Compare.NOT_EQUAL:
        return bool(has != wanted)
    if result == schema.Compare.GREATER:
        return bool(has > wanted)
    return bool(has < wanted) if result == schema.Compare.LESS else True


def _check_branch(store: Store, request: schema.TxnRequest, path: _Path) -> None:
    """Refuse a transaction for what it would do in the branches that it takes, by the store as it is before it."""
    taken, below = path
    ops = [(op.WhichOneof("request"), op) for op in (request.success if taken else request.failure)]
    _check_ops(store, ops, iter(below))


def _check_ops(store: Store, ops: list[tuple[str, schema.RequestOp]], nested: Iterator[_Path]) -> None:
    for kind, op in ops:
        if kind == "request_range":
            revision = op.request_range.revision
            store.check_revision(revision)
            if revision < 0 and revision < store.compacted:
                raise refused("COMPACTED")
        elif kind == "request_put":
            put = op.request_put
            if put.lease and not store.leases.exists(put.lease):
                raise refused("LEASE_NOT_FOUND")
            if (put.ignore_value or put.ignore_lease) and store.get(put.key) is None:
                raise refused("KEY_NOT_FOUND")
        elif kind == "request_txn":
            _check_branch(store, op.request_txn, next(nested))


class _Run:
    """Does the operations of a transaction, and encodes the answers; without a write transaction it only reads."""

    def __init__(self, store: Store, txn: WriteTxn | None) -> None:
        self._store = store
        self._txn = txn
        self.kinds: list[str] = []
        """The kinds of the operations that were done, in order."""

    @property
    def _seen(self) -> int:
        return self._store.revision if self._txn is None else self._txn.seen

    def txn(self, request: schema.TxnRequest, path: _Path) -> Generator[None, None, bytes]:
        """The TxnResponse without its header. Those within it have headers that are empty, as etcd's are."""
        taken, below = path
        nested = iter(below)
        parts = [_SUCCEEDED] if taken else []
        for op in request.success if taken else request.failure:
            kind = op.WhichOneof("request")
            self.kinds.append(kind)
            if len(self.kinds) % STEP_OPS == 0:
                yield
            if kind == "request_range":
                found = yield from ranges.read(self._store.history, op.request_range, self._seen, self._store.counted)
                answer = self.header() + b"".join(found)
            elif kind == "request_put" and self._txn is not None:
                answer = self.put(self._txn, op.request_put)
            elif kind == "request_delete_range" and self._txn is not None:
                delete = op.request_delete_range
                gone = yield from self._txn.delete_range(delete.key, delete.range_end)
                encoded = yield from _deleted(gone, delete.prev_kv)
                answer = self.header() + b"".join(encoded)
            elif kind == "request_txn":
                inner = yield from self.txn(op.request_txn, next(nested))
                answer = field(_HEADER, b"") + inner
            else:
                raise InvariantError(f"an operation {kind!r} in a transaction that cannot have it")
            parts.append(field(_RESPONSE, field(_RESPONSE_OF[kind], answer)))
        return b"".join(parts)

    def header(self) -> bytes:
        """The header of an answer within the transaction: only its revision, as etcd has it."""
        return field(_HEADER, number(_REVISION, self._seen))

    def put(self, txn: WriteTxn, put: schema.PutRequest) -> bytes:
        """Do a put; the PutResponse."""
        value, lease = put.value, put.lease
        before = txn.get(put.key) if put.prev_kv or put.ignore_value or put.ignore_lease else None
        if before is not None:
            if put.ignore_value:
                value = value_of(before)
            if put.ignore_lease:
                lease = before[LEASE]
        txn.put(put.key, value, lease)
        return self.header() + (before[FRAMED] if put.prev_kv and before is not None else b"")
