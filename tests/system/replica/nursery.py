"""Members as processes; see ``tests.support.nursery``.

    python -m tests.system.replica.nursery FOLDER HOST_PORT CLIENT_PORT ...

``start ID …`` starts members. A member serves one group, whose machine marks the numbers of the commands that it has
applied. Clients send lines of JSON; see ``Serving``.
"""

import asyncio
import binascii
import json
import logging
import sys
import time
from functools import partial
from pathlib import Path
from secrets import token_bytes
from typing import Any

from raftcy import Host, RaftError, Rejected, Tuning
from raftcy.machines import Command, StateMachine
from raftcy.replica.seams import Seams
from raftcy.storage.shared_log import SharedLog
from tests.support.nursery import fork, obey

TUNING = Tuning(tick_ms=20, election_ms=300, snapshot_entries=400, kept_entries=100)


class Marks(StateMachine):
    """Marks each command, "client:number", as applied. ``twice`` has those that were applied again."""

    def __init__(self) -> None:
        self.marks: dict[str, bytearray] = {}
        self.twice: list[str] = []

    def apply_one(self, command: Command) -> Any:
        text = command.data.decode()
        client, _, number = text.partition(":")
        at = int(number)
        marks = self.marks.setdefault(client, bytearray())
        if len(marks) <= at:
            marks += bytes(at + 1 - len(marks))
        if marks[at]:
            self.twice.append(text)
        marks[at] = 1
        return at

    def told(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"marks": {client: packed(marks) for client, marks in self.marks.items()}, "twice": self.twice}

    def capture(self) -> bytes:
        return json.dumps(self.told()).encode()

    def restore(self, file: Any) -> None:
        told = json.loads(file.read())
        self.marks = {client: unpacked(text) for client, text in told["marks"].items()}
        self.twice = told["twice"]


def packed(marks: bytearray) -> str:
    """Bytes of 0 and 1 as text, eight to a byte."""
    number = int(b"1" + marks.translate(bytes([48, 49]) + bytes(254)), 2)
    return binascii.b2a_base64(number.to_bytes(-(-number.bit_length() // 8), "big"), newline=False).decode()


def unpacked(text: str) -> bytearray:
    """What ``packed`` has packed."""
    number = int.from_bytes(binascii.a2b_base64(text), "big")
    return bytearray(bin(number)[3:].encode().translate(bytes(48) + bytes([0, 1]) + bytes(206)))


class Small(Seams):
    """A log with small segments, so that they are begun, freed and moved all the time."""

    def log(self, files: Any) -> SharedLog:
        return SharedLog(files, segment_size=64 << 10, clock=time.monotonic, draw=token_bytes)


class Serving:
    """Answers the clients of one member.

    ``{"c": client, "from": number, "count": n}`` proposes numbers by ``propose_many``; with ``"session": true``, one
    number by the session of the connection. The answer has a letter for each: a (applied), n (certainly not in the
    log), u (unknown). ``{"read": true}`` answers with all marks, after a linearizable barrier.
    """

    def __init__(self, replica: Any) -> None:
        self.replica = replica

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        try:
            await self.answers(reader, writer)
        except ConnectionError:
            # Connections to killed members are reset, and the clients turn to another one.
            pass
        finally:
            writer.close()

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the client closes."""
        session: Any = None
        while line := await reader.readline():
            ask = json.loads(line)
            answer: Any
            if "read" in ask:
                answer = await self.read()
            elif "session" in ask:
                session, answer = await self.by_session(session, ask)
            else:
                commands = [f"{ask['c']}:{n}".encode() for n in range(ask["from"], ask["from"] + ask["count"])]
                answer = "".join(map(letter, await self.replica.propose_many(commands, timeout_s=2)))
            writer.write(json.dumps(answer).encode() + b"\n")

    async def read(self) -> Any:
        try:
            await self.replica.read(timeout_s=1)
        except (RaftError, TimeoutError):
            return None
        return self.replica.machine.told()

    async def by_session(self, session: Any, ask: dict[str, Any]) -> tuple[Any, str]:
        try:
            if session is None:
                session = await self.replica.session(timeout_s=2)
        except (RaftError, TimeoutError):
            return None, "n"
        try:
            await session.propose(f"{ask['c']}:{ask['from']}".encode(), timeout_s=2)
        except (RaftError, TimeoutError) as error:
            # A session keeps the place of what is unknown, so a connection begins a new one.
            return None, letter(error)
        return session, "a"


def letter(outcome: Any) -> str:
    """What became of a command."""
    if isinstance(outcome, Rejected):
        return "n"
    return "u" if isinstance(outcome, BaseException) else "a"


async def member(folder: str, id: int, ports: list[int]) -> None:
    """One member, until it is killed."""
    members = {n: f"127.0.0.1:{ports[n - 1]}" for n in (1, 2, 3)}
    async with Host(f"{folder}/{id}", id=id, members=members, tuning=TUNING, seams=Small()) as host:
        serving = Serving(host.replica("marks", Marks()))
        async with await asyncio.start_server(serving.client, "127.0.0.1", ports[2 + id], limit=1 << 24):
            await host.wait_closed()


def live(folder: str, id: int, ports: list[int]) -> int:
    """The life of a member, which nothing but a kill may end."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(member(folder, id, ports))
    return 1


def main() -> None:
    folder, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
    obey(lambda ids: {id: fork(Path(folder, f"{id}.txt"), partial(live, folder, int(id), ports)) for id in ids})


if __name__ == "__main__":
    main()
