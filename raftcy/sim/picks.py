"""Draws for actions: which member one concerns, and how long its fault lasts."""

from .clock import MS
from .cluster import Cluster
from .member import Member
from .streams import between

MEMBERS_MOST = 7


def pick(cluster: Cluster, u: float, leader: float = 0.4) -> Member | None:
    """Pick a member that is up and not paused, or None; with probability ``leader`` the leader, if there is one."""
    if u < leader:
        leading = cluster.leader()
        if leading is not None and not leading.paused:
            return leading
    running = [member for member in cluster.running() if not member.paused]
    return running[int(u * 9973 % 1 * len(running))] if running else None


def span(u: float) -> int:
    """How long a fault lasts, in microseconds: 5 to 400 ms, mostly a few election timeouts."""
    return between(u * u, 5 * MS, 400 * MS)
