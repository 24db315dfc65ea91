"""Recording: a recording that was read, with decoded records."""

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
    """A call of the node, or a checkpoint.

    ``number`` counts the calls from the start of the node. ``time_ns`` is when the call ended, in nanoseconds since
    1970. ``given`` is the encoded argument, and ``arguments`` the decoded ones. ``answers`` are those of the storage
    and the random source. ``offset`` is the record's place in the file.
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

    ``config`` has the fields of the node's Config that are numbers. ``build`` and ``version`` are those of the raftcy
    that recorded it. ``torn`` is the offset at which the file breaks off in the middle of a record, or None.

    With ``salvage``, a recording with damage in its middle consists of the records before the damage, and ``damage`` is
    the DamagedRecording that would be raised otherwise. If the header is damaged, nothing can be read.

    Raises DamagedRecording or UnknownVersion.
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
        """Read a recording from a file. Raises OSError, DamagedRecording or UnknownVersion."""
        return cls(Path(path).read_bytes(), salvage=salvage)

    @property
    def id(self) -> int:
        """The node's id."""
        return int(self.config["id"])

    def make_config(self, **objects: Any) -> Config:
        """Return a Config with the recorded numbers and with ``objects``, such as ``storage`` and ``logger``."""
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
        # Leave out the error's text, because the interpreter words it differently for compiled code.
        raise DamagedRecording(f"record {frame.number} cannot be decoded", offset) from error
    return (
        Record(frame.number, frame.time_ns, kind, given, arguments, tuple(answers), outcome, offset),
        None if kind == Kind.CHECKPOINT else snapshot,
    )


def _arguments(kind: Kind, given: bytes) -> tuple[Any, ...]:
    """Decode the arguments of a call. Raises ValueError, struct.error or DecodeError if they are malformed."""
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
        raise ValueError(f"{kind} takes no argument")
    return ()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_text(each) for each in value) + "]"
    return repr(value)
