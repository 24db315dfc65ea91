"""A run of whole hosts, for the tools that work on runs."""

from collections.abc import Collection
from typing import Any

from ..course import Run
from ..profiles import Profile
from ..schedule import schedule
from .attendant import Attendant
from .deeds import perform
from .drawn import HostSettings
from .hostcluster import HostCluster
from .process import Process


class HostRun(Run):
    """A cluster of hosts under the actions of a schedule."""

    cluster: Any

    def end(self) -> None:
        """See Run."""
        self.cluster.end()

    def status(self) -> str:
        """See Run."""
        touched: Process | None = self.cluster.touched
        return "" if touched is None else touched.status()

    def describe(self, name: str, arguments: tuple[Any, ...]) -> str:
        """See Run."""
        if name == "_deliver":
            return f"a message from {arguments[0]} to {arguments[1]}"
        return "" if name in ("_act", "_end_fault") else f"{name.strip('_')}"

    def state(self, member: Any) -> str:
        """See Run."""
        return f"{member.id}: down" if member.process is None else str(member.process.status())


def prepare(seed: int, profile: Profile, only: Collection[int] | None, logger: Any) -> HostRun:
    """Set up a run."""
    cluster = HostCluster(HostSettings.draw(seed, profile), logger)
    return HostRun(cluster, schedule(seed, profile, only), perform, Attendant)
