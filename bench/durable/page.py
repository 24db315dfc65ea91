"""The figures of the durable contestants as Markdown."""

from __future__ import annotations

import statistics
from typing import Any

from ..report import facts
from ..tables import NONE, number, table
from .contestants import AGAINST, LABELS, MANY, OURS, PEERS, READS, WRITES

Result = dict[str, Any]
HEADS = {
    "write1": "1 outstanding",
    "write64": "64",
    "write1024": "1,024",
    MANY: "1,024, many",
    "read1": "1 read",
    "read64": "64 reads",
}
# Operations a second, ours on uvloop by the peer's, that raftcy should reach.
AIMS = {
    "etcdraft": {"write1": 1.0, "write64": 3.0, "write1024": 1.7, MANY: 3.5, "read1": 0.7, "read64": 1.0},
    "etcdraft-batch": {"write1": 0.75, "write64": 2.2, "write1024": 1.0, MANY: 1.8},
    "dragonboat": {"write1": 2.0, "write64": 1.7, "write1024": 0.9, MANY: 1.4},
    "hashicorp": {"write1": 1.0, "write64": 3.5, "write1024": 2.8, MANY: 5.0},
    "pysyncobj": {"write1": 5.0, "write64": 4.0, "write1024": 4.0, MANY: 7.0},
}
# The share of these that plain asyncio should reach, and its aims for reads.
ASYNCIO = 0.75
ASYNCIO_READS = {"read1": 0.4, "read64": 0.6}
# Microseconds of CPU time a command, in all three processes.
CPU_AIMS = {"write64": 30.0, "write1024": 14.0, MANY: 8.0}
TLS_AIM = 0.7


def rounds(result: Result, phase: str, who: str) -> dict[int, dict[str, float]]:
    """The figures of a contestant's phase, by round."""
    found: dict[int, dict[str, float]] = {
        each["round"]: each for each in result["runs"].get(who, []) if each["phase"] == phase
    }
    return found


def median(result: Result, phase: str, who: str, figure: str = "per_sec") -> float | None:
    """The median of a figure over the rounds; None if it was not measured."""
    found = [each[figure] for each in rounds(result, phase, who).values() if figure in each]
    return statistics.median(found) if found else None


def ratio(result: Result, phase: str, ours: str, theirs: str) -> float | None:
    """The median over the rounds of our operations a second by theirs in the same round."""
    one, other = rounds(result, phase, ours), rounds(result, AGAINST[phase], theirs)
    both = [one[each]["per_sec"] / other[each]["per_sec"] for each in one if each in other and other[each]["per_sec"]]
    return statistics.median(both) if both else None


def present(result: Result, names: tuple[str, ...]) -> list[str]:
    """The contestants that have figures."""
    return [name for name in names if result["runs"].get(name)]


def fastest(result: Result) -> str:
    """The contestant that stands for raftcy."""
    return next(iter(present(result, OURS)), "asyncio")


def _thousands(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.0f}" if value < 10_000 else f"{value / 1000:,.1f}k"


def _rate(result: Result, phase: str, who: str) -> str:
    middle = median(result, phase, who)
    if middle is None:
        return NONE
    best = max(each["per_sec"] for each in rounds(result, phase, who).values())
    return f"{_thousands(middle)} ({_thousands(best)})"


def rates(result: Result) -> str:
    """Operations a second, median and best."""
    phases = [phase for phase in HEADS if any(rounds(result, phase, who) for who in LABELS)]
    cells = [[LABELS[who], *(_rate(result, phase, who) for phase in phases)] for who in present(result, tuple(LABELS))]
    return table(["operations a second", *(HEADS[phase] for phase in phases)], cells)


def waits(result: Result) -> str:
    """How long an operation takes."""
    phases = [*WRITES, *READS]
    cells = []
    for who in present(result, tuple(LABELS)):
        pairs = [(median(result, phase, who, "p50_us"), median(result, phase, who, "p99_us")) for phase in phases]
        cells.append([LABELS[who], *(f"{number(low)} / {number(high)}" if low else NONE for low, high in pairs)])
    return table(["µs from call to answer, half / 99 %", *(HEADS[phase] for phase in phases)], cells)


def costs(result: Result) -> str:
    """CPU time an operation in all processes, and of our aims those that are missed."""
    cells = []
    for who in present(result, tuple(LABELS)):
        found = [median(result, phase, who, "cpu_us") for phase in HEADS]
        cells.append([LABELS[who], *(number(value) for value in found)])
    aims = [f"≤ {CPU_AIMS[phase]:g}" if phase in CPU_AIMS else NONE for phase in HEADS]
    cells.append(["aim for raftcy", *aims])
    return table(["CPU µs an operation", *HEADS.values()], cells)


def _against(value: float | None, aim: float | None) -> str:
    if value is None:
        return NONE
    if aim is None:
        return f"{value:.2f}"
    return f"{value:.2f} (≥ {aim:.2g})" if value >= aim else f"**{value:.2f}** (≥ {aim:.2g})"


def _aim(phase: str, peer: str, ours: str) -> float | None:
    aim = AIMS.get(peer, {}).get(phase)
    if aim is None or ours != "asyncio":
        return aim
    return ASYNCIO_READS.get(phase, aim * ASYNCIO)


def ratios(result: Result, ours: str) -> str:
    """Our operations a second by each peer's, with the aims; a missed one is bold."""
    cells = []
    for peer in present(result, PEERS):
        found = [_against(ratio(result, phase, ours, peer), _aim(phase, peer, ours)) for phase in HEADS]
        cells.append([LABELS[peer], *found])
    return table([f"{LABELS[ours]}, by", *HEADS.values()], cells)


def syncs(result: Result) -> str:
    """Syncs by operations with one outstanding, the leader and the followers."""
    cells = []
    for who, found in result.get("syncs", {}).items():
        ops = max(1, found["ops"])
        cells.append([LABELS[who], f"{found['ops']:,}", *(f"{count / ops:.2f}" for count in found["syncs"])])
    return table(["one outstanding, under strace", "operations", "syncs of the leader", "follower", "follower"], cells)


def missed(result: Result) -> list[str]:
    """The aims that were measured and missed, in words."""
    found = []
    for ours in present(result, ("uvloop", "asyncio")):
        for peer in present(result, PEERS):
            for phase in HEADS:
                value, aim = ratio(result, phase, ours, peer), _aim(phase, peer, ours)
                if value is not None and aim is not None and value < aim:
                    found.append(f"{LABELS[ours]} by {LABELS[peer]}, {HEADS[phase]}: {value:.2f} of {aim:.2g}")
    who = fastest(result)
    for phase, aim in CPU_AIMS.items():
        value = median(result, phase, who, "cpu_us")
        if value is not None and value > aim:
            found.append(f"CPU a command, {HEADS[phase]}: {value:.1f} µs of {aim:g}")
    value = tls(result)
    if value is not None and value < TLS_AIM:
        found.append(f"with TLS, 64: {value:.2f} of the throughput without, of {TLS_AIM:g}")
    return found


def tls(result: Result) -> float | None:
    """The throughput with TLS as a share of that without, at 64."""
    return ratio(result, "write64", "tls", fastest(result)) if fastest(result) != "tls" else None


def text(result: Result) -> str:
    """Everything between the markers of docs/durable.md."""
    parts = [facts(result, LABELS), _way(result), "![Durable commands a second](plots/durable.svg)"]
    for ours in present(result, ("uvloop", "asyncio")):
        parts.append(ratios(result, ours))
    parts += [rates(result), costs(result), waits(result)]
    if result.get("syncs"):
        parts.append(syncs(result))
    share = tls(result)
    if share is not None:
        parts.append(f"With TLS, raftcy does {share:.2f} times as many commands a second at 64 as without.")
    short = missed(result)
    lines = [f"- {each}" for each in short]
    parts.append("\n".join(["Missed:\n", *lines]) if short else "Every aim that was measured is reached.")
    return "\n\n".join(parts)


def _way(result: Result) -> str:
    priority = "with real-time priority" if result["priority"] else "**without real-time priority**"
    return (
        f"Medians of {result['rounds']} rounds of {result['seconds']:g} s a phase, {priority}. Ratios are the medians "
        "of the ratios in each round, with the aim in brackets; a missed one is bold."
    )
