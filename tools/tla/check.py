"""Checks one trace against the specification: the input for TLC, and the verdict in its output.

The specification reads its trace from a file through operators of CommunityModules. Our shim of them names a module
``TraceData`` instead, which is generated here from the trace. Two parts of the specification need features that TLC
2.18 lacks. Its conditions on TLC's mode and workers are replaced by options on the command line, and its property
TraceMatched by the verdict below. All invariants, and the property that the trace is a run of etcdraft, are checked
unchanged.

TLC exits with status 0 even if a trace gets stuck half-way. So the verdict comes from its output: a trace is accepted
if TLC reached its last event and reported no error.
"""

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from .parts import Parts

SHIMS = Path(__file__).parent / "shims"
TIMEOUT_S = 600
_PROGRESS = re.compile(r'<<"Progress %:", (\d+)>>')


class Verdict(NamedTuple):
    """``accepted`` or not; ``seconds`` of wall time; ``percent`` of the events reached; ``error``: TLC's report."""

    accepted: bool
    seconds: float
    percent: int
    error: str | None

    def __str__(self) -> str:
        if self.accepted:
            return "accepted"
        return f"refused after {self.percent} % of its events" + (f": {self.error}" if self.error else "")


def events_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The events of a trace in NDJSON, without lines of other tags. Raises ValueError for anything but a trace."""
    events = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if row["tag"] == "trace":
                events.append(row["event"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"line {number} is not an event of a trace: {error!r}") from None
    if not events:
        raise ValueError("a trace without events")
    return events


def check(parts: Parts, events: list[dict[str, Any]]) -> Verdict:
    """Run TLC over the events, in a separate folder."""
    with tempfile.TemporaryDirectory(prefix="raftcy-tla-") as name:
        folder = Path(name)
        _assemble(folder, parts.spec, events)
        # TLC unpacks its own modules into the temporary folder, where two runs would write the same files.
        command = [parts.java, "-Xss128m", "-XX:+UseParallelGC", f"-Djava.io.tmpdir={folder}"]
        command += ["-cp", str(parts.jar), "tlc2.TLC"]
        command += ["-config", "Traceetcdraft.cfg", "Traceetcdraft.tla", "-workers", "1", "-lncheck", "final"]
        started = time.monotonic()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
        return read(done.stdout, time.monotonic() - started)


def read(output: str, seconds: float) -> Verdict:
    """The verdict in TLC's output."""
    percent = max(map(int, _PROGRESS.findall(output)), default=0)
    error = next((line for line in output.splitlines() if "Error:" in line), None)
    if error is None and "Model checking completed" not in output:
        error = "TLC did not finish: " + " ".join(output.split())[-300:]
    return Verdict(percent == 100 and error is None, seconds, percent, error)


def _assemble(folder: Path, spec: Path, events: list[dict[str, Any]]) -> None:
    for shim in SHIMS.glob("*.tla"):
        shutil.copy(shim, folder)
    shutil.copy(spec / "etcdraft.tla", folder)
    trace = (spec / "Traceetcdraft.tla").read_text()
    trace = _replaced(trace, r"(?m)^ASSUME TLCGet.*$", "", 2)
    trace = _replaced(trace, r'TLCGet\("queue"\) = 1', "TRUE", 1)
    (folder / "Traceetcdraft.tla").write_text(trace)
    config = (spec / "Traceetcdraft.cfg").read_text()
    (folder / "Traceetcdraft.cfg").write_text(_replaced(config, r"PROPERTIES\s+TraceMatched", "", 1))
    rows = ",\n".join(f'[tag |-> "trace", event |-> {_tla(event)}]' for event in events)
    (folder / "TraceData.tla").write_text(f"---- MODULE TraceData ----\nTraceData == <<\n{rows}\n>>\n====\n")


def _replaced(text: str, pattern: str, by: str, times: int) -> str:
    changed, count = re.subn(pattern, by, text)
    if count != times:
        raise ValueError(f"the specification has {pattern!r} {count} times, not {times}: is it another version?")
    return changed


def _tla(value: Any) -> str:
    """A JSON value in TLA+."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"<<{', '.join(map(_tla, value))}>>"
    if isinstance(value, dict):
        return f"[{', '.join(f'{name} |-> {_tla(each)}' for name, each in value.items())}]" if value else "<<>>"
    raise ValueError(f"a trace cannot hold {value!r}")
