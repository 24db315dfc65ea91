"""Draws random calls of a LogStorage that a driver could make: each fits the current contents of the storage."""

import random
from typing import Any

from ..core.storage import MemoryStorage
from ..wire.enums import EntryType
from ..wire.messages import ConfState, Entry, HardState, Snapshot, SnapshotMetadata

Step = tuple[Any, ...]
"""The name of a method of LogStorage with its arguments, or ("crash",) or ("restart",)."""

_WEIGHTS = {
    "append": 30,
    "overwrite": 12,
    "commit": 12,
    "vote": 8,
    "receive": 6,
    "nothing": 2,
    "sync": 20,
    "create_snapshot": 8,
    "compact": 8,
    "crash": 10,
    "restart": 3,
}


def draw(rng: random.Random, model: MemoryStorage) -> Step:
    """Return the next step of a history whose result so far is ``model``."""
    while True:
        name = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if name in ("sync", "crash", "restart"):
            return (name,)
        step: Step | None = _DRAWN[name](_Point(rng, model))
        if step is not None:
            return step


class _Point:
    """The state of a history, as far as a node would know it from its storage."""

    def __init__(self, rng: random.Random, model: MemoryStorage) -> None:
        self.rng = rng
        self.state = model.initial_state()[0] or HardState()
        self.base = model.first_index() - 1
        self.last = model.last_index()
        self.last_term = model.term(self.last)
        self.snapshot = model.snapshot().metadata
        self.committed = max(self.state.commit, self.base)

    def later(self, least: int = 0) -> HardState:
        """Return a hard state whose term is the current one or later, by at least ``least``. The commit index stays."""
        rise = max(least, self.rng.choice([0, 0, 0, 1, 3]))
        if self.state.term == 0 or self.last_term > self.state.term:
            rise = max(rise, 1, self.last_term - self.state.term)
        vote = self.rng.choice([0, 1, 2, 2**64 - 1]) if rise else self.state.vote
        return HardState(term=self.state.term + rise, vote=vote, commit=self.committed)

    def entries(self, first: int, least: int, term: int) -> list[Entry]:
        """Return one to six entries from index ``first`` on, with rising terms from ``least`` to ``term``."""
        count = self.rng.randrange(1, 7)
        terms = sorted(self.rng.randint(least, term) for _ in range(count - 1))
        return [self._entry(first + place, each) for place, each in enumerate([*terms, term])]

    def _entry(self, index: int, term: int) -> Entry:
        data = self.rng.choice([None, b"", b"x", self.rng.randbytes(20), self.rng.randbytes(5_000)])
        kind = self.rng.choice([None, EntryType.NORMAL, EntryType.CONF_CHANGE_V2])
        return Entry(type=kind, term=term, index=index, data=data)

    def members(self) -> ConfState:
        """Return random members."""
        voters = self.rng.sample(range(1, 9), self.rng.randrange(1, 4))
        rest = [id for id in range(1, 9) if id not in voters]
        return ConfState(voters=voters, learners=rest[:1], auto_leave=self.rng.random() < 0.5)

    def save(self, state: HardState, entries: list[Entry] | None, snapshot: Snapshot | None) -> Step:
        """Return a ``save``. An unchanged hard state is mostly left out, as in a Ready."""
        known = state == self.state and self.rng.random() < 0.8
        return "save", None if known else state, entries, snapshot

    def committing(self, state: HardState, last: int) -> HardState:
        """Return the hard state with a commit index from its own up to ``last``."""
        commit = self.rng.randint(state.commit, last)
        return HardState(term=state.term, vote=state.vote, commit=commit)


def _append(at: _Point) -> Step:
    state = at.later()
    entries = at.entries(at.last + 1, at.last_term, state.term)
    return at.save(at.committing(state, entries[-1].index) if at.rng.random() < 0.5 else state, entries, None)


def _overwrite(at: _Point) -> Step | None:
    if at.last <= at.committed:
        return None
    state = at.later(least=1)
    entries = at.entries(at.rng.randint(at.committed + 1, at.last), state.term, state.term)
    return at.save(state, entries, None)


def _commit(at: _Point) -> Step | None:
    return at.save(at.committing(at.later(), at.last), None, None) if at.last > at.committed else None


def _vote(at: _Point) -> Step:
    return at.save(at.later(least=1), [], None)


def _receive(at: _Point) -> Step:
    """Save a snapshot from a leader, beyond the commit index, perhaps with entries after it."""
    index = at.committed + at.rng.randrange(1, 9)
    if at.committed == 0:
        index += at.rng.choice([0, 2**32, 2**63])
    state = at.later()
    metadata = SnapshotMetadata(conf_state=at.members(), index=index, term=at.rng.randint(1, state.term))
    snapshot = Snapshot(data=at.rng.choice([None, b"", at.rng.randbytes(30)]), metadata=metadata)
    entries = at.entries(index + 1, metadata.term, state.term) if at.rng.random() < 0.4 else None
    return at.save(HardState(term=state.term, vote=state.vote, commit=index), entries, snapshot)


def _nothing(at: _Point) -> Step:
    return "save", None, at.rng.choice([None, []]), None


def _create_snapshot(at: _Point) -> Step | None:
    least = max(at.snapshot.index + 1, at.base)
    if least > at.committed:
        return None
    known = at.snapshot.conf_state.voters and at.rng.random() < 0.3
    data = at.rng.choice([None, b"", at.rng.randbytes(30)])
    return "create_snapshot", at.rng.randint(least, at.committed), None if known else at.members(), data


def _compact(at: _Point) -> Step | None:
    return ("compact", at.rng.randint(at.base + 1, at.snapshot.index)) if at.snapshot.index > at.base else None


_DRAWN: dict[str, Any] = {
    "append": _append,
    "overwrite": _overwrite,
    "commit": _commit,
    "vote": _vote,
    "receive": _receive,
    "nothing": _nothing,
    "create_snapshot": _create_snapshot,
    "compact": _compact,
}
