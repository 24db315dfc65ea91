"""Formats the results of the demo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Times:
    """The times of a run, in seconds. The first and the last are moments of the client's monotonic clock."""

    started: float = 0.0
    """When the first record was sent."""
    failover: float = 0.0
    """From the leader's end to the next committed record."""
    restart: float = 0.0
    """From the end of all members to the next committed record."""
    ended: float = 0.0
    """When the last record was committed."""


def table(rows: Sequence[Sequence[object]]) -> str:
    """Format rows with the same number of cells. The first row is the heading. Numbers are aligned to the right."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    right = [isinstance(cell, int) for cell in rows[-1]]
    lines = []
    for row in cells:
        columns = zip(row, widths, right, strict=True)
        parts = [cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in columns]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def members(results: dict[int, dict[str, Any]]) -> str:
    """Format the table of the members."""
    heading = ("node", "role", "term", "records", "log entries", "repeats dropped", "syncs", "messages out", "in")
    rows: list[tuple[object, ...]] = [(*heading, "digest")]
    for id, result in sorted(results.items()):
        rows.append(
            (
                str(id),
                "leader" if result["leads"] else "follower",
                result["term"],
                result["records"],
                result["applied"],
                result["repeated"] + result["early"],
                result["syncs"],
                result["sent"],
                result["received"],
                result["digest"][:16] + "…",
            )
        )
    return table(rows)


def times(records: int, times: Times) -> str:
    """Format the table of speed and outages."""
    total = times.ended - times.started
    busy = max(total - times.failover - times.restart, 1e-3)
    rows: list[tuple[object, ...]] = [
        ("measured", "value", "what it is"),
        ("records/s", f"{records / total:,.0f}", f"all records in {total:.2f} s, outages included"),
        ("records/s, no outage", f"{records / busy:,.0f}", f"without the outages: {busy:.2f} s"),
        ("failover", f"{times.failover:.2f} s", "from the leader's SIGKILL to the next committed record"),
        ("restart", f"{times.restart:.2f} s", "from the SIGKILL of all to the next committed record"),
    ]
    return table(rows)
