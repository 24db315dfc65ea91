"""Faults of the network, for clusters of nodes and of hosts: storms, and links that are cut."""

from collections.abc import Callable, Collection
from typing import Protocol

from .clock import ms
from .links import Network, Weather
from .schedule import Action
from .streams import between


class Cluster(Protocol):
    """What these faults need of a cluster."""

    network: Network

    def fault(self, name: str, duration: int, end: Callable[[], None]) -> None:
        """Begin a fault, and end it after ``duration`` microseconds."""


def storm(cluster: Cluster, a: Action, span: int, delays: tuple[int, int]) -> str:
    """Let the network lose, double or delay messages, or change their order, for ``span`` microseconds.

    ``delays`` are the least and the most mean delay of a storm that delays, in microseconds.
    """
    names = ("loss", "doubling", "overtaking", "delay")
    kind = names[int(a.u * 4)]
    share = 0.02 + a.v * a.v * 0.5
    # Sometimes mix in a little of the other faults.
    rest = 0.05 if a.w < 0.3 else 0.0
    parts = [share if each == kind else rest for each in names]
    worse = Weather(between(a.w, *delays) if kind == "delay" else 300, *parts)
    cluster.network.worsen(worse)
    cluster.fault(kind, span, lambda: cluster.network.calm(worse))
    return f"{kind} of {share:.0%} of the messages for {ms(span)}"


def _cut(cluster: Cluster, fault: str, one: list[int], other: list[int], span: int, both: bool) -> str:
    links = [(i, j) for i in one for j in other]
    if not links:
        return ""
    if both:
        links += [(j, i) for i, j in links]
    cluster.network.block(links)
    cluster.fault(fault, span, lambda: cluster.network.unblock(links))
    return f"{fault} {one} {'|' if both else '-/->'} {other} for {ms(span)}"


def partition(cluster: Cluster, ids: Collection[int], a: Action, span: int) -> str:
    """Cut the members into two halves that do not reach each other."""
    ordered = sorted(ids)
    half = [id for place, id in enumerate(ordered) if (int(a.u * 2**16) >> place) & 1]
    return _cut(cluster, "partition", half, [id for id in ordered if id not in half], span, True)


def isolation(cluster: Cluster, ids: Collection[int], id: int, span: int) -> str:
    """Cut one member off."""
    return _cut(cluster, "isolation", [id], [each for each in sorted(ids) if each != id], span, True)


def one_way(cluster: Cluster, ids: Collection[int], id: int, a: Action, span: int) -> str:
    """Cut the links from or to one member, all or some of them."""
    others = [each for each in sorted(ids) if each != id and (a.v < 0.5 or (int(a.w * 2**16) >> each) & 1)]
    one, other = ([id], others) if a.v * 2 % 1 < 0.5 else (others, [id])
    return _cut(cluster, "one-way cut", one, other, span, False)
