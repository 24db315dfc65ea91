"""The plot of the durable contestants, as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import pyplot

from ..plots import STYLE, save
from .contestants import LABELS, MANY, WRITES
from .page import HEADS, median, present

COLOURS = {
    "uvloop": "#1b6ca8",
    "asyncio": "#6fb1dd",
    "tls": "#a9cfe8",
    "pure": "#c8d6df",
    "etcdraft": "#d1495b",
    "etcdraft-batch": "#e58a96",
    "dragonboat": "#edae49",
    "hashicorp": "#4a4e69",
    "pysyncobj": "#66a182",
    "pysyncobj-seq": "#a3c9b4",
}


def draw(result: dict[str, Any], path: Path) -> None:
    """Commands a second of every contestant, by the number outstanding."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name for name in present(result, tuple(LABELS)) if name not in ("tls", "pysyncobj-seq")]
    phases = [*WRITES, MANY]
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(8.5, 4.2))
        width = 0.8 / max(1, len(names))
        for place, name in enumerate(names):
            values = [median(result, phase, name) for phase in phases]
            at = [n + width * (place - (len(names) - 1) / 2) for n in range(len(phases))]
            shown = [(x, value) for x, value in zip(at, values, strict=True) if value is not None]
            if shown:
                axes.bar(*zip(*shown, strict=True), width, color=COLOURS[name], label=LABELS[name], zorder=3)
        axes.set_yscale("log")
        axes.set_xticks(range(len(phases)), [HEADS[phase] for phase in phases])
        axes.grid(axis="x", visible=False)
        axes.set_ylabel("durable commands a second")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=3, frameon=False)
        save(figure, path)
