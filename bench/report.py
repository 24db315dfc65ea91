"""All contestants in turns: ``python -m bench.report`` (some minutes) or ``--full`` (an hour on a slow machine).

The quick report prints tables and writes its results into build/bench. The full one also measures the cost by the size
of the log and the number of groups, and counts the instructions at both ends. It writes bench/results/DATE.json and the
plots in docs/plots, and puts the tables into docs/benchmarks.md and a short one into README.md. Then it fails if a cost
grows with a size and must not. ``--from FILE`` writes earlier results again.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from . import collect, ending, flat, tables
from .cachegrind import Failure
from .peers.build import OUT, build_all
from .rows import ROWS, Contestant, Row, contestants

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
PLOTS = ROOT / "docs" / "plots"
KEPT = [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
GROUPS = [1, 10, 100, 1_000, 10_000]
QUICK_SCALE = 0.25


def measure(rows: list[Row], who: dict[str, Contestant], rounds: int, scale: float) -> dict[str, Any]:
    """All runs of the rows, and the memory from the ticks. ``interrupted`` says whether there are fewer than wanted."""
    before = collect.machine()
    interrupted = False
    try:
        runs = collect.in_turns(rows, who, rounds, scale)
    except ending.Interrupted as ended:
        interrupted, runs = True, ended.found
    result: dict[str, Any] = {
        "interrupted": interrupted,
        **collect.frame(before, rounds, collect.versions(runs)),
        "rows": {
            row.name: {
                "clock": row.clock,
                "n": {name: lines[0]["n"] for name, lines in runs[row.name].items() if lines},
                "runs": {name: collect.figures(lines, row.clock) for name, lines in runs[row.name].items() if lines},
            }
            for row in rows
            if any(runs[row.name].values())
        },
    }
    resident = runs.get("ticks", {})
    result["memory"] = {
        name: statistics.median(line["extra"]["resident_bytes_per_node"] for line in lines)
        for name, lines in resident.items()
        if lines and name != "pure"
    }
    return result


def sizes(who: dict[str, Contestant], rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Cost by the size of the log (raftcy alone), and by the number of groups."""

    def kept(size: int) -> Row:
        return Row("batch", 64_000, ("python", "compiled"), ("--keep", str(size)), str(size))

    def groups(size: int) -> Row:
        names = ("python", "compiled", "go37", "go36", "rust", "rust-prost")
        return Row("ticks", max(50_000, 10 * size), names, ("--groups", str(size)), str(size))

    return {"kept": collect.series(KEPT, kept, who, rounds), "groups": collect.series(GROUPS, groups, who, rounds)}


def flat_lines() -> dict[str, dict[str, Any]]:
    """Both ends of the lines that must stay flat; empty without valgrind or a compiled build."""
    import raftcy

    if shutil.which("valgrind") is None or raftcy.BUILD != "compiled":
        return {}
    return {name: flat.measure(line, line.sizes, "compiled") for name, line in flat.LINES.items()}


def facts(result: dict[str, Any], labels: dict[str, str] = tables.ALL) -> str:
    """A list of the machine, the versions, and the contestants left out, by their labels."""
    machine = result["machine"]
    configured = " ".join(machine["configured_with"]) or "nothing"
    lines = [
        f"- Rounds: {result['rounds']}, on {result['date']}, everybody taking turns in each; "
        f"raftcy of commit {result.get('revision') or 'unknown'}; load "
        f"{machine['load'][0]} before and {result['load_after'][0]} after.",
        f"- {machine['processors']} processors, {machine['processor']}; {machine['system']}, {machine['libc']}.",
        f"- {machine['interpreter']}, configured with `{configured}`.",
        f"- Extensions by {machine['compiler']}: Cython, directives and flags `{machine['options'].strip()}`.",
        "- " + "; ".join(dict.fromkeys(result["versions"].values())) + ".",
    ]
    lines += [f"- Left out: {labels[name]}, since {reason}." for name, reason in result["left_out"].items()]
    return "\n".join(lines)


def full_tables(result: dict[str, Any]) -> str:
    """The tables of docs/benchmarks.md."""
    rows = list(result["rows"])
    names = tables.present(result, tables.ALL)
    peers = tables.present(result, list(tables.LABELS))
    parts = [facts(result), "### In short\n\n" + where(result), tables.summary(result)]
    parts += ["### Times\n\nBest (median) of the rounds.", tables.times(result, names, rows)]
    parts.append("### Ratios\n\nOur best by theirs; below 1 raftcy is faster.")
    for ours in tables.present(result, ["compiled", "python"]):
        parts.append(tables.ratios(result, ours, peers + (["pure"] if ours == "python" else []), rows))
    if result.get("flat"):
        parts.append("### Both ends\n\nWith the compiled loop where there is one; instructions, and CPU microseconds.")
        cells = [_ends(found) for found in result["flat"].values()]
        parts.append(
            tables.table(["", "small", "large", "instructions, large by small", "time, large by small"], cells)
        )
    return "\n\n".join(parts)


def _ends(found: dict[str, Any]) -> list[str]:
    """A line of flat.measure as cells; earlier results have no times."""
    low, high = found["instructions"]
    fast, slow = found.get("cpu_us", (None, None))
    cells = [
        f"{count:,.0f}, {tables.number(time)} µs ({end})"
        for count, time, end in zip((low, high), (fast, slow), found["ends"], strict=True)
    ]
    longer = tables.NONE if fast is None or slow is None else f"{slow / fast:.2f}"
    return [f"per {found['unit']}", *cells, f"{flat.ratio(found):.3f}", longer]


def publish(result: dict[str, Any]) -> None:
    """Write the plots, and the tables in the documents."""
    from . import plots

    for path in plots.draw(result, PLOTS):
        print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)
    tables.replace(ROOT / "README.md", "bench", tables.short(result) + "\n\n" + where(result))
    tables.replace(ROOT / "docs" / "benchmarks.md", "bench", full_tables(result))


def where(result: dict[str, Any]) -> str:
    """A sentence about the short tables and the machine."""
    machine = result["machine"]
    return (
        f"CPU time per operation (the wall clock where it says so), best of {result['rounds']} in turns, on "
        f"{result['date']}, load {machine['load'][0]}: {machine['processors']} processors, {machine['processor']}, "
        f"{machine['interpreter']}."
    )


def save(result: dict[str, Any], folder: Path) -> Path:
    """Write a results file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['date']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def main(argv: list[str]) -> int:
    """Build the peers, measure, print and write."""
    p = ending.Parser("bench.report", "All workloads, ours and the peers' in turns.")
    p.add_argument("rows", nargs="*", metavar="WORKLOAD", help="default: all")
    p.add_argument("--full", action="store_true", help="longer runs, sizes, plots; rewrites the documents' tables")
    p.add_argument("--rounds", type=int, default=5, help="default: 5")
    p.add_argument("--json", action="store_true", help="print one JSON object at the end instead of tables")
    p.add_argument("--from", dest="source", type=Path, metavar="FILE", help="publish earlier results, measure nothing")
    o = p.parse_args(argv)
    if o.source is not None:
        publish(json.loads(o.source.read_text(encoding="utf-8")))
        return 0
    if o.rounds <= 0:
        p.error("--rounds must be greater than 0")
    rows = [row for row in ROWS if (o.full or not row.only_full) and (not o.rows or row.workload in o.rows)]
    unknown = set(o.rows) - {row.workload for row in ROWS}
    if unknown:
        p.error(f"no such workload: {', '.join(sorted(unknown))}")
    import raftcy

    if raftcy.BUILD == "pure":
        print("there is no compiled build here: only the pure one is measured", file=sys.stderr)
    commands, missing = build_all({name for row in rows for name in row.who})
    for name, reason in missing.items():
        print(f"{tables.ALL[name]} is left out: {reason}", file=sys.stderr)
    who = contestants(commands, raftcy.BUILD == "compiled")
    result = measure(rows, who, o.rounds, 1.0 if o.full else QUICK_SCALE)
    result["left_out"] = missing
    if o.full and not o.rows and not result["interrupted"]:
        _measure_the_rest(result, who, o.rounds)
    else:
        save(result, OUT)
    print(json.dumps(result) if o.json else full_tables(result))
    if result["interrupted"]:
        return 130
    bent = flat.bent(result.get("flat", {}))
    for each in bent:
        print(f"not flat: {each}", file=sys.stderr)
    return 1 if bent else 0


def _measure_the_rest(result: dict[str, Any], who: dict[str, Contestant], rounds: int) -> None:
    """Measure what only the full report has, and publish it all, unless it is interrupted."""
    try:
        result["series"] = sizes(who, rounds)
    except ending.Interrupted:
        result["interrupted"] = True
        save(result, OUT)
        return
    print(f"wrote {save(result, RESULTS).relative_to(ROOT)}", file=sys.stderr)
    try:
        result["flat"] = flat_lines()
    except Failure as failure:
        raise SystemExit(str(failure)) from None
    save(result, RESULTS)
    publish(result)


if __name__ == "__main__":
    sys.exit(ending.run("bench.report", main, sys.argv[1:]))
