"""The command line ``python -m raftcy`` and its commands, such as ``… demo [FILE]`` and ``… log inspect DIR``."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import BUILD, __version__, demo
from ._arguments import integer
from ._build import why_pure
from ._completion import SHELLS
from ._statuses import epilog
from .etcd import launch
from .recorder import command as replay
from .replica import recovery
from .sim import command_line as sim
from .sim.workers import Terminated, terminable
from .storage import log_command as log

ETCD = "etcd"
"""The command whose flags are Go's and not argparse's."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status, one of those in ``_statuses``; ``etcd`` ends as etcd does."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == [ETCD]:
        return launch.main(given[1:])
    arguments = make_parser().parse_args(given)
    try:
        with terminable():
            return arguments.run(arguments)  # type: ignore[no-any-return]
    except KeyboardInterrupt:
        sys.stderr.write(f"raftcy {arguments.command}: interrupted\n")
        return 130
    except Terminated:
        sys.stderr.write(f"raftcy {arguments.command}: terminated\n")
        return 143
    except BrokenPipeError:
        # Whoever read standard output is gone. Without this, the interpreter would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _demo(arguments: argparse.Namespace) -> int:
    options = demo.Options(
        file=arguments.file, records=arguments.records, port=arguments.port, tick_ms=arguments.tick_ms
    )
    try:
        asyncio.run(demo.run(options))
    except demo.DemoError as error:
        sys.stderr.write(f"raftcy demo: {error}\n")
        return 1
    except asyncio.CancelledError:
        sys.stderr.write("raftcy demo: terminated\n")
        return 143
    return 0


def _complete(arguments: argparse.Namespace) -> int:
    sys.stdout.write(SHELLS[arguments.shell](make_parser(), "raftcy"))
    return 0


class _Version(argparse.Action):
    """Says which version and build runs, on one line: argparse's action would break it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        why = f": {why_pure()}" if BUILD == "pure" else ""
        sys.stdout.write(f"raftcy {__version__}, {BUILD} build{why}\n")
        parser.exit()


def _add(commands: Any, name: str, run: Callable[[argparse.Namespace], int], **about: str) -> argparse.ArgumentParser:
    """Add a command, whose help ends with its exit statuses."""
    parser: argparse.ArgumentParser = commands.add_parser(name, allow_abbrev=False, epilog=epilog(name), **about)
    parser.set_defaults(run=run)
    return parser


def _add_recovery(commands: Any) -> None:
    saved = _add(
        commands,
        "backup",
        recovery.run_backup,
        help="write all groups of a data directory into a file",
        description="Writes all groups of a member that does not run into a file, with all entries of its log.",
    )
    recovery.add_backup(saved)
    restored = _add(
        commands,
        "restore",
        recovery.run_restore,
        help="make a new cluster from a backup",
        description="Makes the data directory of the only member of a new cluster, with the groups of a backup.",
    )
    recovery.add_restore(restored)
    recovered = _add(
        commands,
        "recover",
        recovery.run_recover,
        help="make a new cluster of what is left when a majority is lost",
        description="Shows what survivors of a cluster have and what may be lost, asks for confirmation, and makes the "
        "data directory of the only member of a new cluster. It takes each group's log that would win an election.",
    )
    recovery.add_recover(recovered)


def _add_completion(commands: Any) -> None:
    made = _add(
        commands,
        "completion",
        _complete,
        help="print a script that completes this command line in a shell",
        description="Prints a script that completes the command line of raftcy. For this bash alone: "
        'eval "$(raftcy completion bash)". The first lines of the script say where to save it.',
    )
    made.add_argument("shell", choices=sorted(SHELLS), help="the shell: %(choices)s")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m raftcy", description="raftcy: etcd's raft for Python.")
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version and build runs, and exit")
    commands = parser.add_subparsers(dest="command", required=True)
    shown = _add(
        commands,
        "demo",
        _demo,
        help="replicate a file on three durable processes, which are killed on the way",
        description="Three processes on loopback replicate a file record by record; each line is a record. After a "
        "third, the leader is killed and started again; after two thirds, all are. At the end, every record is read "
        "back on each of them. Their data is in a temporary folder, which is removed.",
    )
    shown.add_argument("file", nargs="?", type=Path, help="file to replicate (default: a generated Unicode table)")
    shown.add_argument(
        "--records", type=integer(1), default=60_000, help="records in the generated file (default: %(default)s)"
    )
    shown.add_argument(
        "--port", type=integer(1, 65533), default=0, help="first of three consecutive ports (default: any free ports)"
    )
    shown.add_argument(
        "--tick-ms",
        type=integer(1),
        default=50,
        help="milliseconds per tick; an election takes 10 to 20 ticks (default: %(default)s)",
    )
    simulated = _add(
        commands,
        "sim",
        sim.main,
        help="run simulated clusters under faults and check that no rule is violated",
        description="Runs a cluster in one process and in virtual time; a seed decides everything that happens. Each "
        "seed runs under faults and must then settle. The rules are checked throughout.",
    )
    sim.add_arguments(simulated)
    again = _add(
        commands,
        "replay",
        replay.run,
        help="replay the recording of a node",
        description="Replays a recording made by raftcy.recorder on the build that runs here, and reports where the "
        "node behaves differently from the recording.",
    )
    replay.add_arguments(again)
    looked = commands.add_parser(
        "log",
        allow_abbrev=False,
        help="inspect, verify or export a log on disk",
        description="Reads the log in a data directory that nobody has open. Nothing is changed.",
    )
    log.add_arguments(looked)
    looked.set_defaults(run=log.run)
    _add_recovery(commands)
    commands.add_parser(ETCD, add_help=False, help="run an etcd v3 server, with etcd's flags; see `raftcy etcd --help`")
    _add_completion(commands)
    return parser
