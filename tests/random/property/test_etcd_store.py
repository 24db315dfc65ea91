"""The store of etcd beside a naive one: random writes, reads at revisions, compactions in steps, hashes, captures."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftcy.etcd.items import KEY, MOD, VERSION, Item, message_of
from raftcy.etcd.refusals import Refused
from raftcy.etcd.store import Store
from raftcy.etcd.views import View
from raftcy.sim.etcd.naivestore import NaiveStore, Value
from tests.support.lessors import Attached

pytestmark = pytest.mark.once

KEYS = st.sampled_from([b"a", b"aa", b"ab", b"b", b"ba", b"c", b"\xff", b"\xff\xff"])
ENDS = st.one_of(st.just(b""), st.just(b"\0"), KEYS)
WRITES = st.one_of(
    st.tuples(st.just("put"), KEYS, st.binary(max_size=3), st.sampled_from([0, 0, 7, 8])),
    st.tuples(st.just("delete"), KEYS, ENDS),
)
STEPS = st.one_of(
    st.tuples(st.just("write"), st.lists(WRITES, min_size=1, max_size=4)),
    st.tuples(st.just("write"), st.lists(WRITES, min_size=1, max_size=1)),
    st.tuples(st.just("compact"), st.integers(0, 8)),
    st.tuples(st.just("work"), st.integers(1, 3)),
    st.tuples(st.just("view"), st.integers(0, 8)),
    st.tuples(st.just("close")),
    st.tuples(st.just("capture")),
)


def of(item: Item) -> tuple[bytes, Value]:
    """What an item says, from its message; the numbers beside it must be the same."""
    kv = message_of(item)
    assert item[:3] + item[4:] == (kv.mod_revision, item[1], kv.key, kv.create_revision, kv.version, kv.lease)
    return kv.key, Value(kv.create_revision, kv.mod_revision, kv.version, kv.value, kv.lease)


class Pair:
    """The same done to both stores, and what both then say compared."""

    def __init__(self) -> None:
        self.leases = Attached(7, 8)
        self.store = Store(self.leases)
        self.naive = NaiveStore()
        self.views: list[tuple[View, NaiveStore]] = []

    def write(self, writes: list[tuple[Any, ...]]) -> None:
        txn, plain = self.store.begin(), self.naive.begin()
        for kind, *rest in writes:
            if kind == "put":
                txn.put(*rest)
                plain.put(*rest)
            else:
                steps = txn.delete_range(*rest)
                try:
                    while True:
                        next(steps)
                except StopIteration as stop:
                    gone = stop.value
                assert [of(item) for item in gone] == plain.delete_range(*rest)
        self.compare_at(self.store.revision)
        events = txn.end()
        changes = plain.end()
        assert [(item[KEY], item[MOD], bool(item[VERSION])) for item in events] == [
            (each.key, each.revision, each.after is not None) for each in changes
        ]

    def compact(self, back: int) -> None:
        revision = self.naive.revision - back
        if revision <= self.naive.compacted:
            with pytest.raises(Refused, match="compacted"):
                self.store.compact(revision)
            return
        self.store.compact(revision)
        self.naive.compacted = revision

    def work(self, size: int) -> None:
        self.store.work(size)

    def view(self, back: int) -> None:
        revision = max(self.naive.revision - back, 1)
        if revision < self.naive.compacted:
            with pytest.raises(Refused, match="compacted"):
                self.store.view(revision)
            return
        frozen = NaiveStore(list(self.naive.states), list(self.naive.changes), self.naive.compacted)
        self.views.append((self.store.view(revision), frozen))

    def close(self) -> None:
        if self.views:
            self.compare_view(*self.views.pop(0), closing=True)

    def capture(self) -> None:
        pieces = list(self.store.capture())
        leases = Attached(7, 8)
        store = Store(leases)
        data = b"".join(pieces)
        cut = random.Random(len(data)).randrange(len(data))
        store.restore(iter([data[:cut], data[cut:]]))
        assert list(store.capture()) == pieces
        assert run(store.hash_kv()) == run(self.store.hash_kv())
        assert leases.used() == self.leases.used()
        self.store, self.leases = store, leases
        self.views.clear()

    def compare_at(self, revision: int) -> None:
        with self.store.view(revision) as view:
            self.compare_view(view, self.naive)

    def compare_view(self, view: View, naive: NaiveStore, closing: bool = False) -> None:
        for key, end in [(b"\0", b"\0"), (b"a", b"b"), (b"a", b""), (b"b", b"\0"), (b"b", b"a"), (b"\xff", b"\0")]:
            found = [of(item) for items in view.items(key, end) for item in items]
            assert found == naive.range(key, end, view.revision)
        kept = [item for items in view.kept() for item in items]
        assert [(item[KEY], item[MOD], of(item)[1] if item[VERSION] else None) for item in kept] == naive.kept(
            view.revision
        )
        if closing:
            view.close()

    def compare(self) -> None:
        store, naive = self.store, self.naive
        assert (store.revision, store.compacted) == (naive.revision, naive.compacted)
        assert self.leases.used() == naive.attached()
        self.compare_at(0)
        for key, end in [(b"\0", b"\0"), (b"a", b"b"), (b"ab", b""), (b"c", b"a")]:
            assert store.history.index.live(key, end) == len(naive.range(key, end))
        for item in store.history.log.walk(max(naive.compacted, 0)):
            before = store.history.before(item)
            same = [each for each in naive.changes if (each.revision, each.key) == (item[MOD], item[KEY])]
            if item[MOD] > naive.compacted and len(same) == 1:
                assert (before and of(before)[1]) == same[0].before
        changes = naive.since(max(naive.compacted, 0))
        logged = list(store.history.log.walk(max(naive.compacted, 0)))
        assert [(item[MOD], item[KEY]) for item in logged] == [(each.revision, each.key) for each in changes]

    def compare_freed(self) -> None:
        """With everything freed, the store has what is kept, and not a byte more."""
        for view, naive in self.views:
            self.compare_view(view, naive, closing=True)
        while self.store.work(2):
            pass
        history = self.store.history
        kept = self.naive.kept()
        assert len(history.newest) == len(history.index) == len({key for key, _, _ in kept})
        assert len(history.newest) + sum(map(len, history.older.values())) == len(kept)
        items = [item for items in self.store.view().kept() for item in items]
        assert self.store.size == sum(len(item[3]) for item in items)
        assert history.freed == self.naive.compacted


def run(steps: Any) -> Any:
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        return stop.value


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=25))
def test_the_store_equals_the_naive_one(steps: list[tuple[Any, ...]]) -> None:
    pair = Pair()
    for name, *rest in steps:
        getattr(pair, name)(*rest)
        pair.compare()
    pair.compare_freed()


@settings(max_examples=60)
@given(st.lists(st.lists(WRITES, min_size=1, max_size=3), min_size=1, max_size=20), st.data())
def test_the_hash_is_of_the_log_alone(writes: list[list[tuple[Any, ...]]], data: st.DataObject) -> None:
    """Steps of freeing, views and restored snapshots do not show in it; every write does."""
    one, other = Pair(), Pair()
    seen = {run(one.store.hash_kv())}
    for each in writes:
        before = one.store.revision
        one.write(each)
        other.write(each)
        other.work(1)
        if one.store.revision > before:
            now = run(one.store.hash_kv())
            assert now not in seen
            seen.add(now)
        if data.draw(st.booleans()) and one.store.revision > one.store.compacted:
            one.store.compact(one.store.revision)
            other.store.compact(other.store.revision)
            one.naive.compacted = other.naive.compacted = one.store.revision
        if data.draw(st.booleans()):
            other.capture()
        assert run(one.store.hash_kv()) == run(other.store.hash_kv())
