"""Entries: what identifies them, and which may follow each other."""

from typing import Any

import pytest

from raftcy import NO_LIMIT, Entry, LogLost, MalformedMessage, Message, MessageType, RawNode
from raftcy.core.entries import contiguous, entry_size, varint_size
from tests.support.logs import run
from tests.support.network import make_config, make_storage


def test_an_entry_is_known_by_index_and_term() -> None:
    """A term has one leader, and a leader has one entry at an index (5.3, Log Matching).

    answers: TestEntryID
    """
    e = Entry(term=5, index=10)
    assert e == Entry(term=5, index=10)
    assert hash(e) == hash(Entry(term=5, index=10))
    assert e != Entry(term=4, index=10)
    assert e != Entry(term=5, index=9)
    for given, place in (
        (Entry(), (0, 0)),
        (Entry(term=1, index=2, data=b"data"), (1, 2)),
        (Entry(term=10, index=123), (10, 123)),
    ):
        assert (given.term, given.index) == place


@pytest.mark.parametrize(
    ("index", "term", "entries", "valid"),
    [
        (0, 0, [], True),
        (123, 10, [], True),
        (0, 0, run(1, 1), True),
        (0, 0, run(2, 1, 1, 2), False),
        (1, 1, run(2, 1, 1, 2), True),
        # the first entry against the entry before it
        (123, 5, run(111, 5), False),
        (123, 5, run(124, 4), False),
        (123, 5, run(234, 6), False),
        (123, 5, run(124, 6), True),
        # entries against each other
        (12, 2, run(13, 2) + run(12, 2), False),
        (12, 2, run(13, 2) + run(15, 2), False),
        (12, 2, run(13, 2, 1), False),
        (12, 2, run(13, 2, 3), True),
        # the end of indexes
        (NO_LIMIT - 1, 2, run(NO_LIMIT, 2), True),
        (NO_LIMIT, 2, run(0, 2), False),
    ],
)
def test_contiguous(index: int, term: int, entries: list[Entry], valid: bool) -> None:
    """Indexes have no gap and terms never fall, in every part of a log (5.3).

    answers: TestLogSlice
    """
    assert contiguous(entries, index, term) is valid


def follower(term: int = 10) -> RawNode:
    """A node whose last entry is (123, 5)."""
    node = RawNode(make_config(1, make_storage([1, 2], terms=[5] * 123)))
    node.raft.become_follower(term, 2)
    return node


def append(term: int, log_term: int, index: int, entries: list[Entry]) -> Message:
    return Message(
        type=MessageType.MSG_APP, from_=2, to=1, term=term, log_term=log_term, index=index, entries=entries, commit=123
    )


@pytest.mark.parametrize(
    ("entries", "valid"),
    [
        (run(111, 5), False),
        (run(124, 4), False),
        (run(234, 6), False),
        (run(124, 6), True),
        (run(124, 6) + run(124, 6), False),
        (run(124, 6) + run(126, 6), False),
        (run(124, 6, 5), False),
        (run(124, 6, 7), True),
        ([], True),
    ],
)
def test_an_append_that_does_not_fit_a_log(entries: list[Entry], valid: bool) -> None:
    """It is refused before anything changes, and the node keeps running.

    answers: TestLogSlice
    """
    node = follower()
    if valid:
        node.step(append(10, 5, 123, entries))
        assert node.raft.log.last_index() == 123 + len(entries)
        return
    before = node.basic_status(), node.raft.log.all_entries()
    with pytest.raises(MalformedMessage, match=r"^entries of MsgApp must follow \(5,123\) without gaps and with"):
        node.step(append(10, 5, 123, entries))
    assert (node.basic_status(), node.raft.log.all_entries()) == before
    node.step(append(10, 5, 123, run(124, 6)))
    assert node.raft.log.last_index() == 124


def test_entries_of_a_newer_term_than_the_append() -> None:
    """The reference's slices have one rule more: no entry is newer than the leader that sends it.

    Only its tests check that there. Here a message that breaks the rule is refused, because no leader can have sent it.

    answers: TestLogSlice
    """
    node = follower()
    before = node.basic_status(), node.raft.log.all_entries()
    with pytest.raises(MalformedMessage, match=r"^MsgApp of term 10 with an entry of term 11$"):
        node.step(append(10, 5, 123, run(124, 11)))
    assert (node.basic_status(), node.raft.log.all_entries()) == before
    node.step(append(10, 5, 123, run(124, 10)))
    assert node.raft.log.last_term() == 10


def test_a_heartbeat_that_commits_beyond_the_log() -> None:
    """The other way to notice missing entries. It is the last thing that the node does (see LogLost)."""
    node = follower()
    with pytest.raises(LogLost):
        node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=10, commit=124))


@pytest.mark.parametrize(
    ("value", "size"),
    [(0, 1), (127, 1), (128, 2), (2**14 - 1, 2), (2**14, 3), (2**63 - 1, 9), (2**63, 10), (NO_LIMIT, 10)],
)
def test_varint_size(value: int, size: int) -> None:
    assert varint_size(value) == size


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": 0},
        {"type": -1},
        {"type": 2**31 - 1, "term": 0, "index": NO_LIMIT},
        {"term": 300, "data": b""},
        {"term": 1, "index": 2, "data": b"x" * 300},
    ],
)
def test_entry_size_is_that_of_the_encoding(fields: Any) -> None:
    """Only the presence of fields counts, not whether they are zero."""
    e = Entry(**fields)
    assert entry_size(e) == len(e.encode())


def test_entry_size_counts_unknown_fields() -> None:
    data = Entry(term=1, data=b"x").encode() + b"\xfa\x01\x03abc"
    e = Entry.decode(data)
    assert e.encode() == data
    assert entry_size(e) == len(data)
