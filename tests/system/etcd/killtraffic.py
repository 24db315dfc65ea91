"""Clients for ``kills``, on grpcio: puts, transactions, a counter, deletes, leases that are renewed or not, watches.

None of them retries a write, so each try is one value: acknowledged, refused for certain, or neither.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from raftcy.etcd import schema

from .killledger import Ledger

try:
    import grpc
except ImportError:
    grpc = None

CALL_S = 8.0
LEASE_TTL_S = 3
_OPTIONS = (
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 64 << 20),
)
_METHODS = {
    schema.RangeRequest: ("KV/Range", schema.RangeResponse),
    schema.PutRequest: ("KV/Put", schema.PutResponse),
    schema.DeleteRangeRequest: ("KV/DeleteRange", schema.DeleteRangeResponse),
    schema.TxnRequest: ("KV/Txn", schema.TxnResponse),
    schema.CompactionRequest: ("KV/Compact", schema.CompactionResponse),
    schema.LeaseGrantRequest: ("Lease/LeaseGrant", schema.LeaseGrantResponse),
    schema.LeaseRevokeRequest: ("Lease/LeaseRevoke", schema.LeaseRevokeResponse),
    schema.LeaseLeasesRequest: ("Lease/LeaseLeases", schema.LeaseLeasesResponse),
    schema.HashKVRequest: ("Maintenance/HashKV", schema.HashKVResponse),
    schema.StatusRequest: ("Maintenance/Status", schema.StatusResponse),
}
# After these, nothing was or will be applied.
_CERTAIN = ("etcdserver: too many requests", "etcdserver: leader changed", "etcdserver: requested lease not found")


class Unanswered(Exception):
    """A call that has failed. ``is_certain`` says that it has done nothing."""

    def __init__(self, error: Any) -> None:
        self.code = error.code()
        self.text = error.details() or ""
        self.is_certain = self.text in _CERTAIN
        super().__init__(f"{self.code}: {self.text}")


class Link:
    """A channel to one member."""

    def __init__(self, endpoint: str) -> None:
        self._channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        self._calls: dict[type, Any] = {}

    async def ask(self, request: Any, timeout_s: float = CALL_S) -> Any:
        """Make a call. Raises Unanswered."""
        call = self._calls.get(type(request))
        if call is None:
            name, response = _METHODS[type(request)]
            call = self._channel.unary_unary(
                f"/etcdserverpb.{name}", type(request).SerializeToString, response.FromString
            )
            self._calls[type(request)] = call
        try:
            return await call(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise Unanswered(error) from None

    async def renew(self, id: int) -> int:
        """Renew a lease, and return its time to live. Raises Unanswered."""
        call = self._channel.stream_stream(
            "/etcdserverpb.Lease/LeaseKeepAlive",
            schema.LeaseKeepAliveRequest.SerializeToString,
            schema.LeaseKeepAliveResponse.FromString,
        )(timeout=CALL_S)
        try:
            await call.write(schema.LeaseKeepAliveRequest(ID=id))
            answer = await call.read()
            if answer is grpc.aio.EOF:
                await call.code()
                raise Unanswered(_Ended(await call.code(), await call.details()))
            return int(answer.TTL)
        except grpc.aio.AioRpcError as error:
            raise Unanswered(error) from None
        finally:
            call.cancel()

    async def watch(self, start: int, take: Callable[[Any], None]) -> None:
        """Watch everything from a revision until the stream ends. Raises Unanswered."""
        call = self._channel.stream_stream(
            "/etcdserverpb.Watch/Watch", schema.WatchRequest.SerializeToString, schema.WatchResponse.FromString
        )()
        create = schema.WatchCreateRequest(key=b"\0", range_end=b"\0", start_revision=start)
        try:
            await call.write(schema.WatchRequest(create_request=create))
            while (answer := await call.read()) is not grpc.aio.EOF:
                take(answer)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise Unanswered(error if hasattr(error, "details") else _Ended(None, str(error))) from None
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


class _Ended:
    """What a stream has ended with, in the form of grpcio's error."""

    def __init__(self, code: Any, text: str) -> None:
        self._code, self._text = code, text

    def code(self) -> Any:
        return self._code

    def details(self) -> str:
        return self._text


class Traffic:
    """All clients, until they are cancelled."""

    def __init__(self, links: list[Link], ledger: Ledger, seed: int, pause_s: float = 0.004) -> None:
        self.links = links
        self.ledger = ledger
        self.abandoned: list[int] = []
        """Leases that nobody renews any more: they end by themselves."""
        self.unknown = 0
        self.renewals = 0
        self.gone = 0
        self._seed = seed
        self._pause_s = pause_s

    def clients(self) -> list[Awaitable[None]]:
        """The clients, to be run together."""
        kinds = [*[self._put] * 4, *[self._txn] * 2, *[self._increment] * 2, self._delete]
        clients = [self._repeat(each, f"c{n}", n) for n, each in enumerate(kinds)]
        clients += [self._repeat(self._lease, f"l{n}", 100 + n) for n in range(4)]
        return [*clients, *[self._watch(n, link) for n, link in enumerate(self.links)]]

    async def _repeat(self, once: Callable[[str, random.Random, int], Awaitable[None]], name: str, salt: int) -> None:
        draw = random.Random(f"{self._seed} {salt}")
        number = 0
        while True:
            number += 1
            try:
                await once(name, draw, number)
            except Unanswered as error:
                self.unknown += not error.is_certain
                await asyncio.sleep(0.02)
            await asyncio.sleep(draw.random() * 2 * self._pause_s)

    async def _write(self, link: Link, value: bytes, request: Any) -> Any:
        self.ledger.tries(value)
        try:
            return await link.ask(request)
        except Unanswered as error:
            if error.is_certain:
                self.ledger.refuses(value)
            raise

    # -- writes ------------------------------------------------------------------------------------------------------

    async def _put(self, name: str, draw: random.Random, number: int) -> None:
        value = f"{name}:{number}".encode() + bytes(draw.choice((0, 0, 50, 2000)))
        key = f"p/{name}/{draw.randrange(20)}".encode()
        answer = await self._write(draw.choice(self.links), value, schema.PutRequest(key=key, value=value))
        self.ledger.acknowledges(value, answer.header.revision)

    async def _txn(self, name: str, draw: random.Random, number: int) -> None:
        """Two puts that are there together or not at all, and a delete beside them."""
        values = [f"{name}:{number}:{half}".encode() for half in "ab"]
        puts = [
            schema.RequestOp(request_put=schema.PutRequest(key=f"t/{name}/{n}".encode(), value=value))
            for n, value in enumerate(values)
        ]
        gone = schema.DeleteRangeRequest(key=f"p/c{draw.randrange(4)}/{draw.randrange(20)}".encode())
        request = schema.TxnRequest(success=[*puts, schema.RequestOp(request_delete_range=gone)])
        self.ledger.tries(values[1])
        answer = await self._write(draw.choice(self.links), values[0], request)
        for value in values:
            self.ledger.acknowledges(value, answer.header.revision)

    async def _increment(self, name: str, draw: random.Random, number: int) -> None:
        """Read the counter, and put its next value if it is still as it was read."""
        link = draw.choice(self.links)
        read = schema.RangeRequest(key=b"counter", serializable=draw.random() < 0.3)
        found = (await link.ask(read)).kvs
        before = int(found[0].value.split(b":")[0]) if found else 0
        value = f"{before + 1}:{name}:{number}".encode()
        compare = schema.Compare(
            key=b"counter",
            target=schema.Compare.MOD,
            result=schema.Compare.EQUAL,
            mod_revision=found[0].mod_revision if found else 0,
        )
        put = schema.RequestOp(request_put=schema.PutRequest(key=b"counter", value=value))
        request = schema.TxnRequest(compare=[compare], success=[put])
        answer = await self._write(draw.choice(self.links), value, request)
        if answer.succeeded:
            self.ledger.acknowledges(value, answer.header.revision)
        else:
            self.ledger.refuses(value)

    async def _delete(self, name: str, draw: random.Random, number: int) -> None:
        await asyncio.sleep(draw.random() * 0.2)
        key = f"p/c{draw.randrange(4)}/".encode()
        request = schema.DeleteRangeRequest(key=key, range_end=key[:-1] + b"0")
        answer = await draw.choice(self.links).ask(request)
        self.ledger.deletes(answer.header.revision, answer.deleted)

    # -- leases ------------------------------------------------------------------------------------------------------

    async def _lease(self, name: str, draw: random.Random, number: int) -> None:
        """Grant a lease, attach a key, renew it some times, and then revoke or abandon it."""
        ledger, clock = self.ledger, self.ledger.clock
        key = value = f"l/{name}/{number}".encode()
        asked_s = clock()
        answer = await draw.choice(self.links).ask(schema.LeaseGrantRequest(TTL=LEASE_TTL_S))
        id = answer.ID
        ledger.promises_lease(id, key, asked_s + answer.TTL)
        with suppress(Unanswered):
            request = schema.PutRequest(key=key, value=value, lease=id)
            answer = await self._write(draw.choice(self.links), value, request)
            ledger.acknowledges(value, answer.header.revision)
        for _ in range(draw.randrange(12)):
            await asyncio.sleep(0.3 + draw.random() * 0.5)
            asked_s = clock()
            try:
                ttl_s = await draw.choice(self.links).renew(id)
            except Unanswered:
                continue
            if ttl_s == 0:
                self.gone += 1
                ledger.lease_is_gone(id)
                return
            self.renewals += 1
            ledger.promises_lease(id, key, asked_s + ttl_s)
        if draw.random() < 0.5:
            self.abandoned.append(id)
            return
        ledger.promises[id].may_end = True
        await draw.choice(self.links).ask(schema.LeaseRevokeRequest(ID=id))

    # -- watches -----------------------------------------------------------------------------------------------------

    async def _watch(self, number: int, link: Link) -> None:
        """Watch everything through one member, and read on where the stream has ended."""

        def take(answer: Any) -> None:
            if answer.canceled:
                self.ledger.wrong.append(f"watch {number} was cancelled: {answer}")
            self.ledger.watched(number, answer.events)

        while True:
            with suppress(Unanswered):
                await link.watch(self.ledger.next_of(number), take)
            await asyncio.sleep(0.02)
