"""One process of the demo: a host with one replica.

Run by the client as ``python -m raftcy.demo.worker``. It ends when the client closes the connection between them, which
also happens when the client dies.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import BUILD
from ..replica import Host, LeaderChanged, Replica, Tuning
from ..transport import TLS
from . import channel
from .authority import authority_of, certificate_of
from .tally import Machine, command

_ELECTION_TICKS = 10
_HANDOVER_MS = 500


class Member:
    """A member that proposes what the client sends while it leads, and tells the client what became of it."""

    def __init__(self, host: Host, replica: Replica, machine: Machine, client: Any) -> None:
        self._host = host
        self._replica = replica
        self._machine = machine
        self._client = client
        self._proposing: set[asyncio.Task[None]] = set()

    async def run(self, said: "asyncio.Queue[channel.Batch | dict[str, Any]]") -> None:
        """Do what the client says, until it is cancelled. Raises the host's failure."""
        following = asyncio.create_task(self._follow())
        ending = asyncio.create_task(self._host.wait_closed())
        obeying = asyncio.create_task(self._obey(said))
        self.tell(event="ready")
        try:
            done, _ = await asyncio.wait((following, ending, obeying), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            tasks = [following, ending, obeying, *self._proposing]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        """Tell the client who leads."""
        self._tell_state()
        async for event in self._replica.events():
            if isinstance(event, LeaderChanged):
                self._tell_state()

    def _tell_state(self) -> None:
        self.tell(event="state", leads=self._replica.is_leader, term=self._replica.term)

    async def _obey(self, said: "asyncio.Queue[channel.Batch | dict[str, Any]]") -> None:
        while True:
            told = await said.get()
            if isinstance(told, channel.Batch):
                task = asyncio.create_task(self._propose(told))
                self._proposing.add(task)
                task.add_done_callback(self._proposing.discard)
            elif told["do"] == "report":
                await self._report()

    async def _propose(self, batch: channel.Batch) -> None:
        """Propose a batch, and tell the client up to which record all are in."""
        numbers = range(batch.first, batch.first + len(batch.records))
        term = self._replica.term
        # Never forwarded, and never in another term than the client knows: it will send it all to the next leader.
        answers = await self._replica.propose_many(list(map(command, numbers, batch.records)), only_in_term=term)
        taken = [number for number, answer in zip(numbers, answers, strict=True) if answer is True]
        self.tell(event="answered", records=taken[-1] if taken else 0, all=len(taken) == len(numbers))

    async def _report(self) -> None:
        """Read everything back that was acknowledged to anybody, and tell the client."""
        await self._replica.read()
        machine, replica = self._machine, self._replica
        metrics = self._host.metrics()
        self.tell(
            event="result",
            build=BUILD,
            leads=replica.is_leader,
            term=replica.term,
            records=machine.records,
            repeated=machine.repeated,
            early=machine.early,
            applied=replica.applied,
            digest=machine.digest(),
            syncs=metrics.sync_seconds.count,
            sent=metrics.traffic.sent_messages,
            received=metrics.traffic.received_messages,
        )

    def tell(self, **fields: Any) -> None:
        """Send an event to the client."""
        self._client.write(channel.pack(**fields))


def _settings(folder: Path, id: int) -> TLS | None:
    """Return the settings of TLS, None if the client could make no certificates."""
    authority = authority_of(folder)
    if not authority.exists():
        return None
    certificate, key = certificate_of(folder, id)
    return TLS(certificate, key, authorities=authority)


async def _read(commands: asyncio.StreamReader, said: "asyncio.Queue[channel.Batch | dict[str, Any]]") -> None:
    """Read what the client says, until it closes the connection. The client sends only what its window allows."""
    async for each in channel.unpack(commands):
        said.put_nowait(each)


async def _serve(host: Host, said: "asyncio.Queue[channel.Batch | dict[str, Any]]", client: Any) -> None:
    async with host:
        machine = Machine()
        await Member(host, host.replica("demo", machine), machine, client).run(said)


async def _main(id: int, folder: Path, tick_ms: int, ports: list[int], client_port: int) -> int:
    try:
        commands, client = await asyncio.open_connection(channel.HOST, client_port)
    except OSError:
        # The client is gone.
        return 1
    client.write(channel.pack(id=id, token=os.environ.get(channel.TOKEN, "")))
    members = {number: f"{channel.HOST}:{port}" for number, port in enumerate(ports, 1)}
    tuning = Tuning(tick_ms=tick_ms, election_ms=_ELECTION_TICKS * tick_ms, handover_ms=_HANDOVER_MS)
    host = Host(folder / f"data-{id}", id=id, members=members, tls=_settings(folder, id), tuning=tuning)
    said: asyncio.Queue[channel.Batch | dict[str, Any]] = asyncio.Queue()
    reading = asyncio.create_task(_read(commands, said))
    # The host may still wait for the other members when the client is gone.
    serving = asyncio.create_task(_serve(host, said, client))
    await asyncio.wait((reading, serving), return_when=asyncio.FIRST_COMPLETED)
    for task in (reading, serving):
        task.cancel()
    await asyncio.gather(reading, serving, return_exceptions=True)
    error = None if serving.cancelled() else serving.exception()
    if error is None:
        return 0
    text = f"node {id} failed: {error!r}"
    if isinstance(error, OSError) and error.errno:
        text = f"node {id} cannot listen on {channel.HOST}:{ports[id - 1]}: {os.strerror(error.errno)}"
    client.write(channel.pack(event="failed", text=text))
    with suppress(ConnectionError):
        await client.drain()
    return 1


def main(argv: list[str]) -> int:
    """Run a member: its id, the folder, milliseconds per tick, the client's port, and the ports of all members."""
    id, folder, tick_ms, client_port, *ports = argv
    return asyncio.run(_main(int(id), Path(folder), int(tick_ms), list(map(int, ports)), int(client_port)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
