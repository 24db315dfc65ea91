"""Which write is synced for its own sake, and when each may be acknowledged."""

import random

from raftcy.replica.staged import Staged
from raftcy.replica.work import Write
from raftcy.wire.messages import Entry, HardState, Snapshot, SnapshotMetadata


def commit(index: int, term: int = 1, vote: int = 1) -> Write:
    return Write(HardState(term=term, vote=vote, commit=index), [], None, True)


def entry(index: int) -> Write:
    return Write(None, [Entry(index=index, term=1)], None, True)


def answers(index: int) -> Write:
    """Nothing to store, but answers that stand for what is stored."""
    return Write(None, [], None, True)


def test_a_commit_index_alone_is_not_synced() -> None:
    staged = Staged(1, 1)
    assert staged.add(commit(5))
    assert not staged.is_due
    assert len(staged) == 0


def test_what_must_last() -> None:
    for write in (
        entry(1),
        commit(5, term=2),
        commit(5, vote=2),
        Write(None, [], Snapshot(metadata=SnapshotMetadata(index=3, term=1)), True),
    ):
        staged = Staged(1, 1)
        assert not staged.add(write)
        assert staged.is_due
        staged.begin()
        assert not staged.is_due
        assert staged.end() == [write]


def test_a_vote_is_synced_once() -> None:
    staged = Staged(1, 0)
    staged.add(commit(5, vote=2))
    staged.begin()
    staged.end()
    assert staged.add(commit(6, vote=2))


def test_a_commit_index_waits_for_what_is_not_durable() -> None:
    """Its answers name the end of the log, which a crash could still take away."""
    staged = Staged(1, 1)
    first, second = entry(1), commit(1)
    assert not staged.add(first)
    assert not staged.add(second)
    staged.begin()
    third = answers(1)
    assert not staged.add(third)
    assert not staged.is_due, "no sync for answers and a commit index alone"
    assert staged.end() == [first, second, third]
    assert len(staged) == 0


def test_writes_behind_a_sync_wait_for_the_next() -> None:
    staged = Staged(1, 1)
    first, second, third, fourth = entry(1), entry(2), commit(1), entry(3)
    staged.add(first)
    staged.begin()
    for each in (second, third, fourth):
        staged.add(each)
    assert staged.is_due
    assert staged.end() == [first]
    staged.begin()
    assert staged.end() == [second, third, fourth]


def test_never_early_never_late() -> None:
    """A naive model: each write is acknowledged as soon as it and all before it are durable or need not be."""
    for seed in range(300):
        draw = random.Random(seed)
        staged = Staged(1, 1)
        model: list[tuple[Write, bool]] = []
        durable: set[int] = set()
        covered: list[int] | None = None
        acknowledged = 0
        saved = (1, 1)
        count = 0
        for _ in range(60):
            what = draw.randrange(4)
            if what < 2:
                kind = draw.randrange(4)
                term = saved[0] + (kind == 3)
                write = [entry(1), answers(1), commit(1, *saved), commit(1, term, draw.choice([1, 2]))][kind]
                must = kind == 0
                if write.hard_state is not None:
                    now = (write.hard_state.term, write.hard_state.vote)
                    must |= now != saved
                    saved = now
                model.append((write, must))
                at_once = staged.add(write)
                assert at_once == (not must and acknowledged == len(model) - 1)
                acknowledged += at_once
            elif what == 2 and covered is None and staged.is_due:
                covered = list(range(len(model)))
                staged.begin()
                count += 1
            elif what == 3 and covered is not None:
                durable |= set(covered)
                covered = None
                expected = []
                while acknowledged < len(model) and (acknowledged in durable or not model[acknowledged][1]):
                    expected.append(model[acknowledged][0])
                    acknowledged += 1
                assert staged.end() == expected
            undone = any(must and place not in durable for place, (_, must) in enumerate(model))
            assert staged.is_due or covered is not None or not undone
        assert count > 0


def test_what_was_staged_before_holds_everything_back() -> None:
    """Its answers would stand for entries, or for a vote, that a crash could still take away."""
    staged = Staged(3, 2, unsynced=True)
    assert staged.is_due
    assert staged.is_unsynced
    first, second = commit(5, term=3, vote=2), answers(5)
    assert not staged.add(first)
    assert staged.end() == [], "a sync that has begun earlier does not cover it"
    assert staged.is_unsynced
    staged.begin()
    assert not staged.is_due
    assert not staged.add(second)
    assert staged.end() == [first, second]
    assert not staged.is_unsynced
    assert staged.add(answers(5))
