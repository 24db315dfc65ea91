"""Instructions per operation: ``python -m bench.instructions``, with ``--check``, ``--update`` or ``--peer NAME``.

On a busy machine time measures nothing, but the number of instructions does not depend on other processes.
``instructions.json`` keeps the counts. ``--check`` compares with them and fails if a count has grown by more than 5 %.
Counts of another interpreter, compiler or set of flags say nothing about this one; with those it reports that it cannot
compare, and fails only if RAFTCY_CI promises that it can. With ``--base REV`` it compares with that commit instead,
built and counted by the same interpreter and compiler. ``--peer`` also counts a peer's program and prints it beside
ours, without keeping or checking its counts.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from . import base, ending
from .cachegrind import ROOT, Failure, Run, per_operation, per_operation_of
from .peers import build
from .rows import LABELS, ROWS

KEPT = Path(__file__).with_name("instructions.json")
GROWTH_MAX = 1.05
# How often each count is made, every time with most objects at other addresses; the smallest one is used (see counted).
LAYOUTS = 3
# Peers whose programs are counted. Go's count would include its collector's threads, which run at any time.
PEERS = ("rust", "rust-prost")

# With both loops. Ten thousand groups take minutes to set up under valgrind, so bench.flat counts them.
_GROUPS = {
    "replicate1": Run("replicate1", 100, 600),
    "batch": Run("batch", 640, 3_200),
    "big": Run("big", 320, 1_280),
    "single": Run("single", 200, 2_200),
    "five": Run("five", 320, 1_600),
    "batch, batch_append": Run("batch", 640, 3_200, ("--batch-append",)),
    "five, batch_append": Run("five", 320, 1_600, ("--batch-append",)),
    "readindex": Run("readindex", 100, 900),
    "ticks": Run("ticks", 40, 840, ("--groups", "20")),
    "election": Run("election", 50, 250),
    "transfer": Run("transfer", 50, 250),
}
# With the Python loop alone.
_OTHERS = {
    "backlog": Run("backlog", 50, 250, ("--waiting", "500")),
    "backlog_reads": Run("backlog_reads", 50, 250, ("--waiting", "500")),
    "codec_encode": Run("codec_encode", 100, 500),
    "codec_decode": Run("codec_decode", 100, 500),
    "codec_encode_hb": Run("codec_encode_hb", 500, 2_500),
    "codec_decode_hb": Run("codec_decode_hb", 500, 2_500),
    "codec_encode_fields": Run("codec_encode_fields", 20, 100),
    "codec_decode_fields": Run("codec_decode_fields", 20, 100),
    "codec_encode_hb_fields": Run("codec_encode_hb_fields", 500, 2_500),
    "codec_decode_hb_fields": Run("codec_decode_hb_fields", 500, 2_500),
    "quorum, 3 voters": Run("quorum", 1_000, 5_000, ("--nodes", "3")),
    "quorum, 101 voters": Run("quorum", 1_000, 5_000, ("--nodes", "101")),
    "node": Run("node", 300, 1_300),
    "node3": Run("node3", 100, 500),
}
RUNS: dict[str, Run] = {
    f"{name}, {loop} loop": replace(run, loop=loop)
    for loop, runs in (("python", _GROUPS | _OTHERS), ("compiled", _GROUPS))
    for name, run in runs.items()
}
T = TypeVar("T")
R = TypeVar("R")


def _spread(work: Callable[[list[T]], list[R]], over: list[T]) -> list[R]:
    """The results of ``work`` for each item, spread over all processors."""
    workers = min(os.cpu_count() or 1, len(over))
    shares = [over[start::workers] for start in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(work, shares))
    return [found[place % workers][place // workers] for place in range(len(over))]


def measure(names: list[str], layout: int = 0) -> dict[str, int]:
    """Instructions per operation of each run, by its name in RUNS. For ``layout`` see ``counted``."""
    # Bytecode is compiled before, not during the count.
    subprocess.run([sys.executable, "-m", "bench", "single", "--n", "1"], cwd=ROOT, capture_output=True, check=False)
    counts = _spread(lambda share: per_operation(share, layout), [RUNS[name] for name in names])
    return {name: round(each) for name, each in zip(names, counts, strict=True)}


def least(names: list[str], before: dict[str, int] | None = None) -> dict[str, int]:
    """The smallest counts over LAYOUTS; with ``before``, a row is counted again only while it exceeds its limit."""
    found = measure(names)
    for layout in range(1, LAYOUTS):
        again = names if before is None else compare(before, found)[1]
        if again:
            found |= {name: min(found[name], each) for name, each in measure(again, layout).items()}
    return found


def measure_peer(peer: str, names: list[str]) -> dict[str, int]:
    """A peer's program's counts, by the names of our runs, without the workloads that it does not have."""
    try:
        command = build.PEERS[peer]()
    except build.Missing as reason:
        raise Failure(f"{LABELS[peer]} cannot be counted: {reason}") from None
    has = {row.workload for row in ROWS if peer in row.who}
    runs = list(dict.fromkeys(replace(RUNS[name], loop="compiled") for name in names if RUNS[name].workload in has))
    counts = _spread(lambda share: [per_operation_of(command, run) for run in share], runs)
    by_run = dict(zip(runs, counts, strict=True))
    found = {name: by_run.get(replace(RUNS[name], loop="compiled")) for name in names}
    return {name: round(each) for name, each in found.items() if each is not None}


def beside(ours: dict[str, int], theirs: dict[str, int], label: str) -> list[str]:
    """Lines to print: ours, theirs and the ratio."""
    lines = [f"{'':36} {'raftcy':>10} {label:>14} {'ratio':>7}"]
    for name, one in ours.items():
        other = theirs.get(name)
        right = f"{'-':>14} {'-':>7}" if other is None else f"{other:>14,} {one / other:>7.2f}"
        lines.append(f"{name:36} {one:>10,} {right}")
    return lines


def chosen(words: list[str]) -> list[str]:
    """The runs of the named workloads, or rows such as "quorum, 101 voters"; without names all. Raises ValueError."""
    of = {name: {run.workload, name, name.rpartition(", ")[0]} for name, run in RUNS.items()}
    unknown = set(words).difference(*of.values())
    if unknown:
        raise ValueError(f"not counted: {', '.join(sorted(unknown))}")
    return [name for name, called in of.items() if not words or called & set(words)]


def combination() -> dict[str, str]:
    """Everything besides the source that the counts depend on: interpreter, compiler, flags, machine, C library."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    options = sorted(ROOT.glob(f"build/temp.*{sys.implementation.cache_tag}*/options.txt"))
    return {
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}",
        "compiler": _first_line([compiler, "--version"]),
        "options": options[0].read_text() if options else "unknown",
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
    }


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.partition("\n")[0]


def differences(kept: dict[str, str], here: dict[str, str]) -> list[str]:
    """The differences between two combinations, in words."""
    differ = [name for name in sorted({*kept, *here}) if kept.get(name) != here.get(name)]
    return [f"{name} is {here.get(name)!r}, kept is {kept.get(name)!r}" for name in differ]


def compare(
    before: dict[str, int], found: dict[str, int], called: str = "kept", fresh: str = "not kept yet"
) -> tuple[list[str], list[str], list[str]]:
    """Lines to print, the names whose counts grew too much, and the names that have nothing to compare with."""
    lines, grown, new = [], [], []
    for name, now in found.items():
        if name not in before:
            lines.append(f"{name:36} {now:>10,}   {fresh}")
            new.append(name)
            continue
        ratio = now / before[name]
        lines.append(f"{name:36} {now:>10,}   {called} {before[name]:>10,}   {ratio - 1:+7.2%}")
        if ratio > GROWTH_MAX:
            grown.append(name)
    return lines, grown, new


def _check(kept: dict[str, Any], names: list[str]) -> int:
    wrong = differences(kept["combination"], combination())
    if wrong:
        print("the kept counts belong to another combination, so there is nothing to compare with:")
        print("\n".join(f"  {each}" for each in wrong))
        print("python -m bench.instructions --update replaces it by this one.")
        return 1 if os.environ.get("RAFTCY_CI", "") not in ("", "0") else 0
    lines, grown, new = compare(kept["counts"], least(names, kept["counts"]))
    print("\n".join(lines))
    return _said(grown + new, "the kept counts")


def _check_base(kept: dict[str, int], names: list[str], revision: str) -> int:
    base_kept, base_found = base.counts_of(revision)
    allowed = base.allowed(base_kept, base_found, kept)
    lines, grown, _ = compare(allowed, least(names, allowed), "allowed", "new")
    print("\n".join(lines))
    return _said(grown, f"what {revision} takes here")


def _said(grown: list[str], what: str) -> int:
    if grown:
        print(f"more than {GROWTH_MAX - 1:.0%} above {what}: {'; '.join(grown)}")
        print("If that is intended, python -m bench.instructions --update keeps the new ones.")
    return 1 if grown else 0


def main(argv: list[str]) -> int:
    """Count, then print, compare or keep the counts."""
    p = ending.Parser("bench.instructions", "Instructions per operation.")
    p.add_argument("names", nargs="*", metavar="WORKLOAD", help="or one of its rows, as they are printed; default: all")
    what = p.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail if a count grew by more than 5 %%")
    what.add_argument("--update", action="store_true", help="keep the counts")
    what.add_argument("--peer", choices=PEERS, help="count this peer's program as well")
    p.add_argument("--base", metavar="REV", help="check against this commit, built and counted here")
    o = p.parse_args(argv)
    if o.base and not o.check:
        p.error("--base needs --check")
    try:
        names = chosen(o.names)
    except ValueError as wrong:
        p.error(str(wrong))
    if shutil.which("valgrind") is None:
        p.error("valgrind is missing; on Debian: apt-get install valgrind")
    import raftcy

    if raftcy.BUILD != "compiled":
        p.error("the counts are for the compiled build, and this is the pure one")
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {"combination": {}, "counts": {}}
    try:
        if o.check:
            return _check_base(kept["counts"], names, o.base) if o.base else _check(kept, names)
        found = least(names) if o.update else measure(names)
        theirs = measure_peer(o.peer, names) if o.peer else {}
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    if o.update:
        counts = found if kept["combination"] != combination() else {**kept["counts"], **found}
        new = {"combination": combination(), "counts": {name: counts[name] for name in RUNS if name in counts}}
        KEPT.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")
    if o.peer:
        print("\n".join(beside(found, theirs, LABELS[o.peer])))
    else:
        print("\n".join(f"{name:36} {each:>10,}" for name, each in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(ending.run("bench.instructions", main, sys.argv[1:]))
