"""``python -m bench.groups_virtual``: the CPU time of many groups on three hosts, in one process and in virtual time.

Real hosts and replicas run on a virtual clock, network and disk (tests/support/hosts.py), so the figures are CPU times
that do not depend on what else runs, and the times of elections are those of an idle machine with an infinitely fast
processor. Prints one JSON line. ``python -m bench.many_groups`` measures the same on real processes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from typing import Any

from .measured import counts

_cpu = time.process_time
_WINDOW_S = 0.25


class _Forgets(list[Any]):
    """Keeps nothing."""

    def append(self, item: Any) -> None:
        """Drop the item."""


class _Run:
    def __init__(self, groups: int, sleep: bool) -> None:
        self.groups = groups
        self.sleep = sleep
        self.out: dict[str, Any] = {"groups": groups, "sleep": sleep}
        self.replicas: dict[int, list[Any]] = {}
        self.busiest = 0

    async def led(self, dead: int = 0) -> float:
        """Wait until every member knows a leader that is not ``dead``; returns the virtual seconds.

        ``busiest`` becomes the most CPU time that a host took in a quarter of a virtual second, in percent of it: above
        100, a real host would fall behind.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.busiest = 0
        while any(each.leader in (None, dead) for some in self.replicas.values() for each in some):
            before = _cpu()
            await asyncio.sleep(_WINDOW_S)
            self.busiest = max(self.busiest, round((_cpu() - before) / _WINDOW_S / len(self.replicas) * 100))
        return round(loop.time() - began, 2)

    async def settle(self) -> None:
        """Wait until all members sleep, or for a while."""
        await asyncio.sleep(3)
        while self.sleep and not all(each.is_asleep for some in self.replicas.values() for each in some):  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    async def idle(self, seconds: float) -> float:
        """Return the share of a core that an idle host takes, in percent."""
        before = _cpu()
        await asyncio.sleep(seconds)
        return round((_cpu() - before) / seconds / len(self.replicas) * 100, 3)

    async def main(self) -> None:
        """Open the groups, watch them, and kill a host."""
        from raftcy.machines import StateMachine
        from raftcy.replica.tuning import Tuning
        from tests.support.hosts import World

        world = World(3, Tuning(sleep=self.sleep))
        world.sent = _Forgets()
        hosts = {id: world.host(id) for id in world.members}
        await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
        began = _cpu()
        for id, host in hosts.items():
            self.replicas[id] = [host.replica(f"group {n}", StateMachine()) for n in range(self.groups)]
        self.out["open_cpu_us_a_member"] = round((_cpu() - began) / self.groups / len(hosts) * 1e6)
        began = _cpu()
        self.out["first_leaders_s"] = await self.led()
        self.out["first_leaders_cpu_us_a_group"] = round((_cpu() - began) / self.groups * 1e6)
        await self.settle()
        self.out["idle_cpu_percent"] = await self.idle(10)
        self.out["led"] = [sum(1 for each in some if each.is_leader) for some in self.replicas.values()]
        dead = hosts.pop(1)
        world.wires.pop(1).receivers.clear()
        dead._ticker.cancel()  # type: ignore[union-attr]
        del self.replicas[1]
        began = _cpu()
        self.out["led_again_s"] = await self.led(1)
        self.out["led_again_cpu_s"] = round(_cpu() - began, 2)
        self.out["led_again_busiest_percent"] = self.busiest
        await self.settle()
        self.out["idle_cpu_percent_without_it"] = await self.idle(5)


def main(argv: list[str]) -> int:
    """Run the command line."""
    from tests.support.virtual import VirtualLoop

    p = argparse.ArgumentParser(prog="python -m bench.groups_virtual", description=(__doc__ or "").split("\n\n")[0])
    counts(p, "groups")
    p.add_argument("--awake", action="store_true", help="no group may sleep")
    o = p.parse_args(argv)
    logging.disable(logging.CRITICAL)
    run = _Run(o.groups or 1000, not o.awake)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run.main())
        print(json.dumps(run.out))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
