"""Kill one, two or all three of three members under load, again and again, and read back what was acknowledged.

    python -m tests.system.replica.rounds --runs 1000

After each round, every member must show each acknowledged command, none that was certainly refused, and none twice.
Some clients propose each command once, in batches of many; others by a session, which tries again until it knows.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from raftcy.demo.ports import free_ports
from tests.support.nursery import Nursery

from .nursery import unpacked

IDS = (1, 2, 3)
CLIENTS = 8
LIMIT = 1 << 24


class Members(Nursery):
    """Three members in a folder."""

    def __init__(self, folder: Path) -> None:
        self.ports = free_ports(6)
        super().__init__("tests.system.replica.nursery", str(folder), *map(str, self.ports))

    async def connect(self, id: int) -> "Line":
        """A connection to a member. OSError if it is down."""
        return Line(*await asyncio.open_connection("127.0.0.1", self.ports[2 + id], limit=LIMIT))


class Line:
    """A connection, for one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, question: dict[str, Any]) -> Any:
        """Ask, and wait for the answer; OSError or TimeoutError if none comes."""
        self._writer.write(json.dumps(question).encode() + b"\n")
        async with asyncio.timeout(10):
            line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the member has ended")
        return json.loads(line)

    def close(self) -> None:
        self._writer.close()


class Client:
    """Proposes ascending numbers, and keeps what it was answered."""

    def __init__(self, members: Members, name: str, draw: random.Random, count: int) -> None:
        self._members = members
        self._draw = draw
        # How many it proposes at once; 0 for one at a time by a session.
        self._count = count
        self.name = name
        self.next = 0
        self.applied: set[int] = set()
        self.refused: set[int] = set()
        self.unknown = 0

    async def run(self) -> None:
        """Propose until cancelled."""
        while True:
            line = None
            try:
                line = await self._members.connect(self._draw.choice(IDS))
                while await self._propose(line):
                    pass
            except OSError:
                await asyncio.sleep(0.02)
            finally:
                if line is not None:
                    line.close()

    async def _propose(self, line: Line) -> bool:
        first, count = self.next, self._draw.randrange(1, self._count + 1) if self._count else 1
        self.next += count
        question = {"c": self.name, "from": first, "count": count}
        if not self._count:
            question["session"] = True
        try:
            told = await line.ask(question)
        except (OSError, TimeoutError) as error:
            self.unknown += count
            raise ConnectionError from error
        self.applied |= {first + n for n in range(count) if told[n] == "a"}
        self.refused |= {first + n for n in range(count) if told[n] == "n"}
        self.unknown += told.count("u")
        if "a" not in told:
            await asyncio.sleep(0.02)
        return "a" in told


class Rounds:
    """See the module. ``wrong`` has what must not be."""

    def __init__(self, members: Members, seed: int) -> None:
        self.members = members
        self.draw = random.Random(seed)
        sizes = [0] * (CLIENTS // 2) + [20] * (CLIENTS - CLIENTS // 2)
        self.clients = [Client(members, f"c{n}", random.Random(seed + n), size) for n, size in enumerate(sizes)]
        self.wrong: list[str] = []
        self.kills = 0
        self.killed: Counter[int] = Counter()

    async def run(self, runs: int, told: Any) -> None:
        """So many rounds; ``told`` is called after each."""
        tasks = [asyncio.create_task(client.run()) for client in self.clients]
        try:
            for id in IDS:
                await self.verify(id)
            for number in range(1, runs + 1):
                await self.round()
                told(number)
                if self.wrong or any(task.done() for task in tasks):
                    break
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self.wrong += [repr(each) for each in ended if isinstance(each, Exception)]
        for id in IDS:
            await self.verify(id)

    async def round(self) -> None:
        """Kill some under load, start them again, and verify what all show."""
        await asyncio.sleep(self.draw.random() * 0.3)
        victims = self.draw.sample(IDS, self.draw.choice((1, 1, 2, 3)))
        for status in await self.members.order("kill", victims):
            self.kills += 1
            if status != -signal.SIGKILL:
                self.wrong.append(f"a member had ended by itself: {status}")
        self.killed[len(victims)] += 1
        if self.draw.random() < 0.5:
            await asyncio.sleep(self.draw.random() * 0.4)
        await self.members.order("start", victims)
        for id in IDS:
            await self.verify(id)

    async def verify(self, id: int) -> None:
        """Read all marks of a member, and compare them with what the clients were answered."""
        known = [(client.name, set(client.applied), set(client.refused), client.next) for client in self.clients]
        told = await self.read(id)
        if told["twice"]:
            self.wrong.append(f"{id} has applied twice: {told['twice'][:5]}")
        for name, applied, refused, tried in known:
            marks = unpacked(told["marks"][name]) if name in told["marks"] else b""
            shown = {n for n, mark in enumerate(marks) if mark}
            lost = sorted(applied - shown)
            if lost:
                self.wrong.append(f"{id} lacks {len(lost)} acknowledged commands of {name}: {lost[:5]}")
            if refused & shown:
                self.wrong.append(f"{id} has applied what was refused: {sorted(refused & shown)[:5]} of {name}")
            if shown and max(shown) >= max(tried, next(c.next for c in self.clients if c.name == name)):
                self.wrong.append(f"{id} has applied {max(shown)} of {name}, which nobody has proposed")

    async def read(self, id: int, timeout_s: float = 60.0) -> Any:
        """All marks of a member, once it answers."""
        async with asyncio.timeout(timeout_s):
            while True:
                line = None
                try:
                    line = await self.members.connect(id)
                    told = await line.ask({"read": True})
                    if told is not None:
                        return told
                except (OSError, TimeoutError):
                    pass
                finally:
                    if line is not None:
                        line.close()
                await asyncio.sleep(0.02)


async def rounds(folder: Path, runs: int, seed: int, told: Any = lambda number: None) -> Rounds:
    """Run so many rounds in a folder."""
    members = Members(folder)
    async with members.running():
        await members.order("start", IDS)
        made = Rounds(members, seed)
        await made.run(runs, told)
    for id in IDS:
        text = (folder / f"{id}.txt").read_text()
        if "Traceback" in text or "ERROR" in text:
            made.wrong.append(f"{id} said: {text[:1500]}")
    return made


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    o = parser.parse_args()
    begun = time.monotonic()

    def told(number: int) -> None:
        if number % 20 == 0:
            print(f"{number} rounds, {time.monotonic() - begun:.0f} s", flush=True)

    with tempfile.TemporaryDirectory(dir=o.folder) as folder:
        made = asyncio.run(rounds(Path(folder), o.runs, o.seed, told))
    count = sum(len(client.applied) for client in made.clients)
    refused = sum(len(client.refused) for client in made.clients)
    unknown = sum(client.unknown for client in made.clients)
    print(f"{made.killed.total()} rounds ({dict(sorted(made.killed.items()))} by members killed), {made.kills} kills")
    print(f"{count} commands acknowledged, {refused} refused, {unknown} unknown; {len(made.wrong)} wrong")
    for each in made.wrong:
        print(each)
    return 1 if made.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
