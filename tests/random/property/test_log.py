"""The log on its storage, compared with a plain list."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from raftcy import NO_LIMIT, Compacted, Entry, EntryType, InvariantError, Unavailable
from raftcy.core.entries import entries_size
from raftcy.core.log import RaftLog
from tests.support.logs import STORAGES, new_log, snapshot_at

PAGE = 30


class LogAgainstAList(RuleBasedStateMachine):
    """A follower's life: entries from leaders, storing, committing, applying, compaction, snapshots.

    The list holds all entries after (`base`, `base_term`), stored or not. `stored` is the index up to which the storage
    agrees with it.
    """

    log: RaftLog
    storage: Any

    @initialize(kind=st.sampled_from(STORAGES), limited=st.booleans())
    def begin(self, kind: Any, limited: bool) -> None:
        self.storage = kind()
        self.limit = PAGE if limited else NO_LIMIT
        self.log = new_log(self.storage, max_applying_size=self.limit)
        self.base, self.base_term = 0, 0
        self.entries: list[Entry] = []
        self.term = 1
        self.stored = 0
        self.committed = self.applying = self.applied = 0
        self.snapshot: Any = None
        self.sizes: list[tuple[int, int]] = []

    def last(self) -> int:
        return self.base + len(self.entries)

    def term_at(self, index: int) -> int | None:
        """The term at an index, None if it is not known."""
        if index == self.base:
            return self.base_term
        return self.entries[index - self.base - 1].term if self.base < index <= self.last() else None

    def between(self, lo: int, hi: int) -> list[Entry]:
        return self.entries[lo - self.base - 1 : hi - self.base - 1]

    def new_entries(self, start: int, terms: list[int]) -> list[Entry]:
        kinds = [
            EntryType.CONF_CHANGE_V2 if self.term % 5 == 0 and not n else EntryType.NORMAL for n in range(len(terms))
        ]
        return [
            Entry(type=kind, term=term, index=start + n, data=b"x" * (start % 7))
            for n, (kind, term) in enumerate(zip(kinds, terms, strict=True))
        ]

    def overwrite(self, entries: list[Entry]) -> None:
        """The effect of any append on the list."""
        start = entries[0].index
        self.entries = self.between(self.base + 1, start) + entries
        self.stored = min(self.stored, start - 1)

    # -- appending -----------------------------------------------------------------------------------------------

    @rule(back=st.integers(0, 4), count=st.integers(0, 4), newer=st.integers(0, 1))
    def append(self, back: int, count: int, newer: int) -> None:
        """Append as a leader does, or as a follower with conflicting entries."""
        self.term += newer
        start = max(self.last() - back, self.committed) + 1
        entries = self.new_entries(start, [self.term] * count)
        if entries:
            self.overwrite(entries)
        assert self.log.append(entries) == self.last()

    @precondition(lambda self: self.committed > self.base)
    @rule(back=st.integers(0, 3))
    def append_over_committed(self, back: int) -> None:
        start = max(self.committed - back, 1)
        with pytest.raises(InvariantError):
            self.log.append(self.new_entries(start, [self.term]))

    @rule(data=st.data(), count=st.integers(0, 4), same=st.integers(0, 4), wrong_term=st.booleans())
    def maybe_append(self, data: Any, count: int, same: int, wrong_term: bool) -> None:
        """A leader's entries after any of ours: some that are here already, then some of a newer term."""
        previous = data.draw(st.integers(max(self.base - 1, 0), self.last() + 2), label="previous")
        commit = data.draw(st.sampled_from([0, previous, previous + 1, self.last(), self.last() + 3]), label="commit")
        known = self.term_at(previous)
        kept = self.between(previous + 1, previous + 1 + same) if known is not None else []
        self.term += 1
        entries = kept + self.new_entries(previous + 1 + len(kept), [self.term] * count)
        term = self.term if wrong_term or known is None else known
        matches = known == term
        conflict = next((e.index for e in entries if self.term_at(e.index) != e.term), 0)
        if matches and 0 < conflict <= self.committed:
            with pytest.raises(InvariantError):
                self.log.maybe_append(previous, term, commit, entries)
            return
        assert self.log.maybe_append(previous, term, commit, entries) is matches
        if matches:
            if conflict:
                self.overwrite([e for e in entries if e.index >= conflict])
            self.committed = max(self.committed, min(commit, previous + len(entries)))

    # -- storing, committing, applying -----------------------------------------------------------------------------

    @rule(accepted=st.booleans())
    def store(self, accepted: bool) -> None:
        """Store a snapshot first, then the entries, and acknowledge both."""
        unstable = self.log.unstable
        if unstable.snapshot is not None:
            self.storage.apply_snapshot(unstable.snapshot)
        waiting = list(unstable.entries)
        self.storage.append(waiting)
        if accepted:
            unstable.accept_in_progress()
        if waiting:
            unstable.stable_to(waiting[-1].index, waiting[-1].term)
        if self.snapshot is not None:
            index = self.snapshot.metadata.index
            unstable.stable_snap_to(index)
            self.applied = max(self.applied, index)
            self.applying = max(self.applying, index)
            self.log.applied_to(self.applied, 0)
            self.snapshot = None
        self.stored = self.last()

    @rule(ahead=st.integers(0, 5), right=st.booleans())
    def maybe_commit(self, ahead: int, right: bool) -> None:
        index = min(self.committed + ahead, self.last() + 1)
        known = self.term_at(index)
        term = known if right and known is not None else self.term + 7
        raised = index > self.committed and term == known and term != 0
        assert self.log.maybe_commit(index, term) is raised
        if raised:
            self.committed = index

    @rule(unstable_too=st.booleans())
    def hand_out(self, unstable_too: bool) -> None:
        page = self.log.next_committed(unstable_too)
        limit = self.committed if unstable_too else min(self.committed, self.stored)
        if self.snapshot is not None:
            assert page == []
            return
        assert page == self.between(self.applying + 1, limit + 1)[: len(page)]
        assert self.log.has_next_committed(unstable_too) is bool(page)
        if not self.sizes and self.applying < limit:
            assert page, "nothing is outstanding, so nothing may hold this up"
        if not page:
            return
        outstanding = sum(size for _, size in self.sizes)
        assert len(page) == 1 or outstanding + entries_size(page) <= self.limit
        self.applying = page[-1].index
        self.sizes.append((self.applying, entries_size(page)))
        self.log.accept_applying(self.applying, entries_size(page), unstable_too)
        if outstanding + entries_size(page) >= self.limit or self.applying < limit:
            assert not self.log.has_next_committed(True)

    @precondition(lambda self: self.sizes)
    @rule()
    def confirm(self) -> None:
        index, size = self.sizes.pop(0)
        self.applied = max(self.applied, index)
        self.log.applied_to(self.applied, size)

    @precondition(lambda self: self.snapshot is None)
    @rule(data=st.data())
    def compact(self, data: Any) -> None:
        """Compact only what is applied and stored."""
        highest = min(self.applied, self.stored)
        if highest <= self.base:
            return
        index = data.draw(st.integers(self.base + 1, highest), label="index")
        term = self.term_at(index)
        self.storage.compact(index)
        self.entries = self.between(index + 1, self.last() + 1)
        self.base, self.base_term = index, term or 0

    @rule(ahead=st.integers(1, 5), now=st.integers(0, 3))
    def restore(self, ahead: int, now: int) -> None:
        """Restore a leader's snapshot beyond the commit index; seldom, because it ends all history before it."""
        if now:
            return
        index = self.committed + ahead
        self.term += 1
        self.snapshot = snapshot_at(index, self.term)
        self.log.restore(self.snapshot)
        self.base, self.base_term = index, self.term
        self.entries = []
        self.committed = index
        self.stored = index

    # -- reading -------------------------------------------------------------------------------------------------

    @invariant()
    def slices_agree(self) -> None:
        hi = self.last() + 1
        for limit in (0, PAGE // 2, PAGE, 2 * PAGE, NO_LIMIT):
            for lo in range(self.base + 1, hi + 1):
                assert self.log.slice(lo, hi, limit) == within(self.between(lo, hi), limit)

    @rule(data=st.data(), limit=st.integers(0, 80))
    def scan(self, data: Any, limit: int) -> None:
        lo = data.draw(st.integers(self.base + 1, self.last() + 1), label="lo")
        hi = data.draw(st.integers(lo, self.last() + 1), label="hi")
        assert self.log.slice(lo, hi, limit) == within(self.between(lo, hi), limit)
        changes = [e for e in self.between(lo, hi) if e.type != EntryType.NORMAL]
        assert self.log.has_unapplied_change(lo, hi, limit) is bool(changes)

    @rule(ahead=st.integers(0, 2), ours=st.integers(-1, 1))
    def compare(self, ahead: int, ours: int) -> None:
        last = self.term_at(self.last()) or 0
        term = max(last + ours, 0)
        index = max(self.last() - 1 + ahead, 0)
        assert self.log.is_up_to_date(index, term) is ((term, index) >= (last, self.last()))

    @rule(data=st.data())
    def back_off(self, data: Any) -> None:
        index = data.draw(st.integers(0, self.last() + 2), label="index")
        term = data.draw(st.integers(0, self.term), label="term")
        expected = index
        while expected > 0 and (known := self.term_at(expected)) is not None and known > term:
            expected -= 1
        known = self.term_at(expected) if expected else 0
        assert self.log.find_conflict_by_term(index, term) == (expected, known or 0)

    @invariant()
    def the_log_is_the_list(self) -> None:
        log = self.log
        assert (log.first_index(), log.last_index()) == (self.base + 1, self.last())
        assert log.last_term() == self.term_at(self.last())
        assert log.all_entries() == self.entries
        assert (log.committed, log.applying, log.applied) == (self.committed, self.applying, self.applied)
        assert log.unstable.offset == self.stored + 1

    @invariant()
    def terms_agree(self) -> None:
        for index in range(max(self.base - 2, 0), self.last() + 3):
            known = self.term_at(index)
            assert self.log.term_or_zero(index) == (known or 0)
            if known is None:
                with pytest.raises(Unavailable if index > self.last() else Compacted):
                    self.log.term(index)
                assert not self.log.match_term(index, 0)
            else:
                assert self.log.match_term(index, known)


def within(entries: list[Entry], limit: int) -> list[Entry]:
    """As many entries as the limit allows, but at least one if there are any."""
    taken: list[Entry] = []
    size = 0
    for e in entries:
        size += len(e.encode())
        if taken and size > limit:
            break
        taken.append(e)
    return taken


TestLog = LogAgainstAList.TestCase
TestLog.settings = settings(max_examples=80, stateful_step_count=40)
