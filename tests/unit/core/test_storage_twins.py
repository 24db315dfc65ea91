"""MemoryStorage behaves the same in both builds, including wrong arguments and errors."""

import importlib
from types import ModuleType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

INDEXES = st.one_of(st.integers(0, 12), st.sampled_from([-1, 2**63, 2**64 - 2, 2**64 - 1, 2**64, True, 1.0, "1", None]))
TERMS = st.integers(0, 3)
DATA = st.sampled_from([None, b"", b"x", b"long" * 9])
RUNS = st.tuples(st.integers(0, 12), TERMS, st.integers(0, 4), DATA)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), RUNS),
        st.tuples(st.just("append_bad"), st.sampled_from([None, 3, [3], "ab"])),
        st.tuples(st.just("append_split"), RUNS, RUNS),
        st.tuples(st.just("apply_snapshot"), st.integers(0, 14), TERMS, st.booleans()),
        st.tuples(st.just("create_snapshot"), INDEXES, st.booleans(), st.sampled_from([None, b"", b"s", "s"])),
        st.tuples(st.just("compact"), INDEXES),
        st.tuples(st.just("set_hard_state"), st.one_of(st.none(), TERMS)),
        st.tuples(st.just("entries"), INDEXES, INDEXES, INDEXES),
        st.tuples(st.just("term"), INDEXES),
    ),
    max_size=25,
)


class Build:
    """A storage of one build that takes and returns plain values."""

    def __init__(self, package: ModuleType) -> None:
        self.m = importlib.import_module(f"{package.__name__}.wire.messages")
        self.storage = importlib.import_module(f"{package.__name__}.core.storage").MemoryStorage()

    def run(self, first: int, term: int, count: int, data: Any) -> list[Any]:
        return [self.m.Entry(term=term, index=first + n, data=data) for n in range(count)]

    def members(self, whole: bool) -> Any:
        return self.m.ConfState(voters=[1, 2], auto_leave=False if whole else None)

    def append(self, run: Any) -> Any:
        return self.storage.append(self.run(*run))

    def append_bad(self, entries: Any) -> Any:
        return self.storage.append(entries)

    def append_split(self, one: Any, two: Any) -> Any:
        return self.storage.append(self.run(*one) + self.run(*two))

    def apply_snapshot(self, index: int, term: int, whole: bool) -> Any:
        metadata = self.m.SnapshotMetadata(
            index=index, term=term if whole else None, conf_state=self.members(whole) if term else None
        )
        return self.storage.apply_snapshot(self.m.Snapshot(metadata=metadata))

    def create_snapshot(self, i: Any, members: bool, data: Any) -> Any:
        return self.storage.create_snapshot(i, self.members(False) if members else None, data).encode()

    def set_hard_state(self, term: int | None) -> Any:
        return self.storage.set_hard_state(None if term is None else self.m.HardState(term=term))

    def compact(self, i: Any) -> Any:
        return self.storage.compact(i)

    def entries(self, lo: Any, hi: Any, max_size: Any) -> Any:
        return [e.encode() for e in self.storage.entries(lo, hi, max_size)]

    def term(self, i: Any) -> Any:
        return self.storage.term(i)

    def do(self, step: tuple[Any, ...]) -> Any:
        try:
            return getattr(self, step[0])(*step[1:])
        except Exception as error:
            return type(error).__name__, str(error), type(error).__mro__[1].__name__

    def state(self) -> Any:
        s = self.storage
        hard_state, members = s.initial_state()
        first, last = s.first_index(), s.last_index()
        terms = [s.term(i) for i in range(first - 1, last + 1)]
        entries = [e.encode() for e in s.entries(first, last + 1, 2**64 - 1)] if first <= last else []
        return repr(s), repr(hard_state), members.encode(), s.snapshot().encode(), terms, entries


@given(steps=STEPS)
@settings(max_examples=300)
def test_both_builds_do_the_same(raftcy: ModuleType, raftcy_pure: ModuleType, steps: list[tuple[Any, ...]]) -> None:
    active, plain = Build(raftcy), Build(raftcy_pure)
    for step in steps:
        before = plain.state()
        told = plain.do(step)
        assert active.do(step) == told, step
        assert active.state() == plain.state(), step
        if isinstance(told, tuple):  # an error changes nothing
            assert plain.state() == before, step
