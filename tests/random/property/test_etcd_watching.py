"""Watchers under random writes, slow clients, compactions and snapshots: each has each of its events once, in order."""

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftcy.etcd import schema, watching
from raftcy.etcd.store import Store
from raftcy.etcd.watchranges import WatchRanges
from raftcy.sim.etcd.naivestore import NaiveStore, in_range, message
from tests.support.lessors import Attached
from tests.support.sinks import Client, header

pytestmark = pytest.mark.once

KEYS = st.sampled_from([b"a", b"aa", b"ab", b"b", b"c"])
ENDS = st.sampled_from([b"", b"\0", b"aa", b"b", b"c", b"zz"])
WRITES = st.lists(st.tuples(KEYS, st.sampled_from([b"1", b"2", None])), min_size=1, max_size=4)
WATCHES = st.fixed_dictionaries(
    {
        "key": KEYS,
        "range_end": ENDS,
        "start_revision": st.integers(0, 9),
        "filters": st.lists(st.integers(0, 1), max_size=1),
        "prev_kv": st.booleans(),
        "fragment": st.booleans(),
    }
)
STEPS = st.one_of(
    st.tuples(st.just("write"), WRITES),
    st.tuples(st.just("write"), WRITES),
    st.tuples(st.just("watch"), st.integers(0, 2), WATCHES),
    st.tuples(st.just("cancel"), st.integers(0, 2), st.integers(0, 3)),
    st.tuples(st.just("stop"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("go"), st.integers(0, 2)),
    st.tuples(st.just("work")),
    st.tuples(st.just("compact"), st.integers(0, 3)),
    st.tuples(st.just("free")),
    st.tuples(st.just("progress"), st.integers(0, 2)),
    st.tuples(st.just("snapshot")),
)


class Watched:
    """One watch as its client sees it: what it wants, and what it has had."""

    def __init__(self, request: schema.WatchCreateRequest, now: int) -> None:
        self.request = request
        self.start = request.start_revision or now + 1
        self.events: list[schema.Event] = []
        self.revisions: list[int] = []  # one for each answer with events
        self.is_whole = True
        self.ended: schema.WatchResponse | None = None

    def take(self, answer: schema.WatchResponse) -> None:
        assert self.ended is None
        if answer.events:
            self.events += answer.events
            if self.is_whole:
                self.revisions.append(answer.events[0].kv.mod_revision)
            self.is_whole = not answer.fragment
        if answer.canceled:
            self.ended = answer

    def wanted(self, naive: NaiveStore) -> list[schema.Event]:
        found = []
        for change in naive.since(self.start):
            kind = schema.Event.PUT if change.after else schema.Event.DELETE
            if not in_range(change.key, self.request.key, self.request.range_end) or kind in self.request.filters:
                continue
            event = schema.Event(type=kind)
            if change.after:
                event.kv.CopyFrom(message(change.key, change.after))
            else:
                event.kv.key, event.kv.mod_revision = change.key, change.revision
            if self.request.prev_kv and change.before:
                event.prev_kv.CopyFrom(message(change.key, change.before))
            found.append(event)
        return found


class World:
    def __init__(self) -> None:
        self.store, self.naive = Store(Attached()), NaiveStore()
        self.hub = watching.WatchHub(self.store, header, max_bytes=60)
        self.clients = [Client() for _ in range(3)]
        self.streams = [self.hub.stream(client) for client in self.clients]
        self.watched: list[dict[int, Watched]] = [{}, {}, {}]
        self.all: list[Watched] = []
        self.asked: list[bool] = [False] * 3

    def write(self, writes: list[tuple[bytes, bytes | None]]) -> None:
        txn, plain = self.store.begin(), self.naive.begin()
        for key, value in dict(writes).items():
            if value is not None:
                txn.put(key, value)
                plain.put(key, value)
            elif txn.delete(key):
                plain.delete(key)
        events = txn.end()
        plain.end()
        self.hub.notify(events)

    def watch(self, number: int, options: dict[str, Any]) -> None:
        request = schema.WatchCreateRequest(**options)
        self.streams[number].create(request)
        answer = self.clients[number].answers[-1]
        if not answer.canceled:
            self.read(number)
            self.watched[number][answer.watch_id] = watched = Watched(request, self.naive.revision)
            self.all.append(watched)

    def cancel(self, number: int, watch_id: int) -> None:
        self.read(number)
        self.streams[number].cancel(watch_id)
        self.read(number)
        self.watched[number].pop(watch_id, None)

    def stop(self, number: int, room: int) -> None:
        self.clients[number].room = room

    def go(self, number: int) -> None:
        self.clients[number].room = None
        self.streams[number].writable()

    def work(self) -> None:
        self.hub.work()

    def compact(self, back: int) -> None:
        revision = self.naive.revision - back
        if self.naive.compacted < revision:
            self.store.compact(revision)
            self.naive.compacted = revision

    def free(self) -> None:
        self.store.work(2)

    def progress(self, number: int) -> None:
        self.streams[number].request_progress()

    def snapshot(self) -> None:
        """The member is sent a snapshot of its own state, and reads nothing twice."""
        self.store.restore(iter(list(self.store.capture())))
        self.hub.restored()

    def read(self, number: int) -> None:
        for answer in self.clients[number].take():
            if answer.watch_id == -1 and not answer.created:
                for watched in self.watched[number].values():
                    assert watched.ended or self.has_all(watched, answer.header.revision)
            elif answer.watch_id in self.watched[number]:
                self.watched[number][answer.watch_id].take(answer)

    def has_all(self, watched: Watched, revision: int) -> bool:
        return len(watched.events) == len([e for e in watched.wanted(self.naive) if e.kv.mod_revision <= revision])

    def finish(self) -> None:
        for number in range(3):
            self.go(number)
        while self.hub.work():
            pass
        for number in range(3):
            self.read(number)
        for watched in self.all:
            self.compare(watched)
        assert all(watched.ended or watched.is_whole for watched in self.all)

    def compare(self, watched: Watched) -> None:
        wanted, had = watched.wanted(self.naive), list(watched.events)
        for event, own in zip(wanted, had, strict=False):
            if not own.HasField("prev_kv"):  # a compaction may have taken it
                event.ClearField("prev_kv")
        assert had == wanted[: len(had)]
        assert watched.revisions == sorted(set(watched.revisions))
        still = [each for mine in self.watched for each in mine.values()]
        if watched.ended is not None:
            assert watched.ended.compact_revision == 0 or watched.ended.compact_revision <= self.naive.compacted
        elif watched in still:
            assert had == wanted


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=40), st.integers(1, 3))
def test_each_watch_has_its_events_once_and_in_order(steps: list[tuple[Any, ...]], step_events: int) -> None:
    with patch.multiple(watching, STEP_EVENTS=step_events, STEP_BYTES=100, STEP_WATCHERS=3):
        world = World()
        for name, *rest in steps:
            getattr(world, name)(*rest)
        world.finish()


@settings(max_examples=200)
@given(st.lists(st.tuples(KEYS, ENDS, st.booleans()), max_size=20), st.lists(KEYS, max_size=4))
def test_ranges_are_found_as_by_asking_each(changes: list[tuple[bytes, bytes, bool]], keys: list[bytes]) -> None:
    ranges: WatchRanges[tuple[bytes, bytes]] = WatchRanges()
    present: set[tuple[bytes, bytes]] = set()
    for key, end, adds in changes:
        if end and end != b"\0" and end <= key:
            continue
        if (key, end) in present:
            ranges.remove(key, end)
            present.remove((key, end))
        elif adds:
            ranges.add(key, end, (key, end))
            present.add((key, end))
        for each in [b"a", b"aab", b"bz", b"zzz", *keys]:
            assert sorted(ranges.find(each)) == sorted(span for span in present if in_range(each, *span))
