"""A recording that was read: its header and its records, with what each of them says."""

import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

from ..core.config import Config
from ..errors import RaftError
from ..wire.messages import Message
from .blocks import Frame, read_frames, read_header
from .feed import Answer, FedStorage, Feed, read_answers
from .mismatch import DamagedRecording
from .outcome import outcome_text
from .pack import unpack
from .records import NUMBER, REPORT, Kind, unpack_change, unpack_data, unpack_many
from .tape import OBJECTS


class Record(NamedTuple):
    """A call: its ``kind``, what was ``given``, the ``answers`` that it got, its ``outcome``.

    ``arguments`` are what ``given`` stands for. ``number`` counts from the start of the node; ``time_ns`` is the time
    at which the call had ended, ``offset`` the place in the file.
    """

    number: int
    time_ns: int
    kind: Kind
    given: bytes
    arguments: tuple[Any, ...]
    answers: tuple[Answer, ...]
    outcome: bytes
    offset: int

    def __str__(self) -> str:
        if self.kind == Kind.CHECKPOINT:
            return f"checkpoint of {len(self.given)} bytes"
        arguments = ", ".join(_text(each) for each in self.arguments)
        asked = "".join(f"\n    {answer}" for answer in self.answers)
        return f"{self.kind}({arguments}) {outcome_text(self.outcome)}{asked}"


class Recording:
    """The records of one node, oldest first.

    ``config`` the numbers of its Config; ``build`` and ``version`` of the raftcy that recorded it; ``records``;
    ``torn`` the offset at which the file breaks off in the middle of a record, None if it does not.

    With ``salvage`` a recording that is damaged in the middle is taken for what stands before that, and ``damage`` is
    the DamagedRecording that is raised otherwise. A damaged header is the end of all of it.
    """

    def __init__(self, data: bytes, *, salvage: bool = False) -> None:
        facts, at = read_header(data)
        try:
            self.config: dict[str, Any] = facts["config"]
            self.build: str = facts["build"]
            self.version: str = facts["raftcy"]
            self.make_config(storage=FedStorage(Feed())).validate()
        except (KeyError, TypeError, RaftError) as error:
            raise DamagedRecording(f"the header does not describe a node: {error!r}", 0) from None
        frames, self.torn, self.damage = read_frames(data, at)
        snapshot = None
        self.records: list[Record] = []
        try:
            for frame in frames:
                record, snapshot = _record(frame, snapshot)
                self.records.append(record)
        except DamagedRecording as damage:
            self.torn, self.damage = None, damage
        if self.damage is not None and not salvage:
            raise self.damage
        if self.records and self.records[0].kind not in (Kind.START, Kind.CHECKPOINT):
            raise DamagedRecording(f"a recording cannot begin with {self.records[0].kind}", self.records[0].offset)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, salvage: bool = False) -> "Recording":
        """The recording in a file. Raises OSError, DamagedRecording or UnknownVersion."""
        return cls(Path(path).read_bytes(), salvage=salvage)

    @property
    def id(self) -> int:
        """The node's id."""
        return int(self.config["id"])

    def make_config(self, **objects: Any) -> Config:
        """A Config with the recorded numbers, and these objects."""
        if set(self.config) & set(OBJECTS):
            raise TypeError("a recorded Config holds an object")
        return Config(**self.config, **objects)


def _record(frame: Frame, snapshot: Any) -> tuple[Record, Any]:
    given, outcome, offset = frame.given, frame.outcome, frame.offset
    try:
        kind = Kind(frame.kind)
        answers, snapshot = read_answers(frame.answers, None if kind == Kind.CHECKPOINT else snapshot)
        arguments = _arguments(kind, given)
        outcome_text(outcome)
    except (ValueError, TypeError, struct.error, RaftError) as error:
        # Not with the text of the error: the interpreter words it differently for compiled code.
        raise DamagedRecording(f"record {frame.number} says nothing that is known", offset) from error
    return (
        Record(frame.number, frame.time_ns, kind, given, arguments, tuple(answers), outcome, offset),
        None if kind == Kind.CHECKPOINT else snapshot,
    )


def _arguments(kind: Kind, given: bytes) -> tuple[Any, ...]:
    """What a call was given."""
    if kind in (Kind.PROPOSE_CONF_CHANGE, Kind.APPLY_CONF_CHANGE):
        return (unpack_change(given),)
    if kind == Kind.PROPOSE:
        return (unpack_data(given),)
    if kind == Kind.STEP:
        return (Message.decode(given),)
    if kind == Kind.STEP_MANY:
        return ([Message.decode(each) for each in unpack_many(given)],)
    if kind == Kind.READ_INDEX:
        return (given,)
    if kind in (Kind.TRANSFER_LEADER, Kind.REPORT_UNREACHABLE, Kind.SET_RANDOMIZED_ELECTION_TIMEOUT):
        return NUMBER.unpack(given)
    if kind == Kind.REPORT_SNAPSHOT:
        return REPORT.unpack(given)
    if kind == Kind.BOOTSTRAP:
        return ([(id, context) for id, context in unpack(given)],)
    if kind == Kind.CHECKPOINT:
        return (unpack(given),)
    if given:
        raise ValueError(f"{kind} is given nothing")
    return ()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_text(each) for each in value) + "]"
    return repr(value)
