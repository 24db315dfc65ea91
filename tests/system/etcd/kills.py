"""Kill one, two or all three members of an etcd cluster under load, again and again.

    python -m tests.system.etcd.kills --rounds 1000

The members are processes of the real command, and the clients speak gRPC by grpcio. After each round, what was
acknowledged must be there, once; watches through each member must have seen each revision once and in order; HashKV and
all keys must be equal on all members; and no lease may be gone before its time.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from raftcy.demo.ports import free_ports
from raftcy.etcd import schema
from tests.support.nursery import Nursery

from .killledger import Ledger
from .killtraffic import LEASE_TTL_S, Link, Traffic, Unanswered

NAMES = ("m1", "m2", "m3")
ALL = schema.RangeRequest(key=b"\0", range_end=b"\0")
WAIT_S_MAX = 60.0
KEPT_REVISIONS = 200
_FLAGS = (
    *("--heartbeat-interval=50", "--election-timeout=400", "--snapshot-count=2000", "--snapshot-catchup-entries=500"),
    "--log-level=warn",
)


class Members(Nursery):
    """Three members in a folder, with their logs."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.system.etcd.nursery", str(folder))
        ports = free_ports(6)
        self.endpoints = [f"127.0.0.1:{port}" for port in ports[:3]]
        peers = [f"http://127.0.0.1:{port}" for port in ports[3:]]
        cluster = ",".join(f"{name}={peer}" for name, peer in zip(NAMES, peers, strict=True))
        self._flags = {
            name: [
                *(f"--name={name}", f"--data-dir={folder / name}", f"--initial-cluster={cluster}"),
                *(f"--listen-client-urls=http://{endpoint}", f"--advertise-client-urls=http://{endpoint}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", *_FLAGS),
            ]
            for name, endpoint, peer in zip(NAMES, self.endpoints, peers, strict=True)
        }

    async def start(self, names: Iterable[str]) -> None:
        """Start members."""
        for name in names:
            await self.order("start", [name, *self._flags[name]])


class Rounds:
    """See the module."""

    def __init__(self, members: Members, seed: int) -> None:
        self.members = members
        self.draw = random.Random(seed)
        self.links = [Link(each) for each in members.endpoints]
        self.ledger = Ledger(len(self.links))
        self.traffic = Traffic(self.links, self.ledger, seed)
        self.killed: Counter[int] = Counter()
        self.revision = 0

    @property
    def wrong(self) -> list[str]:
        """What must not be."""
        return self.ledger.wrong

    async def run(self, rounds: int, told: Any) -> None:
        """So many rounds; ``told`` is called after each."""
        await self.verify()
        tasks = [asyncio.ensure_future(each) for each in self.traffic.clients()]
        try:
            for number in range(1, rounds + 1):
                await self.round()
                told(number)
                if self.wrong or any(task.done() for task in tasks):
                    break
            await self.expire()
            await self.verify()
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self.wrong.extend(repr(each) for each in ended if isinstance(each, Exception))
            for link in self.links:
                await link.close()

    async def round(self) -> None:
        """Kill some under load, start them again, and verify."""
        await asyncio.sleep(self.draw.random() * 0.4)
        victims = self.draw.sample(NAMES, self.draw.choice((1, 1, 2, 3)))
        for status in await self.members.order("kill", victims):
            if status != -signal.SIGKILL:
                self.wrong.append(f"a member had ended by itself: {status}")
        self.killed[len(victims)] += 1
        if self.draw.random() < 0.5:
            # Sometimes long enough for an election.
            await asyncio.sleep(self.draw.random() * 1.2)
        await self.members.start(victims)
        await self.verify()
        await self.compact()

    async def _until_answered(self, link: Link, request: Any) -> Any:
        async with asyncio.timeout(WAIT_S_MAX):
            while True:
                try:
                    return await link.ask(request, 2.0)
                except Unanswered:
                    await asyncio.sleep(0.03)

    async def verify(self) -> None:
        """All members answer; compare what they show with what clients and watches know."""
        found = [await self._until_answered(link, schema.RangeRequest(key=b"none")) for link in self.links]
        revision = max(each.header.revision for each in found)
        if revision < self.revision:
            self.wrong.append(f"the revision has gone back from {self.revision} to {revision}")
        self.revision = revision
        if revision > 1:
            async with asyncio.timeout(WAIT_S_MAX):
                while self.ledger.settled() < revision:
                    await asyncio.sleep(0.01)
        self.ledger.judge(revision)
        hashes = set()
        for number, link in enumerate(self.links):
            hashed = await self._until_answered(link, schema.HashKVRequest(revision=revision))
            hashes.add((hashed.hash, hashed.hash_revision))
            shown = await self._until_answered(
                link, schema.RangeRequest(key=b"\0", range_end=b"\0", revision=revision, serializable=True)
            )
            self.ledger.compare(number, revision, shown.kvs)
        if len(hashes) != 1:
            self.wrong.append(f"the hashes at revision {revision} differ: {sorted(hashes)}")
        asked_s = self.ledger.clock()
        shown = await self._until_answered(self.draw.choice(self.links), ALL)
        live = {kv.key for kv in shown.kvs}
        self.ledger.check_promises(asked_s, self.ledger.clock(), revision, live)

    async def compact(self) -> None:
        """Compact what all watches have had and nobody compares any more."""
        revision = min(self.ledger.settled(), self.revision) - KEPT_REVISIONS
        if revision <= self.ledger.compacted + KEPT_REVISIONS:
            return
        try:
            await self.draw.choice(self.links).ask(schema.CompactionRequest(revision=revision))
        except Unanswered:
            return
        self.ledger.forget(revision)

    async def expire(self) -> None:
        """With all members running, the leases that nobody renews end."""
        async with asyncio.timeout(WAIT_S_MAX):
            while True:
                found = await self._until_answered(self.links[0], schema.LeaseLeasesRequest())
                if not {each.ID for each in found.leases} & set(self.traffic.abandoned[:-4]):
                    return
                await asyncio.sleep(LEASE_TTL_S / 10)


async def kill_in_rounds(folder: Path, rounds: int, seed: int, told: Any = lambda number: None) -> Rounds:
    """Run so many rounds in a folder."""
    members = Members(folder)
    async with members.running():
        await members.start(NAMES)
        made = Rounds(members, seed)
        await made.run(rounds, told)
    for name in NAMES:
        text = (folder / f"{name}.log").read_text()
        signs = ("Traceback", '"level":"error"', '"level":"fatal"')
        bad = [line for line in text.splitlines() if any(sign in line for sign in signs)]
        if bad:
            made.wrong.append(f"{name} said: {bad[0][:500]}; its log is {len(text)} long: {text[:1000]}")
    return made


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep data and logs there")
    o = parser.parse_args()
    begun = time.monotonic()

    def told(number: int) -> None:
        if number % 20 == 0:
            print(f"{number} rounds, {time.monotonic() - begun:.0f} s", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = o.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        made = asyncio.run(kill_in_rounds(folder, o.rounds, o.seed, told))
    ledger, traffic = made.ledger, made.traffic
    expired = len(traffic.abandoned)
    print(f"{made.killed.total()} rounds ({dict(sorted(made.killed.items()))} by members killed)")
    print(
        f"{ledger.applied} writes acknowledged, {ledger.refused} refused, {traffic.unknown} unknown, up to revision "
        f"{made.revision}; {traffic.renewals} renewals, {expired} leases expired, {traffic.gone} renewed too late"
    )
    print(f"{len(made.wrong)} wrong")
    for each in made.wrong:
        print(each)
    return 1 if made.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
