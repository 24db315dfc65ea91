"""``python -m tools.tla [TRACE...]``: checks traces against etcd's TLA+ specification of raft.

Without arguments, runs and traces the stories of ``stories``. TLC must accept their traces and refuse the tampered
ones. With arguments, TLC must accept each NDJSON file. Prints one line for each trace. The exit status is 0 if every
verdict is as it must be, 1 if not, and 2 if something that the check needs cannot be found or fetched. If Java, Go or
Maven is missing, the stories are skipped with that reason and status 0; with RAFTCY_CI=1, or for files named as
arguments, the status is 2. ``--write FOLDER`` writes the traces of the stories as files.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .check import Verdict, check, events_of
from .parts import Missing, NoProgram, Parts, find
from .stories import STORIES, TAMPERED, Events

EVENTS_MAX = 350


class Case(NamedTuple):
    """A trace, and whether it must be accepted."""

    name: str
    events: Events
    accepted: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        cases = _files(arguments.traces) if arguments.traces else _stories()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"tools.tla: {error}\n")
        return 2
    if arguments.write is not None:
        _write(cases, arguments.write)
        return 0
    try:
        parts = find()
    except Missing as error:
        if isinstance(error, NoProgram) and not arguments.traces and not _promised():
            print(f"skipped: needs {error}")
            return 0
        sys.stderr.write(f"tools.tla: needs {error}\n")
        return 2
    return _run(parts, cases, arguments.jobs)


def _promised() -> bool:
    """Whether RAFTCY_CI promises that every program is installed, so that nothing may be skipped."""
    return os.environ.get("RAFTCY_CI", "") not in ("", "0")


def _run(parts: Parts, cases: list[Case], jobs: int) -> int:
    wrong = 0
    with ThreadPoolExecutor(jobs) as pool:
        verdicts = pool.map(lambda case: check(parts, case.events), cases)
        for case, verdict in zip(cases, verdicts, strict=True):
            good = verdict.accepted == case.accepted
            wrong += not good
            print(_line(case, verdict, good), flush=True)
    print(f"{len(cases) - wrong} of {len(cases)} traces have the right verdict")
    return 1 if wrong else 0


def _line(case: Case, verdict: Verdict, good: bool) -> str:
    text = f"{case.name}: {len(case.events)} events, {verdict}, {verdict.seconds:.1f} s"
    return text if good else f"{text}  <- must be {'accepted' if case.accepted else 'refused'}"


def _stories() -> list[Case]:
    accepted = [Case(name, story(), True) for name, story in STORIES.items()]
    return accepted + [Case(name, story(), False) for name, story in TAMPERED.items()]


def _files(paths: list[Path]) -> list[Case]:
    cases = []
    for path in paths:
        try:
            events = events_of(path.read_text(encoding="utf-8").splitlines())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if len(events) > EVENTS_MAX:
            sys.stderr.write(f"tools.tla: {path} has {len(events)} events; over {EVENTS_MAX} it takes minutes\n")
        cases.append(Case(str(path), events, True))
    return cases


def _write(cases: list[Case], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        lines = [json.dumps({"tag": "trace", "event": event}, separators=(",", ":")) + "\n" for event in case.events]
        path = folder / f"{Path(case.name).stem.replace(' ', '_')}.ndjson"
        path.write_text("".join(lines), encoding="utf-8")
        print(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.tla", description="Check traces against etcd's TLA+ specification of raft."
    )
    parser.add_argument("traces", nargs="*", type=Path, metavar="TRACE", help="an NDJSON file; default: the stories")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="checks at a time")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the traces and check nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
