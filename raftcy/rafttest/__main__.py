"""``python -m raftcy.rafttest``: runs conformance scripts and vectors, or one node of a test cluster.

Writes differences to standard output, and the totals as the last line. Writes the build that runs, and errors of usage,
to standard error. If SIGINT ends it, the totals are of what had run. ``raftcy._statuses`` has the exit statuses.
"""

import argparse
import io
import json
import sys
from pathlib import Path

from .._build import BUILD
from .._progress import Progress
from .._statuses import epilog
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
    totals = Totals(options.json)
    status = 2
    try:
        with Progress("raftcy.rafttest") as progress:
            if options.suite == "vectors":
                _run_vectors(options.paths, totals, progress)
            else:
                scripts = [script for path in options.paths for script in find_scripts(path)]
                _run_scripts(options, scripts, totals, progress)
        status = 1 if totals.failed else 0
    except OSError as error:
        sys.stderr.write(f"raftcy.rafttest: {error}\n")
        totals = Totals(options.json)
    except KeyboardInterrupt:
        sys.stderr.write("raftcy.rafttest: interrupted\n")
        status = 130
    totals.end(options.suite)
    return status


class Totals:
    """How many passed, and what failed and how. With ``as_json``, everything is printed at the end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.passed = 0
        self.failed: list[dict[str, str]] = []

    def fail(self, where: str, text: str) -> None:
        """Note a failure. Its text says where it is."""
        self.failed.append({"where": where, "text": text})
        self.say(text)

    def say(self, text: str) -> None:
        """Print a line for a person."""
        if not self._as_json:
            sys.stdout.write(f"{text}\n")

    def end(self, suite: str) -> None:
        """Print the totals."""
        if self._as_json:
            found = {"suite": suite, "build": BUILD, "passed": self.passed, "failed": self.failed}
            sys.stdout.write(json.dumps(found) + "\n")
        else:
            sys.stdout.write(f"{self.passed} passed, {len(self.failed)} failed\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m raftcy.rafttest",
        description="Run conformance scripts and vectors, or a node of a test cluster.",
    )
    suites = parser.add_subparsers(dest="suite", required=True, metavar="SUITE")
    for name in SUITES:
        suite = suites.add_parser(name, allow_abbrev=False, help=f"run {name} scripts", epilog=epilog("rafttest"))
        suite.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a script, or a folder of *.txt")
        _add_json(suite)
        suite.add_argument("--rewrite", action="store_true", help="update the expected outputs in the scripts instead")
    vectors = suites.add_parser(
        "vectors", allow_abbrev=False, help="decode and re-encode wire vectors", epilog=epilog("rafttest")
    )
    vectors.add_argument(
        "paths", nargs="+", type=Path, metavar="FILE", help="a file of vectors, one JSON object per line"
    )
    _add_json(vectors)
    suites.add_parser("wirepeer", help="run one node over TCP (see wirepeer -help)", add_help=False)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, and nothing else")


def _run_scripts(options: argparse.Namespace, scripts: list[Path], totals: Totals, progress: Progress) -> None:
    for number, script in enumerate(scripts, 1):
        progress.show(f"{number} of {len(scripts)} scripts, {len(totals.failed)} failed, {script.name}")
        try:
            rewritten = run_script(options.suite, script, rewrite=options.rewrite)
        except (ScriptError, OSError) as error:
            progress.erase()
            totals.fail(str(script), str(error))
            continue
        totals.passed += 1
        if rewritten:
            progress.erase()
            totals.say(f"rewrote {script}")


def _run_vectors(files: list[Path], totals: Totals, progress: Progress) -> None:
    from . import vectors

    for number, file in enumerate(files, 1):
        progress.show(f"{number} of {len(files)} files, {totals.passed} vectors passed, {file.name}")
        passed, failed, differences = vectors.run_file(file)
        if passed + failed == 0:
            raise FileNotFoundError(f"{file}: no vectors")
        progress.erase()
        totals.passed += passed
        for difference in differences:
            totals.fail(str(file), difference)


if __name__ == "__main__":
    sys.exit(main())
