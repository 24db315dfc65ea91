"""What happens to the members of a history: kills, pauses, cut ways, and changes of members, all at the same time."""

import asyncio
import random
from collections import Counter
from typing import Any

from .cluster import Cluster, Silent

MEMBERS_LEAST, MEMBERS_MOST = 3, 5
DONE_S = 60.0


def split(members: list[int], draw: random.Random) -> tuple[set[int], set[int]]:
    """Two parts of the members, neither of them empty."""
    shuffled = draw.sample(members, len(members))
    at = draw.randrange(1, len(members))
    return set(shuffled[:at]), set(shuffled[at:])


def both_ways(one: set[int], other: set[int]) -> dict[int, set[int]]:
    """The ways between two parts."""
    return {**dict.fromkeys(one, other), **dict.fromkeys(other, one)}


def partition(members: list[int], draw: random.Random) -> dict[int, set[int]]:
    """Two parts that do not reach each other."""
    return both_ways(*split(members, draw))


def isolation(members: list[int], draw: random.Random) -> dict[int, set[int]]:
    """One member that nobody reaches, and that reaches nobody."""
    one = {draw.choice(members)}
    return both_ways(one, set(members) - one)


def one_way(members: list[int], draw: random.Random) -> dict[int, set[int]]:
    """One member that reaches nobody, or that nobody reaches, or one way only."""
    id = draw.choice(members)
    others = set(members) - {id}
    kind = draw.randrange(3)
    if kind == 0:
        return {id: others}
    if kind == 1:
        return {other: {id} for other in others}
    return {id: {draw.choice(sorted(others))}}


def bridge(members: list[int], draw: random.Random) -> dict[int, set[int]]:
    """Two parts that do not reach each other, and one member that all reach."""
    middle = draw.choice(members)
    return both_ways(*split([id for id in members if id != middle], draw))


CUTS = (partition, isolation, one_way, bridge)


class Faults:
    """The faults of one history. ``counts`` says how often each came."""

    def __init__(self, cluster: Cluster, draw: random.Random) -> None:
        self.cluster = cluster
        self.draw = draw
        self.counts: Counter[str] = Counter()
        self._newest = max(cluster.members)
        self._changing = asyncio.Lock()
        self._over = False

    async def run(self) -> None:
        """Do harm until ``end`` is called; then undo all of it."""
        await asyncio.gather(self._kill_and_pause(), self._cut(), self._change())

    def end(self) -> None:
        """Let all faults end."""
        self._over = True

    async def _rest(self, least_s: float, most_s: float) -> None:
        """Wait, or less if the faults end."""
        end = asyncio.get_running_loop().time() + self.draw.uniform(least_s, most_s)
        while not self._over and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)

    def _some(self) -> list[int]:
        """Some of the members that run: mostly one, sometimes two, sometimes all."""
        running = sorted(self.cluster.running & self.cluster.members)
        return self.draw.sample(running, min(len(running), self.draw.choice((1, 1, 1, 2, len(running)))))

    async def _kill_and_pause(self) -> None:
        cluster = self.cluster
        while not self._over:
            await self._rest(0.3, 1.5)
            victims = self._some()
            if self.draw.random() < 0.5:
                self.counts["pauses"] += 1
                await cluster.order("signal", victims, "SIGSTOP")
                await self._rest(0.1, 2.0)
                await cluster.order("signal", victims, "SIGCONT")
            else:
                self.counts["kills"] += len(victims)
                await cluster.kill(victims)
                await self._rest(0.0, 1.5)
                for id in victims:
                    await cluster.start(id)

    async def _cut(self) -> None:
        while not self._over:
            await self._rest(0.3, 1.5)
            kind = self.draw.choice(CUTS)
            self.counts[kind.__name__] += 1
            ways = kind(sorted(self.cluster.members), self.draw)
            await self.cluster.order("cut", {str(id): sorted(others) for id, others in ways.items()})
            await self._rest(0.3, 2.5)
            await self.cluster.order("cut", {})

    # -- members -----------------------------------------------------------------------------------------------------

    async def _change(self) -> None:
        while not self._over:
            await self._rest(1.0, 4.0)
            count = len(self.cluster.members)
            kinds = ["transfer", "replace"]
            kinds += ["add"] * (count < MEMBERS_MOST) + ["remove"] * (count > MEMBERS_LEAST)
            await self._change_once(self.draw.choice(kinds))

    async def _change_once(self, kind: str) -> None:
        cluster = self.cluster
        if kind == "transfer":
            for id in sorted(cluster.members):
                if await self._asked(id, kind, []) == "":
                    self.counts[kind] += 1
                    return
            return
        old, new = 0, 0
        if kind in ("add", "replace"):
            self._newest = new = self._newest + 1
            await cluster.start(new)
            cluster.members.add(new)
        if kind in ("remove", "replace"):
            old = self.draw.choice(sorted(cluster.members - {new}))
        await self._until_done(kind, [id for id in (old, new) if id])
        if old:
            cluster.members.discard(old)
        self.counts[kind] += 1

    async def _until_done(self, kind: str, ids: list[int]) -> None:
        """Ask for a change until it is done, which may take until the faults have ended, but not much longer."""
        cluster = self.cluster
        deadline = 0.0
        said: Any = None
        while True:
            now = asyncio.get_running_loop().time()
            if self._over:
                deadline = deadline or now + DONE_S
                if now > deadline:
                    cluster.wrong.append(f"{kind} {ids} was not done in {DONE_S:.0f} s after the faults: {said}")
                    return
            at = self.draw.choice(sorted(cluster.members))
            # Who is removed may hear of it before the change is answered.
            cluster.removed |= set(ids[:1]) if kind in ("remove", "replace") else set()
            said = await self._asked(at, kind, ids)
            if said == "" or await self._is_done(kind, ids):
                return
            await asyncio.sleep(0.1)

    async def _asked(self, id: int, kind: str, ids: list[int]) -> Any:
        try:
            return await self.cluster.ask(id, "change", what=kind, ids=ids)
        except (OSError, RuntimeError) as error:
            return repr(error)
        except Silent as error:
            self.cluster.wrong.append(str(error))
            return str(error)

    async def _is_done(self, kind: str, ids: list[int]) -> bool:
        """Whether some member says that a change is done. It was perhaps, and the answer was lost."""
        try:
            found = await self.cluster.ask(self.draw.choice(sorted(self.cluster.members)), "members")
        except (OSError, RuntimeError):
            return False
        gone = kind == "add" or ids[0] in found["removed"]
        there = kind == "remove" or ids[-1] in found["voters"]
        return gone and there and not (kind != "add" and ids[0] in found["voters"])
