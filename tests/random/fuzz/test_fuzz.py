"""The fuzz targets pass on the corpus and on drawn bytes, and they detect deliberate faults."""

import random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from raftcy_pure.core import raft as pure_raft
from raftcy_pure.core import rawnode as pure_rawnode
from raftcy_pure.etcd import grpc_calls as pure_calls
from raftcy_pure.etcd import h2_backing as pure_h2
from raftcy_pure.machines import group as pure_group
from raftcy_pure.machines import sessions as pure_sessions
from raftcy_pure.transport import frame as pure_frame
from raftcy_pure.transport import packets
from raftcy_pure.wire import codec as pure_codec

from .calls import calls
from .choices import Choices
from .corpus import FOLDER, kept, overheard
from .decoding import decoding, framing
from .gateway import gateway
from .groups import groups
from .minimise import reached, worth_keeping
from .recordings import recordings
from .steps import changes, snapshots, steps
from .targets import TARGETS

# One process compares both builds.
pytestmark = [pytest.mark.once, pytest.mark.fuzz]

MOST_KEPT_BYTES = 20_000
HELLO = packets.encode_greeting(packets.HELLO, packets.Hello(sender=1, receiver=2, addresses=(("a", 1),)))
PING = packets.encode_token(packets.PING, 7)


def drawn(count: int) -> Any:
    """Settings for that many runs."""
    return settings(max_examples=count, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_of_the_corpus(raftcy: ModuleType, raftcy_pure: ModuleType, target: str) -> None:
    """Every input of the corpus passes; together they reach all that fuzzing has reached so far."""
    inputs = kept(target)
    assert inputs
    for data in inputs:
        TARGETS[target]([raftcy, raftcy_pure], data)


def test_what_is_kept_is_small() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_KEPT_BYTES


@drawn(300)
@given(head=st.binary(min_size=2, max_size=2), body=st.text(alphabet=r'{}[]":,\\ keyvalueTTLID0123AQ==', max_size=60))
def test_gateway(raftcy: ModuleType, raftcy_pure: ModuleType, head: bytes, body: str) -> None:
    gateway([raftcy, raftcy_pure], head + body.encode())


@drawn(500)
@given(data=st.binary(max_size=80))
def test_decode(raftcy: ModuleType, raftcy_pure: ModuleType, data: bytes) -> None:
    decoding([raftcy, raftcy_pure], data)


@drawn(300)
@given(data=st.binary(max_size=80))
@example(data=b"\x00" + HELLO + b"\0\0\0\0")
@example(data=b"\x02\x05\x1f" + HELLO)
@example(data=b"\x01\x09" + PING + packets.message_head(3, 2) + b"\x08\x01" + PING + b"\0\0\0\x01\x07")
@example(data=b"\x00" + HELLO[:9] + b"\x00\x09" + HELLO[11:])
def test_frames(raftcy: ModuleType, raftcy_pure: ModuleType, data: bytes) -> None:
    framing([raftcy, raftcy_pure], data)


@drawn(300)
@given(data=st.binary(min_size=30, max_size=250))
def test_steps(raftcy: ModuleType, raftcy_pure: ModuleType, data: bytes) -> None:
    steps([raftcy, raftcy_pure], data)


@drawn(40)
@given(data=st.binary(min_size=20, max_size=100))
def test_changes(raftcy: ModuleType, raftcy_pure: ModuleType, data: bytes) -> None:
    changes([raftcy, raftcy_pure], data)


@drawn(60)
@given(data=st.binary(min_size=20, max_size=100))
def test_snapshots(raftcy: ModuleType, raftcy_pure: ModuleType, data: bytes) -> None:
    snapshots([raftcy, raftcy_pure], data)


@drawn(200)
@given(data=st.binary(max_size=80))
def test_recordings(raftcy: ModuleType, raftcy_pure: ModuleType, data: bytes) -> None:
    recordings([raftcy, raftcy_pure], data)


@drawn(200)
@given(data=st.binary(max_size=80))
def test_groups(raftcy: ModuleType, raftcy_pure: ModuleType, data: bytes) -> None:
    groups([raftcy, raftcy_pure], data)


@drawn(200)
@given(data=st.binary(max_size=150))
def test_calls(raftcy_pure: ModuleType, data: bytes) -> None:
    calls([raftcy_pure], data)


@pytest.mark.parametrize("part", range(4))
def test_messages_of_honest_clusters(raftcy: ModuleType, raftcy_pure: ModuleType, part: int) -> None:
    """Messages that nodes really send, cut off at every place and with every byte changed once."""
    rng = random.Random(part)
    for data in rng.sample(overheard(raftcy, 2), 12):
        for at in range(len(data)):
            decoding([raftcy, raftcy_pure], b"\5" + data[:at])
            decoding([raftcy, raftcy_pure], b"\5" + data[:at] + rng.randbytes(1) + data[at + 1 :])


# -- deliberate faults -------------------------------------------------------------------------------------------------


def first_finding(builds: list[ModuleType], target: str, runs: int, size: int = 200) -> str:
    """The text of the first failure of a target."""
    for seed in range(runs):
        try:
            TARGETS[target](builds, random.Random(seed).randbytes(size))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return ""


def test_finds_that_nothing_is_vetted(raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `vet`, messages from peers would kill both builds."""
    monkeypatch.setattr(pure_rawnode, "vet", lambda r, m: None)
    assert first_finding([raftcy_pure, raftcy_pure], "steps", 100).startswith("InvariantError: ")
    assert first_finding([raftcy_pure, raftcy_pure], "snapshots", 100, 60) != ""


def test_finds_state_that_an_error_changed(raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    vet = pure_rawnode.vet

    def hasty(r: Any, m: Any) -> None:
        r.election_elapsed += 1
        vet(r, m)

    monkeypatch.setattr(pure_rawnode, "vet", hasty)
    assert "changed the state" in first_finding([raftcy_pure, raftcy_pure], "steps", 100)


def test_finds_that_the_builds_differ(
    raftcy: ModuleType, raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    monkeypatch.setattr(pure_raft.Raft, "past_election_timeout", lambda self: False)
    assert "states differ" in first_finding([raftcy, raftcy_pure], "steps", 300)
    monkeypatch.setattr(pure_codec, "_MAX_FIELD", 2**29)
    monkeypatch.setattr(pure_codec, "MAX_DEPTH", 1)
    assert first_finding([raftcy, raftcy_pure], "decode", 20_000, 8).startswith("Finding: ")
    monkeypatch.setattr(pure_frame, "MAX_FRAME_BYTES", 64)
    assert first_finding([raftcy, raftcy_pure], "frames", 100).startswith("Finding: ")


def test_finds_what_a_group_forgets(
    raftcy: ModuleType, raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time that does not travel in snapshots, and sessions that only one of the builds knows."""
    with monkeypatch.context() as patch:
        patch.setattr(pure_group, "packed", lambda number: b"\1")
        assert "one by one" in first_finding([raftcy_pure, raftcy_pure], "groups", 200, 60)
    monkeypatch.setattr(pure_sessions.SessionTable, "close", lambda self, session: None)
    assert "the builds differ" in first_finding([raftcy, raftcy_pure], "groups", 500, 60)


def test_finds_what_grows(raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    step = pure_raft.Raft.step

    def hoarding(self: Any, m: Any) -> None:
        self.outbox.read_states.extend([0] * 100)
        step(self, m)

    monkeypatch.setattr(pure_raft.Raft, "step", hoarding)
    assert "more things wait" in first_finding([raftcy_pure, raftcy_pure], "steps", 20)


# -- the corpus tool ---------------------------------------------------------------------------------------------------


def test_choices() -> None:
    c = Choices(bytes([5, 1, 2, 3, 200]))
    assert (c.below(3), c.flag(), c.octets(2), c.left()) == (2, True, b"\2\3", 1)
    assert (c.pick("abc"), c.left(), c.below(7), c.octets(3), c.flag()) == ("c", 0, 0, b"", False)


def test_what_is_worth_keeping(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    """Of two inputs that do the same, the shorter is kept; an input that reaches nothing new is not."""
    builds = [raftcy, raftcy_pure]
    one, same, other = b"\0\x10\x05", b"\0\x10\x05\x10\x06", b"\0\x22\x01x"
    assert reached("decode", builds, one) <= reached("decode", builds, same)
    found = worth_keeping("decode", builds, [one, same, other, one], 1000)
    assert one in found
    assert other in found
    assert worth_keeping("decode", builds, [one, other], 3) in ([one], [])


def test_finds_requests_that_are_counted_for_ever(raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: Any) -> None:
        self.is_over, self.parts = True, None

    monkeypatch.setattr(pure_calls.Call, "over", forgetful)
    assert "leaves" in first_finding([raftcy_pure], "calls", 200)


def test_finds_that_the_libraries_differ(raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    request = pure_h2.H2Backing._request
    monkeypatch.setattr(pure_h2.H2Backing, "_request", lambda self, it: it.stream_ended or request(self, it))
    assert "differ" in first_finding([raftcy_pure], "calls", 300)
