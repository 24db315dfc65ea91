"""A host without a cluster asks a running one for a place, and what it is answered.

Rules:

- The identity of the directory is on disk before it is sent. A host that asks again after a crash is then the same one.
- Such a host may ask for a place, and for nothing else: it talks in the group of newcomers only.
- It asks again and again until the cluster has taken it in, or refuses it. The request changes nothing twice.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import CallFailed, DecodeError, MemberRefused, MemberRemoved, RaftError
from ..machines.plaindata import pack, unpack
from .bootstrap import split_address
from .calls import JOIN, NEWCOMERS_GROUP, CallReceiver, Calls
from .hostrecords import Arrival
from .membertable import MemberTable, decode_table
from .notices import Notices

_TAKEN, _WAIT, _REFUSED = range(1, 4)


@dataclass(frozen=True, slots=True)
class Taken:
    """The host is in: the id of its cluster, and the hosts, with their addresses."""

    cluster: int
    table: MemberTable


@dataclass(frozen=True, slots=True)
class Wait:
    """It is not in yet, and should ask again. ``why`` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class No:
    """The cluster refuses it, for a reason that does not pass by itself."""

    reason: str
    text: str


Reply = Taken | Wait | No


def encode_reply(reply: Reply) -> bytes:
    """Return the bytes of a reply."""
    if isinstance(reply, Taken):
        return pack((_TAKEN, reply.cluster, reply.table.encode()))
    if isinstance(reply, Wait):
        return pack((_WAIT, reply.why))
    return pack((_REFUSED, reply.reason, reply.text))


def decode_reply(data: bytes) -> Reply:
    """Decode a reply. Raises DecodeError for other bytes."""
    fields = unpack(data)
    if not isinstance(fields, tuple) or not fields:
        raise DecodeError("no reply to a host that asks for a place", 0)
    kind, *rest = fields
    types = [type(each) for each in rest]
    if kind == _TAKEN and types == [int, bytes] and rest[0] > 0:
        table, end = decode_table(rest[1])
        if end == len(rest[1]):
            return Taken(rest[0], table)
    elif kind == _WAIT and types == [str]:
        return Wait(rest[0])
    elif kind == _REFUSED and types == [str, str]:
        return No(rest[0], rest[1])
    raise DecodeError("a malformed reply to a host that asks for a place", 0)


def refusal(reason: str, text: str) -> MemberRefused:
    """Return the error for a refusal with this reason."""
    return MemberRemoved(text, reason) if reason == "removed" else MemberRefused(text, reason)


class Joining:
    """The host of an ``arrival`` asks at the addresses ``seeds``, over a transport that ``make_transport`` makes.

    ``notices`` takes log lines. ``failure`` returns the error that has ended the host, or
    None. ``drawn`` is a number of 64 bits that no other start has.
    """

    def __init__(
        self,
        arrival: Arrival,
        seeds: Sequence[str],
        listen: tuple[str, int],
        tick_s: float,
        call_s: float,
        notices: Notices,
        make_transport: Callable[[], Any],
        failure: Callable[[], BaseException | None],
        drawn: int,
    ) -> None:
        self._arrival = arrival
        self._seeds = seeds
        self._listen = listen
        self._tick_s = tick_s
        self._call_s = call_s
        self._notices = notices
        self._make_transport = make_transport
        self._failure = failure
        self._drawn = drawn

    async def run(self) -> Taken:
        """Return once the cluster has taken this host in. Raises MemberRefused if it never will."""
        transport = self._make_transport()
        id = self._arrival.id
        calls = Calls(
            id,
            self._drawn,
            lambda m: transport.send([m], NEWCOMERS_GROUP),
            lambda sender, kind, group, data, answer: answer(None, "this host has no cluster yet"),
        )
        transport.attach(NEWCOMERS_GROUP, CallReceiver(calls, lambda: None))
        try:
            await transport.listen(*self._listen)
            while True:
                for seed in self._seeds:
                    try:
                        reply = await self._ask(transport, calls, seed)
                    except (OSError, RaftError) as error:
                        reply = Wait(f"{seed}: {error}")
                    failure = self._failure()
                    if failure is not None:
                        raise failure
                    if isinstance(reply, Taken):
                        return reply
                    if isinstance(reply, No):
                        raise refusal(reply.reason, reply.text)
                    self._notices.say(
                        logging.INFO, "join", "it asks for a place in a cluster, and waits: %s", reply.why
                    )
                    calls.tick()
                await asyncio.sleep(self._tick_s)
        finally:
            calls.close()
            await transport.close()

    async def _ask(self, transport: Any, calls: Calls, seed: str) -> Reply:
        who = await transport.find(*split_address(seed))
        if who.cluster == 0:
            return Wait(f"{seed}: member {who.sender} has no cluster yet")
        await transport.set_peer(who.sender, split_address(seed), identity=who.identity)
        end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        calls.ask(who.sender, JOIN, 0, self._arrival.encode(), end, 10)
        try:
            async with asyncio.timeout(self._call_s):
                return decode_reply(await end)
        except TimeoutError:
            raise CallFailed(who.sender, "no reply came in time") from None
