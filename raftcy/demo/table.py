"""Formats the results of the demo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Times:
    """Moments of a run, in seconds of the client's monotonic clock."""

    started: float = 0.0
    """When the first record was sent."""
    killed: float = 0.0
    """When the leader was killed."""
    elected: float = 0.0
    """When its successor reported that it leads."""
    resumed: float = 0.0
    """When the first record after that was committed."""
    ended: float = 0.0
    """When all survivors had applied the last record."""


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


def survivors(results: dict[int, dict[str, Any]]) -> str:
    """Format the table of the survivors."""
    heading = ("node", "role", "term", "records", "log entries", "repeats dropped", "messages out", "in", "digest")
    rows: list[tuple[object, ...]] = [heading]
    for id, result in sorted(results.items()):
        rows.append(
            (
                str(id),
                "leader" if result["leads"] else "follower",
                result["term"],
                result["records"],
                result["applied"],
                result["repeated"] + result["early"],
                result["sent"],
                result["received"],
                result["digest"][:16] + "…",
            )
        )
    return table(rows)


def speed(records: int, times: Times) -> str:
    """Format the lines about speed and failover."""
    total = times.ended - times.started
    line = f"entries/s: {records / total:,.0f} ({total:.2f} s in all"
    # If the leader was killed before the first record, there is nothing to compare with.
    if times.started < times.killed:
        line += f", {records / (total - times.resumed + times.killed):,.0f} without the failover"
    return (
        f"{line})\nfailover: {times.resumed - times.killed:.2f} s from SIGKILL to the next committed record, "
        f"of which the election took {times.elected - times.killed:.2f} s"
    )
