"""Invented recordings of the flight recorder, with correct checksums.

The first byte says how much of the header is replaced. Then come records: a kind, the input, the outcome and the
answers. Reading one gives a recording whose records can be described, or raises RecordingError.
"""

import json
from types import ModuleType
from typing import Any

from tests.support.values import load

from .choices import Choices
from .machine import Finding

CONFIG = {"id": 1, "election_tick": 10, "heartbeat_tick": 1, "max_inflight_msgs": 5}


def header(c: Choices, frame: ModuleType) -> bytes:
    """A header, usually a valid one."""
    how = c.below(8)
    if how == 7:
        text = c.octets(c.below(16))
    else:
        facts: Any = {"config": CONFIG, "build": "pure", "raftcy": "0"}
        if how == 6:
            facts = c.pick([[], {}, 5, None, {"config": {"id": {}}, "build": 1, "raftcy": []}])
        text = json.dumps(facts).encode()
    crc = frame.crc32(text, frame.crc32(frame._HEADER.pack(frame.MAGIC, frame.VERSION, len(text))))
    return bytes(frame._HEADER.pack(frame.MAGIC, frame.VERSION, len(text)) + frame._CRC.pack(crc) + text)


def part(c: Choices) -> bytes:
    """An input, an outcome, or an answer."""
    return nested(c) if c.below(4) == 3 else c.octets(c.below(24))


def nested(c: Choices) -> bytes:
    """Plain data: lists in lists, deeper than any real recording."""
    return (b"\x07" + (1).to_bytes(8, "little")) * (c.below(256) * 8) + c.octets(3)


def recordings(builds: list[ModuleType], data: bytes) -> None:
    """Read a recording in each build; both must see the same."""
    told = [read(build, Choices(data)) for build in builds]
    if any(each != told[0] for each in told):
        raise Finding(f"the builds read it differently: {told}")


def read(build: ModuleType, c: Choices) -> Any:
    """What one build reads."""
    frame = load(build, "recorder.blocks")
    errors, recording = load(build, "recorder.mismatch"), load(build, "recorder.recording")
    data = header(c, frame)
    number = 0
    while c.left():
        data += frame.frame_bytes(number, 0, c.below(24), part(c), part(c), [part(c)])
        number += c.below(8) != 7
    told: list[Any] = []
    for salvage in (False, True):
        try:
            found = recording.Recording(data, salvage=salvage)
        except errors.RecordingError as error:
            told.append((type(error).__name__, str(error)))
            continue
        told.append(([str(record) for record in found.records], found.torn, str(found.damage)))
    return told
