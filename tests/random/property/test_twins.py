"""The kernels that exist twice, compiled and plain, behave the same.

Each takes and returns plain values. Errors are compared by class and text. On the pure build only one twin exists, and
the comparison is skipped.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raftcy
import raftcy_pure

U64_MAX = 2**64 - 1

if raftcy.BUILD == "pure":
    pytestmark = pytest.mark.skip(reason="this process runs the pure build, which has no compiled twin")

U64 = st.one_of(st.integers(0, 300), st.integers(0, U64_MAX), st.sampled_from([2**32, 2**63 - 1, 2**63, U64_MAX]))


def both(module: str) -> tuple[ModuleType, ModuleType]:
    return tuple(importlib.import_module(f"{each.__name__}.{module}") for each in (raftcy, raftcy_pure))


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call, or the error that it raises."""
    try:
        return call(*arguments)
    except Exception as error:
        return type(error).__name__, str(error), [each.__name__ for each in type(error).__mro__]


def agree(of_build: Callable[[ModuleType], Any], module: str) -> Any:
    """Ask both twins the same; returns their common answer."""
    compiled, plain = (outcome(of_build, each) for each in both(module))
    assert compiled == plain
    assert type(compiled) is type(plain)
    return compiled


# -- the window of appends -------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 9), st.one_of(st.integers(0, 30), st.just(2**40))),
        st.tuples(st.just("add"), st.integers(0, 9), st.integers(0, 30)),
        st.tuples(st.just("free_le"), st.one_of(st.integers(-3, 60), st.just(2**63), st.just(U64_MAX))),
        st.tuples(st.just("reset")),
        st.tuples(st.just("clone")),
    ),
    max_size=60,
)


def drive(module: ModuleType, size: int, max_bytes: int, steps: Any) -> Any:
    """What a window shows after every step. Indexes only grow, as in a log."""
    window = module.Inflights(size, max_bytes)
    told = []
    index = 0
    for name, *arguments in steps:
        if name == "add":
            index += arguments[0]
            told.append(outcome(window.add, index, arguments[1]))
        elif name == "free_le":
            told.append(outcome(window.free_le, max(0, arguments[0])))
        elif name == "clone":
            copy = window.clone()
            told.append((copy == window, copy is window))
            window = copy
        else:
            window.reset()
        told.append((window.window(), window.count(), window.bytes, window.full(), repr(window)))
    return told, window == module.Inflights(size, max_bytes), window.size, window.max_bytes


@settings(max_examples=300)
@given(st.integers(-1, 9), st.one_of(st.integers(-1, 60), st.just(0)), STEPS)
def test_inflights(size: int, max_bytes: int, steps: Any) -> None:
    agree(lambda module: drive(module, size, max_bytes, steps), "core.inflights")


# -- acknowledgements --------------------------------------------------------------------------------------------------

IDS = st.one_of(st.integers(1, 6), st.integers(1, 80), st.sampled_from([2**40, U64_MAX]))
ACKS = st.lists(st.tuples(IDS, st.one_of(st.integers(0, 5), U64)), max_size=120)
SETS = st.sets(IDS, max_size=70).map(lambda ids: tuple(sorted(ids)))


def acknowledge(module: ModuleType, told: Any, sets: Any) -> Any:
    """What is known after each acknowledgement."""
    acks = module.Acks()
    known = []
    for id, number in told:
        acks.raise_to(id, number)
        known.append((acks.get(id), acks.get(id + 1 if id < U64_MAX else 1), len(acks), repr(acks)))
    same, other = module.Acks(), module.Acks()
    for id, number in reversed(acks.items()):
        same.raise_to(id, number)
    return known, acks.items(), [acks.majority(ids) for ids in sets], acks == same, acks == other, acks == known


@settings(max_examples=300)
@given(ACKS, st.lists(SETS, max_size=3))
def test_acks(told: Any, sets: Any) -> None:
    agree(lambda module: acknowledge(module, told, sets), "core.acks")


def matches(module: ModuleType, given: list[int]) -> tuple[Any, ...]:
    """A Progress for each number stored."""
    progress = importlib.import_module(f"{module.__name__.rpartition('.')[0]}.progress").Progress
    return tuple([progress(match) for match in given])


@settings(max_examples=300)
@given(st.one_of(st.lists(st.one_of(st.integers(0, 5), U64), max_size=12), st.lists(U64, max_size=120)))
def test_what_a_majority_has(given: list[int]) -> None:
    agree(lambda module: module.majority_match(matches(module, given)), "core.acks")


@given(U64, st.binary(max_size=20))
def test_numbers_of_reads(number: int, context: bytes) -> None:
    agree(lambda module: (module.pack_number(number), module.read_number(module.pack_number(number))), "core.acks")
    agree(lambda module: module.read_number(context), "core.acks")


# -- hard states -------------------------------------------------------------------------------------------------------

HARD_STATES = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(["term", "vote", "commit"]), st.one_of(st.integers(0, 2), U64)),
    st.sampled_from(["text", 3, ()]),
)


def _messages(module):
    """The value classes of a module's build; a compiled kernel has their names only in C."""
    return importlib.import_module(f"{module.__name__.partition('.')[0]}.wire.messages")


def hard_state(module: ModuleType, given: Any) -> Any:
    return _messages(module).HardState(**given) if isinstance(given, dict) else given


@settings(max_examples=300)
@given(HARD_STATES, HARD_STATES, st.integers(0, 2))
def test_hard_states(one: Any, two: Any, count: int) -> None:
    agree(lambda m: m.must_sync(hard_state(m, one), hard_state(m, two), count), "core.hardstate")
    agree(lambda m: m.is_hard_state_equal(hard_state(m, one), hard_state(m, two)), "core.hardstate")
    agree(lambda m: m.is_empty_hard_state(hard_state(m, one)), "core.hardstate")


SNAPSHOTS = st.one_of(
    st.none(),
    st.just({}),
    st.fixed_dictionaries({"index": U64}, optional={"term": U64}),
    st.sampled_from(["text", 3, b"snapshot"]),
)


@given(SNAPSHOTS)
def test_snapshots(drawn: Any) -> None:
    def ask(module: ModuleType) -> Any:
        messages = _messages(module)
        snapshot = drawn
        if isinstance(drawn, dict):
            snapshot = messages.Snapshot(metadata=messages.SnapshotMetadata(**drawn) if drawn else None)
        return module.is_empty_snap(snapshot)

    agree(ask, "core.hardstate")


# -- entries -----------------------------------------------------------------------------------------------------------

ENTRIES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.one_of(st.integers(0, 2), st.integers(-(2**31), 2**31 - 1)),
            "term": st.one_of(st.integers(0, 3), U64),
            "index": st.one_of(st.integers(0, 5), U64),
            "data": st.binary(max_size=200),
        },
    ),
    max_size=6,
)


def entries_of(module: ModuleType, drawn: list[dict[str, Any]], unknown: bytes) -> list[Any]:
    entry = _messages(module).Entry
    made = [entry(**fields) for fields in drawn]
    return [entry.decode(e.encode() + unknown) for e in made] if unknown else made


@settings(max_examples=300)
@given(ENTRIES, U64, st.sampled_from([b"", b"\xfa\x01\x02ab"]))
def test_sizes_of_entries(drawn: Any, limit: int, unknown: bytes) -> None:
    def ask(module: ModuleType) -> Any:
        entries = entries_of(module, drawn, unknown)
        sizes = [module.entry_size(e) for e in entries]
        assert sizes == [len(e.encode()) for e in entries]
        payloads = [module.payload_size(e) for e in entries]
        total, payload = module.entries_size(entries), module.payloads_size(entries)
        assert (total, payload) == (sum(sizes), sum(payloads))
        limits = [limit, 0, total, total - 1 if total else 0, total // 2]
        ends = [[module.fitting(entries, at, len(entries), each) for each in limits] for at in range(len(entries) + 1)]
        for at, found in enumerate(ends):
            for end, each in zip(found, limits, strict=True):
                assert end - at <= 1 or sum(sizes[at:end]) <= each
                assert end == len(entries) or sum(sizes[at : end + 1]) > each
        return sizes, payloads, ends

    agree(ask, "core.entries")


@given(U64)
def test_sizes_of_numbers(value: int) -> None:
    agree(lambda module: module.varint_size(value), "core.entries")


RUNS = st.one_of(
    ENTRIES,
    st.tuples(
        st.one_of(st.integers(0, 3), st.integers(U64_MAX - 4, U64_MAX)), st.lists(st.integers(0, 3), max_size=5)
    ).map(lambda run: [{"index": run[0] + n, "term": term} for n, term in enumerate(run[1]) if run[0] + n <= U64_MAX]),
)


@settings(max_examples=500)
@given(RUNS, st.integers(-1, 1), st.integers(0, 2), U64)
def test_contiguous(drawn: Any, away: int, term: int, index: int) -> None:
    """With an index that fits the first entry exactly or nearly."""
    if drawn and "index" in drawn[0]:
        index = min(max(drawn[0]["index"] - 1 + away, 0), U64_MAX)

    def ask(module: ModuleType) -> Any:
        return module.contiguous(entries_of(module, drawn, b""), index, term)

    expected = all(
        e.get("index", 0) == index + 1 + n and e.get("term", 0) >= (drawn[n - 1].get("term", 0) if n else term)
        for n, e in enumerate(drawn)
    )
    assert agree(ask, "core.entries") is expected


# -- kinds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*range(-1, 26), 2**31 - 1])
def test_what_a_node_refuses_goes_by_the_kinds(kind: int) -> None:
    """The core uses inline twins of ``wire.origins``: it refuses local types, and responses from strangers."""
    told = []
    for package in (raftcy, raftcy_pure):
        module = importlib.import_module(f"{package.__name__}.wire.origins")
        storage = package.MemoryStorage()
        storage.apply_snapshot(
            package.Snapshot(
                metadata=package.SnapshotMetadata(conf_state=package.ConfState(voters=[1, 2]), index=1, term=1)
            )
        )
        flow = {"max_size_per_msg": 1 << 20, "max_inflight_msgs": 256}
        node = package.RawNode(package.Config(id=1, election_tick=10, heartbeat_tick=1, storage=storage, **flow))
        refused = outcome(node.step, package.Message(type=kind, from_=9, to=1))
        local, response = module.is_local(kind), module.is_response(kind)
        assert (refused is not None and refused[0] == "StepLocalMessage") == local
        assert not response or local or (refused is not None and refused[0] == "StepPeerNotFound")
        told.append((refused, local, response))
    assert told[0] == told[1]
