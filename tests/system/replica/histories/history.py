"""One history: clients, faults, and what must hold when the faults have ended.

- Every question to a member has been answered, unless the member was killed; every command whose outcome was unknown
  has a fate, every session's command its answer; every change of members is done; who was removed has ended.
- All members have the same state. It has every command that was answered or whose fate is "applied", once, and none
  that was rejected.
- The operations are linearizable. Commands of killed members count as applied if the final state has them.
- The careless clients' operations are not: so the checker would have noticed.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..nursery import unpacked
from .checking import verdicts
from .clients import KEYS, Book, Careless, Client, InSession, Once, Roaming
from .cluster import Cluster
from .faults import Faults
from .nursery import REMOVED

SETTLED_S = 60.0
CLIENTS: tuple[type[Client], ...] = (Once,) * 8 + (InSession,) * 4 + (Roaming,) * 4 + (Careless,) * 4


@dataclass
class Told:
    """What a history has shown. ``wrong`` has what must not be."""

    operations: int
    faults: Counter[str]
    doubts: int
    fates: dict[str, int]
    applied: int
    rejected: int
    careless: dict[str, str]
    seconds: float
    wrong: list[str] = field(default_factory=list)


async def history(folder: Path, checker: Path, operations: int, seed: int, lease: bool) -> Told:
    """Make one history in an empty folder with a short path, and check it. ``lease`` lets leaders read by it."""
    begun = time.monotonic()
    draw = random.Random(seed)
    async with Cluster(folder, lease).open() as cluster:
        faults, book = Faults(cluster, draw), Book(operations)
        clients = [kind(cluster, book, n, random.Random(draw.random())) for n, kind in enumerate(CLIENTS)]
        for id in sorted(cluster.members):
            await state(cluster, id)
        harm = asyncio.create_task(faults.run())
        await asyncio.gather(*[client.run() for client in clients])
        faults.end()
        await harm
        await settle(cluster, book)
        states = [await state(cluster, id) for id in sorted(cluster.members)]
        if not cluster.wrong:
            compare(book, states)
            await read_all(clients[0], sorted(cluster.members))
        wrong = cluster.wrong + book.wrong
    for id in sorted(cluster.members):
        text = (folder / f"{id}.txt").read_text()
        if "Traceback" in text:
            wrong.append(f"member {id} said: {text[-1500:]}")
    found = {} if wrong else verdicts(checker, book.operations)
    wrong += [f"{key} is not linearizable: {each}" for key, each in sorted(found.items()) if each != "ok"]
    careless = verdicts(checker, book.careless)
    return Told(
        len(book.operations),
        faults.counts,
        len(book.doubts),
        book.fates,
        len(book.applied),
        len(book.rejected),
        careless,
        time.monotonic() - begun,
        wrong,
    )


async def state(cluster: Cluster, id: int) -> Any:
    """The state of a member, after a barrier."""
    return await cluster.until(f"a read at member {id}", SETTLED_S, lambda: cluster.ask(id, "state"))


async def settle(cluster: Cluster, book: Book) -> None:
    """Wait until the removed have ended, and ask for the fates of commands without an outcome."""

    async def ended(id: int) -> Any:
        return True if await cluster.order("ended", id) == REMOVED else None

    for id in sorted(cluster.removed - cluster.members):
        if id in cluster.running:
            await cluster.until(f"the end of the removed member {id}", SETTLED_S, lambda id=id: ended(id))
    for id in sorted(cluster.members):
        status = await cluster.order("ended", id)
        if status is not None:
            cluster.wrong.append(f"member {id} has ended by itself with {status}")
    fates: Counter[str] = Counter()
    for doubt in book.doubts:
        if doubt.member not in cluster.members:
            continue
        question = {"token": doubt.token, "start": doubt.start}
        act = doubt.act
        what = f"the fate of {act.client}:{act.number} at member {doubt.member}"
        fate, answer = await cluster.until(
            what, SETTLED_S, lambda doubt=doubt, question=question: cluster.ask(doubt.member, "fate", **question)
        ) or ("none", None)
        fates[fate] += 1
        place = (act.client, act.number)
        if fate == "applied":
            book.applied.add(place)
            doubt.operation.answer = answer
        elif fate == "rejected":
            book.rejected.add(place)
    book.fates = dict(fates)


def compare(book: Book, states: list[Any]) -> None:
    """Compare the members with each other, and with what the clients were told. Doubts get their outcome."""
    first = states[0]
    book.wrong += [f"members differ: {first} and {each}" for each in states if each != first]
    if first["twice"]:
        book.wrong.append(f"applied twice: {first['twice'][:5]}")
    shown = {
        (client, number)
        for client, text in first["marks"].items()
        for number, mark in enumerate(unpacked(text))
        if mark
    }
    # What careless clients were answered was not promised by anybody.
    lost = {place for place in book.applied - shown if not place[0].startswith("careless")}
    if lost:
        book.wrong.append(f"lost: {len(lost)} applied commands, such as {sorted(lost)[:5]}")
    if book.rejected & shown:
        book.wrong.append(f"applied although rejected: {sorted(book.rejected & shown)[:5]}")
    now = time.monotonic_ns()
    for doubt in book.doubts:
        if (doubt.act.client, doubt.act.number) in shown:
            doubt.operation.returned = now
            is_careless = doubt.act.client.startswith("careless")
            (book.careless if is_careless else book.operations).append(doubt.operation)


async def read_all(client: Client, members: list[int]) -> None:
    """Read every key at every member."""
    for id in members:
        line = await client.cluster.connect(id)
        for number in range(KEYS):
            await client.read(line, "read", f"key{number}")
        line.close()
