"""Tape: writes the records of a Recorder into a sink, one per call, in order."""

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

# The fields of a Config that are not numbers. A replay answers for them from the recording, or leaves them out.
OBJECTS = ("storage", "logger", "trace_logger", "random")


class Tape:
    """Assembles records. The storage and the random source put their answers into ``answers``.

    ``broken`` is the OSError that ended the recording, or None. Any error of the sink ends it. A part of the record may
    have been written, so another one after it would make a damaged file.
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
        """Write the header. An OSError of the sink is raised here, because the node does not exist yet."""
        facts = {each.name: getattr(config, each.name) for each in fields(config) if each.name not in OBJECTS}
        facts = {name: value if isinstance(value, bool) else int(value) for name, value in facts.items()}
        self._sink.begin(header_bytes({"config": facts, "build": BUILD, "raftcy": version}))

    def fresh(self) -> None:
        """Forget answers to questions that were asked outside of recorded calls."""
        if len(self.answers) > 0:
            self.answers.clear()
            self.snapshot = None

    def record(self, kind: int, given: bytes, outcome: bytes) -> bool:
        """Write the record of a call that has ended. Return whether the sink wants a checkpoint next."""
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
        """Write the whole state of the node, between two calls."""
        self.snapshot = None
        try:
            self._sink.checkpoint(frame_bytes(self._number, self._clock(), CHECKPOINT, state, b"", []))
        except BaseException as error:
            self._breaks(error)

    def _breaks(self, error: BaseException) -> None:
        """End the recording. An interruption such as KeyboardInterrupt is raised again."""
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
        """Write the record of a call that has raised. Return whether the sink wants a checkpoint next."""
        return self.record(kind, given, error_outcome(error))

    def died(self) -> None:
        """Tell the sink that the node is dead."""
        try:
            self._sink.died()
        except BaseException as error:
            self._breaks(error)


keep_whole(Tape)
has_one_owner(Tape)
