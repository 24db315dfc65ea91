"""Members of an etcd cluster in virtual time, called directly, without a front.

async def story() -> None:
    async with EtcdWorld(3).serving_etcd() as members:
        answer = await call(members[1], "KV/Put", schema.PutRequest(key=b"a"))

run_virtually(story())
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from raftcy.etcd import schema
from raftcy.etcd.api import EtcdMember
from raftcy.etcd.apicore import Options
from raftcy.etcd.service import Context, Method, Streaming, Unary, by_path
from raftcy.replica.host import Host

from .hosts import TUNING, World, agreed
from .virtual import run_virtually


def table(member: EtcdMember) -> dict[str, Method]:
    return by_path(member.services())


def decoded(kind: Any, found: Any) -> Any:
    """A front's answer as a message."""
    if isinstance(found, list):
        found = b"".join(found)
    return kind.FromString(found) if isinstance(found, bytes) else found


async def call(member: EtcdMember, name: str, request: Any, **metadata: str) -> Any:
    """Call a unary method, such as "KV/Put", as a front does."""
    method = table(member)[f"/etcdserverpb.{name}"]
    assert isinstance(method, Unary)
    found = method.call(method.request.FromString(request.SerializeToString()), Context(metadata))
    if asyncio.isfuture(found):
        found = await found
    return decoded(method.response, found)


class FakeStream:
    """The front's side of a stream: keeps what is sent."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.sent: list[Any] = []
        self.status: tuple[int, str] | None = None
        self.limit = 10**9
        """How many answers the client reads."""
        self.is_paused = False
        self.receiver: Any = None
        self._taken = 0

    @property
    def is_writable(self) -> bool:
        return self.status is None and len(self.sent) < self.limit

    def send(self, message: Any) -> None:
        if self.status is None:
            self.sent.append(decoded(self.kind, message))

    def send_each(self, messages: list[bytes]) -> None:
        for message in messages:
            self.send(message)

    def end(self, code: int = 0, text: str = "") -> None:
        if self.status is None:
            self.status = (code, text)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def block(self, after: int = 0) -> None:
        """The client reads ``after`` more answers, and then no more."""
        self.limit = len(self.sent) + after

    def unblock(self) -> None:
        """The client reads on."""
        self.limit = 10**9
        self.receiver.writable()

    async def next(self, timeout_s: float = 60.0) -> Any:
        """The next answer that was not taken yet."""
        async with asyncio.timeout(timeout_s):
            while self._taken >= len(self.sent):
                await asyncio.sleep(0.001)
            self._taken += 1
            return self.sent[self._taken - 1]

    async def ended(self, timeout_s: float = 60.0) -> tuple[int, str]:
        """The status with which the handler ended the stream."""
        async with asyncio.timeout(timeout_s):
            while self.status is None:
                await asyncio.sleep(0.001)
            return self.status


def open_stream(member: EtcdMember, name: str, *requests: Any, half_close: bool = False, **metadata: str) -> FakeStream:
    """Open a streaming method, and send requests."""
    method = table(member)[f"/etcdserverpb.{name}"]
    assert isinstance(method, Streaming)
    stream = FakeStream(method.response)
    stream.receiver = method.open(stream, Context(metadata))
    for request in requests:
        stream.receiver.received(request)
    if half_close or (requests and not method.client_streams):
        stream.receiver.half_closed()
    return stream


class EtcdWorld(World):
    """A world of hosts with a member of an etcd cluster on each."""

    def __init__(self, count: int = 3, tuning: Any = TUNING, **options: Any) -> None:
        super().__init__(count, tuning)
        self.options = options

    def member(self, host: Host, **options: Any) -> EtcdMember:
        given = {"name": f"m{host.id}", "client_urls": (f"http://c{host.id}:2379",)} | self.options | options
        return EtcdMember(host, Options(**given))

    @asynccontextmanager
    async def serving_etcd(self, **options: Any) -> AsyncIterator[dict[int, EtcdMember]]:
        """All members, with a leader that all know."""
        async with self.running() as hosts:
            members = {id: self.member(host, **options) for id, host in hosts.items()}
            for member in members.values():
                member.start()
            try:
                await agreed({id: member.replica for id, member in members.items()})
                for member in members.values():
                    await member.wait_ready()
                yield members
            finally:
                for member in members.values():
                    await member.close()


Members = dict[int, EtcdMember]


def on_members(count: int, *tuning: Any, **options: Any) -> Callable[[Callable[[Members], Any]], Callable[[], None]]:
    """Make a test of a story about members, as the decorator of a coroutine function that gets them by their ids."""

    def decorate(story: Callable[[Members], Any]) -> Callable[[], None]:
        async def run() -> None:
            async with EtcdWorld(count, *tuning, **options).serving_etcd() as members:
                await story(members)

        def test() -> None:
            run_virtually(run())

        test.__name__, test.__doc__, test.__module__ = story.__name__, story.__doc__, story.__module__
        return test

    return decorate


def leader_of(members: dict[int, EtcdMember]) -> EtcdMember:
    return next(member for member in members.values() if member.replica.is_leader)


def followers_of(members: dict[int, EtcdMember]) -> list[EtcdMember]:
    return [member for member in members.values() if not member.replica.is_leader]


def put(key: bytes, value: bytes = b"", **fields: Any) -> Any:
    return schema.PutRequest(key=key, value=value, **fields)


def get(key: bytes, **fields: Any) -> Any:
    return schema.RangeRequest(key=key, **fields)
