"""Fuzzing by hand.

python -m tests.random.fuzz run [TARGET] [--seconds N]     runs each target for N seconds, coverage-guided (`make fuzz`)
python -m tests.random.fuzz replay TARGET FILE...          runs inputs again, and shows each failure in full
python -m tests.random.fuzz minimise TARGET                reduces everything found so far to the inputs worth keeping
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import raftcy
from raftcy._build import load_pure

from .corpus import keep, seeds
from .coverage_guided import fuzz
from .minimise import worth_keeping
from .targets import TARGETS

FOUND = Path("build/fuzz")
MOST_BYTES = 3000


def builds() -> list[ModuleType]:
    """The build of this process, and the pure one."""
    return [raftcy, load_pure("raftcy_pure")]


def run(targets: list[str], seconds: int) -> int:
    """Run each target in its own process."""
    if importlib.util.find_spec("atheris") is None:
        print("there is no atheris for this interpreter or machine; CPython 3.11 to 3.14 on x86-64 Linux has it")
        return 2
    if raftcy.BUILD != "compiled":
        print("this is the pure build, so there is nothing to hold it against: build the extensions first")
        return 2
    failed = []
    for target in targets:
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.random.fuzz", "one", target, "--seconds", str(seconds)]
        log = FOUND / f"{target}.log"
        with log.open("w") as out:
            done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT)
        lines = log.read_text(errors="replace").splitlines()
        counts = [line.split()[-1] for line in lines if "number_of_executed_units" in line]
        what = f"{counts[-1] if counts else '?'} inputs in {time.monotonic() - began:.0f} s"
        print(f"{target}: {what}, {'nothing found' if done.returncode == 0 else f'FOUND SOMETHING, see {log}'}")
        sys.stdout.flush()
        failed += [target] if done.returncode else []
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.random.fuzz")
    parser.add_argument("what", choices=["run", "one", "replay", "minimise"])
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=int, default=600)
    given = parser.parse_args()
    FOUND.mkdir(parents=True, exist_ok=True)
    if given.what == "run":
        return run([given.target] if given.target else list(TARGETS), given.seconds)
    if given.target is None:
        parser.error("which target?")
    if given.what == "one":
        fuzz(given.target, builds(), given.seconds, FOUND)
    elif given.what == "replay":
        for path in given.files:
            TARGETS[given.target](builds(), path.read_bytes())
            print(f"{path}: nothing wrong")
    else:
        found = [path.read_bytes() for path in sorted((FOUND / given.target).glob("*"))]
        kept = worth_keeping(given.target, builds(), [*seeds(given.target, raftcy), *found], MOST_BYTES)
        keep(given.target, kept)
        print(f"{given.target}: {len(kept)} inputs of {sum(map(len, kept))} bytes kept, of {len(found)} found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
