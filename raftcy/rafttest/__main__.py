"""``python -m raftcy.rafttest``: runs conformance scripts and vectors, or one node of a test cluster.

Writes differences to standard output, and the totals as the last line. Writes the build that runs, and errors of usage,
to standard error. The exit status is 0 if everything passed, 1 if something failed, and 2 if nothing could be run.
"""

import argparse
import io
import sys
from pathlib import Path

from .._build import BUILD
from .datadriven import ScriptError
from .suites import SUITES, find_scripts, run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command line ``argv``, by default that of the process, and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["wirepeer"]:
        from . import wirepeer

        return wirepeer.main(argv[1:])
    options = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a difference may contain bytes that are not text
    sys.stderr.write(f"raftcy.rafttest: {BUILD} build\n")
    try:
        if options.suite == "vectors":
            passed, failed = _run_vectors(options.paths)
        else:
            scripts = [script for path in options.paths for script in find_scripts(path)]
            passed, failed = _run_scripts(options.suite, scripts, options.rewrite)
    except OSError as error:
        sys.stderr.write(f"raftcy.rafttest: {error}\n")
        sys.stdout.write("0 passed, 0 failed\n")
        return 2
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m raftcy.rafttest",
        description="Run conformance scripts and vectors, or a node of a test cluster.",
    )
    suites = parser.add_subparsers(dest="suite", required=True, metavar="SUITE")
    for name in SUITES:
        suite = suites.add_parser(name, help=f"run {name} scripts")
        suite.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a script, or a folder of *.txt")
        suite.add_argument("--rewrite", action="store_true", help="update the expected outputs in the scripts instead")
    vectors = suites.add_parser("vectors", help="decode and re-encode wire vectors")
    vectors.add_argument(
        "paths", nargs="+", type=Path, metavar="FILE", help="a file of vectors, one JSON object per line"
    )
    suites.add_parser("wirepeer", help="run one node over TCP (see wirepeer -help)", add_help=False)
    return parser


def _run_scripts(suite: str, scripts: list[Path], rewrite: bool) -> tuple[int, int]:
    """Run scripts and return how many passed and failed."""
    failed = 0
    for script in scripts:
        try:
            if run_script(suite, script, rewrite=rewrite):
                sys.stdout.write(f"rewrote {script}\n")
        except (ScriptError, OSError) as error:
            failed += 1
            sys.stdout.write(f"{error}\n")
    return len(scripts) - failed, failed


def _run_vectors(files: list[Path]) -> tuple[int, int]:
    """Run vectors and return how many passed and failed."""
    from . import vectors

    passed = failed = 0
    for file in files:
        good, bad, differences = vectors.run_file(file)
        if good + bad == 0:
            raise FileNotFoundError(f"{file}: no vectors")
        passed, failed = passed + good, failed + bad
        sys.stdout.writelines(f"{difference}\n" for difference in differences)
    return passed, failed


if __name__ == "__main__":
    sys.exit(main())
