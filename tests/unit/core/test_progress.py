"""A leader's knowledge of a peer, and the moves between probing, streaming and a snapshot."""

import pickle
from typing import Any

import pytest

from raftcy import InvariantError, Progress, ProgressState
from raftcy.core.inflights import Inflights

PROBE, REPLICATE, SNAPSHOT = ProgressState.PROBE, ProgressState.REPLICATE, ProgressState.SNAPSHOT


def progress_in(state: ProgressState, match: int = 0, next: int = 1, pending: int = 0, size: int = 256) -> Progress:
    """A progress with these numbers, however it would come about."""
    p = Progress(inflights=Inflights(size))
    p.reset_state(state)
    p.match, p.next, p.pending_snapshot = match, next, pending
    return p


def numbers(p: Progress) -> tuple[Any, int, int]:
    return p.state, p.match, p.next


def test_text() -> None:
    """answers: TestProgressString"""
    p = progress_in(SNAPSHOT, match=1, next=2, pending=123, size=1)
    p.inflights.add(123, 1)
    p.is_learner = True
    p.msg_app_flow_paused = True
    told = "StateSnapshot match=1 next=2 learner paused pendingSnap=123 inactive inflight=1[full]"
    assert str(p) == told
    assert repr(p) == f"<Progress {told}>"


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (Progress(), "StateProbe match=0 next=1 inactive"),
        (Progress(3, 5, Inflights(2), recent_active=True), "StateProbe match=3 next=5"),
        (progress_in(REPLICATE, 3, 5), "StateReplicate match=3 next=5 inactive"),
    ],
)
def test_text_of_little(p: Progress, told: str) -> None:
    assert str(p) == told


def test_text_of_a_window_with_room() -> None:
    p = progress_in(REPLICATE, 1, 2)
    p.recent_active = True
    p.sent_entries(2, 10)
    assert str(p) == "StateReplicate match=1 next=4 inflight=1"


@pytest.mark.parametrize(
    ("state", "flow_paused", "paused"),
    [
        (PROBE, False, False),
        (PROBE, True, True),
        (REPLICATE, False, False),
        (REPLICATE, True, True),
        (SNAPSHOT, False, True),
        (SNAPSHOT, True, True),
    ],
)
def test_is_paused(state: ProgressState, flow_paused: bool, paused: bool) -> None:
    """A peer that waits for its snapshot is sent nothing.

    answers: TestProgressIsPaused
    """
    p = progress_in(state)
    p.msg_app_flow_paused = flow_paused
    assert p.is_paused() is paused


def test_any_news_ends_the_pause() -> None:
    """A refusal and an acknowledgement both show that the peer is alive.

    answers: TestProgressResume
    """
    p = Progress(next=2)
    p.msg_app_flow_paused = True
    assert p.maybe_decr_to(1, 1)
    assert not p.msg_app_flow_paused
    p.msg_app_flow_paused = True
    assert p.maybe_update(2)
    assert not p.msg_app_flow_paused


def test_old_news_do_not_end_the_pause() -> None:
    p = progress_in(PROBE, match=3, next=5)
    p.msg_app_flow_paused = True
    assert not p.maybe_update(3)
    assert not p.maybe_decr_to(3, 2)
    assert p.msg_app_flow_paused


@pytest.mark.parametrize(
    ("p", "next"),
    [
        (progress_in(REPLICATE, match=1, next=5), 2),
        (progress_in(SNAPSHOT, match=1, next=5, pending=10), 11),  # the snapshot arrived
        (progress_in(SNAPSHOT, match=1, next=5), 2),  # it did not
        (progress_in(SNAPSHOT, match=12, next=13, pending=10), 13),  # the peer is already beyond it
    ],
)
def test_become_probe(p: Progress, next: int) -> None:
    """Probing begins after the last entry that the peer is known to have.

    answers: TestProgressBecomeProbe
    """
    match = p.match
    p.inflights.add(4, 1)
    p.become_probe()
    assert numbers(p) == (PROBE, match, next)
    assert p.pending_snapshot == 0
    assert p.inflights.count() == 0


def test_become_replicate() -> None:
    """answers: TestProgressBecomeReplicate"""
    p = progress_in(PROBE, match=1, next=5)
    p.msg_app_flow_paused = True
    p.become_replicate()
    assert numbers(p) == (REPLICATE, 1, 2)
    assert not p.is_paused()


def test_become_snapshot() -> None:
    """answers: TestProgressBecomeSnapshot"""
    p = progress_in(PROBE, match=1, next=5)
    p.become_snapshot(10)
    assert numbers(p) == (SNAPSHOT, 1, 11)
    assert (p.pending_snapshot, p.sent_commit) == (10, 10)


@pytest.mark.parametrize(
    ("index", "match", "next", "news"), [(2, 3, 5, False), (3, 3, 5, False), (4, 4, 5, True), (5, 5, 6, True)]
)
def test_maybe_update(index: int, match: int, next: int, news: bool) -> None:
    """An acknowledgement raises the match, and also next if that is behind; an old one does nothing.

    answers: TestProgressUpdate
    catches: raft#149
    """
    p = Progress(3, 5)
    assert p.maybe_update(index) is news
    assert (p.match, p.next) == (match, next)


@pytest.mark.parametrize(
    ("state", "match", "next", "rejected", "hint", "news", "after"),
    [
        (REPLICATE, 5, 10, 5, 5, False, 10),  # the peer is known to have it
        (REPLICATE, 5, 10, 4, 4, False, 10),
        (REPLICATE, 5, 10, 9, 9, True, 6),  # a lost append: restart after the match
        (PROBE, 0, 0, 0, 0, False, 0),  # not the answer to the last probe
        (PROBE, 0, 10, 5, 5, False, 10),
        (PROBE, 0, 10, 9, 9, True, 9),  # one step back
        (PROBE, 0, 2, 1, 1, True, 1),
        (PROBE, 0, 1, 0, 0, True, 1),  # never below 1
        (PROBE, 0, 10, 9, 2, True, 3),  # back to the hint
        (PROBE, 0, 10, 9, 0, True, 1),
        (PROBE, 5, 10, 9, 2, True, 6),  # never below the match
        (PROBE, 0, 10, 9, 2**64 - 1, True, 9),
        (SNAPSHOT, 5, 10, 9, 7, True, 8),
    ],
)
def test_maybe_decr_to(
    state: ProgressState, match: int, next: int, rejected: int, hint: int, news: bool, after: int
) -> None:
    """A refused append lowers ``next``: a stream restarts after the match, a probe at the hint (5.3, the end).

    answers: TestProgressMaybeDecr
    catches: raft#149
    """
    p = progress_in(state, match, next)
    p.sent_commit = 9
    assert p.maybe_decr_to(rejected, hint) is news
    assert numbers(p) == (state, match, after)
    # A commit index counts as sent only as far as the peer can have accepted it.
    assert p.sent_commit == (min(9, after - 1) if news else 9)


@pytest.mark.parametrize(
    ("state", "entries", "next", "window", "paused"),
    [
        (PROBE, 0, 5, [], False),
        (PROBE, 3, 5, [], True),
        (REPLICATE, 0, 5, [], False),
        (REPLICATE, 1, 6, [(5, 100)], False),
        (REPLICATE, 3, 8, [(7, 100)], False),
    ],
)
def test_sent_entries(state: ProgressState, entries: int, next: int, window: Any, paused: bool) -> None:
    """A probe pauses; a stream moves on to the next entry until the window is full."""
    p = progress_in(state, 3, 5, size=2)
    p.sent_entries(entries, 100)
    assert numbers(p) == (state, 3, next)
    assert p.inflights.window() == window
    assert p.is_paused() is paused


def test_sent_entries_fill_the_window() -> None:
    p = progress_in(REPLICATE, 3, 4, size=2)
    p.sent_entries(1, 10)
    assert not p.is_paused()
    p.sent_entries(1, 10)
    assert p.is_paused()
    assert p.inflights.window() == [(4, 10), (5, 10)]
    # A full window does not stop empty appends, and an acknowledgement that frees a part of it ends the pause.
    p.inflights.free_le(4)
    p.sent_entries(0, 0)
    assert not p.is_paused()


def test_nothing_is_sent_to_a_peer_without_its_snapshot() -> None:
    p = progress_in(SNAPSHOT)
    with pytest.raises(InvariantError, match=r"^sending append in unhandled state StateSnapshot$"):
        p.sent_entries(1, 1)


@pytest.mark.parametrize(
    ("sent_commit", "next", "index", "useful"),
    [(4, 10, 5, True), (5, 10, 5, False), (9, 10, 11, False), (8, 10, 11, True), (8, 10, 9, True)],
)
def test_can_bump_commit(sent_commit: int, next: int, index: int, useful: bool) -> None:
    """A commit index is worth a message if the peer does not know it and can have an entry to commit by it."""
    p = progress_in(REPLICATE, 0, next)
    p.sent_commit = sent_commit
    assert p.can_bump_commit(index) is useful


def test_copies_are_independent() -> None:
    p = progress_in(REPLICATE, 3, 4)
    p.is_learner = p.recent_active = True
    p.sent_entries(2, 10)
    copy = p.copy(p.inflights.clone())
    assert copy == p
    assert str(copy) == str(p)
    assert pickle.loads(pickle.dumps(p)) == p
    copy.inflights.free_le(5)
    assert copy != p
    assert p.inflights.count() == 1
    alone = p.copy(None)
    assert alone.inflights is None
    assert pickle.loads(pickle.dumps(alone)) == alone
    assert p != (p.match, p.next)
    with pytest.raises(TypeError, match=r"^unhashable type: 'Progress'$"):
        hash(p)


def test_restart_forgets_all_but_the_kind_of_member() -> None:
    p = progress_in(SNAPSHOT, 3, 11, pending=10)
    p.is_learner = p.recent_active = True
    p.inflights.add(3, 1)
    p.restart(0, 7)
    assert str(p) == "StateProbe match=0 next=7 learner inactive"
    assert p.sent_commit == 0
