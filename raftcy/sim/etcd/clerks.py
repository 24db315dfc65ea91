"""The etcd side of one simulated process: a real `EtcdMember`, and the clients that call it.

Each client is a coroutine in the process, as a connection of a front would call the member. What it is told is compared
with the ledger of the group.
"""

import asyncio
from collections.abc import Callable, Generator, Sequence
from random import Random
from typing import Any, Protocol

from ...etcd import schema
from ...etcd.api import EtcdMember
from ...etcd.apicore import Options
from ...etcd.etcdmachine import EtcdMachine
from ...etcd.refusals import Refused
from ...etcd.service import Context, by_path
from ...machines import Command
from ..checkers import Violation
from .ledgers import EtcdLedger

KEYS = [b"a", b"b", b"c", b"d", b"e", b"f"]
LEASES_MOST = 6


class World(Protocol):
    """What the clients need of the cluster."""

    def number(self) -> int:
        """The number of the next command."""

    def told(self, what: str, *words: object) -> None:
        """Note what a client was told."""


class WatchedMachine(EtcdMachine):
    """A machine whose entries are compared with the ledger as it applies them. ``check`` guards a comparison."""

    def __init__(self, id: int, ledger: EtcdLedger, check: Callable[..., None]) -> None:
        super().__init__()
        self._id = id
        self._ledger = ledger
        self._check = check
        self.last = 0
        """The index of the last entry."""

    def steps(self, commands: Sequence[Command]) -> Generator[None, None, Sequence[Any]]:
        """Apply entries one by one."""
        answers = []
        for command in commands:
            (answer,) = yield from super().steps([command])
            self.last = command.index
            self._check(self._ledger.applied, self._id, self, command, answer)
            answers.append(answer)
        return answers


class Clerk:
    """The member and the clients of one process."""

    def __init__(
        self, world: World, host: Any, ledger: EtcdLedger, now_us: Callable[[], int], check: Callable[..., None]
    ) -> None:
        self._world = world
        self._told = world.told
        self.ledger = ledger
        self._now_us = now_us
        self._check = check
        self.machine = WatchedMachine(host.id, ledger, check)
        options = Options(
            name=f"m{host.id}", client_urls=(f"http://c{host.id}",), corrupt_check_s=1.0, request_timeout_s=2.0
        )
        self.member = EtcdMember(host, options, machine=self.machine)
        self._methods: dict[str, Any] = by_path(self.member.services())
        self.member.start()
        self._watch()

    async def call(self, name: str, request: Any) -> Any:
        """Call a unary method as a front does."""
        method = self._methods[f"/etcdserverpb.{name}"]
        found = method.call(method.request.FromString(request.SerializeToString()), Context())
        if asyncio.isfuture(found):
            found = await found
        if isinstance(found, list):
            found = b"".join(found)
        return method.response.FromString(found) if isinstance(found, bytes) else found

    # -- watching ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Watch everything from here on."""
        sink = _Sink(self.ledger, self._check)
        receiver = self._methods["/etcdserverpb.Watch/Watch"].open(sink, Context())
        create = schema.WatchCreateRequest(key=b"\0", range_end=b"\0")
        receiver.received(schema.WatchRequest(create_request=create))

    # -- clients -------------------------------------------------------------------------------------------------

    async def write(self, name: str, request: Any) -> None:
        """Write something, and compare what comes back with the ledger."""
        ledger, floor, asked_us = self.ledger, self.ledger.floor, self._now_us()
        try:
            found = await self.call(name, request)
        except Refused as error:
            self._told(name, str(error.code), error.text)
            return
        self._told(name, found.header.revision)
        ledger.shown(floor, found.header.revision, name)
        if name == "Lease/LeaseGrant":
            ledger.promised(found.ID, asked_us, found.TTL)

    async def read(self, request: Any) -> None:
        """Read a range."""
        ledger, floor = self.ledger, self.ledger.floor
        try:
            found = await self.call("KV/Range", request)
        except Refused as error:
            self._told("read", str(error.code), error.text)
            return
        self._told("read", found.header.revision)
        if not request.serializable:
            ledger.shown(floor, found.header.revision, "a read")
        ledger.read(request, found, "a read")

    async def renew(self, id: int) -> None:
        """Renew a lease."""
        asked_us = self._now_us()
        try:
            found = await self.member.lease.renew(id)
        except Refused as error:
            self._told("renew", str(error.code), error.text)
            return
        answer = schema.LeaseKeepAliveResponse.FromString(found)
        self._told("renew", answer.TTL)
        if answer.TTL > 0:
            self.ledger.promised(id, asked_us, answer.TTL)
        elif id in self.ledger.model.leases:
            self._check(_wrong, "leases", f"lease {id} is said to be gone, and is there")

    async def time_to_live(self, id: int) -> None:
        """Ask how long a lease goes on."""
        try:
            found = await self.call("Lease/LeaseTimeToLive", schema.LeaseTimeToLiveRequest(ID=id, keys=True))
        except Refused as error:
            self._told("time to live", str(error.code), error.text)
            return
        self._told("time to live", found.TTL)
        if found.TTL < 0 and id in self.ledger.model.leases:
            self._check(_wrong, "leases", f"lease {id} is said to be gone, and is there")

    async def transfer(self, to: int | None) -> None:
        """Hand the leadership over."""
        await self.member.replica.transfer(to)
        self._told("transfer", to or 0)

    # -- what is drawn -------------------------------------------------------------------------------------------

    def draw_write(self, random: Random) -> tuple[str, Any]:
        """Draw a write that goes through the log."""
        u = random.random()
        if u < 0.4:
            return "KV/Put", self._put(random)
        if u < 0.5:
            return "KV/DeleteRange", self._delete(random)
        if u < 0.85:
            return "KV/Txn", self._txn(random)
        if u < 0.92:
            back = int(random.random() * 12)
            return "KV/Compact", schema.CompactionRequest(revision=max(1, self.ledger.model.revision - back))
        if len(self.ledger.model.leases) < LEASES_MOST:
            ttl_s = 1 + int(random.random() * 2)
            return "Lease/LeaseGrant", schema.LeaseGrantRequest(ID=self._world.number(), TTL=ttl_s)
        return "Lease/LeaseRevoke", schema.LeaseRevokeRequest(ID=self.draw_lease(random))

    def draw_lease(self, random: Random) -> int:
        """Draw a lease, one that exists as far as anybody knows; 99 if there is none."""
        leases = sorted(self.ledger.model.leases)
        return leases[int(random.random() * len(leases))] if leases else 99

    def draw_read(self, random: Random) -> Any:
        """Draw a read of a key or of all keys."""
        serializable = random.random() < 0.2
        if random.random() < 0.5:
            return schema.RangeRequest(key=self._key(random), serializable=serializable)
        return schema.RangeRequest(key=b"a", range_end=b"z", serializable=serializable)

    def _key(self, random: Random) -> bytes:
        return KEYS[int(random.random() * len(KEYS))]

    def _put(self, random: Random) -> Any:
        lease = self.draw_lease(random) if random.random() < 0.3 else 0
        value = b"%d" % self._world.number() + b"." * int(random.random() ** 4 * 400)
        return schema.PutRequest(key=self._key(random), value=value, lease=lease, prev_kv=random.random() < 0.3)

    def _delete(self, random: Random) -> Any:
        end = b"" if random.random() < 0.6 else KEYS[-1]
        return schema.DeleteRangeRequest(key=self._key(random), range_end=end, prev_kv=random.random() < 0.5)

    def _txn(self, random: Random) -> Any:
        ops = [self._ops(random) for _ in range(2)]
        compares = [self._compare(random) for _ in range(int(random.random() * 3))]
        return schema.TxnRequest(compare=compares, success=ops[0], failure=ops[1])

    def _ops(self, random: Random) -> list[Any]:
        """A few operations: reads, and at most one write for each key."""
        found: list[Any] = []
        keys = random.sample(KEYS, 3)
        for key in keys[: 1 + int(random.random() * 3)]:
            u = random.random()
            if u < 0.5:
                put = self._put(random)
                put.key = key
                found.append(schema.RequestOp(request_put=put))
            elif u < 0.7:
                found.append(schema.RequestOp(request_delete_range=schema.DeleteRangeRequest(key=key)))
            else:
                found.append(schema.RequestOp(request_range=schema.RangeRequest(key=b"a", range_end=b"z")))
        return found

    def _compare(self, random: Random) -> Any:
        kinds = schema.Compare
        results = (kinds.EQUAL, kinds.GREATER, kinds.LESS, kinds.NOT_EQUAL)
        compare = kinds(key=self._key(random), result=results[int(random.random() * 4)])
        what = int(random.random() * 4)
        number = int(random.random() * 3)
        if what == 0:
            compare.target, compare.version = kinds.VERSION, number
        elif what == 1:
            compare.target, compare.create_revision = kinds.CREATE, max(0, self.ledger.model.revision - number)
        elif what == 2:
            compare.target, compare.mod_revision = kinds.MOD, max(0, self.ledger.model.revision - number)
        else:
            compare.target, compare.value = kinds.VALUE, b"5"
        return compare

    # -- the second phase ----------------------------------------------------------------------------------------

    def unsettled(self) -> str:
        """Return what is not at rest, or an empty text."""
        if self.machine.last != self.ledger.last:
            return f"the etcd machine of {self.member.host.id} is at {self.machine.last}, not {self.ledger.last}"
        if self.machine.leases.leases:
            return f"the leases {sorted(self.machine.leases.leases)} have no end"
        if self.member.host.id not in self.machine.attributes:
            return f"{self.member.host.id} has not published its name"
        return ""


def _wrong(rule: str, text: str) -> None:
    raise Violation(rule, text)


class _Sink:
    """Compares what a watch sees."""

    def __init__(self, ledger: EtcdLedger, check: Callable[..., None]) -> None:
        self._ledger = ledger
        self._check = check
        self._place = 0
        self._start = 0
        self.is_writable = True

    def send(self, message: Any) -> None:
        """Take an answer."""
        if isinstance(message, list):
            message = b"".join(message)
        found = schema.WatchResponse.FromString(message) if isinstance(message, bytes) else message
        if found.created:
            self._start = found.header.revision + 1
        elif not found.canceled:
            # The ledger learns of a revision right after its watchers.
            asyncio.get_running_loop().call_soon(self._check, self._look, found)

    def send_each(self, messages: list[bytes]) -> None:
        """Take several answers."""
        for message in messages:
            self.send(message)

    def _look(self, found: Any) -> None:
        self._place = self._ledger.watched(self._place, found, self._start)

    def end(self, code: int = 0, text: str = "") -> None:
        """Do nothing: the process ends."""

    def pause(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""
