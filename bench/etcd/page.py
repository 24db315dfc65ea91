"""The figures of the etcd comparison as Markdown, beside their aims."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from ..report import facts
from ..tables import NONE, number, table
from .cases import CASES
from .contestants import LABELS, OURS, PEERS

Result = dict[str, Any]


class Aim(NamedTuple):
    """What a figure of raftcy's should be: at least or at most so many times a peer's, or without a peer so much."""

    case: str
    figure: str
    peer: str
    is_least: bool
    bound: float


def _pair(case: str, peer: str, rate: float, cpu: float) -> list[Aim]:
    return [Aim(case, "rate", peer, True, rate), Aim(case, "cpu_us", peer, False, cpu)]


AIMS = [
    Aim("put1", "p50_ms", "etcd34", False, 1.1),
    *_pair("put100", "etcd34", 1.3, 0.55),
    *_pair("put1000", "etcd34", 1.3, 0.55),
    *_pair("range1", "etcd37", 1.0, 0.6),
    *_pair("range100", "etcd37", 1.0, 0.6),
    *_pair("serial1", "etcd37", 1.0, 0.6),
    *_pair("serial100", "etcd37", 1.0, 0.6),
    *_pair("gateway", "etcd34", 1.5, 0.8),
    Aim("watch", "p99_ms", "etcd34", False, 2.0),
    Aim("watch", "p99_ms", "etcd37", False, 2.0),
    Aim("watchers", "cpu_us", "", False, 3.0),
    Aim("three100", "rate", "etcd34", True, 1.0),
    Aim("three100", "rate", "etcd37", True, 1.0),
    Aim("memory", "bytes", "", False, 1536),
]
FIGURES = {"rate": "rate", "cpu_us": "CPU time", "p50_ms": "median latency", "p99_ms": "99 % latency", "bytes": "bytes"}


def rounds(result: Result, case: str, who: str) -> dict[int, dict[str, float]]:
    """The figures of a contestant's case, by round."""
    found: dict[int, dict[str, float]] = {
        each["round"]: each for each in result["runs"].get(who, []) if each["case"] == case
    }
    return found


def median(result: Result, case: str, who: str, figure: str) -> float | None:
    """The median of a figure over the rounds; None if it was not measured."""
    found = [each[figure] for each in rounds(result, case, who).values() if figure in each]
    return statistics.median(found) if found else None


def ratio(result: Result, case: str, figure: str, ours: str, theirs: str) -> float | None:
    """The median over the rounds of our figure by theirs in the same round."""
    one, other = rounds(result, case, ours), rounds(result, case, theirs)
    both = [
        one[each][figure] / other[each][figure]
        for each in one
        if figure in one[each] and other.get(each, {}).get(figure)
    ]
    return statistics.median(both) if both else None


def present(result: Result, names: tuple[str, ...]) -> list[str]:
    """The contestants that have figures."""
    return [name for name in names if result["runs"].get(name)]


def _found(result: Result, aim: Aim) -> float | None:
    if aim.peer:
        return ratio(result, aim.case, aim.figure, "raftcy", aim.peer)
    return median(result, aim.case, "raftcy", aim.figure)


def _is_reached(aim: Aim, value: float) -> bool:
    return value >= aim.bound if aim.is_least else value <= aim.bound


def _shown(value: float, aim: Aim) -> str:
    text = f"{value:.2f}" if aim.bound < 100 else f"{value:,.0f}"
    return text if _is_reached(aim, value) else f"**{text}**"


def aims(result: Result) -> str:
    """What was aimed at beside what was found."""
    cells = []
    for aim in AIMS:
        value = _found(result, aim)
        sign = "≥" if aim.is_least else "≤"
        against = f", by {LABELS[aim.peer]}'s" if aim.peer else ""
        shown = NONE if value is None else _shown(value, aim)
        cells.append([f"{CASES[aim.case].head}: {FIGURES[aim.figure]}{against}", f"{sign} {aim.bound:,g}", shown])
    return table(["raftcy-etcd", "aim", "found"], cells)


def _ratios(result: Result) -> str:
    """All ratios of rates and CPU times."""
    cells = []
    for ours in present(result, OURS):
        for peer in present(result, PEERS):
            for figure in ("rate", "cpu_us"):
                found = [ratio(result, case, figure, ours, peer) for case in _cases(result)]
                shown = [NONE if each is None else f"{each:.2f}" for each in found]
                cells.append([f"{LABELS[ours]} by {LABELS[peer]}, {FIGURES[figure]}", *shown])
    return table(["ratios", *(CASES[case].head for case in _cases(result))], cells)


def _cases(result: Result) -> list[str]:
    return [case for case in CASES if case != "memory" and any(rounds(result, case, who) for who in LABELS)]


def _figures(result: Result, head: str, figures: tuple[str, ...]) -> str:
    cells = []
    for who in present(result, tuple(LABELS)):
        line = [LABELS[who]]
        for case in _cases(result):
            found = [median(result, case, who, figure) for figure in figures]
            line.append(NONE if found == [None] * len(found) else " / ".join(_number(each) for each in found))
        cells.append(line)
    return table([head, *(CASES[case].head for case in _cases(result))], cells)


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}" if value >= 1000 else number(value)


def _memory(result: Result) -> str:
    cells = [
        [LABELS[who], _number(median(result, "memory", who, "bytes"))]
        for who in present(result, tuple(LABELS))
        if median(result, "memory", who, "bytes") is not None
    ]
    return table(["resident bytes a key of 16 bytes with a value of 32", ""], cells) if cells else ""


def missed(result: Result) -> list[str]:
    """The aims that were measured and missed, in words."""
    found = []
    for aim in AIMS:
        value = _found(result, aim)
        if value is not None and not _is_reached(aim, value):
            against = f" by {LABELS[aim.peer]}'s" if aim.peer else ""
            found.append(f"{CASES[aim.case].head}, {FIGURES[aim.figure]}{against}: {value:.2f} of {aim.bound:,g}")
    return found


def text(result: Result) -> str:
    """Everything between the markers of docs/etcd-speed.md."""
    cores = "one core for the servers, another for the tool" if result["pinned"] else "**all on the same cores**"
    way = (
        f"Medians of {result['rounds']} rounds, {cores}, logs and data on disk with every sync. In each round, all "
        "servers take turns case by case, each started anew. Ratios are the medians of the ratios in each round; a "
        "missed aim is bold."
    )
    if result["share"] != 1:
        way += f" Each case has {result['share']:.0%} of its operations."
    short = missed(result)
    lines = "\n".join(["Missed:\n", *(f"- {each}" for each in short)])
    parts = [
        facts(result, LABELS),
        way,
        aims(result),
        lines if short else "Every aim that was measured is reached.",
        _ratios(result),
        _figures(result, "a second", ("rate",)),
        _figures(result, "CPU µs an operation, all members; for watches, an event", ("cpu_us",)),
        _figures(result, "ms, half / 99 %", ("p50_ms", "p99_ms")),
        _memory(result),
    ]
    return "\n\n".join(part for part in parts if part)
