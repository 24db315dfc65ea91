"""Hosts in virtual time: files in memory that can be cut off from power, a network that can be cut, disks that hang.

world = World(3)

async def story() -> None:
    async with world.running() as hosts:
        ...

run_virtually(story())
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from raftcy.errors import CommandError, RaftError
from raftcy.machines import Command, Pieces, StateMachine
from raftcy.replica.host import Host
from raftcy.replica.replica import Replica
from raftcy.replica.seams import Seams
from raftcy.replica.tuning import Tuning
from raftcy.storage.shared_log import SharedLog
from raftcy.transport import Hello, PeerTraffic, Reason, Refusal, Traffic
from raftcy.wire.enums import SnapshotStatus
from raftcy.wire.messages import Message

TUNING = Tuning(tick_ms=10, election_ms=100, handover_ms=500, call_ms=500)


def tuned(**fields: Any) -> Tuning:
    """``TUNING`` with some fields changed."""
    return replace(TUNING, **fields)


class Ledger(StateMachine):
    """Keeps each command, and answers with how many there are. A command "no…" is refused, "die…" kills."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def apply_one(self, command: Command) -> Any:
        text = command.data.decode()
        if text.startswith("die"):
            raise RuntimeError(text)
        if text.startswith("no"):
            return CommandError(text)
        self.entries.append(text)
        return len(self.entries)

    def capture(self) -> bytes:
        return ",".join(self.entries).encode()

    def restore(self, file: Any) -> None:
        text = file.read().decode()
        self.entries = text.split(",") if text else []


class Large(Ledger):
    """A Ledger whose snapshots are files: ``padding`` bytes more than its commands need."""

    padding = 300_000

    def capture(self) -> Any:
        text = b"%d " % self.padding + bytes(self.padding) + ",".join(self.entries).encode()
        return Pieces(text[at : at + 10_000] for at in range(0, len(text), 10_000))

    def restore(self, file: Any) -> None:
        size = b""
        while (digit := file.read(1)) != b" ":
            size += digit
        while left := int(size):
            size = b"%d" % (left - len(file.read(min(left, 10_000))))
        super().restore(file)


class Files:
    """The files of one directory: as they are, and as a power cut would leave them."""

    def __init__(self) -> None:
        self.now: dict[str, bytearray] = {}
        self.durable: dict[str, bytes] = {}
        self.syncs = 0
        self.sync_error: Exception | None = None
        self.write_error: Exception | None = None
        self.write_error_of = ""
        """How the names of the files end that cannot be written."""

    def names(self) -> dict[str, int]:
        return {name: len(data) for name, data in self.now.items()}

    def read(self, name: str, at: int, size: int) -> bytes:
        if name not in self.now:
            raise FileNotFoundError(name)
        return bytes(self.now[name][at : at + size])

    def write(self, name: str, at: int, data: bytes) -> None:
        if self.write_error is not None and name.endswith(self.write_error_of):
            raise self.write_error
        file = self.now.setdefault(name, bytearray())
        file.extend(bytes(max(0, at + len(data) - len(file))))
        file[at : at + len(data)] = data

    def sync(self, name: str) -> None:
        if self.sync_error is not None:
            raise self.sync_error
        self.syncs += name.endswith(".log")
        if name:
            self.durable[name] = bytes(self.now[name])
        else:
            self.durable = {name: self.durable.get(name, b"") for name in self.now}

    def rename(self, old: str, new: str) -> None:
        self.now[new] = self.now.pop(old)
        if old in self.durable:
            self.durable[new] = self.durable.pop(old)

    def remove(self, name: str) -> None:
        self.now.pop(name, None)
        self.durable.pop(name, None)

    def copied(self) -> "Files":
        """A copy of the files as they are."""
        copy = Files()
        copy.now = {name: bytearray(data) for name, data in self.now.items()}
        copy.durable = {name: bytes(data) for name, data in self.now.items()}
        return copy

    def cut_power(self) -> None:
        """What was not synced is gone."""
        self.now = {name: bytearray(data) for name, data in self.durable.items()}
        self.sync_error = self.write_error = None


class Beside:
    """Runs what is submitted in the loop's next round, or not before ``hangs`` is over."""

    def __init__(self) -> None:
        self.hangs = False
        self._kept: list[tuple[Any, Any]] = []

    def submit(self, act: Callable[[], Any], done: Callable[[Any, BaseException | None], object]) -> None:
        if self.hangs:
            self._kept.append((act, done))
        else:
            asyncio.get_running_loop().call_soon(self._run, act, done)

    def go_on(self) -> None:
        self.hangs = False
        kept, self._kept = self._kept, []
        for act, done in kept:
            self._run(act, done)

    def _run(self, act: Callable[[], Any], done: Callable[[Any, BaseException | None], object]) -> None:
        try:
            result = act()
        except BaseException as error:
            done(None, error)
        else:
            done(result, None)

    def close(self) -> None:
        pass


class Wire:
    """The transport of one host: what it sends comes a millisecond later, in order, unless the way is cut."""

    def __init__(self, world: "World", id: int, options: dict[str, Any]) -> None:
        self.world = world
        self.id = id
        self.options = options
        self.receivers: dict[int, Any] = {}
        self.listens = False
        self.identities: dict[int, int] = {}
        self.streams: set[asyncio.Task[None]] = set()
        self._last_time = 0.0
        self.addresses: dict[int, Any] = {}
        self.where: tuple[str, int] | None = None

    @property
    def hello(self) -> Hello:
        own = self.options
        return Hello(
            sender=self.id,
            receiver=self.id,
            cluster=own["cluster"],
            identity=own["identity"],
            addresses=tuple(own["advertise"]),
        )

    def attach(self, group: int, receiver: Any) -> None:
        self.receivers[group] = receiver

    def detach(self, group: int) -> None:
        self.receivers.pop(group, None)

    async def set_peer(self, id: int, addresses: Any, *, identity: int = 0) -> None:
        self.identities[id] = identity
        self.addresses[id] = addresses

    async def remove_peer(self, id: int) -> None:
        self.identities.pop(id, None)
        self.addresses.pop(id, None)

    async def find(self, host: str, port: int) -> Hello:
        await asyncio.sleep(0.001)
        for other in self.world.wires.values():
            if other.where == (host, port) and not {(self.id, other.id), (other.id, self.id)} & self.world.cuts:
                refusal = other.refuses(self)
                if refusal is not None:
                    self.options["on_refused"](other.id, refusal)
                    raise ConnectionRefusedError(refusal.text)
                return other.hello
        raise ConnectionRefusedError(f"nobody listens at {host}:{port}")

    def refuses(self, sender: "Wire") -> Refusal | None:
        known = self.identities.get(sender.id, 0)
        if known and known != sender.options["identity"]:
            return Refusal(Reason.IDENTITY, f"{self.id} knows {sender.id} under another identity")
        policy = self.options["policy"]
        refusal: Refusal | None = policy(sender.hello, sender.id in self.identities)
        return refusal

    async def listen(self, host: str, port: int) -> None:
        self.listens = True
        self.where = (host, port)
        self.world.wires[self.id] = self

    def flush(self) -> None:
        pass

    def by_peer(self) -> dict[int, PeerTraffic]:
        return {}

    def counters(self) -> Traffic:
        return Traffic()

    async def close(self) -> None:
        self.listens = False
        for task in self.streams:
            task.cancel()
        await asyncio.gather(*self.streams, return_exceptions=True)
        if self.world.wires.get(self.id) is self:
            del self.world.wires[self.id]

    def send(self, messages: list[Message], group: int = 0) -> None:
        for m in messages:
            self.world.sent.append((self.id, group, m))
            depot = self.options.get("depot")
            source = None if depot is None else depot.source(group, m)
            if source is not None:
                task = asyncio.get_running_loop().create_task(self._stream(group, m, source))
                self.streams.add(task)
                task.add_done_callback(self.streams.discard)
                continue
            asyncio.get_running_loop().call_at(self._next_time(), self._deliver, group, m.encode(), m.to)

    def _next_time(self) -> float:
        """A millisecond from now, and after all that was sent before: a loop does not keep the order of equal times."""
        self._last_time = max(asyncio.get_running_loop().time() + 0.001, self._last_time + 1e-9)
        return self._last_time

    def _deliver(self, group: int, data: bytes, to: int) -> None:
        other = self.world.wires.get(to)
        m = Message.decode(data)
        own, theirs = self.options, None if other is None else other.options
        cut = (self.id, to) in self.world.cuts or self.world.wires.get(self.id) is not self
        if other is None or theirs is None or cut or group not in other.receivers or not self._may_talk(theirs, group):
            self._lost(group, m)
            return
        # It dials the addresses that it knows, or that the other's hello has given.
        if other.where not in _pairs(self.addresses.get(to, ())) and other.where not in other.hello.addresses:
            self._lost(group, m)
            return
        refusal = other.refuses(self)
        if refusal is not None:
            own["on_refused"](to, refusal)
            return
        try:
            other.receivers[group].receive([m])
        except Exception as error:
            if type(error).__name__ != "Stopped":
                theirs["on_failure"](error)
            return
        if m.snapshot is not None and group in self.receivers:
            self.receivers[group].report_snapshot(to, SnapshotStatus.FINISH)

    async def _stream(self, group: int, m: Message, source: Any) -> None:
        """Carry the body of a snapshot, and then its message; a cut ends it."""
        try:
            other = self.world.wires[m.to]
            sink = other.options["depot"].sink(group, self.id, m)
            try:
                at = await sink.begin()
                self.world.streamed.append((self.id, m.to, at))
                while at < source.size_bytes:
                    piece = await source.read(at)
                    await asyncio.sleep(0.001)
                    if (self.id, m.to) in self.world.cuts or self.world.wires.get(m.to) is not other:
                        raise ConnectionResetError("cut")
                    await sink.write(piece)
                    at += len(piece)
                await sink.finish()
            finally:
                sink.leave()
        except (RaftError, OSError, KeyError):
            self._lost(group, m)
        else:
            self._deliver(group, m.encode(), m.to)
        finally:
            source.close()

    def _may_talk(self, theirs: dict[str, Any], group: int) -> bool:
        own = self.options
        return own["cluster"] == theirs["cluster"] or (
            0 in (own["cluster"], theirs["cluster"]) and group == own["newcomers"]
        )

    def _lost(self, group: int, m: Message) -> None:
        receiver = self.receivers.get(group)
        if receiver is not None:
            receiver.report_unreachable(m.to)
            if m.snapshot is not None:
                receiver.report_snapshot(m.to, SnapshotStatus.FAILURE)


def _pairs(addresses: Any) -> list[Any]:
    one = isinstance(addresses, tuple) and len(addresses) == 2 and isinstance(addresses[0], str)
    return [addresses] if one else list(addresses)


class _Parts(Seams):
    def __init__(self, world: "World", id: int) -> None:
        self.world = world
        self.id = id

    def files(self, path: Any) -> Any:
        return self.world.disks[self.id]

    def log(self, files: Any) -> SharedLog:
        return SharedLog(files, segment_size=1 << 16, clock=time.monotonic, draw=secrets.token_bytes)

    def now_us(self) -> int:
        rate, offset_us = self.world.clocks.get(self.id, (1.0, 0))
        return int(asyncio.get_running_loop().time() * 1e6 * rate) + offset_us

    def aside(self, name: str) -> Any:
        return self.world.aside(self.id, name)

    def transport(self, id: int, receiver: Any, **options: Any) -> Any:
        wire = Wire(self.world, id, options)
        wire.attach(0, receiver)
        return wire


class World:
    """Hosts 1 to ``count``, which keep their disks from one ``running`` to the next."""

    def __init__(self, count: int = 3, tuning: Tuning = TUNING) -> None:
        self.members = {id: f"host{id}:7000" for id in range(1, count + 1)}
        self.tuning = tuning
        self.disks = {id: Files() for id in self.members}
        self.asides: dict[tuple[int, str], Beside] = {}
        self.wires: dict[int, Wire] = {}
        self.cuts: set[tuple[int, int]] = set()
        # The rate of a member's clock for leases, and its offset.
        self.clocks: dict[int, tuple[float, int]] = {}
        self.sent: list[tuple[int, int, Message]] = []
        self.streamed: list[tuple[int, int, int]] = []
        """The streams of snapshots' bodies: from, to, and where each began."""

    def aside(self, id: int, name: str = "raftcy log") -> Beside:
        return self.asides.setdefault((id, name), Beside())

    def parts(self, id: int) -> "_Parts":
        """The surroundings of a host, with a new disk if it has none."""
        self.disks.setdefault(id, Files())
        return _Parts(self, id)

    def host(self, id: int, **options: Any) -> Host:
        if "join" not in options:
            options.setdefault("members", self.members)
        options.setdefault("tuning", self.tuning)
        self.disks.setdefault(id, Files())
        return Host(f"data/{id}", id=id, seams=self.parts(id), **options)

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[dict[int, Host]]:
        hosts = {id: self.host(id, **options) for id in self.members}
        try:
            await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
            yield hosts
        finally:
            await asyncio.gather(*[host.close() for host in hosts.values()])

    @asynccontextmanager
    async def serving(self, machine: type[Ledger] = Ledger, **options: Any) -> AsyncIterator[dict[int, Replica]]:
        """All hosts with a Ledger each, and a leader that all know."""
        async with self.running(**options) as hosts:
            replicas = {id: host.replica("ledger", machine()) for id, host in hosts.items()}
            await agreed(replicas)
            yield replicas

    def cut(self, *ids: int) -> None:
        """Cut these members off from all the others."""
        for id in ids:
            for other in self.members:
                if other not in ids:
                    self.cuts |= {(id, other), (other, id)}

    def heal(self) -> None:
        self.cuts.clear()

    def crash(self, host: Host) -> None:
        """Power is cut: nothing more is written or sent, and what was not synced is gone."""
        wire = self.wires.pop(host.id, None)
        if wire is not None:
            wire.receivers.clear()
        files = self.disks[host.id]
        left = Files()
        left.durable = dict(files.durable)
        left.cut_power()
        # The dead process may go on with the old files; nobody will read them.
        self.disks[host.id] = left
        for name in ("raftcy log", "raftcy chores", "raftcy snapshots", "raftcy streams"):
            self.asides.pop((host.id, name), None)
        abandon(host)


def abandon(host: Host) -> None:
    """Stop a host as a crash does: without a word to anybody."""
    for timer in (host._ticker, host._due):
        if timer is not None:
            timer.cancel()
    if host._disk is not None:
        host._disk.stop()
    for replica in list(host._replicas.values()):
        replica.die(RuntimeError("crashed"))
    host._closing = True

    async def closed() -> None:
        pass

    host._ending = host._loop.create_task(closed())
    host._over.set()


async def agreed(replicas: dict[int, Replica]) -> Replica:
    """Wait until all of them follow one leader; returns its replica."""
    while True:
        leaders = {replica.leader for replica in replicas.values()}
        if len(leaders) == 1 and (leader := leaders.pop()) in replicas and replicas[leader].is_leader:
            return replicas[leader]
        await asyncio.sleep(0.01)


def leader_of(replicas: dict[int, Replica]) -> Replica:
    return next(replica for replica in replicas.values() if replica.is_leader)


def followers_of(replicas: dict[int, Replica]) -> list[Replica]:
    return [replica for replica in replicas.values() if not replica.is_leader]


def ledger(replica: Replica) -> list[str]:
    machine: Any = replica.machine
    return list(machine.entries)
