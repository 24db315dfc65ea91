"""Entries that are not stored, compared with a list that is marked by hand."""

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from raftcy import Entry
from raftcy.wire.consts import NO_LIMIT, NO_TERM
from tests.support.logs import new_unstable, snapshot_at


@dataclass
class Record:
    """An entry that waits for the storage."""

    index: int
    term: int
    being_written: bool = False


class UnstableAgainstAList(RuleBasedStateMachine):
    """Appends, overwrites, writes and acknowledgements in any order; some acknowledgements are wrong or late.

    The list has one record per entry. `begin` is the index of its first record, or of the next one if it is empty.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unstable = new_unstable(5)
        self.begin = 5
        self.records: list[Record] = []
        self.snapshot: Any = None
        self.snapshot_being_written = False
        self.term = 1

    def end(self) -> int:
        return self.begin + len(self.records)

    @rule(back=st.integers(0, 6), count=st.integers(1, 4), newer=st.booleans())
    def append(self, back: int, count: int, newer: bool) -> None:
        """Append at the end, over unstable entries, or over stored ones."""
        self.term += newer
        start = max(self.end() - back, 1 if self.snapshot is None else self.begin)
        new = [Entry(term=self.term, index=start + n) for n in range(count)]
        self.unstable.truncate_and_append(new)
        self.records = [record for record in self.records if record.index < start]
        self.records += [Record(e.index, e.term) for e in new]
        self.begin = min(self.begin, start)

    @rule()
    def begin_writing(self) -> None:
        self.unstable.accept_in_progress()
        for record in self.records:
            record.being_written = True
        self.snapshot_being_written = self.snapshot is not None

    @rule(away=st.integers(-3, 6), older=st.integers(0, 2))
    def acknowledge(self, away: int, older: int) -> None:
        index, term = max(self.begin + away, 0), max(self.term - older, 0)
        self.unstable.stable_to(index, term)
        if any((record.index, record.term) == (index, term) for record in self.records):
            self.records = [record for record in self.records if record.index > index]
            self.begin = index + 1

    @rule(ahead=st.integers(0, 5))
    def restore(self, ahead: int) -> None:
        self.snapshot = snapshot_at(self.end() + ahead, self.term)
        self.snapshot_being_written = False
        self.records = []
        self.begin = self.snapshot.metadata.index + 1
        self.unstable.restore(self.snapshot)

    @precondition(lambda self: self.snapshot is not None)
    @rule(right=st.booleans())
    def acknowledge_snapshot(self, right: bool) -> None:
        self.unstable.stable_snap_to(self.snapshot.metadata.index + (not right))
        if right:
            self.snapshot = None
            self.snapshot_being_written = False

    @invariant()
    def entries_agree(self) -> None:
        unstable = self.unstable
        places = [(record.index, record.term) for record in self.records]
        waiting = [(r.index, r.term) for r in self.records if not r.being_written]
        assert places_of(unstable.entries) == places
        assert unstable.offset == self.begin
        assert places_of(unstable.next_entries()) == waiting
        assert unstable.has_next_entries() is bool(waiting)
        assert unstable.offset_in_progress == self.end() - len(waiting)
        for lo in range(self.begin, self.end() + 1):
            for hi in range(lo, self.end() + 1):
                assert places_of(unstable.slice(lo, hi, NO_LIMIT)) == places[lo - self.begin : hi - self.begin]

    @invariant()
    def snapshots_agree(self) -> None:
        unstable = self.unstable
        assert unstable.snapshot is self.snapshot
        assert unstable.next_snapshot() is (None if self.snapshot_being_written else self.snapshot)
        assert unstable.snapshot_index() == (self.snapshot.metadata.index if self.snapshot else 0)

    @invariant()
    def terms_agree(self) -> None:
        known = {record.index: record.term for record in self.records}
        if self.snapshot is not None:
            known[self.snapshot.metadata.index] = self.snapshot.metadata.term
        for index in range(max(self.begin - 3, 0), self.end() + 3):
            assert self.unstable.look_up(index) == known.get(index, NO_TERM)
        assert self.unstable.has_last_index() is bool(known)
        assert not known or self.unstable.last_index() == max(known)


def places_of(entries: list[Entry]) -> list[tuple[int, int]]:
    return [(e.index, e.term) for e in entries]


TestUnstable = UnstableAgainstAList.TestCase
TestUnstable.settings = settings(max_examples=60, stateful_step_count=30)
