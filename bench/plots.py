"""The plots of a results file, as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .tables import ALL, best, fastest, label, present

COLOURS = {
    "compiled": "#1b6ca8",
    "python": "#6fb1dd",
    "go37": "#d1495b",
    "go36": "#edae49",
    "rust": "#4a4e69",
    "rust-prost": "#9a8fb5",
    "upb": "#66a182",
}
MARKS = {"compiled": "D", "python": "o", "go37": "s", "go36": "^", "rust": "v", "rust-prost": "<", "upb": "P"}
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "figure.facecolor": "white",
    "svg.hashsalt": "raftcy",
    # Keep text as text: outlines of its letters would be most of a file. Verdana is as wide as the font used for the
    # layout.
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
}


def save(figure: Any, path: Path) -> None:
    """Write a figure, the same bytes each time."""
    figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def _ticks(axis: Any, values: list[float], text: Any) -> None:
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def peers(result: dict[str, Any], path: Path) -> None:
    """Each contestant's time divided by our fastest loop's, per row."""
    names = present(result, ["python", "go37", "go36", "rust", "rust-prost", "upb"])
    rows = [row for row in result["rows"] if any(best(result, row, name) is not None for name in names[1:])]
    figure, axes = pyplot.subplots(figsize=(8.5, 0.36 * len(rows) + 1.6))
    values = []
    for place, row in enumerate(reversed(rows)):
        ours = fastest(result, row)
        base = best(result, row, ours)
        for name in names:
            other = best(result, row, name)
            if base is None or other is None or name == ours:
                continue
            values.append(other / base)
            # Slightly apart, so that equal ones stay distinguishable.
            height = place + 0.1 * (len(names) / 2 - names.index(name))
            axes.plot(other / base, height, MARKS[name], color=COLOURS[name], markersize=7, mec="white", zorder=3)
    axes.axvline(1, color=COLOURS["compiled"], linewidth=2, zorder=2)
    axes.set_xscale("log")
    low, high = min([*values, 0.8]) / 1.15, max([*values, 1.25]) * 1.15
    axes.set_xlim(low, high)
    marks = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    _ticks(axes.xaxis, [mark for mark in marks if low <= mark <= high], lambda value: f"{value:g}x")
    axes.set_yticks(range(len(rows)), [label(result, row) for row in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("time per operation, as a multiple of raftcy's (1x is raftcy; to the right is slower)")
    for name in names:
        axes.plot([], [], MARKS[name], color=COLOURS[name], label=ALL[name])
    axes.plot([], [], color=COLOURS["compiled"], linewidth=2, label="raftcy (compiled loop where there is one)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncol=3, frameon=False)
    save(figure, path)


def _lines(axes: Axes, data: dict[str, dict[str, float]], unit: str, x: str) -> None:
    for name, points in data.items():
        sizes = [int(size) for size in points]
        axes.plot(sizes, list(points.values()), marker=MARKS[name], color=COLOURS[name], label=ALL[name])
    axes.set_xscale("log")
    sizes = sorted({int(size) for points in data.values() for size in points})
    _ticks(axes.xaxis, [float(size) for size in sizes], lambda value: f"{value:,.0f}")
    axes.set_ylim(0, 1.08 * max(value for points in data.values() for value in points.values()))
    axes.set_xlabel(x)
    axes.set_ylabel(unit)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=3, frameon=False)


def lines(data: dict[str, dict[str, float]], unit: str, x: str, path: Path) -> None:
    """Cost by size."""
    figure, axes = pyplot.subplots(figsize=(7, 3.6))
    _lines(axes, data, unit, x)
    save(figure, path)


def memory(data: dict[str, float], path: Path) -> None:
    """Resident bytes per node."""
    names = list(reversed(data))
    figure, axes = pyplot.subplots(figsize=(7, 0.45 * len(names) + 1.0))
    bars = axes.barh([ALL[name] for name in names], [data[name] / 1024 for name in names], height=0.6, zorder=3)
    for bar, name in zip(bars, names, strict=True):
        bar.set_color(COLOURS[name])
    axes.bar_label(bars, fmt="%.1f", padding=4)
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("KiB resident per idle RawNode, its storage included")
    save(figure, path)


def draw(result: dict[str, Any], folder: Path) -> list[Path]:
    """Draw all plots that the results have data for."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with pyplot.rc_context(STYLE):
        peers(result, folder / "peers.svg")
        drawn.append(folder / "peers.svg")
        if result.get("memory"):
            memory(result["memory"], folder / "memory.svg")
            drawn.append(folder / "memory.svg")
        for name, unit, x in (
            ("kept", "CPU µs per entry (batch)", "entries kept in the log"),
            ("groups", "CPU µs per tick of a group", "groups of three in the process"),
        ):
            if result.get("series", {}).get(name):
                lines(result["series"][name], unit, x, folder / f"{name}.svg")
                drawn.append(folder / f"{name}.svg")
    return drawn
