"""The command line ``python -m raftcy log``: inspect, verify and export a log that nobody has open.

The exit status is 0 if the log is intact; 1 if it is damaged; 2 if it cannot be read, or is in use.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .._arguments import integer
from .._statuses import epilog
from ..errors import Corruption, DirectoryRefused, StorageError
from .directory import Directory
from .offline import OfflineLog


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    commands = parser.add_subparsers(dest="action", required=True)
    for name, run, text in (
        ("inspect", _inspect, "say what is in a log: segments, groups, snapshots, a torn tail"),
        ("verify", _verify, "read every record, entry and snapshot, and say what is damaged"),
        ("export", _export, "write the entries of a group as lines of JSON, data in base64"),
    ):
        about: dict[str, Any] = {
            "help": text,
            "description": text[0].upper() + text[1:] + ".",
            "epilog": epilog(f"log {name}"),
        }
        made = commands.add_parser(name, allow_abbrev=False, **about)
        made.add_argument("dir", type=Path, metavar="DIR", help="the data directory")
        made.add_argument("--json", action="store_true", help="print JSON" if name != "export" else "as without it")
        made.add_argument("--group", type=integer(0, 2**64 - 1), metavar="ID", help="this group only")
        made.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    try:
        directory = Directory(arguments.dir, reading=True)
        try:
            return arguments.act(OfflineLog(directory), arguments)  # type: ignore[no-any-return]
        finally:
            directory.close()
    except OSError as error:
        return _failed(arguments, f"{error.filename}: {error.strerror}", 2)
    except DirectoryRefused as error:
        return _failed(arguments, str(error), 2)
    except Corruption as error:
        return _damaged(arguments, [error])
    except StorageError as error:
        return _failed(arguments, str(error), 2)


def _failed(arguments: argparse.Namespace, text: str, status: int) -> int:
    sys.stderr.write(f"raftcy log: {text}\n")
    return status


def _damaged(arguments: argparse.Namespace, found: list[Corruption]) -> int:
    if arguments.json:
        rows = [{"file": each.file, "offset": each.offset, "text": each.text} for each in found]
        _print_json({"intact": False, "damage": rows})
        return 1
    for each in found:
        _failed(arguments, str(each), 1)
    return 1


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def _verify(log: OfflineLog, arguments: argparse.Namespace) -> int:
    found = list(log.damage())
    if found:
        return _damaged(arguments, found)
    torn = log.found.cut
    if arguments.json:
        _print_json({"intact": True, "torn": None if torn is None else torn._asdict()})
    else:
        if torn is not None:
            sys.stdout.write(
                f"a torn tail, to be cut off: {torn.file}, {torn.size} bytes from offset {torn.offset} on\n"
            )
        count = sum(log.records.values())
        sys.stdout.write(f"intact: {len(log.records)} segments, {count} records, {len(log.groups)} groups\n")
    return 0


def _inspect(log: OfflineLog, arguments: argparse.Namespace) -> int:
    found = log.describe()
    if arguments.group is not None:
        found["groups"] = [each for each in found["groups"] if each["group"] == arguments.group]
    if arguments.json:
        _print_json(found)
        return 0
    lines = [f"format {found['format']}, identity {found['identity']}, cluster {found['cluster'] or 'not known yet'}"]
    lines += [f"segment {each['file']}: {each['size']} bytes, {each['records']} records" for each in found["segments"]]
    if found["torn"] is not None:
        lines.append(f"torn tail: {found['torn']['file']}, {found['torn']['size']} bytes at {found['torn']['offset']}")
    elif found["end"] is not None:
        closed = "closed" if found["closed"] else "not closed"
        lines.append(f"end: {found['end']['file']}, offset {found['end']['offset']}, {closed}")
    for each in found["groups"]:
        state = each["hard_state"] or {"term": 0, "vote": 0, "commit": 0}
        lines.append(
            f"group {each['group']}: entries {each['first_index']} to {each['last_index']}, term {state['term']}, "
            f"vote {state['vote']}, commit {state['commit']}"
        )
        for snap in each["snapshots"]:
            where = "in the log" if snap["file"] is None else snap["file"]
            lines.append(f"  snapshot {snap['index']}: {snap['bytes']} bytes, {where}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _export(log: OfflineLog, arguments: argparse.Namespace) -> int:
    chosen = arguments.group
    if chosen is None:
        if len(log.groups) != 1:
            return _failed(arguments, f"the log has {len(log.groups)} groups: choose one by --group", 2)
        chosen = next(iter(log.groups))
    if chosen not in log.groups:
        return _failed(arguments, f"the log has no group {chosen}", 2)
    for row in log.export(log.groups[chosen]):
        _print_json(row)
    return 0
