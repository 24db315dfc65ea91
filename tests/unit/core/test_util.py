"""Small functions that etcd's raft keeps together: an entry's text, sizes, and kinds of messages."""

from typing import Any

import pytest

from raftcy import (
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    NO_LIMIT,
    Entry,
    EntryType,
    MessageType,
    describe_entry,
    is_local_msg,
    is_local_msg_target,
    is_response_msg,
)
from raftcy.core.entries import entries_size, fitting, payload_size, payloads_size

M = MessageType


def test_describe_entry() -> None:
    """answers: TestDescribeEntry"""
    e = Entry(term=1, index=2, type=EntryType.NORMAL, data=b"hello\x00world")
    assert describe_entry(e) == r'1/2 EntryNormal "hello\x00world"'
    assert describe_entry(e, lambda data: data.decode().upper()) == "1/2 EntryNormal HELLO\x00WORLD"


ENTRIES = [Entry(term=n, index=n) for n in (4, 5, 6)]
SIZES = [len(e.encode()) for e in ENTRIES]


@pytest.mark.parametrize(
    ("max_size", "count"),
    [
        (NO_LIMIT, 3),
        (0, 1),
        (sum(SIZES[:2]), 2),
        (sum(SIZES[:2]) + SIZES[2] // 2, 2),
        (sum(SIZES) - 1, 2),
        (sum(SIZES), 3),
    ],
)
def test_limit_size(max_size: int, count: int) -> None:
    """answers: TestLimitSize"""
    assert fitting(ENTRIES, 0, 3, max_size) == count
    assert count == 1 or entries_size(ENTRIES[:count]) <= max_size


def test_limit_size_of_nothing() -> None:
    assert fitting([], 0, 0, 0) == 0
    assert fitting(ENTRIES, 3, 3, 0) == 3


LOCAL = {
    M.MSG_HUP,
    M.MSG_BEAT,
    M.MSG_UNREACHABLE,
    M.MSG_SNAP_STATUS,
    M.MSG_CHECK_QUORUM,
    M.MSG_STORAGE_APPEND,
    M.MSG_STORAGE_APPEND_RESP,
    M.MSG_STORAGE_APPLY,
    M.MSG_STORAGE_APPLY_RESP,
}
RESPONSES = {
    M.MSG_APP_RESP,
    M.MSG_VOTE_RESP,
    M.MSG_HEARTBEAT_RESP,
    M.MSG_UNREACHABLE,
    M.MSG_READ_INDEX_RESP,
    M.MSG_PRE_VOTE_RESP,
    M.MSG_STORAGE_APPEND_RESP,
    M.MSG_STORAGE_APPLY_RESP,
}
UNKNOWN = [-1, 24, 2**31 - 1]


@pytest.mark.parametrize("kind", [*M, *UNKNOWN])
def test_is_local_msg(kind: Any) -> None:
    """answers: TestIsLocalMsg"""
    assert is_local_msg(kind) is (kind in LOCAL)
    assert is_local_msg(int(kind)) is (kind in LOCAL)


@pytest.mark.parametrize("kind", [*M, *UNKNOWN])
def test_is_response_msg(kind: Any) -> None:
    """answers: TestIsResponseMsg"""
    assert is_response_msg(kind) is (kind in RESPONSES)


def test_is_local_msg_target() -> None:
    assert [LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD] == [2**64 - 1, 2**64 - 2]
    assert [id for id in (0, 1, 2**64 - 3, 2**64 - 2, 2**64 - 1) if is_local_msg_target(id)] == [2**64 - 2, 2**64 - 1]


def test_payload_size_of_an_empty_entry() -> None:
    """A new leader's empty entry does not count against the quota of uncommitted bytes.

    answers: TestPayloadSizeOfEmptyEntry
    """
    assert payload_size(Entry()) == payload_size(Entry(term=1, index=2, data=b"")) == 0
    assert payloads_size([Entry(), Entry(data=b"four"), Entry(data=b"x")]) == 5
