"""The figures of a results file as Markdown, and their places in documents."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .rows import COMPILED, LABELS, PURE, PYTHON

OURS = {each.name: each.label for each in (PYTHON, COMPILED, PURE)}
ALL = OURS | LABELS
NONE = "-"


def best(result: dict[str, Any], row: str, who: str) -> float | None:
    """The best microseconds per operation; None if not measured."""
    runs = result["rows"].get(row, {}).get("runs", {}).get(who)
    return min(runs) if runs else None


def median(result: dict[str, Any], row: str, who: str) -> float | None:
    """The median of the rounds."""
    runs = result["rows"].get(row, {}).get("runs", {}).get(who)
    return statistics.median(runs) if runs else None


def ratio(result: dict[str, Any], row: str, ours: str, theirs: str) -> float | None:
    """Our best time divided by theirs: below 1 we are faster."""
    one, other = best(result, row, ours), best(result, row, theirs)
    return None if one is None or other is None else one / other


def fastest(result: dict[str, Any], row: str) -> str:
    """The loop that represents us: the compiled one if it was measured."""
    return "compiled" if best(result, row, "compiled") is not None else "python"


def number(value: float | None) -> str:
    """Two or three significant digits."""
    if value is None:
        return NONE
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:.{digits}f}"


def table(heads: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table whose first column has words and whose others have numbers."""
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in rows)])


def present(result: dict[str, Any], names: Iterable[str]) -> list[str]:
    """The contestants that were measured in any row."""
    seen = {name for row in result["rows"].values() for name in row["runs"]}
    return [name for name in names if name in seen]


def label(result: dict[str, Any], row: str) -> str:
    """A row's name, with a note if the wall clock counts."""
    return f"{row} (wall)" if result["rows"][row]["clock"] == "wall" else row


def times(result: dict[str, Any], names: list[str], rows: list[str]) -> str:
    """Best and median times of every contestant."""
    cells = []
    for row in rows:
        line = [label(result, row)]
        for name in names:
            low, middle = best(result, row, name), median(result, row, name)
            line.append(NONE if low is None else f"{number(low)} ({number(middle)})")
        cells.append(line)
    return table(["microseconds", *(ALL[name] for name in names)], cells)


def ratios(result: dict[str, Any], ours: str, theirs: list[str], rows: list[str]) -> str:
    """Our best divided by each other contestant's best."""
    cells = []
    for row in rows:
        if best(result, row, ours) is not None:
            cells.append([label(result, row), *(number(ratio(result, row, ours, name)) for name in theirs)])
    return table([f"{ALL[ours]} /", *(ALL[name] for name in theirs)], cells)


# The README's rows, in words for readers who do not know the workloads.
SHORT = {
    "replicate1": "one proposal, three nodes",
    "batch": "an entry of 64 proposed together, three nodes",
    "readindex": "a linearizable read, three nodes",
    "ticks": "a tick of an idle group of three",
    "node3": "one proposal through three asyncio Nodes",
}


def short(result: dict[str, Any]) -> str:
    """The README's table: a few rows, raftcy with its faster loop."""
    others = present(result, ["pure", "go37", "rust"])
    cells = []
    for row in (each for each in SHORT if each in result["rows"]):
        clock = " (wall)" if result["rows"][row]["clock"] == "wall" else ""
        names = [fastest(result, row), *others]
        cells.append([SHORT[row] + clock, *(number(best(result, row, name)) for name in names)])
    heads = ["raftcy", *(ALL[name].removeprefix("raftcy, ") for name in others)]
    return table(["µs per operation", *heads], cells)


def summary(result: dict[str, Any]) -> str:
    """Our loops, the pure build and the peers, and the ratio to each of the others."""
    ours = present(result, ["python", "compiled"])
    others = present(result, ["pure", "go37", "go36", "rust"])
    theirs = [name for name in others if name != "pure"]
    rows = [row for row in result["rows"] if any(best(result, row, name) is not None for name in theirs)]
    cells = []
    for row in rows:
        values = [number(best(result, row, name)) for name in [*ours, *others]]
        shares = [number(ratio(result, row, fastest(result, row), name)) for name in others]
        cells.append([label(result, row), *values, *shares])
    heads = [ALL[name].removeprefix("raftcy, ") for name in [*ours, *others]]
    ratios = [f"ours / {head}" for head in heads[len(ours) :]]
    return table(["µs per operation", *heads, *ratios], cells)


def replace(path: Path, name: str, text: str) -> None:
    """Put text between a document's markers ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    whole = path.read_text(encoding="utf-8")
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise SystemExit(f"{path.name} has no place for {name}: it needs {begin} and {end}")
    head, _, rest = whole.partition(begin)
    _, _, tail = rest.partition(end)
    path.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}", encoding="utf-8")
