"""What a Recorder writes: one record for each call, in order, into a sink."""

import errno
import struct
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from .._build import BUILD
from ..core.config import Config
from ..wire.whole import has_one_owner, keep_whole
from .blocks import CHECKPOINT, frame_bytes, header_bytes
from .outcome import error_outcome
from .sinks import Sink

# Fields of a Config that are no numbers, and are answered from the recording or left out in a replay.
OBJECTS = ("storage", "logger", "trace_logger", "random")


class Tape:
    """Puts records together. ``answers`` is where the storage and the random source take down theirs.

    ``broken`` is the OSError that ended the recording, None while it goes on. Whatever the sink raises ends it, since
    nobody knows what of a record was written: one more behind it, or one left out, would make the file a damaged one.
    """

    __slots__ = ("_clock", "_number", "_sink", "answers", "broken", "snapshot")

    def __init__(self, sink: Sink, clock: Callable[[], int] = time.time_ns) -> None:
        self.answers: list[bytes] = []
        self.snapshot: Any = None
        self.broken: OSError | None = None
        self._number = 0
        self._sink = sink
        self._clock = clock

    def begin(self, config: Config, version: str) -> None:
        """Write the header; an OSError is raised, since nothing has happened yet."""
        facts = {each.name: getattr(config, each.name) for each in fields(config) if each.name not in OBJECTS}
        facts = {name: value if isinstance(value, bool) else int(value) for name, value in facts.items()}
        self._sink.begin(header_bytes({"config": facts, "build": BUILD, "raftcy": version}))

    def fresh(self) -> None:
        """Forget the answers to questions that no recorded call has asked."""
        if len(self.answers) > 0:
            self.answers.clear()
            self.snapshot = None

    def record(self, kind: int, given: bytes, outcome: bytes) -> bool:
        """A call that has ended; returns whether a checkpoint is to come next."""
        if self.broken is not None:
            self.answers.clear()
            return False
        try:
            frame = frame_bytes(self._number, self._clock(), kind, given, outcome, self.answers)
            self._number += 1
            return self._sink.write(frame)
        except BaseException as error:
            self._breaks(error)
            return False
        finally:
            if len(self.answers) > 0:
                self.answers.clear()

    def checkpoint(self, state: bytes) -> None:
        """The whole state, between two calls."""
        self.snapshot = None
        try:
            self._sink.checkpoint(frame_bytes(self._number, self._clock(), CHECKPOINT, state, b"", []))
        except BaseException as error:
            self._breaks(error)

    def _breaks(self, error: BaseException) -> None:
        """End the recording; an interruption from outside goes on its way."""
        if self.broken is None:
            if isinstance(error, OSError):
                self.broken = error
            elif isinstance(error, struct.error):
                self.broken = OSError(errno.EFBIG, f"a record is too large: {error}")
            else:
                self.broken = OSError(errno.EIO, f"the sink failed: {error!r}")
                self.broken.__cause__ = error
        if not isinstance(error, Exception):
            raise error

    def failed(self, kind: int, given: bytes, error: BaseException) -> bool:
        """A call that has raised; returns whether a checkpoint is to come next."""
        return self.record(kind, given, error_outcome(error))

    def died(self) -> None:
        """The node is dead."""
        try:
            self._sink.died()
        except BaseException as error:
            self._breaks(error)


keep_whole(Tape)
has_one_owner(Tape)
