"""Captures a run in files: a trace of all members, and a recording of each start of each member."""

from contextlib import ExitStack
from dataclasses import replace
from errno import EACCES, EEXIST
from os import W_OK, X_OK, access, strerror
from pathlib import Path
from typing import Any

from ..core.config import Config
from ..core.rawnode import RawNode
from ..core.trace import NdjsonTraceLogger
from ..recorder import FileSink, Recorder


class Watch:
    """Creates state machines that write a trace to a file and recordings to a folder; None for either means none.

    The folder is created if missing; it gets files ``node-ID-START.rec`` and must not contain any yet. Capturing does
    not change the run. Entering the context raises OSError if the file or the folder cannot be written.
    """

    def __init__(self, trace: Path | None = None, record: Path | None = None) -> None:
        self._trace = trace
        self._record = record
        self._open = ExitStack()
        self._logger: Any = None
        self._starts: dict[int, int] = {}

    def __enter__(self) -> "Watch":
        if self._trace is not None:
            self._logger = NdjsonTraceLogger(self._open.enter_context(self._trace.open("w", encoding="utf-8")))
        if self._record is not None:
            self._record.mkdir(parents=True, exist_ok=True)
            # Check now: an error during the run would count as a violation of a rule.
            for there in self._record.glob("node-*.rec"):
                raise FileExistsError(EEXIST, strerror(EEXIST), str(there))
            if not access(self._record, W_OK | X_OK):
                raise PermissionError(EACCES, strerror(EACCES), str(self._record))
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def make_raw(self, config: Config) -> RawNode:
        """Create the state machine for one start of a member."""
        if self._logger is not None:
            config = replace(config, trace_logger=self._logger)
        if self._record is None:
            return RawNode(config)
        start = self._starts[config.id] = self._starts.get(config.id, 0) + 1
        sink = FileSink(self._record / f"node-{config.id}-{start}.rec")
        return Recorder(self._open.enter_context(sink)).make_raw(config)
