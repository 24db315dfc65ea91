"""``python -m bench.many_groups``: what many groups cost on three hosts, each a process on the loopback address.

Every group has an empty machine and one member on each host. Prints one JSON line: the time and CPU of opening, the
memory of a group, the CPU of a core that each host takes while all groups are idle, and the time until all groups have
a leader again after one host was killed. CPU comes from the process's clock; the times depend on what else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from typing import Any

from raftcy.demo.ports import free_ports

from .measured import counts
from .processes import HOST, SIZE

_PATIENCE_S = 300.0
_CHUNK = 20


def _rss_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


class _Member:
    """One host with its groups, which answers questions from a pipe."""

    def __init__(self, place: int, ports: list[int], pipe: Connection, folder: str, options: dict[str, Any]) -> None:
        self.id = place + 1
        self.members = {n + 1: f"{HOST}:{port}" for n, port in enumerate(ports)}
        self.pipe = pipe
        self.folder = folder
        self.options = options
        self.replicas: list[Any] = []

    async def run(self) -> None:
        from raftcy import Host, Tuning
        from raftcy.machines import StateMachine

        asked: asyncio.Queue[Any] = asyncio.Queue()

        def hear() -> None:
            try:
                asked.put_nowait(self.pipe.recv())
            except EOFError:
                asked.put_nowait(("end",))

        asyncio.get_running_loop().add_reader(self.pipe.fileno(), hear)
        host = Host(f"{self.folder}/{self.id}", id=self.id, members=self.members, tuning=Tuning(**self.options))
        async with host:
            self.host = host
            while True:
                question, *arguments = await asked.get()
                if question == "end":
                    return
                self.pipe.send(await getattr(self, question)(StateMachine, *arguments))

    async def open(self, machine: Any, groups: int) -> dict[str, float]:
        """Open the groups."""
        import gc

        before, began, cpu = _rss_bytes(), time.perf_counter(), time.process_time()
        for n in range(groups):
            self.replicas.append(self.host.replica(f"group {n}", machine()))
            if n % _CHUNK == 0:
                await asyncio.sleep(0)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        gc.collect()
        return {"seconds": seconds, "cpu_seconds": cpu, "bytes": _rss_bytes() - before, "before": before}

    async def leaders(self, machine: Any, dead: int) -> dict[str, int]:
        """How many groups know a leader that is not ``dead``, and how many this host leads."""
        known = sum(1 for each in self.replicas if each.leader not in (None, dead))
        return {"known": known, "led": sum(1 for each in self.replicas if each.is_leader)}

    async def lead(self, machine: Any) -> bool:
        """Take over the leadership of all groups."""
        for each in self.replicas:
            if not each.is_leader:
                each._driver.node.campaign()
                self.host.wake(each)
        return True

    async def cpu(self, machine: Any) -> tuple[float, float, int]:
        """The time, the CPU so far, and the memory."""
        return time.perf_counter(), time.process_time(), _rss_bytes()

    async def resting(self, machine: Any) -> int:
        """How many groups sleep here."""
        return sum(1 for each in self.replicas if each.is_asleep)

    async def profile(self, machine: Any, seconds: float, path: str) -> bool:
        """Profile for a while."""
        import cProfile

        profile = cProfile.Profile()
        profile.enable()
        await asyncio.sleep(seconds)
        profile.disable()
        profile.dump_stats(path)
        return True


def _member(place: int, ports: list[int], pipe: Connection, folder: str, options: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.ERROR)
    asyncio.run(_Member(place, ports, pipe, folder, options).run())


class _Cluster:
    def __init__(self, folder: str, options: dict[str, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        ports = free_ports(SIZE)
        self.pipes: list[Connection] = []
        self.processes = []
        for place in range(SIZE):
            ours, its = context.Pipe()
            process = context.Process(target=_member, args=(place, ports, its, folder, options), daemon=True)
            process.start()
            its.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def ask(self, places: list[int], *question: Any) -> list[Any]:
        for place in places:
            self.pipes[place].send(question)
        answers = []
        for place in places:
            if not self.pipes[place].poll(_PATIENCE_S):
                raise SystemExit(f"member {place + 1} does not answer {question}")
            answers.append(self.pipes[place].recv())
        return answers

    def wait_led(self, places: list[int], groups: int, dead: int = 0) -> float:
        """Wait until every group has a leader that all of its members know; returns the seconds."""
        began = time.perf_counter()
        while time.perf_counter() < began + _PATIENCE_S:
            if all(each["known"] == groups for each in self.ask(places, "leaders", dead)):
                return time.perf_counter() - began
            time.sleep(0.05)
        raise SystemExit(f"not every group has a leader: {self.ask(places, 'leaders', dead)}")

    def idle(self, places: list[int], seconds: float) -> tuple[list[float], list[int]]:
        """The share of a core that each host takes, and its memory."""
        before = self.ask(places, "cpu")
        time.sleep(seconds)
        after = self.ask(places, "cpu")
        cpu = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(before, after, strict=True)]
        return cpu, [each[2] for each in after]

    def kill(self, place: int) -> None:
        process = self.processes[place]
        process.kill()
        process.join()

    def end(self) -> None:
        for process in self.processes:
            if process.is_alive():
                process.kill()
            process.join()


def measure(o: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Run a cluster and return the figures."""
    options = json.loads(o.tuning)
    cluster = _Cluster(folder, options)
    everywhere = list(range(SIZE))
    try:
        opened = cluster.ask(everywhere, "open", o.groups)
        out: dict[str, Any] = {"groups": o.groups, "tuning": options}
        out["open_cpu_us_a_group"] = [round(each["cpu_seconds"] / o.groups * 1e6) for each in opened]
        out["first_leaders_s"] = round(cluster.wait_led(everywhere, o.groups), 2)
        if o.lead_all:
            cluster.ask([0], "lead")
            while cluster.ask([0], "leaders", 0)[0]["led"] < o.groups:
                time.sleep(0.1)
        time.sleep(o.settle)
        out["led"] = [each["led"] for each in cluster.ask(everywhere, "leaders", 0)]
        out["asleep"] = cluster.ask(everywhere, "resting")
        if o.profile:
            cluster.ask([0], "profile", o.seconds, o.profile)
        idle, memory = cluster.idle(everywhere, o.seconds)
        out["idle_cpu_percent"] = [round(share * 100, 2) for share in idle]
        out["kib_a_group"] = [
            round((size - each["before"]) / o.groups / 1024, 2) for size, each in zip(memory, opened, strict=True)
        ]
        if o.kill:
            before = cluster.ask([1, 2], "cpu")
            cluster.kill(0)
            out["led_again_s"] = round(cluster.wait_led([1, 2], o.groups, dead=1), 2)
            after = cluster.ask([1, 2], "cpu")
            out["led_again_cpu_s"] = [round(b[1] - a[1], 2) for a, b in zip(before, after, strict=True)]
            time.sleep(o.settle)
            out["asleep_without_it"] = cluster.ask([1, 2], "resting")
            out["idle_cpu_percent_without_it"] = [round(share * 100, 2) for share in cluster.idle([1, 2], o.seconds)[0]]
        return out
    finally:
        cluster.end()


def main(argv: list[str]) -> int:
    """Run the command line."""
    p = argparse.ArgumentParser(prog="python -m bench.many_groups", description=(__doc__ or "").split("\n\n")[1])
    counts(p, "groups")
    p.add_argument("--seconds", type=float, default=10.0, help="how long the idle hosts are watched (default: 10)")
    p.add_argument("--settle", type=float, default=10.0, help="seconds before that (default: 10)")
    p.add_argument("--tuning", default="{}", help="fields of Tuning, in JSON")
    p.add_argument("--lead-all", action="store_true", help="host 1 leads every group")
    p.add_argument("--kill", action="store_true", help="kill host 1 at the end")
    p.add_argument("--profile", default="", help="write a profile of host 1 while it is idle to this file")
    o = p.parse_args(argv)
    o.groups = o.groups or 1000
    folder = tempfile.mkdtemp(prefix="many-groups-")
    try:
        print(json.dumps(measure(o, folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
