"""The store by itself: revisions, histories, compaction in steps, views, hashes, captures."""

import gc
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from raftcy.errors import Corruption, InvariantError
from raftcy.etcd import schema, storefile
from raftcy.etcd.encoding import field, number, tag, varint
from raftcy.etcd.headers import Headers
from raftcy.etcd.items import KEY, MOD, SUB, VERSION, value_of, written
from raftcy.etcd.kvapply import at_once
from raftcy.etcd.refusals import Refused
from raftcy.etcd.revisionlog import CHUNK, RevisionLog
from raftcy.etcd.store import Store
from raftcy.etcd.views import PAGE, PORTION_BYTES
from tests.support.lessors import Attached

pytestmark = pytest.mark.once


def filled(**values: bytes) -> Store:
    store = Store(Attached(7))
    for key, value in values.items():
        put(store, key.encode(), value)
    return store


def put(store: Store, key: bytes, value: bytes = b"", lease: int = 0) -> None:
    txn = store.begin()
    txn.put(key, value, lease)
    txn.end()


def delete(store: Store, key: bytes, end: bytes = b"") -> None:
    txn = store.begin()
    at_once(txn.delete_range(key, end))
    txn.end()


def freed(store: Store) -> int:
    steps = 0
    while store.work(3):
        steps += 1
    return steps


def values(store: Store, revision: int = 0) -> dict[bytes, bytes]:
    with store.view(revision) as view:
        return {item[KEY]: value_of(item) for items in view.items(b"\0", b"\0") for item in items}


def test_a_store_begins_at_revision_1() -> None:
    store = filled()
    assert (store.revision, store.compacted, store.size) == (1, -1, 0)
    txn = store.begin()
    assert txn.delete(b"a") is None
    assert list(txn.end()) == []
    assert store.revision == 1


def test_versions_begin_anew_after_a_delete() -> None:
    store = filled(a=b"1")
    put(store, b"a", b"2")
    item = store.get(b"a")
    assert item is not None
    assert (item[MOD], item[VERSION], item[4]) == (3, 2, 2)
    delete(store, b"a")
    put(store, b"a", b"3")
    item = store.get(b"a")
    assert item is not None
    assert (item[MOD], item[VERSION], item[4]) == (5, 1, 5)


def test_the_writes_of_a_transaction_have_one_revision_and_an_order() -> None:
    store = filled(a=b"", b=b"", c=b"")
    txn = store.begin()
    txn.put(b"x", b"")
    at_once(txn.delete_range(b"a", b"c"))
    txn.put(b"b", b"again")
    events = txn.end()
    assert [(item[MOD], item[SUB], item[KEY]) for item in events] == [
        (5, 0, b"x"),
        (5, 1, b"a"),
        (5, 2, b"b"),
        (5, 3, b"b"),
    ]
    assert values(store) == {b"b": b"again", b"c": b"", b"x": b""}
    assert values(store, 4) == {b"a": b"", b"b": b"", b"c": b""}


def test_nobody_sees_a_transaction_before_its_end() -> None:
    store = filled(a=b"1", b=b"2")
    txn = store.begin()
    txn.put(b"a", b"new")
    txn.put(b"c", b"3")
    txn.delete(b"b")
    assert values(store) == {b"a": b"1", b"b": b"2"}
    assert store.get(b"c") is None
    assert txn.get(b"b") is None
    assert (store.counted, txn.seen, store.is_writing) == (4, 4, True)
    with pytest.raises(InvariantError):
        store.begin()
    with pytest.raises(InvariantError):
        store.capture()
    with pytest.raises(InvariantError):
        store.restore(iter([]))
    txn.end()
    assert values(store) == {b"a": b"new", b"c": b"3"}
    with pytest.raises(InvariantError):
        txn.end()


def test_a_delete_of_many_takes_steps() -> None:
    store = Store(Attached())
    txn = store.begin()
    for number_ in range(3 * PAGE):
        txn.put(b"%05d" % number_, b"")
    txn.end()
    txn = store.begin()
    steps = list(txn.delete_range(b"\0", b"\0"))
    assert len(steps) >= 3
    assert len(txn.end()) == 3 * PAGE
    assert store.history.index.live(b"\0", b"\0") == 0
    assert len(values(store, 2)) == 3 * PAGE


def test_leases_hear_of_each_change() -> None:
    leases = Attached(7, 8)
    store = Store(leases)
    put(store, b"a", lease=7)
    put(store, b"a", lease=7)
    put(store, b"b", lease=7)
    assert leases.used() == {7: {b"a", b"b"}}
    put(store, b"a", lease=8)
    assert leases.used() == {7: {b"b"}, 8: {b"a"}}
    put(store, b"a")
    delete(store, b"b")
    assert leases.used() == {}
    put(store, b"b", lease=7)
    assert leases.used() == {7: {b"b"}}


@pytest.mark.parametrize("versions", [1, 8, 9, 40])
@pytest.mark.parametrize("kept", [0, 1, 7, 20])
def test_compaction_keeps_what_later_revisions_show(versions: int, kept: int) -> None:
    store = Store(Attached())
    for version in range(versions):
        put(store, b"hot", b"%d" % version)
        put(store, b"other%d" % version)
    before = {revision: values(store, revision) for revision in range(2, store.revision + 1)}
    goal = max(store.revision - kept, 2)
    store.compact(goal)
    assert {revision: values(store, revision) for revision in before if revision >= goal} == {
        revision: state for revision, state in before.items() if revision >= goal
    }
    freed(store)
    assert {revision: values(store, revision) for revision in before if revision >= goal} == {
        revision: state for revision, state in before.items() if revision >= goal
    }
    if goal > 2:
        with pytest.raises(Refused, match="has been compacted"):
            store.view(goal - 1)
    assert len(store.history.log) == store.revision - goal + 1


def test_a_deleted_key_is_gone_after_the_compaction_behind_its_delete() -> None:
    store = filled(a=b"1")
    delete(store, b"a")
    store.compact(3)
    freed(store)
    assert list(store.history.newest) == [b"a"]
    put(store, b"b")
    store.compact(4)
    freed(store)
    assert list(store.history.newest) == [b"b"]
    assert len(store.history.index) == 1
    assert store.size == sum(len(item[3]) for item in store.history.newest.values())


@pytest.mark.parametrize("before", [1, 20])
def test_a_key_that_is_written_again_in_the_compacted_revision(before: int) -> None:
    """catches: etcd#22376"""
    store = Store(Attached())
    for number_ in range(before):
        put(store, b"a", b"%d" % number_)
    txn = store.begin()
    txn.put(b"b", b"")
    txn.delete(b"a")
    txn.put(b"a", b"new")
    txn.end()
    store.compact(store.revision)
    freed(store)
    assert values(store) == {b"a": b"new", b"b": b""}
    assert [item[SUB] for item in store.history.log.walk(store.revision)] == [0, 1, 2]
    put(store, b"b")
    store.compact(store.revision)
    freed(store)
    assert values(store) == {b"a": b"new", b"b": b""}
    assert len(store.history.older) == 0


def test_compactions_are_refused_that_go_back_or_ahead() -> None:
    store = filled(a=b"1", b=b"2")
    store.compact(2)
    for revision in (2, 1, 0, -5):
        with pytest.raises(Refused, match="required revision has been compacted"):
            store.compact(revision)
    with pytest.raises(Refused, match="future revision"):
        store.compact(4)
    store.compact(3)


def test_a_compaction_during_another_one() -> None:
    store = Store(Attached())
    for version in range(30):
        put(store, b"a", b"%d" % version)
    store.compact(10)
    assert store.work(3)
    store.compact(25)
    freed(store)
    assert store.history.freed == 25
    assert len(store.history.log) == 31 - 25 + 1
    with store.view() as view:
        items = [item for portion in view.kept() for item in portion]
    assert store.size == sum(len(item[3]) for item in items)


def test_a_view_holds_back_what_it_shows_and_no_more() -> None:
    store = filled(a=b"1", b=b"1")
    view = store.view()
    put(store, b"a", b"2")
    delete(store, b"b")
    put(store, b"c")
    store.compact(6)
    assert not store.work()
    assert {item[KEY]: value_of(item) for items in view.items(b"\0", b"\0") for item in items} == {
        b"a": b"1",
        b"b": b"1",
    }
    assert view.get(b"b") is not None
    later = store.view()
    view.close()
    view.close()
    freed(store)
    assert store.history.freed == 6
    assert [item[KEY] for items in later.kept() for item in items] == [b"a", b"c"]
    with pytest.raises(ValueError, match="closed"):
        view.get(b"a")
    with pytest.raises(ValueError, match="closed"):
        list(view.items(b"a", b""))


def test_a_view_that_is_forgotten_holds_back_nothing() -> None:
    store = filled(a=b"1")
    view = store.view()
    capture = store.capture()
    put(store, b"a", b"2")
    store.compact(3)
    assert not store.work()
    assert store.history.freed == -1
    del view, capture
    gc.collect()
    freed(store)
    assert store.history.freed == 3


@pytest.mark.parametrize("revision", [1, 4, 9])
def test_revisions_that_cannot_be_read(revision: int) -> None:
    store = filled(a=b"1", b=b"2", c=b"3")
    store.compact(2)
    if revision == 4:
        assert store.view(revision).revision == 4
        return
    with pytest.raises(Refused, match=r"compacted|future"):
        store.view(revision)
    with pytest.raises(Refused, match=r"compacted|future"):
        at_once(store.hash_kv(revision))


@pytest.mark.parametrize("hash_", [Store.hash_kv, Store.hash_history])
def test_hashes_at_older_revisions(hash_: Callable[..., Generator[None, None, tuple[int, int, int]]]) -> None:
    """catches: etcd#8311"""
    store = filled(a=b"1")
    first = at_once(hash_(store))
    put(store, b"a", b"2")
    second = at_once(hash_(store))
    delete(store, b"a")
    assert at_once(hash_(store, 2)) == first
    assert at_once(hash_(store, 3)) == second
    assert at_once(hash_(store))[0] not in (first[0], second[0])
    assert (first[1:], second[1:]) == ((-1, 2), (-1, 3))
    store.compact(3)
    hashed, compacted, revision = at_once(hash_(store))
    assert (compacted, revision) == (3, 4)
    freed(store)
    assert at_once(hash_(store)) == (hashed, 3, 4)


def test_no_compaction_changes_the_hash_of_a_revision() -> None:
    """A revision has one hash, whether it is asked before or after a compaction at it, below it, or of another key.

    catches: etcd#15919
    """
    store = filled(a=b"1", b=b"1")
    put(store, b"a", b"2")
    delete(store, b"b")
    put(store, b"b", b"3")
    txn = store.begin()
    txn.put(b"c", b"1")
    txn.delete(b"c")
    txn.put(b"c", b"2")
    txn.end()
    delete(store, b"a")
    hashes = {revision: at_once(store.hash_kv(revision))[0] for revision in range(2, store.revision + 1)}
    assert len(set(hashes.values())) == len(hashes)
    for compacted in range(2, store.revision + 1):
        store.compact(compacted)
        for _ in range(2):
            found = {revision: at_once(store.hash_kv(revision)) for revision in range(compacted, store.revision + 1)}
            assert {revision: each[0] for revision, each in found.items()} == {
                revision: hashes[revision] for revision in found
            }
            assert {each[1] for each in found.values()} == {compacted}
            freed(store)


def test_the_hash_of_the_history_sees_what_is_overwritten() -> None:
    one, other = filled(a=b"1"), filled(a=b"x")
    for each in (one, other):
        put(each, b"a", b"2")
    assert at_once(one.hash_kv()) != at_once(other.hash_kv(2))
    assert at_once(one.hash_kv()) == at_once(other.hash_kv())
    assert at_once(one.hash_history()) != at_once(other.hash_history())
    for each in (one, other):
        each.compact(3)
    assert at_once(one.hash_history()) == at_once(other.hash_history())


def test_a_hash_is_made_while_the_store_goes_on() -> None:
    store, still = Store(Attached()), Store(Attached())
    for each in (store, still):
        for number_ in range(3 * PAGE):
            put(each, b"%05d" % number_)
    steps = store.hash_kv()
    next(steps)
    put(store, b"00000", b"new")
    delete(store, b"01")
    put(store, b"zzz")
    store.compact(store.revision)
    freed(store)
    assert at_once(steps) == at_once(still.hash_kv())


def test_a_capture_is_written_on_a_thread_while_the_store_goes_on() -> None:
    store = Store(Attached(7))
    for number_ in range(5000):
        put(store, b"%05d" % (number_ % 2000), b"%d" % number_, 7)
    expected = b"".join(store.capture())
    captured = store.capture()
    pieces: list[bytes] = []
    started = threading.Event()

    def write() -> None:
        for piece in captured:
            pieces.append(piece)
            started.set()

    thread = threading.Thread(target=write)
    thread.start()
    started.wait(10)
    number_ = 0
    while thread.is_alive() or number_ < 3000:
        put(store, b"%05d" % (number_ * 7 % 4000), b"new")
        delete(store, b"%05d" % (number_ * 3 % 4000))
        if number_ == 500:
            store.compact(store.revision)
        store.work(5)
        number_ += 1
    thread.join(10)
    assert b"".join(pieces) == expected


def test_pieces_of_a_capture_are_bounded() -> None:
    store = Store(Attached())
    for number_ in range(5):
        put(store, b"%d" % number_, b"x" * (PORTION_BYTES // 2))
    sizes = [len(piece) for piece in store.capture()]
    assert max(sizes) < PORTION_BYTES + 1000
    assert sum(sizes) > 5 * PORTION_BYTES // 2
    for number_ in range(3 * PAGE):
        put(store, b"hot", b"%d" % number_)
    blocks = [len(piece) for piece in store.capture()]
    assert len(blocks) >= len(sizes) + 3


def captured(store: Store) -> bytes:
    return b"".join(store.capture())


def swapped(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


HEAD = len(storefile.HEAD)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda data: b"", "ends early"),
        (lambda data: data[:-1], "ends early"),
        (lambda data: data + b"x", "another length"),
        (lambda data: swapped(data, 0, b"R"), "no captured store"),
        (lambda data: swapped(data, HEAD, b"\x02" + bytes(7)), "has an item of 3"),
        (lambda data: swapped(data, HEAD, b"\x09" + bytes(7)), "all revisions"),
        (lambda data: swapped(data, HEAD, b"\x03" + bytes(6) + b"\x3f"), "all revisions"),
        (lambda data: swapped(data, HEAD + 16, b"\xff\xff\xff\xff"), "4294967295 items"),
        (lambda data: swapped(data, len(data) - 8, b"\x09"), "another length"),
        (lambda data: swapped(data, HEAD + 20 + 2 * 8, b"\x17"), "cannot be decoded"),
        (lambda data: swapped(data, HEAD + 20 + 2 * 8, b"\x1a"), "another number of items"),
        (lambda data: data.replace(b"\x0a\x01a", b"\x0a\x01z"), "out of order"),
    ],
)
def test_damage_of_a_capture_is_found_and_changes_nothing(damage: Any, text: str) -> None:
    store = filled(a=b"1", b=b"2")
    data = damage(captured(store))
    other = filled(old=b"")
    with pytest.raises(Corruption, match=text):
        other.restore(iter([data[:30], data[30:]]))
    assert values(other) == {b"old": b""}


def test_two_items_of_one_key_have_to_be_in_order() -> None:
    store = filled(a=b"1")
    put(store, b"a", b"2")
    data = captured(store)
    items = sorted(store.history.older[b"a"] + (store.history.newest[b"a"],), reverse=True)
    both = b"".join(item[3] for item in items)
    with pytest.raises(Corruption, match="out of order"):
        filled().restore(iter([swapped(data, data.index(items[1][3]), both)]))


def test_a_capture_may_come_in_bytes() -> None:
    store = filled(a=b"1", b=b"2")
    data = captured(store)
    other = filled()
    other.restore(iter([data[place : place + 1] for place in range(len(data))]))
    assert captured(other) == data


def test_the_log_drops_its_oldest_and_keeps_whole_revisions() -> None:
    log = RevisionLog()
    assert log.drop(5, 10) == []
    items = [(number_ // 3, number_ % 3, b"k", b"", 0, 1, 0) for number_ in range(CHUNK * 2)]
    for item in items:
        log.append(item)
    assert len(log) == CHUNK * 2
    assert log.read(10, 4) == items[30:36]
    assert [item[MOD] for item in log.read(300, 10_000)] == [item[MOD] for item in items[900:]]
    dropped = []
    while taken := log.drop(200, 100):
        assert len(taken) <= 100
        dropped += taken
    assert dropped == items[:600]
    assert list(log.walk(0)) == items[600:]
    for late in (items[0], items[-1]):
        with pytest.raises(InvariantError):
            log.append(late)


@pytest.mark.parametrize(
    "value", [0, 1, 127, 128, 16383, 16384, 2**28 - 1, 2**28, 2**31, 2**63 - 1, 2**64 - 1, -1, -(2**63)]
)
def test_numbers_are_encoded_as_by_protobuf(value: int) -> None:
    message = schema.ResponseHeader()
    if value < 2**63:
        message.revision = value
        assert number(tag(3, 0), value) == message.SerializeToString()
    else:
        message.cluster_id = value
        assert number(tag(1, 0), value) == message.SerializeToString()
    assert varint(value)[-1] < 0x80


@pytest.mark.parametrize("number", [1, 127, 16_384, 2**28 - 1, 2**28, 2**63 - 1])
@pytest.mark.parametrize("value", [b"", b"v", b"v" * 20_000])
@pytest.mark.parametrize("lease", [0, 1, 2**63 - 1, -1])
def test_items_are_encoded_as_by_protobuf(number: int, value: bytes, lease: int) -> None:
    item = written(number, 3, b"key", value, number, number, lease)
    message = schema.KeyValue(
        key=b"key", value=value, mod_revision=number, create_revision=number, version=number, lease=lease
    )
    assert item == (number, 3, b"key", field(tag(2), message.SerializeToString()), number, number, lease)


def test_headers_are_encoded_as_by_protobuf() -> None:
    headers = Headers(2**64 - 1, 2**63)
    for revision, term in ((1, 1), (1, 2), (2, 2), (2**28, 2), (2**63 - 1, 2**40), (1, 1)):
        message = schema.ResponseHeader(
            cluster_id=2**64 - 1, member_id=2**63, revision=revision, raft_term=term
        ).SerializeToString()
        assert headers.field(revision, term) == headers.field(revision, term) == field(tag(1), message)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 20_000])
def test_fields_are_encoded_as_by_protobuf(size: int) -> None:
    assert field(tag(3), b"x" * size) == schema.SnapshotResponse(blob=b"x" * size).SerializeToString() or size == 0
