"""A node's Config: defaults, their effect, and refused values."""

import copy
import dataclasses
import inspect
import logging
import pickle
import random
from typing import Any

import pytest

from raftcy import NO_LIMIT, Config, ConfigError, MemoryStorage, Peer, RaftError, RangeError, RawNode, ReadOnlyOption
from raftcy._random import SHARED
from tests.support.options import FLAGS, NUMBERS

LIMIT = 2**64 - 1


def config(**changes: Any) -> Config:
    fields = {"id": 1, "election_tick": 10, "heartbeat_tick": 1, "storage": MemoryStorage(), "max_inflight_msgs": 256}
    return Config(**{**fields, **changes})


def refusal(given: Config) -> str:
    """The text of the error, which both methods and RawNode share."""
    texts = set()
    for call in (given.validate, given.validated, lambda: RawNode(given)):
        with pytest.raises(ConfigError) as caught:
            call()
        assert isinstance(caught.value, RaftError)
        assert isinstance(caught.value, ValueError)
        texts.add(str(caught.value))
    (text,) = texts
    return text


# In the order in which etcd's Config.validate checks: each case is valid in everything that comes before.
ORDER: list[tuple[dict[str, Any], str]] = [
    ({"id": 0}, "cannot use none as id"),
    ({"id": LIMIT}, "cannot use local target as id"),
    ({"heartbeat_tick": 0}, "heartbeat tick must be greater than 0"),
    ({"election_tick": 1}, "election tick must be greater than heartbeat tick"),
    ({"storage": None}, "storage cannot be nil"),
    ({"max_inflight_msgs": 0}, "max inflight messages must be greater than 0"),
    ({"max_inflight_bytes": 9, "max_size_per_msg": 10}, "max inflight bytes must be >= max message size"),
    (
        {"read_only_option": ReadOnlyOption.LEASE_BASED},
        "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased",
    ),
]


@pytest.mark.parametrize("place", range(len(ORDER)))
def test_etcds_rules_in_etcds_order(place: int) -> None:
    changes, text = ORDER[place]
    assert refusal(config(**changes)) == text
    everything_after: dict[str, Any] = {}
    for later, _ in reversed(ORDER[place:]):
        everything_after |= later
    assert refusal(config(**everything_after)) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"id": LIMIT - 1}, "cannot use local target as id"),
        ({"heartbeat_tick": -1}, "heartbeat tick must be greater than 0"),
        ({"election_tick": -5}, "election tick must be greater than heartbeat tick"),
        ({"election_tick": 7, "heartbeat_tick": 7}, "election tick must be greater than heartbeat tick"),
        ({"max_inflight_msgs": -(2**70)}, "max inflight messages must be greater than 0"),
    ],
)
def test_etcds_rules_further(changes: dict[str, Any], text: str) -> None:
    assert refusal(config(**changes)) == text


def test_an_empty_config_says_what_is_missing_first() -> None:
    assert refusal(Config()) == "cannot use none as id"


SIGNED = {"election_tick": 2**31 - 1, "heartbeat_tick": 2**31 - 1, "max_inflight_msgs": 2**63 - 1}
UNSIGNED = [name for name in NUMBERS if name not in SIGNED]


@pytest.mark.parametrize("name", UNSIGNED)
def test_unsigned_fields(name: str) -> None:
    assert refusal(config(**{name: -1})) == f"{name} must be 0 to 2**64-1, not -1"
    assert refusal(config(**{name: 2**64})) == f"{name} must be 0 to 2**64-1, not {2**64}"
    for wrong in (1.0, "1", None, True, b"1"):
        assert refusal(config(**{name: wrong})) == f"{name} must be an int, not {type(wrong).__name__}"


@pytest.mark.parametrize("name", SIGNED)
def test_signed_fields(name: str) -> None:
    most = SIGNED[name]
    assert refusal(config(**{name: most + 1})) == f"{name} must be at most {most}, not {most + 1}"
    for wrong in (1.0, "1", None, True, False, -0.5):
        assert refusal(config(**{name: wrong})) == f"{name} must be an int, not {type(wrong).__name__}"


@pytest.mark.parametrize("name", FLAGS)
def test_flags(name: str) -> None:
    config(**{name: True}).validate()
    for wrong in (1, 0, None, "yes"):
        assert refusal(config(**{name: wrong})) == f"{name} must be a bool, not {type(wrong).__name__}"


@pytest.mark.parametrize("wrong", [2, -1, None, "SAFE", True, 0.5, []])
def test_read_only_option(wrong: Any) -> None:
    text = refusal(config(read_only_option=wrong, check_quorum=True))
    assert text == f"read_only_option must be a ReadOnlyOption, not {wrong!r}"


@pytest.mark.parametrize(
    ("name", "wrong", "missing"),
    [
        ("storage", object(), "initial_state, entries, term, first_index, last_index, snapshot"),
        ("logger", print, "debug, info, warning, error, critical"),
        ("trace_logger", logging.getLogger("x"), "trace_event"),
        ("random", random.random, "randrange"),
    ],
)
def test_objects_must_have_their_methods(name: str, wrong: Any, missing: str) -> None:
    assert refusal(config(**{name: wrong})) == f"{name} has no method {missing}: {type(wrong).__name__}"


def test_one_missing_method_is_named() -> None:
    class Almost(MemoryStorage):
        term = None  # type: ignore[assignment]

    assert refusal(config(storage=Almost())) == "storage has no method term: Almost"


def test_defaults_in_effect() -> None:
    given = config(max_size_per_msg=7)
    got = given.validated()
    assert (got.max_uncommitted_entries_size, got.max_inflight_bytes) == (NO_LIMIT, NO_LIMIT)
    assert (got.max_pending_reads, got.max_pending_msgs) == (NO_LIMIT, NO_LIMIT)
    assert got.max_committed_size_per_ready == 7
    assert got.logger is logging.getLogger("raftcy")
    assert got.random is SHARED
    assert got.read_only_option is ReadOnlyOption.SAFE
    assert got.storage is given.storage


def test_given_values_are_kept() -> None:
    class Trace:
        def trace_event(self, event: Any) -> None:
            raise NotImplementedError

    logger, trace, chance = logging.getLogger("mine"), Trace(), random.Random(1)
    given = config(
        max_uncommitted_entries_size=1,
        max_committed_size_per_ready=2,
        max_inflight_bytes=3,
        max_size_per_msg=3,
        max_pending_reads=4,
        max_pending_msgs=5,
        logger=logger,
        trace_logger=trace,
        random=chance,
        read_only_option=1,
        check_quorum=True,
        election_tick=2**31 - 1,
        max_inflight_msgs=2**63 - 1,
    )
    got = given.validated()
    assert got == dataclasses.replace(given, read_only_option=ReadOnlyOption.LEASE_BASED)
    assert type(got.read_only_option) is ReadOnlyOption


def test_validation_changes_nothing() -> None:
    """One Config can start any number of nodes, and may be changed between them."""
    given = config()
    before = copy.copy(given)
    given.validate()
    given.validated()
    assert given == before
    assert (given.logger, given.random, given.max_inflight_bytes) == (None, None, 0)
    given.id = 2
    assert given.validated().id == 2


def test_numbers_of_other_kinds_become_ints() -> None:
    class Five:
        def __index__(self) -> int:
            return 5

    got = config(id=Five(), election_tick=Five(), applied=ReadOnlyOption.LEASE_BASED).validated()
    assert [type(value) for value in (got.id, got.election_tick, got.applied)] == [int, int, int]
    assert (got.id, got.election_tick, got.applied) == (5, 5, 1)


def test_misspelt_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="prevote"):
        config(prevote=True)
    with pytest.raises(AttributeError):
        config().prevote = True  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        Config(1)  # type: ignore[misc]


def test_fields_are_of_a_few_kinds() -> None:
    """Nothing would check a field of another kind, and no test of all options would try it."""
    others = {field.name for field in dataclasses.fields(Config)} - {*FLAGS, *NUMBERS}
    assert others == {"storage", "read_only_option", "logger", "trace_logger", "random"}
    assert (len(FLAGS) >= 7, len(UNSIGNED) >= 8, set(SIGNED) <= set(NUMBERS)) == (True, True, True)


def test_every_field_is_documented() -> None:
    lines = inspect.getdoc(Config)
    assert lines is not None
    described = {line.split("``")[1] for line in lines.splitlines() if line.startswith("``")}
    assert described == {field.name for field in dataclasses.fields(Config)}


def test_the_shared_source_draws_uniformly() -> None:
    drawn = [SHARED.randrange(10) for _ in range(5000)]
    assert set(drawn) == set(range(10))
    assert all(350 < drawn.count(n) < 650 for n in range(10))


def test_peer() -> None:
    peer = Peer(3, b"host")
    assert (peer.id, peer.context, Peer(3).context) == (3, b"host", b"")
    assert repr(peer) == "Peer(id=3, context=b'host')"
    assert peer == Peer(id=3, context=bytearray(b"host"))  # type: ignore[arg-type]
    assert len({peer, Peer(3, b"host"), Peer(4)}) == 2
    assert pickle.loads(pickle.dumps(peer)) == peer
    assert Peer.__match_args__ == ("id", "context")
    with pytest.raises(AttributeError):
        peer.id = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((-1,), RangeError, "id must be 0 to 2**64-1, not -1"),
        (("1",), TypeError, "id must be an int, not str"),
        ((1, "host"), TypeError, "context must be bytes, not str"),
        ((1, None), TypeError, "context must be bytes, not NoneType"),
    ],
)
def test_peer_is_checked(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        Peer(*arguments)
    assert str(caught.value) == text
