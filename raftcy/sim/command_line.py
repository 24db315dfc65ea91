"""The command line of the simulator: ``python -m raftcy sim`` and ``python -m raftcy sim replay``."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from .. import BUILD
from .._arguments import integer
from .._statuses import epilog
from ..core.rawnode import RawNode
from .capture import Watch
from .profiles import HOSTS, MIXED, PROFILES, find, names
from .result import STEPS, command, profile_name
from .runner import Options, Totals, run_seeds
from .schedule import parse
from .stepwise import replay


def add_arguments(parser: Any) -> None:
    """Add the arguments of ``sim`` to a parser."""
    _add_common(parser)
    parser.add_argument("--seeds", type=integer(1), default=100, help="consecutive seeds to run (default: %(default)s)")
    parser.add_argument(
        "--from", type=integer(0, 2**64 - 1), dest="first", metavar="SEED", help="first seed (default: from the clock)"
    )
    parser.add_argument(
        "--jobs", type=integer(1), default=os.cpu_count() or 1, help="processes to use (default: %(default)s)"
    )
    parser.add_argument(
        "--lockstep", action="store_true", help="compare the compiled and the pure build, event by event"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, and nothing else")
    commands = parser.add_subparsers(dest="sim_command")
    again = commands.add_parser(
        "replay",
        allow_abbrev=False,
        epilog=epilog("sim replay"),
        help="run one seed and show each event, with the state before and after it",
    )
    again.add_argument("seed", type=integer(0, 2**64 - 1))
    _add_common(again)
    again.add_argument(
        "--only", type=_actions, metavar="LIST", help="only these actions of the schedule, such as 3,7-9; - for none"
    )
    again.add_argument(
        "--lockstep", action="store_true", default=argparse.SUPPRESS, help="compare both builds after each event"
    )
    again.add_argument("--until", type=integer(1), metavar="N", help="stop after N events")
    again.add_argument("--trace", type=Path, metavar="FILE", help="write a trace for etcd's TLA+ specification")
    again.add_argument(
        "--record", type=Path, metavar="FOLDER", help="record every start of every member, for `raftcy replay`"
    )


def _add_common(parser: Any) -> None:
    about = "; ".join(f"{name}: {profile.about}" for name, profile in PROFILES.items())
    parser.add_argument(
        "--profile",
        choices=names(),
        default=MIXED,
        metavar="P",
        help=f"{MIXED}: a profile drawn from the seed (default); {HOSTS}: one of those with whole hosts; {about}",
    )
    parser.add_argument(
        "--steps", type=integer(1), default=STEPS, help="events under faults per seed (default: %(default)s)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Run ``sim`` and return the exit status: 0 if all seeds passed, 1 if not, 2 if it cannot run here."""
    if arguments.lockstep and BUILD != "compiled":
        sys.stderr.write("raftcy sim: there is no compiled build here to compare the pure one with\n")
        return 2
    if arguments.sim_command == "replay":
        return _replay(arguments)
    first = arguments.first if arguments.first is not None else int(time.time() * 1000) % 10**9
    options = Options(
        seeds=arguments.seeds,
        first=first,
        jobs=arguments.jobs,
        profile=arguments.profile,
        steps=arguments.steps,
        lockstep=arguments.lockstep,
        shrink=not arguments.json,
    )
    totals = Totals()
    begun = time.monotonic()
    try:
        run_seeds(options, _ignore if arguments.json else _say, totals)
    finally:
        if arguments.json:
            _say(json.dumps(_summary(options, totals, time.monotonic() - begun)))
    return 1 if totals.failed else 0


def _summary(options: Options, totals: Totals, seconds: float) -> dict[str, Any]:
    """What ``--json`` prints. If the seeds in it are fewer than those wanted, the run was interrupted."""
    failed = [
        {
            "seed": result.seed,
            "profile": profile_name(result),
            "rule": result.failure.rule,
            "text": result.failure.text,
            "event": result.failure.event,
            "time_us": result.failure.time,
            "replay": command(result),
        }
        for result in totals.failed
        if result.failure is not None
    ]
    return {
        "first": options.first,
        "seeds": options.seeds,
        "profile": options.profile,
        "steps": options.steps,
        "lockstep": options.lockstep,
        "passed": totals.passed,
        "failed": failed,
        "events": totals.events,
        "simulated_us": totals.time,
        "writes": totals.writes,
        "reads": totals.reads,
        "seconds": round(seconds, 3),
    }


def _replay(arguments: argparse.Namespace) -> int:
    watched = arguments.trace is not None or arguments.record is not None
    if watched and find(arguments.profile, arguments.seed).hosts:
        sys.stderr.write("raftcy sim: --trace and --record cannot watch whole hosts\n")
        return 2
    try:
        with Watch(arguments.trace, arguments.record) as watch:
            broken = replay(
                arguments.seed,
                arguments.profile,
                arguments.steps,
                only=arguments.only,
                until=arguments.until,
                write=_say,
                make_raw=watch.make_raw if watched else RawNode,
                lockstep=arguments.lockstep,
            )
    except OSError as error:
        sys.stderr.write(f"raftcy sim: {error.filename}: {error.strerror}\n")
        return 2
    if broken is None:
        _say("no rule was violated")
    return 0 if broken is None else 1


def _ignore(text: str) -> None:
    pass


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _actions(text: str) -> list[int]:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
