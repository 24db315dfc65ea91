"""The command line ``python -m raftcy replay``: replays, shows, debugs or compares recordings.

The exit status is 0 if the replay went as recorded or two recordings are the same, 1 if they differ or a file is
damaged, and 2 if a file cannot be read or the options exclude each other.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from .._arguments import integer
from .._build import BUILD, load_pure
from .._progress import Progress
from ..core.describe import describe_entries, describe_message
from ..core.rawnode import RawNode
from .compare import first_difference
from .mismatch import RecordingError
from .recording import Record, Recording
from .replay import Replay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to ``parser``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--until", type=integer(0), metavar="N", help="stop before record N and print the state")
    parser.add_argument("--show", action="store_true", help="print each record as it is replayed")
    parser.add_argument("--log", action="store_true", help="print the lines that the node logs")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")
    parser.add_argument("--pdb", action="store_true", help="stop in pdb before record N, or the last one; pure build")
    parser.add_argument("--salvage", action="store_true", help="take what stands before the damage in a damaged file")
    parser.add_argument(
        "--diff", type=Path, metavar="OTHER", help="compare with another recording instead, before record N"
    )
    parser.set_defaults(usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status. Raises SystemExit if options exclude each other."""
    _check(arguments)
    try:
        recording = Recording.read(arguments.file, salvage=arguments.salvage)
        if arguments.diff is not None:
            other = Recording.read(arguments.diff, salvage=arguments.salvage)
            return _compare(recording, other, arguments.until, arguments.json)
        if arguments.json:
            return _replay_json(recording, arguments)
        return _replay(recording, arguments)
    except OSError as error:
        sys.stderr.write(f"raftcy replay: {error.filename}: {error.strerror}\n")
        return 2
    except RecordingError as error:
        sys.stderr.write(f"raftcy replay: {error}\n")
        return 1


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options without effect: a comparison replays nothing, and under pdb the user asks for each output."""
    by_diff = ("pdb", "show", "log") if arguments.diff is not None else ()
    by_pdb = ("show", "log") if arguments.pdb else ()
    by_json = ("pdb", "show", "log") if arguments.json else ()
    for other, refused in (("--diff", by_diff), ("--pdb", by_pdb), ("--json", by_json)):
        for name in refused:
            if getattr(arguments, name):
                arguments.usage_error(f"--{name} has no meaning with {other}")


def _compare(one: Recording, other: Recording, until: int | None, as_json: bool) -> int:
    try:
        found = first_difference(one, other, until)
    except ValueError as error:
        sys.stderr.write(f"raftcy replay: {error}\n")
        return 2
    if as_json:
        _print_json({"same": found is None, "before": until, "difference": None if found is None else str(found)})
    elif found is not None:
        sys.stdout.write(f"{found}\n")
    else:
        sys.stdout.write("no difference\n" if until is None else f"no difference before record {until}\n")
    return 0 if found is None else 1


def _replay(recording: Recording, arguments: argparse.Namespace) -> int:
    out = sys.stdout
    records = recording.records
    out.write(
        f"node {recording.id}, recorded by raftcy {recording.version} ({recording.build} build), "
        f"records {records[0].number} to {records[-1].number}\n"
        if records
        else f"node {recording.id}, recorded by raftcy {recording.version} ({recording.build} build), no records\n"
    )
    if recording.torn is not None:
        out.write(f"the file breaks off in the middle of a record at offset {recording.torn}\n")
    if recording.damage is not None:
        out.write(f"damaged: {recording.damage}; what stands before that is replayed\n")
    if arguments.pdb:
        return _debug(arguments)
    replay = Replay(recording, logger=_Printer() if arguments.log else None)
    until = arguments.until
    try:
        _run(replay, until, arguments.show)
    except KeyboardInterrupt:
        out.write(f"{replay.place} of {len(records)} records replayed on the {BUILD} build, as recorded\n")
        raise
    out.write(f"{replay.place} records replayed on the {BUILD} build, as recorded\n")
    if until is not None:
        _print_state(replay)
    return 0


def _run(replay: Replay, until: int | None, show: bool) -> None:
    """Replay the records before ``until``. Raises RecordingError where the node behaves differently."""
    count = len(replay.recording.records)
    with Progress("raftcy replay") as progress:
        while (record := replay.next) is not None and (until is None or record.number < until):
            if show:
                sys.stdout.write(f"{_stamp(record)} {record}\n")
            elif progress.is_due():
                progress.show(f"{replay.place} of {count} records")
            replay.step()


def _replay_json(recording: Recording, arguments: argparse.Namespace) -> int:
    replay = Replay(recording)
    found: dict[str, Any] = {"node": recording.id, "version": recording.version, "recorded_by": recording.build}
    found |= {"records": len(recording.records), "torn": recording.torn, "build": BUILD, "difference": None}
    found["damage"] = None if recording.damage is None else str(recording.damage)
    try:
        _run(replay, arguments.until, False)
    except RecordingError as error:
        found["difference"] = str(error)
        return 1
    finally:
        _print_json(found | {"replayed": replay.place})
    return 0


def _print_json(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")


def _print_state(replay: Replay) -> None:
    out = sys.stdout
    record, node = replay.next, replay.node
    if node is not None:
        out.write(state_text(node))
    out.write("the recording ends here\n" if record is None else f"next: {_stamp(record)} {record}\n")


def state_text(node: RawNode) -> str:
    """Format a node's state in a few lines: its status, log, members, unstable entries and waiting messages."""
    raft = node.raft
    unstable = raft.log.unstable
    lines = [str(node.basic_status()), f"log: {raft.log}", f"members: {raft.tracker.config}"]
    lines += [f"peer {pr.id}: {pr}" for pr in raft.tracker.peers()]
    if unstable.entries:
        lines.append("unstable entries:\n  " + describe_entries(unstable.entries).rstrip().replace("\n", "\n  "))
    for name, messages in (("to send", raft.outbox.msgs), ("to send when stored", raft.outbox.msgs_after_append)):
        lines += [f"{name}: {describe_message(m)}" for m in messages]
    return "\n".join(lines) + "\n"


def _debug(arguments: argparse.Namespace) -> int:
    """Stop before a record, always on the pure build, where pdb can step into the core."""
    package = __package__ if BUILD == "pure" else f"{load_pure().__name__}.recorder"
    module: Any = importlib.import_module(f"{package}.debug")
    return module.stop_before(arguments.file, arguments.until, arguments.salvage)  # type: ignore[no-any-return]


class _Printer:
    """A logger that prints each line."""

    def debug(self, text: str) -> None:
        sys.stdout.write(f"    | {text}\n")

    info = warning = error = critical = debug


def _stamp(record: Record) -> str:
    seconds, rest = divmod(record.time_ns, 10**9)
    return f"{record.number} {time.strftime('%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}"
