"""Damaged bytes, decoded and encoded by the reference and by both builds."""

import random
import subprocess
from types import ModuleType

import pytest

from tests.support.oracle import oracle_program
from tests.support.values import EDGES, KINDS, decode, encode, field, load, make, varint

RUNS = 4000
TAGS = [
    0x08,
    0x09,
    0x0A,
    0x0D,
    0x10,
    0x12,
    0x18,
    0x1A,
    0x22,
    0x28,
    0x2B,
    0x2C,
    0x3A,
    0x4A,
    0x50,
    0x62,
    0x72,
    0x80,
    0xFF,
]


def good(draw: random.Random, build: ModuleType) -> tuple[str, bytes]:
    """An encoding with many fields."""

    def number() -> int:
        return draw.choice(EDGES)

    entry = make(build, "Entry", {"type": draw.randrange(-2, 4), "term": number(), "index": number(), "data": b"abc"})
    state = make(build, "ConfState", {"voters": [number(), 3], "learners_next": [number()], "auto_leave": True})
    metadata = make(build, "SnapshotMetadata", {"index": number(), "term": number()}).encode() + field(
        1, state.encode()
    )
    message = make(build, "Message", {"type": draw.randrange(24), "term": number(), "commit": 0, "context": b"x"})
    nested = message.encode() + field(7, entry.encode()) + field(9, field(2, metadata)) + field(14, message.encode())
    single = make(build, "ConfChangeSingle", {"type": draw.randrange(4), "node_id": number()})
    return draw.choice(
        [
            ("Entry", entry.encode()),
            ("ConfState", state.encode()),
            ("SnapshotMetadata", metadata),
            ("Snapshot", field(1, b"state") + field(2, metadata)),
            ("Message", nested),
            ("HardState", make(build, "HardState", {"term": number(), "vote": number(), "commit": 0}).encode()),
            ("ConfChange", make(build, "ConfChange", {"id": number(), "node_id": 2, "context": b"at"}).encode()),
            ("ConfChangeSingle", single.encode()),
            ("ConfChangeV2", field(2, single.encode()) + b"\x08\x01" + field(2, b"")),
        ]
    )


def odd(draw: random.Random, build: ModuleType) -> tuple[str, bytes]:
    """An encoding with a change."""
    kind, data = good(draw, build)
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(changed) + 1)
        upto = at + draw.choice((0, 0, 1, 2))
        changed[at:upto] = draw.choice(
            [
                bytes([draw.choice(TAGS)]),
                varint(draw.choice(EDGES)),
                b"\x90\x00\x05",
                b"\x2b\x08\x01\x2c",
                good(draw, build)[1][: draw.randrange(12)],
                b"",
            ]
        )
    return (draw.choice(KINDS) if draw.random() < 0.1 else kind), bytes(changed)


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_as_the_reference(build: ModuleType, seed: int) -> None:
    draw = random.Random(seed)
    cases = [odd(draw, build) for _ in range(RUNS)]
    lines = "".join(f"{kind} {data.hex()}\n" for kind, data in cases)
    done = subprocess.run(
        [str(oracle_program("wire"))], input=lines, capture_output=True, text=True, check=True, timeout=120
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(cases)
    refused = 0
    error = load(build, "errors").DecodeError
    for (kind, data), answer in zip(cases, answers, strict=True):
        try:
            ours = encode(build, kind, decode(build, kind, data)).hex()
        except error:
            ours = "refused"
            refused += 1
        assert (kind, data.hex(), ours) == (kind, data.hex(), answer)
    assert RUNS // 10 < refused < RUNS - RUNS // 10
