"""A member of a history: a host in a network namespace, whose clients come through a Unix socket.

Unix sockets know no network namespaces, so clients reach a member that is cut off from all others, as in real life.
Questions and answers are lines of JSON. ``{"ask": name, …}`` is answered by ``on_name``: with ``{"ok": …}``, or with
``{"error": …}`` for an error that a client may get at any time. A command's answer is one of

    {"is": "applied", "answer": …}    {"is": "rejected"}    {"is": "unknown", "token": number, "start": start}

and ``fate`` asks for the outcome of a token.
"""

import asyncio
import base64
import json
import random
import secrets
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any

from raftcy import Host, OutcomeUnknown, RaftError, Rejected, Tuning
from raftcy.errors import ChangePending, MemberRefused, NotNow, SessionExpired

from ..nursery import Small
from .cells import Act, Cells
from .network import address

COMMAND_S = 2.0
CHANGE_S = 8.0
DAY_US = 86_400_000_000


class Shaken(Small):
    """A host's seams with a clock for leases that is days apart from the others, drifts, and jumps ahead."""

    def __init__(self, id: int) -> None:
        self._draw = random.Random()
        self._offset_us = id * DAY_US
        # Within the bound of 10,000 ppm, which the default of Tuning allows.
        self._rate = 1 + self._draw.uniform(-0.009, 0.009)
        self._begun_us = self._jump_us = super().now_us()

    def now_us(self) -> int:
        real = super().now_us()
        if real > self._jump_us:
            self._jump_us = real + self._draw.randrange(500_000, 6_000_000)
            self._offset_us += self._draw.choice((0, 50_000, 400_000, 5_000_000))
        return self._offset_us + self._begun_us + int((real - self._begun_us) * self._rate)


class Serving:
    """Answers clients. A session belongs to a connection, and tokens to this start of the member.

    A session stays open while somebody may ask for the fate of one of its commands.
    """

    def __init__(self, host: Host, replica: Any) -> None:
        self.host = host
        self.replica = replica
        self._start = secrets.token_hex(4)
        # With the session of each, if one proposed it.
        self._tokens: list[tuple[Any, Any]] = []

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client, one question at a time."""
        sessions: list[Any] = []
        try:
            while line := await reader.readline():
                ask = json.loads(line)
                try:
                    found = {"ok": await getattr(self, f"on_{ask['ask']}")(ask, sessions)}
                except (RaftError, TimeoutError) as error:
                    found = {"error": f"{type(error).__name__}: {error}"}
                writer.write(json.dumps(found).encode() + b"\n")
        except ConnectionError:
            # The client has given up.
            pass
        finally:
            writer.close()
            for session in sessions:
                if all(each is not session for _, each in self._tokens):
                    with suppress(RaftError):
                        await session.close()

    async def _outcome(self, work: Awaitable[Any], session: Any = None) -> dict[str, Any]:
        try:
            return {"is": "applied", "answer": await work}
        except (Rejected, SessionExpired):
            return {"is": "rejected"}
        except OutcomeUnknown as error:
            self._tokens.append((error.token, session))
            return {"is": "unknown", "token": len(self._tokens) - 1, "start": self._start}

    async def on_command(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """Propose a command once."""
        return await self._outcome(self.replica.propose(Act(*ask["act"]).encode(), timeout_s=COMMAND_S))

    async def on_by_session(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """Propose a command by the connection's session, which tries again."""
        if not sessions:
            try:
                sessions.append(await self.replica.session(timeout_s=COMMAND_S))
            except (Rejected, OutcomeUnknown):
                # There is no session, so the command was not proposed.
                return {"is": "rejected"}
        session = sessions[0]
        return await self._outcome(session.propose(Act(*ask["act"]).encode(), timeout_s=COMMAND_S), session)

    async def on_entry(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """Propose an entry made by a client that keeps its own session."""
        try:
            return {"answer": await self.replica.propose_entry(base64.b64decode(ask["entry"]), timeout_s=COMMAND_S)}
        except SessionExpired:
            return {"expired": True}

    async def on_fate(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """What became of a command whose outcome was unknown, with its answer if a session has kept it."""
        if ask["start"] != self._start:
            return "lost", None
        token, session = self._tokens[ask["token"]]
        if session is None:
            return str(await self.replica.outcome(token, timeout_s=COMMAND_S)), None
        try:
            return "applied", await session.again(token, timeout_s=COMMAND_S)
        except (Rejected, SessionExpired):
            return "rejected", None
        except OutcomeUnknown as error:
            if isinstance(error.__cause__, SessionExpired):
                return "lost", None
            raise

    async def on_read(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """The number of a key, after a barrier."""
        await self.replica.read(timeout_s=COMMAND_S)
        return self.replica.machine.numbers.get(ask["key"], 0)

    async def on_careless_read(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """The number of a key as it is here: what a read without a barrier answers."""
        return self.replica.machine.numbers.get(ask["key"], 0)

    async def on_careless_write(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """Answer before the command is committed, whatever becomes of it."""
        end = self.replica.propose(Act(*ask["act"]).encode(), timeout_s=COMMAND_S)
        end.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return {"is": "applied", "answer": None}

    async def on_state(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """The whole state, after a barrier."""
        await self.replica.read(timeout_s=COMMAND_S)
        return self.replica.machine.told()

    async def on_members(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """The voters, and the ids that were removed."""
        return {"voters": sorted(self.replica.members.voters), "removed": sorted(self.host.status().removed)}

    async def on_change(self, ask: dict[str, Any], sessions: list[Any]) -> Any:
        """Change the members, or hand over; an empty answer if it is done."""
        try:
            if ask["what"] == "transfer":
                await self.replica.transfer()
            else:
                await getattr(self.host, ask["what"])(*ask["ids"], timeout_s=CHANGE_S)
        except (ChangePending, MemberRefused, NotNow) as error:
            return f"{type(error).__name__}: {error}"
        return ""


async def member(folder: Path, id: int, founders: list[int], join: list[int], lease: bool) -> None:
    """One member, until its host ends. ``join`` are the members through which it may enter; founders need none."""
    options: dict[str, Any] = {"members": {each: address(each) for each in founders}}
    if id not in founders:
        options = {"join": [address(each) for each in join], "listen": address(id)}
    tuning = Tuning(tick_ms=20, election_ms=300, snapshot_entries=300, kept_entries=60, lease_reads=lease)
    seams = Shaken(id) if lease else Small()
    async with Host(folder / str(id), id=id, tuning=tuning, seams=seams, **options) as host:
        serving = Serving(host, host.replica("cells", Cells()))
        path = folder / f"{id}.sock"
        path.unlink(missing_ok=True)
        async with await asyncio.start_unix_server(serving.connection, path, limit=1 << 24):
            await host.wait_closed()
