"""Runs fresh random scripts of the reference on both builds: `python tools/fresh_scripts.py --seed 7 --count 500`.

The Go oracle in `tests/conformance/oracle` writes COUNT scripts of each kind, with the outputs of the reference. Then
each available build of raftcy runs all of them. The same seed and count give the same scripts. Needs Go.

The exit status is 0 if every script passed on every build, 1 if not, and 2 if the oracle cannot be built. If scripts
failed, the tool keeps them and prints their folder.
"""

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("interaction", "extended", "confchange", "quorum")
AT_A_TIME = 50


def main() -> int:
    options = parse()
    folder = Path(tempfile.mkdtemp(prefix="raftcy-fresh-"))
    try:
        generator = build_generator(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder)
        say(f"no oracle: {error}\n{getattr(error, 'stderr', '')}")
        return 2
    builds = list(find_builds())
    say(f"seed {options.seed}, {options.count} scripts of each kind, builds: {', '.join(name for name, _ in builds)}")
    with ThreadPoolExecutor(options.jobs) as pool:
        started = time.monotonic()
        list(pool.map(lambda kind: generate(generator, kind, folder, options), options.kinds))
        say(f"generated in {time.monotonic() - started:.1f} s")
        failures = [
            run_all(pool, build, environment, kind, folder) for build, environment in builds for kind in options.kinds
        ]
    if any(failures):
        say(f"the scripts are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def parse() -> argparse.Namespace:
    today = int(datetime.date.today().strftime("%Y%m%d"))
    parser = argparse.ArgumentParser(description="Run fresh random scripts of the reference on both builds.")
    parser.add_argument("--seed", type=int, default=today, help="first number of the random sequence; the day's date")
    parser.add_argument("--count", type=int, default=100, help="scripts of each kind (default 100)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    return parser.parse_args()


def build_generator(folder: Path) -> Path:
    program = folder / "gen"
    command = ["go", "build", "-o", str(program), "./cmd/gen"]
    subprocess.run(command, cwd=ROOT / "tests/conformance/oracle", check=True, capture_output=True, text=True)
    return program


def generate(generator: Path, kind: str, folder: Path, options: argparse.Namespace) -> None:
    numbers = ["-seed", str(options.seed), "-count", str(options.count)]
    command = [str(generator), *numbers, "-kind", kind, "-out", str(folder / kind)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def find_builds() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the builds that this checkout has, each with the environment that selects it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("RAFTCY_PURE_PYTHON", None)
    ask = [sys.executable, "-c", "import raftcy; print(raftcy.BUILD)"]
    active = subprocess.run(ask, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    if active != "pure":
        yield active, environment
    yield "pure", {**environment, "RAFTCY_PURE_PYTHON": "1"}


def run_all(pool: ThreadPoolExecutor, build: str, environment: dict[str, str], kind: str, folder: Path) -> int:
    """Run the scripts of one kind on one build, print the totals, and return how many failed."""
    scripts = sorted(map(str, (folder / kind).glob("*.txt")))
    chunks = [scripts[start : start + AT_A_TIME] for start in range(0, len(scripts), AT_A_TIME)]

    def run(chunk: list[str]) -> tuple[int, int]:
        command = [sys.executable, "-m", "raftcy.rafttest", kind, *chunk]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        *differences, total = done.stdout.splitlines() or ["0 passed, 0 failed"]
        words = total.split()
        passed, failed = int(words[0]), int(words[2])
        if done.returncode or passed != len(chunk):
            say("\n".join([*differences, done.stderr]))
            failed = max(failed, 1)
        return passed, failed

    started = time.monotonic()
    totals = list(pool.map(run, chunks))
    passed, failed = (sum(column) for column in zip(*totals, strict=True))
    say(f"{kind}, {build}: {passed} passed, {failed} failed in {time.monotonic() - started:.1f} s")
    return failed


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
