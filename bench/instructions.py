"""Instructions per operation: ``python -m bench.instructions``, with ``--check`` or ``--update``.

Time is no measure on a busy machine; the number of instructions is the same whatever the neighbours do. Valgrind's
cachegrind counts those of two runs of different length, and the difference is that of the additional operations:
what is done once cancels out. ``instructions.json`` keeps the counts. ``--check`` compares with them and fails on a
growth of more than 5 %; the counts of another interpreter, compiler or set of flags say nothing about ours, so then it
says that it cannot compare (and fails only where RAFTCY_CI promises that it can).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).with_name("instructions.json")
GROWTH_MAX = 1.05

Run = tuple[str, str, int, int, "list[str]"]

# Workload -> n of the shorter run and of the longer one, and more arguments.
_GROUPS: dict[str, tuple[int, int, list[str]]] = {
    "replicate1": (100, 600, []),
    "batch": (640, 3_200, []),
    "big": (320, 1_280, []),
    "single": (200, 2_200, []),
    "five": (320, 1_600, []),
    "readindex": (100, 900, []),
    "ticks": (40, 840, ["--groups", "20"]),
    "election": (50, 250, []),
    "transfer": (50, 250, []),
}
_CODEC: dict[str, tuple[int, int, list[str]]] = {
    "codec_encode": (100, 500, []),
    "codec_decode": (100, 500, []),
    "quorum": (1_000, 5_000, []),
    "node": (300, 1_300, []),
}
RUNS: dict[str, Run] = {
    f"{name}, {loop} loop": (name, loop, *rest)
    for loop, runs in (("python", _GROUPS | _CODEC), ("compiled", _GROUPS))
    for name, rest in runs.items()
}


class Failure(Exception):
    """A count could not be made."""


def count(runs: list[list[str]]) -> list[int]:
    """Instructions of runs of ``python -m bench`` with these arguments, all but what loading it takes."""
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", "--cachegrind-out-file=/dev/null"]
    # Sets of strings are walked in the order of their hashes.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [*tool, sys.executable, "-m", "bench.counted"]
    # The two runs of nothing tell what the parent itself adds from one fork to the next.
    text = json.dumps([[], [], *runs])
    done = subprocess.run(command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True, check=False)
    by_process = dict(re.findall(r"==(\d+)== I +refs: +([\d,]+)", done.stderr))
    if done.returncode != 0 or len(by_process) != len(runs) + 3:
        raise Failure(f"counting failed:\n{done.stdout}{done.stderr}")
    counts = [int(by_process[str(process)].replace(",", "")) for process in json.loads(done.stdout)]
    between = counts[1] - counts[0]
    return [each - counts[1] - between * number for number, each in enumerate(counts[2:], 1)]


def per_operation(runs: list[Run]) -> list[float]:
    """Instructions per operation: those of a longer run less those of a shorter one."""
    counts = count(
        [[workload, "--loop", loop, "--n", str(n), *more] for workload, loop, *ends, more in runs for n in ends]
    )
    pairs = zip(runs, counts[::2], counts[1::2], strict=True)
    return [(high - low) / (long - short) for (_, _, short, long, _), low, high in pairs]


def measure(names: list[str]) -> dict[str, int]:
    """Instructions per operation of each run, by its name in RUNS."""
    workers = min(os.cpu_count() or 1, len(names))
    shares = [names[start::workers] for start in range(workers)]
    # Compiled before, not while it is counted.
    subprocess.run([sys.executable, "-m", "bench", "single", "--n", "1"], cwd=ROOT, capture_output=True, check=False)
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda share: per_operation([RUNS[name] for name in share]), shares)
        by_name: dict[str, float] = {}
        for share, counts in zip(shares, found, strict=True):
            by_name.update(zip(share, counts, strict=True))
    return {name: round(by_name[name]) for name in names}


def combination() -> dict[str, str]:
    """What the counts depend on besides the source: interpreter, compiler, flags, machine, C library."""
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
    """Where two combinations differ, in words."""
    differ = [name for name in sorted({*kept, *here}) if kept.get(name) != here.get(name)]
    return [f"{name} is {here.get(name)!r}, kept is {kept.get(name)!r}" for name in differ]


def compare(kept: dict[str, int], found: dict[str, int]) -> tuple[list[str], list[str]]:
    """Lines for people, and the names whose counts grew too much or are not kept."""
    lines, grown = [], []
    for name, now in found.items():
        before = kept.get(name)
        if before is None:
            lines.append(f"{name:32} {now:>10,}   not kept yet")
            grown.append(name)
            continue
        ratio = now / before
        lines.append(f"{name:32} {now:>10,}   kept {before:>10,}   {ratio - 1:+7.2%}")
        if ratio > GROWTH_MAX:
            grown.append(name)
    return lines, grown


def _check(kept: dict[str, Any], names: list[str]) -> int:
    wrong = differences(kept["combination"], combination())
    if wrong:
        print("the kept counts are of another combination, so there is nothing to compare with:")
        print("\n".join(f"  {each}" for each in wrong))
        print("python -m bench.instructions --update takes this one.")
        return 1 if os.environ.get("RAFTCY_CI", "") not in ("", "0") else 0
    lines, grown = compare(kept["counts"], measure(names))
    print("\n".join(lines))
    if grown:
        print(f"more than {GROWTH_MAX - 1:.0%} above the kept counts: {'; '.join(grown)}")
        print("If that is meant, python -m bench.instructions --update keeps the new ones.")
    return 1 if grown else 0


def main(argv: list[str]) -> int:
    """Count, and print, compare or keep."""
    p = argparse.ArgumentParser(prog="python -m bench.instructions", description="Instructions per operation.")
    p.add_argument("names", nargs="*", metavar="WORKLOAD", help="default: all")
    what = p.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail if a count grew by more than 5 %%")
    what.add_argument("--update", action="store_true", help="keep the counts")
    o = p.parse_args(argv)
    names = [name for name, run in RUNS.items() if not o.names or run[0] in o.names]
    unknown = set(o.names) - {run[0] for run in RUNS.values()}
    if unknown:
        p.error(f"not counted: {', '.join(sorted(unknown))}")
    if shutil.which("valgrind") is None:
        p.error("valgrind is missing; on Debian: apt-get install valgrind")
    import raftcy

    if raftcy.BUILD != "compiled":
        p.error("the counts are those of the compiled build, and this is the pure one")
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {"combination": {}, "counts": {}}
    try:
        if o.check:
            return _check(kept, names)
        found = measure(names)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    if o.update:
        counts = found if kept["combination"] != combination() else {**kept["counts"], **found}
        new = {"combination": combination(), "counts": {name: counts[name] for name in RUNS if name in counts}}
        KEPT.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")
    print("\n".join(f"{name:32} {each:>10,}" for name, each in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
