"""What the demo shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Times:
    """Moments of a run, in seconds of a clock that only the client reads."""

    started: float = 0.0
    """The first record was sent."""
    killed: float = 0.0
    """The leader was killed."""
    elected: float = 0.0
    """Its successor said that it leads."""
    resumed: float = 0.0
    """The first record was committed after that."""
    ended: float = 0.0
    """The last record was applied on all survivors."""


def table(rows: Sequence[Sequence[object]]) -> str:
    """Rows of equally many cells as text; the first is the heading. Numbers stand to the right."""
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
    """The table of the survivors."""
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
    """The line about time."""
    total = times.ended - times.started
    line = f"entries/s: {records / total:,.0f} ({total:.2f} s in all"
    # A leader that is killed before the first record leaves nothing to compare with.
    if times.started < times.killed:
        line += f", {records / (total - times.resumed + times.killed):,.0f} without the failover"
    return (
        f"{line})\nfailover: {times.resumed - times.killed:.2f} s from SIGKILL to the next committed record, "
        f"of which the election took {times.elected - times.killed:.2f} s"
    )
