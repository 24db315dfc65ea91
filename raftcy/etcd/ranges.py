"""Ranges read from the store: order, filters, limits and counts as etcd has them, in steps of a few milliseconds."""

from collections.abc import Callable, Generator, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, Final

from . import schema
from .encoding import number, tag
from .history import History
from .items import CREATE, FRAMED, KEY, LEASE, MOD, VERSION, Item, value_of, written
from .pages import Pages
from .requestchecks import has_default_order, has_filters
from .views import PAGE, View, portions

_MORE: Final = tag(3, 0) + b"\x01"
_COUNT: Final = tag(4, 0)
_ONE: Final = _COUNT + b"\x01"
RUN = 4096  # items that are sorted in one step

# What to sort by, in the order of RangeRequest.SortTarget.
_SORT_KEYS: Final[tuple[Callable[[Item], Any], ...]] = (
    lambda item: item[KEY],
    lambda item: item[VERSION],
    lambda item: item[CREATE],
    lambda item: item[MOD],
    value_of,
)


def without_value(item: Item) -> Item:
    """The same item with an empty value, for `keys_only`."""
    return written(item[MOD], 0, item[KEY], b"", item[CREATE], item[VERSION], item[LEASE])


def read_key(history: History, request: schema.RangeRequest, revision: int) -> bytes:
    """The RangeResponse for one key, at once; the revision may be read, and the request has no filters."""
    item = history.at(request.key, revision)
    if item is None:
        return b""
    if request.count_only:
        return _ONE
    return (without_value(item) if request.keys_only else item)[FRAMED] + _ONE


def read(
    history: History, request: schema.RangeRequest, newest: int, counted: int
) -> Generator[None, None, list[bytes]]:
    """The RangeResponse to a request whose revision may be read, in steps: its fields but the header, in parts.

    ``newest`` is the present revision; for the reads of a write transaction, the one that they see. ``counted`` is the
    revision of which the index counts the live keys, which is another one while somebody else writes.
    """
    revision = request.revision if request.revision > 0 else newest
    filtered = has_filters(request)
    if not request.range_end and not filtered:
        return [read_key(history, request, revision)]
    with View(history, revision) as view:
        if revision == counted:
            count = history.index.live(request.key, request.range_end)
        elif request.count_only or (request.limit > 0 and has_default_order(request) and not filtered):
            count = yield from _count(view, request)
        else:
            count = -1  # all are read anyway
        if request.count_only:
            return [number(_COUNT, count)]
        limit = request.limit if request.limit > 0 else 0
        if has_default_order(request) and not filtered:
            parts, total = yield from _first(view, request, limit)
            total = total if count < 0 else count
            has_more = 0 < limit < total
        else:
            items = yield from _all(view, request)
            total = len(items)
            items = yield from _filter_and_sort(items, request, limit + 1 if limit else 0)
            has_more = 0 < limit < len(items)
            parts = []
            if has_more:
                items = items.upto(limit)
            for page in items.drain():
                if parts:
                    yield
                parts += _encode(page, request.keys_only)
    parts.append((_MORE if has_more else b"") + number(_COUNT, total))
    return parts


def _count(view: View, request: schema.RangeRequest) -> Generator[None, None, int]:
    count = 0
    for items in view.items(request.key, request.range_end):
        count += len(items)
        yield
    return count


def _first(view: View, request: schema.RangeRequest, limit: int) -> Generator[None, None, tuple[list[bytes], int]]:
    """The first items of a range in the order of their keys, encoded, and their number; all for a limit of 0."""
    parts: list[bytes] = []
    count = 0
    size = min(limit, PAGE) if limit else PAGE
    for items in view.items(request.key, request.range_end, size):
        if limit and count + len(items) >= limit:
            return parts + _encode(items[: limit - count], request.keys_only), limit
        count += len(items)
        parts += _encode(items, request.keys_only)
        yield
    return parts, count


def _all(view: View, request: schema.RangeRequest) -> Generator[None, None, Pages]:
    found = Pages()
    for items in view.items(request.key, request.range_end):
        found.extend(items)
        yield
    return found


def _filter_and_sort(items: Pages, request: schema.RangeRequest, limit: int) -> Generator[None, None, Pages]:
    """The items that pass the filters, in the order that is asked for, at most ``limit`` of them if it is not 0."""
    if has_filters(request):
        passed, passes = Pages(), _passes(request)
        for page in items.drain():
            passed.extend(filter(passes, page))
            yield
        items = passed
    descends = request.sort_order == schema.RangeRequest.DESCEND
    if request.sort_target == schema.RangeRequest.KEY:
        if descends:
            turned = Pages()
            for page in reversed(list(items.pages())):
                turned.extend(page[::-1])
            items = turned
        return items.upto(limit) if limit else items
    by = _SORT_KEYS[request.sort_target]
    runs: list[Sequence[Item]] = []
    run: list[Item] = []
    for page in items.drain():
        run += page
        if len(run) >= RUN:
            runs.append(tuple(sorted(run, key=by, reverse=descends)))
            run = []
            yield
    runs.append(sorted(run, key=by, reverse=descends))
    found = yield from _take(merge(*map(iter, runs), key=by, reverse=descends), limit)
    while runs:  # one after another, as in `Pages.drain`
        del runs[-4:]
        yield
    return found


def _take(items: Iterator[Item], limit: int) -> Generator[None, None, Pages]:
    found = Pages()
    while taken := list(islice(items, min(limit - len(found), PAGE) if limit else PAGE)):
        found.extend(taken)
        yield
    return found


def _passes(request: schema.RangeRequest) -> Callable[[Item], bool]:
    low_mod, high_mod = request.min_mod_revision, request.max_mod_revision
    low_create, high_create = request.min_create_revision, request.max_create_revision
    return lambda item: (
        (not low_mod or item[MOD] >= low_mod)
        and (not high_mod or item[MOD] <= high_mod)
        and (not low_create or item[CREATE] >= low_create)
        and (not high_create or item[CREATE] <= high_create)
    )


def _encode(items: Sequence[Item], keys_only: bool) -> list[bytes]:
    """A page of items as it stands in the answer, in parts of about a megabyte."""
    if keys_only:
        items = [without_value(item) for item in items]
    return [b"".join([item[FRAMED] for item in portion]) for portion in portions(items)]


def stream(
    history: History, request: schema.RangeRequest, newest: int, counted: int, max_bytes: int
) -> Generator[tuple[bytes, bool] | None, None, None]:
    """The RangeResponses of a RangeStream, without headers, each with whether it is the last; None between steps.

    The last one has count and `more`. All are of one revision.
    """
    if request.count_only:
        yield b"".join((yield from read(history, request, newest, counted))), True
        return
    revision = request.revision if request.revision > 0 else newest
    limit = max(request.limit, 0)
    with View(history, revision) as view:
        if revision == counted:
            total = history.index.live(request.key, request.range_end)
        else:
            total = yield from _count(view, request)
        waiting: list[bytes] = []
        size, left = 0, limit or total
        for items in view.items(request.key, request.range_end):
            for item in items[:left]:
                framed = (without_value(item) if request.keys_only else item)[FRAMED]
                if waiting and size + len(framed) > max_bytes:
                    yield b"".join(waiting), False
                    waiting, size = [], 0
                waiting.append(framed)
                size += len(framed)
            left -= len(items[:left])
            if not left:
                break
            yield None
        yield b"".join(waiting) + (_MORE if 0 < limit < total else b"") + number(_COUNT, total), True
