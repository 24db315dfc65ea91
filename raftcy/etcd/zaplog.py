"""The log in the form of etcd's: a line of JSON for each record, or a line for people. Tools that read etcd's log read
this one.

Fields of a record are given by ``extra={"fields": {…}}``, and stand behind the message.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime

_LEVELS = ((logging.CRITICAL, "fatal"), (logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"))


def level_name(level: int) -> str:
    """Return zap's name of a level."""
    return next((name for least, name in _LEVELS if level >= least), "debug")


def _parts(record: logging.LogRecord) -> tuple[str, str, str, dict[str, object]]:
    """Return the time, the caller, the message and the fields of a record."""
    time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    fields = dict(getattr(record, "fields", None) or {})
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = repr(record.exc_info[1])
        fields["stacktrace"] = "".join(traceback.format_exception(*record.exc_info))
    folder = record.name.rpartition(".")[2]
    return time, f"{folder}/{record.filename}:{record.lineno}", record.getMessage(), fields


class JsonFormat(logging.Formatter):
    """One line of JSON for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time, caller, message, fields = _parts(record)
        line = {"level": level_name(record.levelno), "ts": time, "caller": caller, "msg": message, **fields}
        return json.dumps(line, separators=(",", ":"), default=str)


class ConsoleFormat(logging.Formatter):
    """A line with tabs for each record; its fields are JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time, caller, message, fields = _parts(record)
        shown = [time, level_name(record.levelno), caller, message]
        if fields:
            shown.append(json.dumps(fields, default=str))
        return "\t".join(shown)


def set_up(outputs: Iterable[str], level: int, form: str) -> logging.Handler:
    """Write the log of everything to ``outputs``: "default" or "stderr", "stdout", or files. Return the last handler.

    Raises OSError if a file cannot be opened.
    """
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    handlers = [_handler(each) for each in outputs]
    for handler in handlers:
        handler.setFormatter(JsonFormat() if form == "json" else ConsoleFormat())
        root.addHandler(handler)
    root.setLevel(level)
    return handlers[-1]


def _handler(output: str) -> logging.Handler:
    if output in ("default", "stderr"):
        return logging.StreamHandler(sys.stderr)
    if output == "stdout":
        return logging.StreamHandler(sys.stdout)
    if output == "systemd/journal":
        raise OSError("--log-outputs=systemd/journal is not supported: systemd takes what is written to stderr")
    return logging.FileHandler(output, encoding="utf-8")
