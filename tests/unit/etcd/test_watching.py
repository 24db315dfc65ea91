"""The hub: what a watcher gets, in which order, and what happens to one that is slow."""

from typing import Any

import pytest

from raftcy.etcd import schema
from raftcy.etcd.kvapply import apply_delete_range, apply_put, apply_txn, at_once
from raftcy.etcd.store import Store
from raftcy.etcd.watching import WatchHub, WatchStream
from raftcy.etcd.watchranges import WatchRanges, prefix_end
from tests.support.lessors import Attached
from tests.support.sinks import Client, header

pytestmark = pytest.mark.once


class World:
    def __init__(self, max_bytes: int = 10_000) -> None:
        self.store = Store(Attached())
        self.hub = WatchHub(self.store, header, max_bytes=max_bytes)

    def put(self, key: bytes, value: bytes = b"") -> None:
        self.hub.notify(apply_put(self.store, schema.PutRequest(key=key, value=value)).events)

    def delete(self, key: bytes, end: bytes = b"") -> None:
        request = schema.DeleteRangeRequest(key=key, range_end=end)
        self.hub.notify(at_once(apply_delete_range(self.store, request)).events)

    def puts(self, *keys: bytes, value: bytes = b"") -> None:
        """Several keys at one revision."""
        request = schema.TxnRequest()
        for key in keys:
            request.success.add().request_put.CopyFrom(schema.PutRequest(key=key, value=value))
        self.hub.notify(at_once(apply_txn(self.store, request)).events)

    def stream(self, room: int | None = None) -> tuple[WatchStream, Client]:
        client = Client(room)
        return self.hub.stream(client), client

    def watch(
        self, key: bytes, end: bytes = b"", room: int | None = None, **options: Any
    ) -> tuple[WatchStream, Client]:
        stream, client = self.stream(room)
        stream.create(schema.WatchCreateRequest(key=key, range_end=end, **options))
        (created,) = client.take()
        assert created.created
        assert not created.canceled
        return stream, client

    def work(self) -> int:
        steps = 0
        while self.hub.work():
            steps += 1
        return steps


def test_events_come_as_they_happen() -> None:
    world = World()
    _, client = world.watch(b"a", b"b")
    world.put(b"a", b"1")
    world.put(b"b", b"2")
    world.delete(b"a")
    world.delete(b"a")
    put, deleted = client.take()
    assert (put.header.revision, put.watch_id, len(put.events)) == (2, 0, 1)
    assert put.events[0] == schema.Event(
        kv=schema.KeyValue(key=b"a", value=b"1", create_revision=2, mod_revision=2, version=1)
    )
    assert deleted.events[0] == schema.Event(type=schema.Event.DELETE, kv=schema.KeyValue(key=b"a", mod_revision=4))
    assert not world.hub.has_work


def test_a_revision_comes_in_one_answer() -> None:
    world = World()
    _, client = world.watch(b"\0", b"\0")
    world.puts(b"b", b"a", b"c")
    (answer,) = client.take()
    assert [each.kv.key for each in answer.events] == [b"b", b"a", b"c"]


def test_history_is_replayed_from_a_revision() -> None:
    world = World()
    for value in (b"1", b"2", b"3"):
        world.put(b"a", value)
    _, client = world.watch(b"a", start_revision=3)
    assert client.answers == []
    world.work()
    world.put(b"a", b"4")
    assert client.events() == [(3, b"a", b"2"), (4, b"a", b"3"), (5, b"a", b"4")]
    assert [each.header.revision for each in client.take()] == [4, 5]


def test_a_watch_of_the_future_waits_for_it() -> None:
    world = World()
    _, client = world.watch(b"a", start_revision=4)
    for _ in range(3):
        world.put(b"a")
    assert client.events() == [(4, b"a", b"")]


def test_filters_and_previous_values() -> None:
    world = World()
    world.put(b"a", b"0")
    noput, nodelete = schema.WatchCreateRequest.NOPUT, schema.WatchCreateRequest.NODELETE
    _, puts = world.watch(b"a", filters=[nodelete], prev_kv=True)
    _, deletes = world.watch(b"a", filters=[noput, noput], prev_kv=True)
    _, none = world.watch(b"a", filters=[noput, nodelete])
    _, plain = world.watch(b"a")
    world.put(b"a", b"1")
    world.delete(b"a")
    world.put(b"a", b"2")
    assert puts.events() == [(3, b"a", b"1"), (5, b"a", b"2")]
    assert [each.events[0].prev_kv.value for each in puts.answers] == [b"0", b""]
    assert not puts.answers[1].events[0].HasField("prev_kv")
    assert deletes.events() == [(4, b"a", b"-")]
    assert deletes.answers[0].events[0].prev_kv.value == b"1"
    assert none.answers == []
    assert not plain.answers[1].events[0].HasField("prev_kv")


def test_a_slow_client_costs_its_place_and_no_memory() -> None:
    """catches: etcd#17529"""
    world = World()
    stream, client = world.watch(b"a", room=1)
    for number in range(50):
        world.put(b"a", b"%d" % number)
    assert len(client.answers) == 1
    assert not world.hub.has_work
    assert world.hub.counts == (1, 1, 1)
    client.room = 1
    stream.writable()
    assert world.hub.has_work
    world.work()
    assert client.events() == [(number + 2, b"a", b"%d" % number) for number in range(50)]
    assert world.hub.counts == (1, 1, 0)


def test_a_compaction_cancels_who_is_behind_it() -> None:
    world = World()
    stream, client = world.watch(b"a", room=1)
    for _ in range(5):
        world.put(b"a")
    world.store.compact(5)
    client.take()
    client.room = None
    stream.writable()
    world.work()
    (answer,) = client.take()
    assert (answer.canceled, answer.compact_revision, answer.watch_id) == (True, 5, 0)
    world.put(b"a")
    assert client.answers == []
    assert world.hub.counts == (1, 0, 0)


def test_a_watch_may_begin_at_the_compacted_revision() -> None:
    """catches: etcd#18089"""
    world = World()
    world.put(b"a", b"1")
    world.put(b"a", b"2")
    world.delete(b"a")
    world.store.compact(4)
    while world.store.work():
        pass
    _, client = world.watch(b"a", start_revision=4, prev_kv=True)
    _, late = world.watch(b"a", start_revision=3)
    world.work()
    assert client.events() == [(4, b"a", b"-")]
    assert not client.answers[0].events[0].HasField("prev_kv")
    assert [(each.canceled, each.compact_revision) for each in late.answers] == [(True, 4)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"key": b"a", "start_revision": -1}, "etcdserver: mvcc: required revision has been compacted"),
        ({"key": b"b", "range_end": b"a"}, "mvcc: watcher range is empty"),
        ({"key": b"b", "range_end": b"b"}, "mvcc: watcher range is empty"),
        ({"key": b"b", "watch_id": 5}, "mvcc: duplicate watch ID provided on the WatchStream"),
    ],
)
def test_refusals(options: dict[str, Any], why: str) -> None:
    world = World()
    stream, client = world.stream()
    stream.create(schema.WatchCreateRequest(key=b"x", watch_id=5))
    stream.create(schema.WatchCreateRequest(**options))
    answer = client.take()[1]
    assert (answer.created, answer.canceled, answer.watch_id, answer.cancel_reason) == (True, True, -1, why)
    assert world.hub.counts[1] == 1


def test_ids_are_given_in_order_around_those_that_are_taken() -> None:
    world = World()
    stream, client = world.stream()
    for watch_id in (0, 2, 0, 0, 0):
        stream.create(schema.WatchCreateRequest(key=b"a", watch_id=watch_id))
    assert [each.watch_id for each in client.take()] == [0, 2, 1, 3, 4]
    stream.cancel(1)
    stream.cancel(1)
    stream.cancel(77)
    (answer,) = client.take()
    assert (answer.watch_id, answer.canceled, answer.created) == (1, True, False)
    world.put(b"a")
    assert [each.watch_id for each in client.take()] == [0, 2, 3, 4]


def test_an_empty_key_is_the_least_one() -> None:
    world = World()
    stream, client = world.stream()
    stream.create(schema.WatchCreateRequest(range_end=b"\0"))
    world.put(b"a")
    assert client.events() == [(2, b"a", b"")]


def test_progress_on_request_waits_until_all_are_in_step() -> None:
    """catches: etcd#15220"""
    world = World()
    world.put(b"a")
    stream, client = world.stream()
    stream.request_progress()
    assert client.answers == []
    stream.create(schema.WatchCreateRequest(key=b"a"))
    stream.create(schema.WatchCreateRequest(key=b"a", start_revision=2))
    client.take()
    stream.request_progress()
    assert client.answers == []
    world.work()
    events, progress = client.take()
    assert events.watch_id == 1
    assert (progress.watch_id, progress.header.revision, len(progress.events)) == (-1, 2, 0)
    stream.request_progress()
    assert [each.watch_id for each in client.take()] == [-1]
    world.put(b"b")
    assert client.answers == []


def test_progress_of_a_watch_that_had_nothing_to_read() -> None:
    """catches: etcd#17507"""
    world = World()
    world.put(b"a")
    stream, client = world.watch(b"quiet", start_revision=2)
    stream.request_progress()
    assert client.answers == []
    world.work()
    assert [(each.watch_id, each.header.revision) for each in client.take()] == [(-1, 2)]


def test_progress_is_not_told_before_the_beginning_of_a_watch() -> None:
    world = World()
    stream, client = world.watch(b"a", start_revision=4)
    stream.request_progress()
    world.hub.progress_due()
    assert client.answers == []
    world.put(b"b")
    world.put(b"b")
    stream.request_progress()
    assert [(each.watch_id, each.header.revision) for each in client.take()] == [(-1, 3)]


def test_regular_progress_is_for_quiet_watches_that_want_it() -> None:
    world = World()
    _, wanting = world.watch(b"a", progress_notify=True)
    _, other = world.watch(b"a")
    world.put(b"b")
    world.hub.progress_due()
    assert [(each.watch_id, each.header.revision) for each in wanting.take()] == [(0, 2)]
    world.put(b"a")
    wanting.take()
    world.hub.progress_due()
    assert wanting.answers == []
    world.hub.progress_due()
    assert len(wanting.take()) == 1
    assert len(other.take()) == 1


@pytest.mark.parametrize("behind", [False, True])
def test_fragments_hold_a_revision_together(behind: bool) -> None:
    world = World(max_bytes=300)
    keys = [b"k%d" % number for number in range(20)]
    if behind:
        world.puts(*keys, value=b"x" * 40)
    _, whole = world.watch(b"k", b"l", start_revision=2)
    _, client = world.watch(b"k", b"l", start_revision=2, fragment=True)
    if behind:
        world.work()
    else:
        world.puts(*keys, value=b"x" * 40)
    assert len(whole.answers) == 1
    assert len(client.answers) > 3
    assert [each.fragment for each in client.answers] == [True] * (len(client.answers) - 1) + [False]
    assert all(len(each) < 300 for each in client.raw)
    assert client.events() == whole.events()
    assert [key for _, key, _ in client.events()] == keys


def test_an_event_that_is_too_long_for_a_fragment_comes_alone() -> None:
    world = World(max_bytes=100)
    _, client = world.watch(b"k", b"l", fragment=True)
    world.puts(b"k1", b"k2", value=b"x" * 200)
    assert [(len(each.events), each.fragment) for each in client.answers] == [(1, True), (1, False)]


def test_a_huge_revision_is_read_in_steps_and_comes_whole() -> None:
    world = World()
    for number in range(3000):
        world.put(b"%04d" % number)
    stream, client = world.watch(b"\0", b"\0")
    _, other = world.watch(b"00", b"01")
    _, future = world.watch(b"\0", b"\0", start_revision=5000)
    world.delete(b"\0", b"\0")
    assert client.answers == []
    assert world.hub.counts == (3, 3, 2)
    world.put(b"x")
    assert world.work() > 3
    assert [len(each.events) for each in client.take()] == [3000, 1]
    assert [len(each.events) for each in other.take()] == [100]
    stream.close()
    assert world.hub.counts == (2, 2, 0)
    assert future.answers == []


def test_a_watch_that_ends_while_it_reads_on_gets_nothing_more() -> None:
    world = World()
    for number in range(3000):
        world.put(b"%04d" % number)
    stream, client = world.watch(b"\0", b"\0", start_revision=2)
    other, slow = world.watch(b"\0", b"\0", start_revision=2, room=1)
    assert world.hub.work()
    stream.close()
    slow.room = 0
    world.work()
    assert (client.answers, slow.answers) == ([], [])
    slow.room = None
    other.writable()
    world.work()
    assert len(slow.events()) == 3000
    assert len({revision for revision, _, _ in slow.events()}) == 3000


def test_a_compaction_while_watchers_read_on() -> None:
    world = World()
    world.puts(*(b"%04d" % number for number in range(1500)))
    world.put(b"x")
    _, client = world.watch(b"\0", b"\0", start_revision=2)
    assert world.hub.work()
    world.store.compact(3)
    while world.store.work():
        pass
    world.work()
    assert [(each.canceled, each.compact_revision) for each in client.answers] == [(True, 3)]


def test_watchers_read_on_after_a_snapshot() -> None:
    """catches: etcd#8411, etcd#20221"""
    world, ahead = World(), World()
    stream, client = world.watch(b"a")
    _, future = world.watch(b"a", start_revision=9)
    for each in (world, ahead):
        each.put(b"a", b"1")
    ahead.put(b"a", b"2")
    ahead.put(b"b")
    world.store.restore(iter(ahead.store.capture()))
    world.hub.restored()
    world.work()
    world.put(b"a", b"3")
    assert client.events() == [(2, b"a", b"1"), (3, b"a", b"2"), (5, b"a", b"3")]
    stream.request_progress()
    assert client.answers[-1].watch_id == -1
    assert future.answers == []


def test_a_snapshot_that_is_compacted_cancels_who_has_missed_something() -> None:
    world, ahead = World(), World()
    _, client = world.watch(b"a")
    for _ in range(3):
        ahead.put(b"a")
    ahead.store.compact(4)
    world.store.restore(iter(ahead.store.capture()))
    world.hub.restored()
    world.work()
    assert [each.compact_revision for each in client.answers] == [4]


@pytest.mark.parametrize(("size", "together"), [(10, 25), (3_000, 10), (40_000, 1)])
def test_many_watches_of_a_stream(size: int, together: int) -> None:
    """Short answers leave in one call. Once the client takes no more, the other watches fall behind."""

    class Full(Client):
        """Takes no more after one call."""

        calls = 0

        @property
        def is_writable(self) -> bool:
            return self.calls < 1

        def send(self, data: bytes | list[bytes]) -> None:
            super().send(data)
            self.calls += bool(self.answers[-1].events)

        def send_each(self, answers: list[bytes]) -> None:
            for each in answers:
                super().send(each)
            self.calls += 1

    world = World(max_bytes=100_000)
    client = Full()
    stream = world.hub.stream(client)
    for _ in range(25):
        stream.create(schema.WatchCreateRequest(key=b"a"))
    stream.create(schema.WatchCreateRequest(key=b"a", start_revision=3))
    world.put(b"a", b"x" * size)
    assert [len(client.events(id)) for id in range(26)] == [1] * together + [0] * (26 - together)
    assert world.hub.counts == (1, 26, 25 - together)
    while world.hub.counts[2]:
        client.calls = 0
        stream.writable()
        world.work()
    assert [len(client.events(id)) for id in range(26)] == [1] * 25 + [0]
    assert world.hub.events == 25


def test_a_client_that_goes_while_it_is_sent_to() -> None:
    """A front may end the stream within `send`, for example because the peer does not read."""
    world = World()
    streams: list[WatchStream] = []

    class Going(Client):
        def send(self, data: bytes) -> None:
            super().send(data)
            if self.answers[-1].events:
                for each in streams:
                    each.close()

    clients = [Going(), Going()]
    for client in clients:
        stream = world.hub.stream(client)
        streams.append(stream)
        for _ in range(2):
            stream.create(schema.WatchCreateRequest(key=b"a"))
    world.put(b"a")
    # The answers to the watches of a stream leave in one call.
    assert [len(each.events(id)) for each in clients for id in (0, 1)] == [1, 1, 0, 0]
    assert world.hub.counts == (0, 0, 0)


@pytest.mark.parametrize(
    ("prefix", "end"),
    [(b"a", b"b"), (b"a\xff", b"b"), (b"ab\xff\xff", b"ac"), (b"\xff", b"\0"), (b"\xff\xff", b"\0"), (b"\0", b"\x01")],
)
def test_the_end_of_a_prefix(prefix: bytes, end: bytes) -> None:
    assert prefix_end(prefix) == end


def test_ranges_are_forgotten() -> None:
    ranges: WatchRanges[str] = WatchRanges()
    spans = [(b"a", b""), (b"a", b"b"), (b"a", b"\0"), (b"a", b"c"), (b"aa", b"c"), (b"b", b"z"), (b"aa", b"ab")]
    for key, end in spans:
        assert ranges.get(key, end) is None
        ranges.add(key, end, f"{key!r} {end!r}")
        assert ranges.get(key, end) == f"{key!r} {end!r}"
    assert len(ranges.find(b"a")) == 4
    assert len(ranges.find(b"aab")) == 5
    for key, end in spans:
        ranges.remove(key, end)
        assert ranges.get(key, end) is None
    assert ranges.find(b"aab") == []
