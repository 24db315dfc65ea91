"""The log takes a leader's entries: where logs differ, which entries are overwritten, and which are committed."""

from typing import Any

import pytest

from raftcy import NO_LIMIT, Entry, InvariantError, MemoryStorage
from raftcy.core.log import RaftLog
from tests.support.logs import STORAGES, Counting, Texts, new_log, run, snapshot_at, stored


@pytest.fixture(name="log", params=[0, 2, 3], ids=lambda count: f"{count} stored")
def log_of_three(request: pytest.FixtureRequest) -> RaftLog:
    """Terms 1, 2, 3 at indexes 1, 2, 3, some of them stored."""
    entries = run(1, 1, 2, 3)
    return new_log(stored(MemoryStorage, None, *entries[: request.param]), entries[request.param :])


@pytest.mark.parametrize(
    ("entries", "conflict"),
    [
        ([], 0),
        (run(1, 1, 2, 3), 0),
        (run(2, 2, 3), 0),
        (run(3, 3), 0),
        (run(1, 1, 2, 3, 4, 4), 4),
        (run(2, 2, 3, 4, 5), 4),
        (run(3, 3, 4, 4), 4),
        (run(4, 4, 4), 4),
        (run(1, 4, 4), 1),
        (run(2, 1, 4, 4), 2),
        (run(3, 1, 2, 4, 4), 3),
    ],
)
def test_find_conflict(log: RaftLog, entries: list[Entry], conflict: int) -> None:
    """The first new entry, by index or by term; known entries are skipped.

    answers: TestFindConflict
    """
    assert log.find_conflict(entries) == conflict


def test_a_conflict_is_told_unless_the_entry_is_new() -> None:
    logger = Texts()
    log = new_log(stored(), run(1, 1, 2, 3), logger=logger)
    log.find_conflict(run(4, 4))
    assert logger.lines == []
    log.find_conflict(run(2, 3))
    assert logger.lines == ["found conflict at index 2 [existing term: 2, conflicting term: 3]"]


FROM_START = (0, 0, (2, 2, 5, 5, 5))
COMPACTED = (10, 3, (3, 3, 4, 4, 4))


@pytest.mark.parametrize("kind", STORAGES)
@pytest.mark.parametrize(
    ("shape", "index", "term", "found"),
    [
        (FROM_START, 100, 2, 100),  # beyond the end: its term is not known
        (FROM_START, 5, 6, 5),
        (FROM_START, 5, 5, 5),
        (FROM_START, 5, 4, 2),
        (FROM_START, 5, 2, 2),
        (FROM_START, 5, 1, 0),
        (FROM_START, 1, 2, 1),
        (FROM_START, 1, 1, 0),
        (FROM_START, 0, 0, 0),
        (COMPACTED, 30, 3, 30),  # beyond the end
        (COMPACTED, 14, 9, 14),
        (COMPACTED, 14, 4, 14),
        (COMPACTED, 14, 3, 12),
        (COMPACTED, 14, 2, 9),
        (COMPACTED, 11, 5, 11),
        (COMPACTED, 10, 5, 10),
        (COMPACTED, 10, 3, 10),
        (COMPACTED, 10, 2, 9),
        (COMPACTED, 9, 2, 9),  # compacted away
        (COMPACTED, 4, 2, 4),
        (COMPACTED, 0, 0, 0),
    ],
)
def test_find_conflict_by_term(kind: Any, shape: Any, index: int, term: int, found: int) -> None:
    """After a refused append, the search skips whole terms (paper 5.3, the end), and stops where terms are unknown.

    answers: TestFindConflictByTerm
    """
    start, start_term, terms = shape
    for count in range(len(terms) + 1):
        entries = run(start + 1, *terms)
        log = new_log(stored(kind, snapshot_at(start, start_term), *entries[:count]), entries[count:])
        assert log.find_conflict_by_term(index, term) == (found, log.term_or_zero(found))


@pytest.mark.parametrize(("term", "found"), [(4, 9_999), (3, 9_990), (1, 1), (0, 0)])
def test_finding_a_conflict_asks_for_few_terms(term: int, found: int) -> None:
    """A refused append on a long log costs the logarithm of the distance, near or far."""
    storage = stored(Counting, None, *run(1, 1, *[3] * 9_989, *[4] * 9, 5))
    log = new_log(storage)
    storage.asked = 0
    assert log.find_conflict_by_term(10_000, term)[0] == found
    assert storage.asked <= 2 * 14


@pytest.mark.parametrize(("term", "better"), [(4, (True, True, True)), (2, (False,) * 3), (3, (False, True, True))])
def test_is_up_to_date(log: RaftLog, term: int, better: tuple[bool, ...]) -> None:
    """The later last term wins, and for equal terms the longer log (5.4.1); equal logs are good enough.

    answers: TestIsUpToDate
    """
    last = log.last_index()
    assert tuple(log.is_up_to_date(index, term) for index in (last - 1, last, last + 1)) == better


@pytest.mark.parametrize("kind", STORAGES)
@pytest.mark.parametrize(
    ("entries", "last", "terms", "offset"),
    [
        ([], 2, (1, 2), 3),
        (run(3, 2), 3, (1, 2, 2), 3),
        (run(1, 2), 1, (2,), 1),
        (run(2, 3, 3), 3, (1, 3, 3), 2),
    ],
)
def test_append(kind: Any, entries: list[Entry], last: int, terms: tuple[int, ...], offset: int) -> None:
    """An append replaces everything from its first index on, also stored entries, without asking the storage.

    answers: TestAppend
    """
    storage = stored(kind, None, *run(1, 1, 2))
    log = new_log(storage)
    assert log.append(entries) == last
    assert log.entries(1, NO_LIMIT) == run(1, *terms)
    assert log.unstable.offset == offset
    assert storage.last_index() == 2


def test_what_is_committed_is_never_appended_over() -> None:
    log = new_log(stored(), run(1, 1, 2))
    log.commit_to(1)
    with pytest.raises(InvariantError, match=r"^after\(0\) is out of range \[committed\(1\)\]$"):
        log.append(run(1, 2))
    assert log.all_entries() == run(1, 1, 2)


@pytest.mark.parametrize(
    ("previous", "leader_commit", "entries", "committed"),
    [
        ((2, 3), 3, run(4, 4), None),  # the entry before has another term
        ((3, 4), 3, run(5, 4), None),  # the entry before is missing
        ((3, 3), 3, [], 3),
        ((3, 3), 4, [], 3),  # not beyond the last entry that this append confirms
        ((3, 3), 2, [], 2),
        ((3, 3), 0, [], 1),  # never lowered
        ((0, 0), 3, [], 1),
        ((3, 3), 3, run(4, 4), 3),
        ((3, 3), 4, run(4, 4), 4),
        ((3, 3), 5, run(4, 4), 4),
        ((3, 3), 5, run(4, 4, 4), 5),
        ((2, 2), 3, run(3, 4), 3),  # overwritten from here on
        ((1, 1), 3, run(2, 4), 2),
        ((1, 1), 3, run(2, 4, 4), 3),
    ],
)
def test_maybe_append(
    log: RaftLog, previous: tuple[int, int], leader_commit: int, entries: list[Entry], committed: int | None
) -> None:
    """An append that continues this log is taken, and conflicting entries and all after them are deleted.

    Everything up to the leader's commit index is committed, as far as the append confirms it (figure 2, AppendEntries 2
    to 5).

    answers: TestLogMaybeAppend
    """
    log.committed = 1
    term, index = previous
    before = log.all_entries()
    taken = log.maybe_append(index, term, leader_commit, entries)
    assert taken is (committed is not None)
    assert log.committed == (committed or 1)
    assert log.all_entries() == (before[:index] + entries if entries and taken else before)


def test_maybe_append_keeps_what_agrees() -> None:
    """An old append with fewer entries than the log truncates nothing (figure 2: only on a conflict)."""
    log = new_log(stored(), run(1, 1, 2, 3))
    assert log.maybe_append(1, 1, 0, run(2, 2))
    assert log.last_index() == 3
    assert log.maybe_append(1, 1, 0, run(2, 2, 3, 3))
    assert log.all_entries() == run(1, 1, 2, 3, 3)
    assert log.unstable.offset == 1


def test_maybe_append_over_a_committed_entry() -> None:
    """No correct leader contradicts a committed entry.

    answers: TestLogMaybeAppend
    """
    log = new_log(stored(), run(1, 1, 2, 3))
    log.committed = 1
    with pytest.raises(InvariantError, match=r"^entry 1 conflict with committed entry \[committed\(1\)\]$"):
        log.maybe_append(0, 0, 3, run(1, 4))
    assert log.all_entries() == run(1, 1, 2, 3)
    assert log.committed == 1


def test_maybe_append_of_entries_with_a_gap() -> None:
    """vet refuses entries that do not follow (index, term), so any that reach the log are a defect."""
    log = new_log(stored(), run(1, 1))
    with pytest.raises(InvariantError, match=r"^index, 3, is out of range \[1\]$"):
        log.maybe_append(1, 1, 0, run(5, 1))


@pytest.mark.parametrize(("index", "committed"), [(3, 3), (1, 2)])
def test_commit_to(log: RaftLog, index: int, committed: int) -> None:
    """The commit index never falls.

    answers: TestCommitTo
    """
    log.committed = 2
    log.commit_to(index)
    assert log.committed == committed


def test_commit_to_beyond_the_log(log: RaftLog) -> None:
    """The leader committed with this node's acknowledgement, so this node has lost entries.

    answers: TestCommitTo
    """
    log.committed = 2
    told = r"^tocommit\(4\) is out of range \[lastIndex\(3\)\]. Was the raft log corrupted, truncated, or lost\?$"
    with pytest.raises(InvariantError, match=told):
        log.commit_to(4)
    assert log.committed == 2


@pytest.mark.parametrize(
    ("index", "term", "committed"), [(2, 2, 2), (3, 3, 3), (3, 2, 1), (1, 1, 1), (4, 3, 1), (3, 0, 1), (4, 0, 1)]
)
def test_maybe_commit(log: RaftLog, index: int, term: int, committed: int) -> None:
    """A commit index counts only with the term of its entry (5.4.2), and no entry has term 0.

    catches: PySyncObj#169
    """
    log.committed = 1
    assert log.maybe_commit(index, term) is (committed > 1)
    assert log.committed == committed


@pytest.mark.parametrize("kind", STORAGES)
def test_restore(kind: Any) -> None:
    """A log on a snapshot begins after it, and everything up to it is committed and applied.

    answers: TestLogRestore
    """
    log = new_log(stored(kind, snapshot_at(1000, 1000)))
    assert log.all_entries() == []
    assert (log.first_index(), log.last_index()) == (1001, 1000)
    assert (log.committed, log.applying, log.applied) == (1000, 1000, 1000)
    assert log.unstable.offset == 1001
    assert log.term(1000) == 1000


def test_restore_from_a_leaders_snapshot() -> None:
    """It replaces all entries at once, although it is not stored yet; the applied index stays."""
    logger = Texts()
    log = new_log(stored(MemoryStorage, None, *run(1, 1, 1)), run(3, 2), logger=logger)
    log.commit_to(2)
    snapshot = snapshot_at(9, 3)
    log.restore(snapshot)
    assert (log.first_index(), log.last_index(), log.last_term()) == (10, 9, 3)
    assert (log.committed, log.applied) == (9, 0)
    assert log.all_entries() == []
    assert log.snapshot() is snapshot
    assert logger.lines == [
        "log [committed=2, applied=0, applying=0, unstable.offset=3, unstable.offsetInProgress=3, "
        "len(unstable.Entries)=1] starts to restore snapshot [index: 9, term: 3]"
    ]
