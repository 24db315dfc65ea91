"""The log hands out committed entries: which, how many, and when it pauses."""

from typing import Any

import pytest

from raftcy import NO_LIMIT, Entry, InvariantError, MemoryStorage
from raftcy.core.entries import entries_size
from raftcy.core.log import RaftLog
from tests.support.logs import Foreign, Texts, new_log, run, snapshot_at, stored

ENTRIES = run(4, 1, 1, 1)
MAX_SIZE = 100


def log_of(max_applying_size: int = NO_LIMIT, kind: Any = MemoryStorage) -> RaftLog:
    """A snapshot up to 3, then entries 4, 5 and 6; 4 is stored and 5 committed."""
    log = new_log(stored(kind, snapshot_at(3, 1), ENTRIES[0]), ENTRIES, max_applying_size)
    log.unstable.stable_to(4, 1)
    log.maybe_commit(5, 1)
    return log


@pytest.mark.parametrize(
    ("applied", "applying", "unstable_too", "handed_out"),
    [
        (3, 3, True, (4, 5)),
        (3, 4, True, (5,)),
        (3, 5, True, ()),
        (4, 4, True, (5,)),
        (4, 5, True, ()),
        (5, 5, True, ()),
        (3, 3, False, (4,)),
        (3, 4, False, ()),
        (3, 5, False, ()),
        (4, 4, False, ()),
        (4, 5, False, ()),
        (5, 5, False, ()),
    ],
)
def test_next_committed(applied: int, applying: int, unstable_too: bool, handed_out: tuple[int, ...]) -> None:
    """Committed entries that are not handed out yet; with asynchronous storage only stored ones.

    answers: TestHasNextCommittedEnts, TestNextCommittedEnts
    """
    for kind in (MemoryStorage, Foreign):
        log = log_of(kind=kind)
        log.applied_to(applied, 0)
        log.accept_applying(applying, 0, unstable_too)
        log.applying_paused = False
        assert log.has_next_committed(unstable_too) is bool(handed_out)
        assert [e.index for e in log.next_committed(unstable_too)] == list(handed_out)


def test_nothing_is_handed_out_during_a_pause() -> None:
    """answers: TestHasNextCommittedEnts, TestNextCommittedEnts"""
    log = log_of()
    log.applying_paused = True
    assert not log.has_next_committed(True)
    assert log.next_committed(True) == []


def test_nothing_is_handed_out_while_a_snapshot_waits() -> None:
    """The snapshot must be applied first.

    answers: TestHasNextCommittedEnts, TestNextCommittedEnts
    """
    log = log_of()
    log.restore(snapshot_at(4, 1))
    assert not log.has_next_committed(True)
    assert log.next_committed(True) == []
    log.unstable.stable_snap_to(4)
    log.append(run(5, 1))
    log.commit_to(5)
    log.applied_to(4, 0)
    assert log.has_next_committed(True)


def test_entries_after_restart() -> None:
    """The tests of 2019 let the application confirm index 0 after a snapshot up to 3, and ignored it.

    By the rules of v3.7.0, a log that begins with a snapshot has applied it, and an index below the applied one is a
    defect of the caller. The entries handed out are the same.

    answers: TestHasNextEnts, TestNextEnts
    """
    for applied, handed_out in ((None, (4, 5)), (3, (4, 5)), (4, (5,)), (5, ())):
        log = new_log(stored(MemoryStorage, snapshot_at(3, 1)), ENTRIES)
        assert log.maybe_commit(5, 1)
        if applied is not None:
            log.applied_to(applied, 0)
        assert log.has_next_committed(True) is bool(handed_out)
        assert [e.index for e in log.next_committed(True)] == list(handed_out)
    with pytest.raises(InvariantError, match=r"^applied\(0\) is out of range \[prevApplied\(5\), committed\(5\)\]$"):
        log.applied_to(0, 0)


@pytest.mark.parametrize(
    ("unstable_too", "index", "may_go_on"),
    [(True, 3, False), (True, 4, False), (True, 5, True), (False, 3, False), (False, 4, True), (False, 5, True)],
)
def test_accept_applying(unstable_too: bool, index: int, may_go_on: bool) -> None:
    """A pause begins when the limit is reached, or when the next entry would exceed it.

    answers: TestAcceptApplying
    """
    for size, below in ((MAX_SIZE - 1, True), (MAX_SIZE, False), (MAX_SIZE + 1, False)):
        log = log_of(MAX_SIZE)
        log.accept_applying(index, size, unstable_too)
        assert (log.applying, log.applying_size) == (index, size)
        assert log.applying_paused is not (below and may_go_on)


def test_accept_applying_of_what_is_not_committed() -> None:
    log = log_of()
    told = r"^applying\(6\) is out of range \[prevApplying\(3\), committed\(5\)\]$"
    with pytest.raises(InvariantError, match=told):
        log.accept_applying(6, 0, True)


OVERSHOOT = 5


@pytest.mark.parametrize(
    ("index", "size", "left", "paused"),
    [
        (4, OVERSHOOT - 1, MAX_SIZE + 1, True),
        (4, OVERSHOOT, MAX_SIZE, True),
        (4, OVERSHOOT + 1, MAX_SIZE - 1, False),
        (5, OVERSHOOT - 1, MAX_SIZE + 1, True),
        (5, OVERSHOOT, MAX_SIZE, True),
        (5, OVERSHOOT + 1, MAX_SIZE - 1, False),
        (4, MAX_SIZE + OVERSHOOT, 0, False),
        (4, MAX_SIZE + OVERSHOOT + 1, 0, False),  # more than was handed out
    ],
)
def test_applied_to(index: int, size: int, left: int, paused: bool) -> None:
    """Confirmed entries make room under the limit, and end the pause once there is some.

    answers: TestAppliedTo
    """
    log = log_of(MAX_SIZE)
    log.accept_applying(5, MAX_SIZE + OVERSHOOT, False)
    log.applied_to(index, size)
    assert (log.applied, log.applying) == (index, 5)
    assert (log.applying_size, log.applying_paused) == (left, paused)


def test_applied_to_runs_ahead_of_what_was_handed_out() -> None:
    """As after a restart, or with a snapshot: confirmed entries are not handed out any more."""
    log = log_of()
    log.applied_to(5, 0)
    assert (log.applied, log.applying) == (5, 5)
    for index in (4, 6):
        with pytest.raises(InvariantError, match=rf"^applied\({index}\) is out of range"):
            log.applied_to(index, 0)


def test_a_page_at_a_time() -> None:
    """Entries come in pages of the limit; the last entry of a page may exceed it, and none is left out.

    The limit counts entries that are handed out and not confirmed, so the next page waits for confirmation (thesis
    10.2.1 pipelines applying; the bound is etcd's).
    """
    entries = [Entry(term=1, index=index, data=b"x" * 10) for index in range(1, 8)]
    log = new_log(stored(), entries, entries_size(entries[:2]) + 1)
    log.commit_to(7)
    pages = []
    while log.has_next_committed(True):
        page = log.next_committed(True)
        pages.append([e.index for e in page])
        log.accept_applying(page[-1].index, entries_size(page), True)
        assert log.applying_paused is (page[-1].index < 7)
        assert log.next_committed(True) == []
        log.applied_to(page[-1].index, entries_size(page))
    assert pages == [[1, 2], [3, 4], [5, 6], [7]]


def test_a_limit_that_is_used_up_is_found() -> None:
    """A pause should prevent this."""
    log = log_of(MAX_SIZE)
    log.applying_size = MAX_SIZE
    with pytest.raises(InvariantError, match=r"^applying entry size \(100-100\)=0 not positive$"):
        log.next_committed(True)


def test_committed_entries_that_are_gone() -> None:
    """The application compacted them before it applied them."""
    storage = stored(MemoryStorage, None, *run(1, 1, 1, 1))
    logger = Texts()
    log = new_log(storage, logger=logger)
    log.commit_to(3)
    storage.compact(2)
    told = "unexpected error when getting unapplied entries (requested index is unavailable due to compaction)"
    with pytest.raises(InvariantError) as caught:
        log.next_committed(True)
    assert str(caught.value) == told
    assert logger.lines == [told]
