"""The command lines ``raftcy backup``, ``raftcy restore`` and ``raftcy recover``, for members that do not run.

The exit status is 0 if it was done, 1 if it was refused or failed, and 2 for a wrong command line.
"""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from .._arguments import integer
from ..errors import StorageError
from ..storage.directory import Directory
from .hostrecords import given_addresses
from .transplant import Backup, Kept, OldDirectory, Standing, plant, write_backup

WARNING = """\
Recover only if a majority of the old cluster is lost for good. Its members, should they come back, do not know of this:
stop them, and do not serve clients by them. Whatever a lost majority had committed beyond these logs is lost.
"""


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``backup``."""
    parser.add_argument("dir", type=Path, metavar="DIR", help="the data directory of a member that does not run")
    parser.add_argument("file", type=Path, metavar="FILE", help="the backup to make; it must not exist")


def add_restore(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``restore``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a backup")
    _add_new(parser, required=True)


def add_recover(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``recover``."""
    parser.add_argument(
        "dirs", type=Path, nargs="+", metavar="DIR", help="the data directories of survivors, none of which runs"
    )
    _add_new(parser, required=False)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _add_new(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="the new data directory, made if missing")
    parser.add_argument(
        "--id",
        type=integer(1, 2**64 - 3),
        required=required,
        help="the id of the member" + ("" if required else " (default: that of the first directory)"),
    )
    parser.add_argument(
        "--address", action="append", required=required, help="where it is reached, such as host:7000; may come again"
    )


def run_backup(arguments: argparse.Namespace) -> int:
    """Write a backup."""
    aside = arguments.file.with_name(arguments.file.name + ".part")
    try:
        with ExitStack() as stack:
            if arguments.file.exists():
                raise FileExistsError(None, "the file exists", str(arguments.file))
            old = OldDirectory(_reading(stack, arguments.dir))
            # For its owner only, like the directory.
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                write_backup(file.write, old)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(arguments.file)
        for standing in old.standings():
            sys.stdout.write(f"{_named(standing)}: up to entry {standing.last_index}\n")
    except (OSError, StorageError) as error:
        aside.unlink(missing_ok=True)
        return _failed("backup", error)
    return 0


def run_restore(arguments: argparse.Namespace) -> int:
    """Make a new cluster of one member from a backup."""
    try:
        with ExitStack() as stack, arguments.file.open("rb") as file:
            backup = Backup(file)
            _plant(stack, arguments, backup.groups(), arguments.id, arguments.address)
    except (OSError, StorageError, ValueError) as error:
        return _failed("restore", error)
    return 0


def run_recover(arguments: argparse.Namespace) -> int:
    """Make a new cluster of one member from what the survivors of an old one have."""
    try:
        with ExitStack() as stack:
            survivors = [OldDirectory(_reading(stack, path)) for path in arguments.dirs]
            if len({each.cluster for each in survivors}) > 1:
                raise StorageError("the directories belong to different clusters")
            best = _best(survivors)
            sys.stdout.write(_shown(survivors, best))
            if not arguments.yes and not _confirmed():
                sys.stderr.write("raftcy recover: nothing was done\n")
                return 1
            first = survivors[0].member
            id = arguments.id or (0 if first is None else first.id)
            addresses = arguments.address or ([] if first is None else list(first.addresses))
            groups = (old.take(standing) for old, standing in best)
            _plant(stack, arguments, groups, id, addresses)
    except (OSError, StorageError, ValueError) as error:
        return _failed("recover", error)
    return 0


def _best(survivors: list[OldDirectory]) -> list[tuple[OldDirectory, Standing]]:
    """Return, for each group, the survivor that would win an election."""
    found: dict[int, tuple[OldDirectory, Standing]] = {}
    # One of the directories may not know of a deletion yet.
    deleted = {id for old in survivors for id in old.registry.deleted}
    for old in survivors:
        for standing in [each for each in old.standings() if each.id not in deleted]:
            rival = found.get(standing.id)
            if rival is None or (standing.last_term, standing.last_index) > (rival[1].last_term, rival[1].last_index):
                found[standing.id] = (old, standing)
    return [found[id] for id in sorted(found)]


def _shown(survivors: list[OldDirectory], best: list[tuple[OldDirectory, Standing]]) -> str:
    here = {each.member.id for each in survivors if each.member is not None}
    hosts = survivors[0].registry.hosts
    lines = [f"cluster {survivors[0].cluster:016x}, members {sorted(hosts)}; directories of {sorted(here)} are here"]
    lost = sorted(id for id, each in hosts.items() if id not in here and not each.is_reserved)
    lines.append(f"left behind: {lost}")
    for old, each in best:
        owner = "" if old.member is None else f", of member {old.member.id}"
        lines.append(
            f"{_named(each)}: up to entry {each.last_index} of term {each.last_term}{owner}; the last {each.unsure} "
            "entries may not have been committed, and count as committed from now on"
        )
    return "\n".join(lines) + "\n" + WARNING


def _named(standing: Standing) -> str:
    return f"group {standing.name!r}" if standing.name else f"group {standing.id} (without a name)"


def _confirmed() -> bool:
    sys.stdout.write("Type yes to make the new cluster: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip() == "yes"


def _reading(stack: ExitStack, path: Path) -> Directory:
    directory = Directory(path, reading=True)
    stack.callback(directory.close)
    return directory


def _plant(
    stack: ExitStack, arguments: argparse.Namespace, groups: Iterable[Kept], id: int, addresses: list[str]
) -> None:
    found = given_addresses(addresses)
    counted = _Counted(groups)
    directory = Directory(arguments.to)
    stack.callback(directory.close)
    cluster = plant(directory, counted, id, found, time.monotonic, secrets.token_bytes)
    sys.stdout.write(
        f"{arguments.to} is the directory of member {id}, the only one of the new cluster {cluster:016x}, with "
        f"{counted.count} groups. Start it, and let new hosts join it.\n"
    )


class _Counted:
    """Groups, counted as they are taken."""

    def __init__(self, groups: Iterable[Kept]) -> None:
        self._groups = groups
        self.count = 0

    def __iter__(self) -> Iterator[Kept]:
        for each in self._groups:
            self.count += 1
            yield each


def _failed(command: str, error: Exception) -> int:
    named = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    sys.stderr.write(f"raftcy {command}: {named}\n")
    return 1
