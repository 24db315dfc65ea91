"""A host: one process's members of any number of groups, with one data directory, one log, one listener and one ticker.

Rules:

- The first start of a cluster waits until all members have confirmed the same table of members (``bootstrap``), and
  stores the table before any group begins. Later starts use the stored table. Otherwise a member that lost its disk
  could vote twice without the others noticing.
- An error of the log, of the transport or of a task ends all replicas. An error of a machine ends its replica only.
  ``failure`` is the first error. The process lives on.
- Closing hands over leaderships first, so that the other members need no election.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from os import PathLike
from types import TracebackType
from typing import Any, Self

from ..errors import (
    CallFailed,
    ConfigError,
    Contradiction,
    Corruption,
    MembersDiffer,
    RaftError,
    Stopped,
    StorageFailed,
)
from ..machines import OnDiskMachine, StateMachine
from ..storage.pace import Pace
from ..transport import TLS, Limits
from ..transport.packets import Reason, Refusal
from ..wire.checks import octets
from ..wire.enums import SnapshotStatus
from ..wire.messages import ConfState, HardState, Message, Snapshot, SnapshotMetadata
from .aside import Aside, run_aside
from .bootstrap import Bootstrap, given_members, split_address, stored
from .calls import CALL_GROUP, Answer, Calls
from .depot import Depot
from .diskloop import DiskLoop
from .handing import FORWARD
from .herd import Herd
from .membertable import MemberTable, decode_table, with_table
from .meters import SLOW_SYNC_S, host_metrics
from .metrics import HostMetrics
from .notices import KIND_S, Notices
from .replica import Replica
from .seams import Nobody, Seams
from .together import BEAT_GROUP, Together
from .tuning import Tuning

NEWCOMERS_GROUP = 2**64 - 1
"""The group in which the members of a new cluster talk until they have agreed on their table."""
SYSTEM_LOG = 0
"""The group of the log that holds the table of the cluster's members."""
CONFIRM = 1
"""The kind of request in which members of a new cluster send each other their statements."""
OWN_KINDS = 256
"""Kinds of requests below this are reserved for raftcy."""
_LOG = logging.getLogger("raftcy.replica")
_LEFT = "it was closed while its disk hangs: the log is left as by a crash"

Serving = Callable[[int, bytes], Awaitable[bytes]]
"""Answers requests of a kind. It gets the asking host's id and the bytes, and returns the bytes of the answer."""


class _CallReceiver:
    """The receiver of calls, for a transport."""

    def __init__(self, calls: Calls, guarded: Callable[[], None]) -> None:
        self._calls = calls
        self._guarded = guarded

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages."""
        self._guarded()
        for m in messages:
            self._calls.receive(m)
        return []

    def report_unreachable(self, id: int) -> None:
        """Fail the open calls to a peer, since messages may be lost."""
        self._calls.unreachable(id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Do nothing, since calls send no snapshots."""


class Host:
    """A member of a cluster, with its groups: an async context manager, within which ``replica`` makes the groups.

    ``directory`` is the data directory. The host makes it if it does not exist, and no other host may use it. ``id`` is
    this member's id, 1 to 2**64-3. ``members`` has the addresses of all members by id, including this one: a text such
    as "host:7000", or a list of texts. It must be the same on all members, and is used at the first start only: once
    the directory holds data, the host ignores it, with one line in the log. ``listen`` is the address to listen at; if
    it is None, the host uses the first address of this member. ``tls`` has the settings of TLS. Without it, anybody who
    can connect can speak as any member, so omit it only in a trusted network. ``tuning`` has times and limits.

    ``failure`` is the first error that ended a replica, or all replicas; None before one has happened.

    ``__aenter__`` raises MembersDiffer if the members of a new cluster do not agree on their table, or if this member
    has lost its data; ConfigError and ValueError for arguments that cannot work; OSError if it cannot listen; and the
    errors of opening the directory: DirectoryInUse, WrongDirectory, NewerFormat, Corruption, StorageFailed.
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        id: int,
        members: Mapping[int, str | list[str] | tuple[str, ...]],
        listen: str | None = None,
        tls: TLS | None = None,
        tuning: Tuning | None = None,
        seams: Seams | None = None,
    ) -> None:
        self._given = given_members(members)
        if id not in self._given:
            raise MembersDiffer(f"member {id} is not in the list of members: {sorted(self._given)}")
        self.id = id
        self.tuning: Tuning = tuning or Tuning()
        self.failure: BaseException | None = None
        self.cluster: int = 0
        self.identity: int = 0
        self.table: MemberTable = MemberTable(())
        self._path = directory
        self._listen = split_address(listen if listen is not None else self._given[id][0])
        self._tls = tls
        self._seams = seams or Seams()
        together = Together(
            id,
            secrets.randbits(63) + 1,
            self.tuning.election_ticks,
            lambda m: self.send(BEAT_GROUP, [m]),
            sleeps=self.tuning.sleep,
        )
        self._herd = Herd(together, self.wake, self._check)
        self._replicas: dict[int, Replica] = {}
        self._names: dict[str, Replica] = {}
        self._dirty: list[Replica] = []
        self._late_ticks = 0
        self._notices = Notices(_LOG, self._now, id)
        self._due: asyncio.Handle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._serving: dict[int, Serving] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over: asyncio.Event = asyncio.Event()
        self._open = False
        self._closing = False
        self._ending: asyncio.Task[None] | None = None
        self._log: Any = None
        self._files: Any = None
        self._transport: Any = None
        self._disk: DiskLoop | None = None
        self._calls: Calls | None = None
        self._newcomers: Calls | None = None
        self._syncs: Aside | None = None
        self._chores: Aside | None = None
        self._snapshots: Aside | None = None
        self._streams: Aside | None = None
        self._depot: Depot | None = None
        # The groups whose newest snapshot is damaged.
        self._damaged: dict[int, Corruption] = {}

    # -- life ------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._open or self._closing:
            raise ConfigError("a host can be opened once")
        self._open = True
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        seams = self._seams
        self._syncs = seams.aside("raftcy log")
        self._chores = seams.aside("raftcy chores")
        self._snapshots = seams.aside("raftcy snapshots")
        self._streams = seams.aside("raftcy streams")
        self._log = await run_aside(self._chores, self._open_log)
        self.identity = int.from_bytes(self._log.identity[:8], "big") or 1
        table = self._stored_table()
        if table is None:
            table = await self._begin_cluster()
        elif table.addresses() != self._given:
            text = "%s holds data: the list of members given is ignored, they are %s"
            self._notices.warn("members", text, self._path, table)
        self.table = table
        own = table.find(self.id)
        if own is None or own.identity != self.identity:
            raise MembersDiffer(f"{self._path} is not the directory of member {self.id} of {table}", theirs=table)
        pace = Pace(self.tuning.sync)
        self._disk = DiskLoop(self._log, pace, self._syncs, self._chores, self._fail, self.flush, self._was_slow)
        self._depot = Depot(self._log, self._streams)
        await self._begin_to_talk()
        self._tick_due(self._loop.time())

    def _open_log(self) -> Any:
        self._files = self._seams.files(self._path)
        log = self._seams.log(self._files)
        for group in log.groups():
            # Here, on a thread, since this reads the newest snapshot of each group to verify it.
            try:
                log.group(group, bodies=True)
            except Corruption as error:
                self._damaged[group] = error
        return log

    def _stored_table(self) -> MemberTable | None:
        """Return the stored table of the members, None before the first start has ended."""
        snapshot = self._log.group(SYSTEM_LOG).snapshot()
        if snapshot.metadata.index == 0:
            if self._log.cluster:
                raise StorageFailed(f"{self._path} names a cluster, but not its members")
            return None
        table, _ = decode_table(snapshot.data)
        self.cluster = table.cluster
        if not self._log.cluster:
            # A crash came after the table was stored and before the cluster's id was.
            self._log.set_cluster(_cluster_bytes(table.cluster))
        return table

    async def _begin_to_talk(self) -> None:
        """Listen, and give the transport the addresses of the peers."""
        self._calls = Calls(self.id, secrets.randbits(64), lambda m: self.send(CALL_GROUP, [m]), self._serve)
        transport = self._make_transport(self.cluster)
        transport.attach(BEAT_GROUP, self._herd)
        transport.attach(CALL_GROUP, _CallReceiver(self._calls, self._check))
        self._newcomers = Calls(
            self.id, secrets.randbits(64), lambda m: self.send(NEWCOMERS_GROUP, [m]), self._serve_newcomer
        )
        transport.attach(NEWCOMERS_GROUP, _CallReceiver(self._newcomers, self._check))
        for member in self.table.members:
            if member.id != self.id:
                addresses = [split_address(address) for address in member.addresses]
                await transport.set_peer(member.id, addresses, identity=member.identity)
        await transport.listen(*self._listen)

    def _make_transport(self, cluster: int) -> Any:
        self._transport = self._seams.transport(
            self.id,
            Nobody(),
            cluster=cluster,
            identity=self.identity,
            tls=self._tls,
            newcomers=NEWCOMERS_GROUP,
            depot=self._depot,
            limits=Limits(
                streams=self.tuning.snapshot_streams,
                stream_bytes_per_second=self.tuning.snapshot_bytes_per_second,
            ),
            on_failure=self._fail,
            on_refused=self._refused,
        )
        return self._transport

    def _refused(self, peer: int, refusal: Refusal) -> None:
        """Fail for a peer's refusal whose reason is permanent."""
        if refusal.reason in (Reason.IDENTITY, Reason.REMOVED):
            self._fail(MembersDiffer(f"member {peer} refuses this one: {refusal.text}"))

    async def close(self) -> None:
        """Hand over leaderships, and end everything. Every call waits for the end.

        It waits for a hanging disk for at most twice ``Tuning.handover_ms``, and then leaves the log as a crash would.
        Cancelling a wait does not stop the closing; call again to wait for the end.
        """
        if self._ending is None:
            self._closing = True
            self._ending = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._ending)

    async def _close(self) -> None:
        try:
            await asyncio.gather(*[replica.close() for replica in list(self._replicas.values())])
        finally:
            await self._shut()

    async def _shut(self) -> None:
        try:
            await self._end_all()
        finally:
            for aside in (self._syncs, self._chores, self._snapshots, self._streams):
                if aside is not None:
                    aside.close()
            self._over.set()

    async def _end_all(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        if self._due is not None:
            self._due.cancel()
        for calls in (self._calls, self._newcomers):
            if calls is not None:
                calls.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None:
            await self._transport.close()
        if self._disk is not None:
            try:
                await asyncio.wait_for(self._disk.settle(), self.tuning.handover_ms / 1000)
            except TimeoutError:
                self._notices.always(logging.ERROR, _LEFT)
            self._disk.stop()
        hangs = self._disk is not None and self._disk.is_busy
        for aside in (self._snapshots, self._streams):
            hangs = hangs or not await self._ends(aside)
        if self._files is not None and self._chores is not None and not hangs:
            await self._close_log(self._chores)

    async def _ends(self, aside: Aside | None) -> bool:
        """Wait until nothing writes or reads a snapshot any more, and return whether that is so in time."""
        if aside is None:
            return True
        try:
            await asyncio.wait_for(run_aside(aside, lambda: None), self.tuning.handover_ms / 1000)
        except TimeoutError:
            self._notices.always(logging.ERROR, _LEFT)
            return False
        return True

    async def _close_log(self, aside: Aside) -> None:
        def close() -> None:
            try:
                if self._log is not None:
                    self._log.close()
            finally:
                closing = getattr(self._files, "close", None)
                if closing is not None:
                    closing()

        try:
            # The last sync may hang, or a chore before it.
            await asyncio.wait_for(run_aside(aside, close), self.tuning.handover_ms / 1000)
        except TimeoutError:
            self._notices.always(logging.ERROR, _LEFT)
        except StorageFailed as error:
            self._note(error)

    async def wait_closed(self) -> None:
        """Wait until the host fails or is closed. Raises ``failure`` if it is not None."""
        await self._over.wait()
        if self.failure is not None:
            raise self.failure

    def _note(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error

    def _fail(self, error: BaseException) -> None:
        """End all replicas."""
        if self._over.is_set():
            return
        self._note(error)
        self._notices.always(logging.ERROR, "it has failed, and all its replicas end: %r", error)
        self._over.set()
        if self._disk is not None:
            self._disk.stop()
        for replica in list(self._replicas.values()):
            replica.die(error)
        if self._calls is not None:
            self._calls.close()

    def _was_slow(self, seconds: float) -> None:
        self._notices.warn("sync", "a sync of the log took %.1f s", seconds)

    def _now(self) -> float:
        return self._loop.time()

    def _check(self) -> None:
        if self._over.is_set() or not self._open:
            raise Stopped(self.failure)

    # -- the first start -------------------------------------------------------------------------------------------

    async def _begin_cluster(self) -> MemberTable:
        """Wait until all members have confirmed the same table, and store it."""
        begun = Bootstrap(self.id, self.identity, self._given)
        failed: asyncio.Future[None] = self._loop.create_future()
        heard = asyncio.Event()

        def hear(sender: int, data: bytes) -> None:
            try:
                begun.hear(sender, data)
            except MembersDiffer as error:
                if not failed.done():
                    failed.set_exception(error)
            except RaftError as error:
                self._notices.warn(("newcomer", sender), "member %x says what cannot be understood: %s", sender, error)
            heard.set()

        def serve(sender: int, kind: int, group: int, data: bytes, answer: Answer) -> None:
            if kind != CONFIRM:
                answer(None, "the cluster has not begun")
                return
            hear(sender, data)
            answer(begun.say(), "")

        if begun.table is None:
            text = "it waits for the other members of a new cluster: %s"
            self._notices.always(logging.INFO, text, sorted(self._given))
            await self._confirm_with_all(begun, serve, hear, heard, failed)
        table = begun.table
        if table is None:
            raise MembersDiffer("the members of the new cluster were not confirmed")
        await self._store(table)
        return table

    async def _confirm_with_all(
        self, begun: Bootstrap, serve: Any, hear: Any, heard: asyncio.Event, failed: "asyncio.Future[None]"
    ) -> None:
        transport = self._make_transport(0)
        calls = Calls(self.id, secrets.randbits(64), lambda m: self.send(NEWCOMERS_GROUP, [m]), serve)
        transport.attach(NEWCOMERS_GROUP, _CallReceiver(calls, lambda: None))
        others = [id for id in self._given if id != self.id]
        began = self._loop.time()
        try:
            for id in others:
                await transport.set_peer(id, [split_address(address) for address in self._given[id]])
            await transport.listen(*self._listen)
            while begun.table is None:
                for id in others:
                    calls.ask(id, CONFIRM, 0, begun.say(), _Told(partial_hear(hear, id)), 10)
                heard.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(heard.wait(), self.tuning.tick_ms / 1000)
                calls.tick()
                if failed.done():
                    failed.result()
                if self.failure is not None:
                    raise self.failure
                if begun.table is None:
                    if self._loop.time() - began > KIND_S:
                        text = "the cluster cannot begin: members %s have not confirmed its table for %.0f s"
                        self._notices.warn("begin", text, begun.missing, self._loop.time() - began)
                    await asyncio.sleep(self.tuning.tick_ms / 1000)
            # Other members may still wait for this member's confirmation.
            for id in others:
                calls.ask(id, CONFIRM, 0, begun.say(), _Told(lambda data: None), 10)
            transport.flush()
            await asyncio.sleep(self.tuning.tick_ms / 1000)
        finally:
            if not failed.done():
                failed.cancel()
            calls.close()
            await transport.close()

    async def _store(self, table: MemberTable) -> None:
        """Store the table as the first snapshot of the group that holds the members."""
        voters = ConfState(voters=[member.id for member in table.members])
        metadata = SnapshotMetadata(conf_state=voters, index=1, term=1)
        system = self._log.group(SYSTEM_LOG)
        system.save(HardState(term=1, vote=0, commit=1), [], Snapshot(data=table.encode(), metadata=metadata))

        def store() -> None:
            self._log.sync()
            self._log.set_cluster(_cluster_bytes(table.cluster))

        if self._chores is None:
            raise Stopped(self.failure)
        await run_aside(self._chores, store)
        self.cluster = table.cluster

    def _serve_newcomer(self, sender: int, kind: int, group: int, data: bytes, answer: Answer) -> None:
        """Answer a member that does not know the cluster yet: it gets the table, and nothing else."""
        if kind == CONFIRM:
            answer(stored(self.table), "")
        else:
            answer(None, "the cluster has begun")

    # -- replicas --------------------------------------------------------------------------------------------------

    def replica(self, name: str, machine: StateMachine) -> Replica:
        """Start this host's member of the group ``name``, and return it. It restores its state into ``machine``.

        All members of the cluster are members of the group, and should serve it under the same name. The group commits
        nothing until a majority of them does.

        A replica needs a new machine, even one that is made again after ``close`` or an error: the group's whole state
        would be applied to a used machine a second time. Only an OnDiskMachine, which knows its applied index, may be
        used again.

        Raises ConfigError if this host already serves the name, or if the machine has served before; Contradiction if
        an OnDiskMachine has applied entries that the log does not hold; Corruption if the group's newest snapshot is
        damaged and the one before it cannot take its place; Stopped if the host has failed or is closed; and the errors
        of restoring the machine from a small state. A large one is restored on a thread, and its errors end the
        replica.
        """
        self._check()
        if self._closing:
            raise Stopped(self.failure)
        group = group_of(name)
        if group in self._replicas:
            raise ConfigError(f"this host serves {self._replicas[group].name!r} already")
        if group in self._damaged:
            raise self._damaged[group]
        log = self._log.group(group, bodies=True)
        _check_machine(machine, log.last_index())
        _take_machine(machine)
        if log.snapshot().metadata.index == 0 and log.last_index() == 0:
            self._begin_group(log)
        replica = Replica(self, name, group, machine, log)
        self._replicas[group] = replica
        if self._depot is not None:
            self._depot.serve(group, replica.served)
        self._transport.attach(group, replica)
        self._herd.add(replica)
        self.wake(replica)
        return replica

    def _begin_group(self, log: Any) -> None:
        """Stage the beginning of a group, the same on all members. The sync of the first vote makes it durable."""
        voters = ConfState(voters=[member.id for member in self.table.members])
        metadata = SnapshotMetadata(conf_state=voters, index=1, term=1)
        data = with_table(self.cluster, self.table, None)
        log.save(HardState(term=1, vote=0, commit=1), [], Snapshot(data=data, metadata=metadata))

    async def request(self, member: int, kind: int, data: bytes, timeout_s: float | None = None) -> bytes:
        """Send a request to another host, once, and return the answer of its ``serve`` for this kind.

        Raises CallFailed if no reply comes within ``timeout_s`` (``Tuning.call_ms`` if it is None), Overloaded if too
        many requests wait, ValueError for a kind below 256 or above 2**64-1, and Stopped.
        """
        _check_kind(kind)
        self._check()
        if self._calls is None:
            raise Stopped(self.failure)
        milliseconds = self.tuning.call_ms if timeout_s is None else round(timeout_s * 1000)
        end: asyncio.Future[bytes] = self._loop.create_future()
        if member == self.id:
            self._serve(self.id, kind, 0, data, lambda found, why: _answer_self(end, self.id, found, why))
        else:
            self._calls.ask(member, kind, 0, data, end, self.tuning.ticks(milliseconds))
        async with asyncio.timeout(milliseconds / 1000 + 1):
            return await end

    def serve(self, kind: int, serving: Serving) -> None:
        """Answer other hosts' requests of a kind, 256 to 2**64-1, with a coroutine function that returns bytes.

        The asking host gets its errors as CallFailed, also a TypeError for an answer of another type.

        Raises ValueError for any other kind.
        """
        _check_kind(kind)
        self._serving[kind] = serving

    def _serve(self, sender: int, kind: int, group: int, data: bytes, answer: Answer) -> None:
        if kind == FORWARD:
            replica = self._replicas.get(group)
            if replica is None:
                answer(None, "this host does not serve the group")
            else:
                replica.take_forwarded(data, answer)
            return
        serving = self._serving.get(kind)
        if serving is None:
            answer(None, f"nobody serves requests of the kind {kind}")
            return
        task = self._loop.create_task(_serve_one(serving, sender, data, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def metrics(self) -> HostMetrics:
        """Return the present numbers of this host and its replicas, for people and monitoring.

        It copies counters, and costs about as much as a few proposals. Raises Stopped if the host is not open, or has
        failed.
        """
        self._check()
        if self._disk is None or self._calls is None:
            raise Stopped(self.failure)
        disk, waiting = self._disk, len(self._calls)
        replicas = self._replicas.values()
        return host_metrics(self, replicas, disk.meter, disk.waits_s(), self._late_ticks, waiting, self._transport)

    @property
    def snapshots(self) -> Aside:
        """Where snapshots are written and read."""
        if self._snapshots is None:
            raise Stopped(self.failure)
        return self._snapshots

    # -- what replicas need ----------------------------------------------------------------------------------------

    def wake(self, replica: Replica) -> None:
        """Give a replica a turn in the loop's next round."""
        if not replica.is_dirty:
            self._herd.woken(replica)
            replica.is_dirty = True
            self._dirty.append(replica)
            if self._due is None:
                self._due = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = None
        dirty, self._dirty = self._dirty, []
        for replica in dirty:
            replica.is_dirty = False
            replica.turn()
        self.flush()

    def send(self, group: int, messages: list[Message]) -> None:
        """Send messages of a group."""
        try:
            self._transport.send(messages, group)
        except RaftError as error:
            # The transport has reported the messages that are too long as lost.
            self._notices.say(logging.ERROR, "send", "messages were not sent: %s", error)

    def flush(self) -> None:
        """Write what was sent in this turn. It saves a round of the loop, and the sync of this turn comes after it."""
        self._transport.flush()

    def ask(self, peer: int, kind: int, group: int, data: bytes, end: Any) -> None:
        """Send a request of a replica."""
        if self._calls is None:
            raise Stopped(self.failure)
        self._calls.ask(peer, kind, group, data, end, self.tuning.ticks(self.tuning.call_ms))

    def staged(self, replica: Replica, due: bool) -> None:
        """A replica has staged a write."""
        if self._disk is not None:
            self._disk.staged(replica, due)

    def now_us(self) -> int:
        """Return a reading of the clock of leases, in microseconds."""
        return self._seams.now_us()

    def disk_waits_s(self) -> float:
        """How long the present sync has lasted, in seconds; 0 without one."""
        return 0.0 if self._disk is None else self._disk.waits_s()

    def is_asleep(self, replica: Replica) -> bool:
        """Whether a replica takes no ticks."""
        return self._herd.is_asleep(replica)

    def died(self, replica: Replica, error: BaseException) -> None:
        """Note that a replica has died. An error of the log ends all replicas."""
        self.left(replica)
        self._note(error)
        if isinstance(error, StorageFailed) or (self._log is not None and self._log.failure is not None):
            self._fail(error)

    def left(self, replica: Replica) -> None:
        """Forget a replica that has ended."""
        if self._replicas.get(replica.group) is replica:
            del self._replicas[replica.group]
            self._herd.remove(replica)
            if self._depot is not None:
                self._depot.leave(replica.group)
            self._transport.detach(replica.group)

    # -- time ------------------------------------------------------------------------------------------------------

    def _tick_due(self, due: float) -> None:
        """Let a tick pass. It skips ticks that a stall has delayed, because a burst of them could depose a leader."""
        seconds = self.tuning.tick_ms / 1000
        now = self._loop.time()
        if now - due > self.tuning.election_ms / 1000:
            self._late_ticks += 1
            self._notices.warn("late", "something held up the event loop for %.1f s", now - due)
        due = due + seconds if due + seconds > now else now + seconds
        self._ticker = self._loop.call_at(due, self._tick_due, due)
        if self._over.is_set():
            return
        waits_s = self.disk_waits_s()
        if waits_s > SLOW_SYNC_S:
            self._notices.warn("disk", "the disk has not answered for %.1f s", waits_s)
        for calls in (self._calls, self._newcomers):
            if calls is not None:
                calls.tick()
        if self._depot is not None:
            self._depot.tick()
        self._herd.tick()
        self.flush()

    def __repr__(self) -> str:
        return f"<Host {self.id} of the cluster {self.cluster:016x}, {len(self._replicas)} groups>"


class _Told:
    """Takes a reply for which nobody waits, and passes it to ``hear``."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self._hear = hear

    def done(self) -> bool:
        """Return False: a reply is always welcome."""
        return False

    def set_result(self, data: bytes) -> None:
        """The reply."""
        self._hear(data)

    def set_exception(self, error: BaseException) -> None:
        """Ignore a failure, since the next request will get a reply."""


def partial_hear(hear: Callable[[int, bytes], None], id: int) -> Callable[[bytes], None]:
    """Return ``hear`` for one sender."""
    return lambda data: hear(id, data)


def group_of(name: str) -> int:
    """Return the id of the group with this name, 1 to 2**63-1. ConfigError if it is empty, TypeError if not a text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a group is a text, not {name!r}")
    if not name:
        raise ConfigError("a group needs a name")
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % (2**63 - 1) + 1


def _cluster_bytes(cluster: int) -> bytes:
    return cluster.to_bytes(8, "big")


def _check_machine(machine: StateMachine, last: int) -> None:
    """Raise Contradiction if a machine on disk is ahead of a log that ends at ``last``.

    The member has acknowledged those entries, and does not have them any more: if it voted, a leader could be elected
    that lacks committed entries.
    """
    applied = machine.applied if isinstance(machine, OnDiskMachine) else 0
    if applied > last:
        raise Contradiction(
            f"the machine has applied the log up to {applied}, but the log ends at {last}: is it an old copy, or the "
            "machine that of another group? Bring both back as they were; if the log is lost, so is this member"
        )


def _take_machine(machine: StateMachine) -> None:
    """Mark a machine as used; raises ConfigError if it was, unless it knows itself what it has applied."""
    if isinstance(machine, OnDiskMachine):
        return
    if machine._has_served:
        raise ConfigError(f"{machine!r} has served a replica before: a replica needs a new machine")
    machine._has_served = True


def _check_kind(kind: int) -> None:
    if not OWN_KINDS <= kind < 2**64:
        raise ValueError(f"kinds of requests are {OWN_KINDS} to 2**64-1, not {kind}")


def _answer_self(end: "asyncio.Future[bytes]", id: int, data: bytes | None, why: str) -> None:
    if end.done():
        return
    if data is None:
        end.set_exception(CallFailed(id, why))
    else:
        end.set_result(data)


async def _serve_one(serving: Serving, sender: int, data: bytes, answer: Answer) -> None:
    try:
        found = octets(await serving(sender, data), "the answer")
    except Exception as error:
        answer(None, f"{type(error).__name__}: {error}")
        return
    except BaseException:
        answer(None, "the host was closed")
        raise
    answer(found, "")
