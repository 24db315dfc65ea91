"""The first start of a new cluster: its members wait for each other until all have confirmed the same table."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import MembersDiffer, RaftError
from .bootstrap import Bootstrap, split_address
from .calls import CONFIRM, NEWCOMERS_GROUP, Answer, CallReceiver, Calls, Told
from .membertable import Members, MemberTable
from .notices import KIND_S, Notices


class Founding:
    """The member ``id`` of a new cluster, which talks over a transport that ``make_transport`` makes.

    ``identity`` is that of its data directory, on disk. ``notices`` takes log lines. ``failure`` returns the error that
    has ended the host, or None.
    """

    def __init__(
        self,
        id: int,
        identity: int,
        members: Members,
        listen: tuple[str, int],
        tick_s: float,
        notices: Notices,
        make_transport: Callable[[], Any],
        failure: Callable[[], BaseException | None],
        drawn: int,
    ) -> None:
        self._id = id
        self._members = members
        self._listen = listen
        self._tick_s = tick_s
        self._notices = notices
        self._make_transport = make_transport
        self._failure = failure
        self._drawn = drawn
        self._begun = Bootstrap(id, identity, members)
        self._wrong: MembersDiffer | None = None
        self._heard = asyncio.Event()

    async def run(self) -> MemberTable:
        """Return the table once all members have confirmed it. Raises MembersDiffer."""
        if self._begun.table is None:
            text = "it waits for the other members of a new cluster: %s"
            self._notices.always(logging.INFO, text, sorted(self._members))
            await self._confirm_with_all()
        if self._begun.table is None:
            raise MembersDiffer("the members of the new cluster were not confirmed")
        return self._begun.table

    def _hear(self, sender: int, data: bytes) -> None:
        try:
            self._begun.hear(sender, data)
        except MembersDiffer as error:
            self._wrong = self._wrong or error
        except RaftError as error:
            self._notices.warn(("newcomer", sender), "member %x says what cannot be understood: %s", sender, error)
        self._heard.set()

    def _serve(self, sender: int, kind: int, group: int, data: bytes, answer: Answer) -> None:
        if kind != CONFIRM:
            answer(None, "the cluster has not begun")
            return
        self._hear(sender, data)
        answer(self._begun.say(), "")

    async def _confirm_with_all(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        transport = self._make_transport()
        calls = Calls(self._id, self._drawn, lambda m: transport.send([m], NEWCOMERS_GROUP), self._serve)
        transport.attach(NEWCOMERS_GROUP, CallReceiver(calls, lambda: None))
        others = [id for id in self._members if id != self._id]
        try:
            for id in others:
                await transport.set_peer(id, [split_address(address) for address in self._members[id]])
            await transport.listen(*self._listen)
            while self._begun.table is None:
                for id in others:
                    calls.ask(id, CONFIRM, 0, self._begun.say(), Told(self._hearing(id)), 10)
                self._heard.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._heard.wait(), self._tick_s)
                calls.tick()
                error = self._wrong or self._failure()
                if error is not None:
                    raise error
                if self._begun.table is None:
                    waited_s = loop.time() - began_s
                    if waited_s > KIND_S:
                        text = "the cluster cannot begin: members %s have not confirmed its table for %.0f s"
                        self._notices.warn("begin", text, self._begun.missing, waited_s)
                    await asyncio.sleep(self._tick_s)
            # Other members may still wait for this member's confirmation.
            for id in others:
                calls.ask(id, CONFIRM, 0, self._begun.say(), Told(lambda data: None), 10)
            transport.flush()
            await asyncio.sleep(self._tick_s)
        finally:
            calls.close()
            await transport.close()

    def _hearing(self, id: int) -> Callable[[bytes], None]:
        return lambda data: self._hear(id, data)
