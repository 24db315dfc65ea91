"""A host: one process's members of any number of groups, with one data directory, one log, one listener and one ticker.

Rules:

- The first start of a cluster waits until all members have confirmed the same table of members (``founding``), and
  stores the table before any group begins. A host that comes later asks for a place (``joining``). Later starts use
  what is stored. Otherwise a member that lost its disk could vote twice without the others noticing.
- Every host is a member of the system group, whose machine is the registry of hosts and groups (``registrar``).
- An error of the log, of the transport or of a task ends all replicas. An error of a machine ends its replica only.
  ``failure`` is the first error. The process lives on.
- Closing hands over leaderships first, so that the other members need no election.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from io import BytesIO
from os import PathLike
from types import TracebackType
from typing import Any, Self

from .._build import report_pure
from ..errors import (
    CallFailed,
    ConfigError,
    Contradiction,
    Corruption,
    GroupDeleted,
    MemberError,
    MemberRefused,
    MemberRemoved,
    MembersDiffer,
    RaftError,
    Stopped,
    StorageFailed,
)
from ..machines import OnDiskMachine, StateMachine
from ..storage.bodies import is_reference
from ..storage.pace import Pace
from ..transport import TLS, Limits
from ..transport.packets import Hello, Reason, Refusal
from ..wire.checks import instance, octets
from ..wire.messages import ConfState, HardState, Message, Snapshot, SnapshotMetadata
from .aside import Aside, call_after_all, run_aside
from .bootstrap import given_members, split_address, stored
from .calls import CALL_GROUP, CONFIRM, JOIN, NEWCOMERS_GROUP, Answer, CallReceiver, Calls
from .deleting import GroupChanges
from .deletions import NoWriter
from .depot import Depot
from .diskloop import DiskLoop
from .founding import Founding
from .handing import FORWARD
from .herd import Herd
from .hostrecords import Arrival, Wish, given_addresses, given_attributes, objection_to_name
from .joining import Joining
from .membertable import MemberTable, read_table
from .meters import SLOW_SYNC_S, host_metrics
from .metrics import HostMetrics
from .notices import Notices
from .registrar import SYSTEM_GROUP, ForSystem, Registrar
from .registry import Registry, group_of
from .replica import Replica
from .seams import Nobody, Seams
from .standing import HostStatus
from .together import BEAT_GROUP, Together
from .tuning import Tuning

SYSTEM_LOG = 0
"""The group of the log that holds the registry."""
OWN_KINDS = 256
"""Kinds of requests below this are reserved for raftcy."""
_LOG = logging.getLogger("raftcy.replica")
_LEFT = "it was closed while its disk hangs: the log is left as by a crash"

Serving = Callable[[int, bytes], Awaitable[bytes]]
"""Answers requests of a kind. It gets the asking host's id and the bytes, and returns the bytes of the answer."""


class Host(GroupChanges):
    """A member of a cluster, with its groups: an async context manager, within which ``replica`` makes the groups.

    ``directory`` is the data directory. The host makes it if it does not exist, and no other host may use it. Once it
    holds data, it has all that a start needs: ``id``, ``members`` and ``join`` may be left out, and are ignored, with
    one line in the log if they differ. With an empty directory, one of two is needed:

    - ``members``, to found a new cluster: the addresses of all members by id, including this one. An address is a text
      such as "host:7000"; a member may have a list of them. It must be the same on all members.
    - ``join``, to enter a running cluster: the address of one of its hosts, or several of them.

    ``id`` is this member's id, 1 to 2**64-3. A host that joins may leave it out: its id is then drawn, with the
    identity of the directory. ``listen`` is the address to listen at. ``advertise`` has the addresses at which the
    others reach this host, if they differ. By default, a host is reached where it listens, and listens at the first
    address that the cluster has of it. If ``advertise`` differs from what the cluster knows, the host updates it.
    ``learner`` joins without a vote; a place reserved by ``add`` or ``add_learner`` decides instead. ``name`` and
    ``attributes`` of a host that joins are for people and programs.

    ``tls`` has the settings of TLS. Without it, anybody who can connect can speak as any member, so omit it only in a
    trusted network. ``tuning`` has times and limits.

    ``failure`` is the first error that ended a replica, or all replicas; None before one has happened.

    ``__aenter__`` raises MembersDiffer if the members of a new cluster do not agree on their table, or if this member
    has lost its data; MemberRefused if the cluster refuses a place, and its subclass MemberRemoved if the id was
    removed; ConfigError and ValueError for arguments that cannot work; OSError if it cannot listen; and the errors of
    opening the directory: DirectoryInUse, WrongDirectory, NewerFormat, Corruption, StorageFailed.
    """

    clock: Callable[[], float]
    """The event loop's clock, in seconds. All replicas share it."""
    # The parts of an open host.
    _log: Any = None
    _files: Any = None
    _transport: Any = None
    _disk: DiskLoop | None = None
    _calls: Calls | None = None
    _newcomers: Calls | None = None
    _registrar: Registrar | None = None
    _syncs: Aside | None = None
    _chores: Aside | None = None
    _snapshots: Aside | None = None
    _streams: Aside | None = None
    _depot: Depot | None = None

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        id: int | None = None,
        members: Mapping[int, str | list[str] | tuple[str, ...]] | None = None,
        join: str | list[str] | tuple[str, ...] | None = None,
        listen: str | None = None,
        advertise: str | list[str] | tuple[str, ...] | None = None,
        learner: bool = False,
        name: str = "",
        attributes: Mapping[str, str] | None = None,
        tls: TLS | None = None,
        tuning: Tuning | None = None,
        seams: Seams | None = None,
    ) -> None:
        if members is not None and join is not None:
            raise ConfigError("give members to found a cluster, or join to enter one, not both")
        given_members({} if id is None else {id: "host:1"})
        self._given = {} if members is None else given_members(members)
        if members is not None and id not in self._given:
            raise MembersDiffer(f"member {id} is not in the list of members: {sorted(self._given)}")
        self._seeds = () if join is None else given_addresses(join)
        self._advertise = () if advertise is None else given_addresses(advertise)
        self._learner = learner
        self._name = name
        if problem := objection_to_name(name):
            raise ValueError(problem)
        self._attributes = given_attributes(attributes or {})
        self._listen = None if listen is None else split_address(listen)
        self._reached = self._advertise or (() if listen is None else (listen,))
        if join is not None and not self._reached:
            raise ConfigError("a host that joins needs an address to listen at")
        self.id: int = id or 0
        self.tuning: Tuning = Tuning() if tuning is None else instance(tuning, Tuning, "tuning")
        self.failure: BaseException | None = None
        self.cluster: int = 0
        self.identity: int = 0
        self._path = directory
        self._joins = False
        self._tls = tls
        self.seams: Seams = seams or Seams()
        together = Together(
            self.id,
            self._drawn() or 1,
            self.tuning.election_ticks,
            lambda m: self.send(BEAT_GROUP, [m]),
            sleeps=self.tuning.sleep,
        )
        self._herd = Herd(together, self.wake, self._check)
        self._replicas: dict[int, Replica] = {}
        self._dirty: list[Replica] = []
        self._late_ticks = 0
        self._notices = Notices(_LOG, self._now, self.id)
        self._due: asyncio.Handle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._serving: dict[int, Serving] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._over: asyncio.Event = asyncio.Event()
        self._open = False
        self._closing = False
        self._ending: asyncio.Task[None] | None = None
        # The groups whose newest snapshot is damaged.
        self._damaged: dict[int, Corruption] = {}
        # The groups whose replica has died here, and was not made again.
        self._dead: dict[int, BaseException] = {}

    @classmethod
    def join(cls, directory: str | PathLike[str], address: str | list[str] | tuple[str, ...], **options: Any) -> Self:
        """Make a host that enters a running cluster, through one of its hosts at ``address``, or at several addresses.

        It asks for a place, or takes the one that ``add``, ``add_learner`` or ``replace`` has reserved for its id. The
        context manager is entered once the cluster has taken the host in, as a learner at first. ``options`` are those
        of Host. If the directory holds data, the host is in already, and the address is ignored.
        """
        return cls(directory, join=address, **options)

    @property
    def table(self) -> MemberTable:
        """The hosts that have come, with identities and addresses, as of what this host has applied."""
        return MemberTable(()) if self._registrar is None else self._registrar.registry.table

    # -- life ------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._open or self._closing:
            raise ConfigError("a host can be opened once")
        self._open = True
        try:
            await self._start()
        except BaseException as error:
            await self.close()
            if isinstance(error, Stopped) and self.failure is not None:
                raise self.failure from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _start(self) -> None:
        report_pure()
        self._loop = asyncio.get_running_loop()
        self.clock = self._loop.time
        seams = self.seams
        self._syncs = seams.aside("raftcy log")
        self._chores = seams.aside("raftcy chores")
        self._snapshots = seams.aside("raftcy snapshots")
        self._streams = seams.aside("raftcy streams")
        self._log = await run_aside(self._chores, self._open_log)
        self.identity = int.from_bytes(self._log.identity[:8], "big") or 1
        table = self._stored_table()
        if table is None:
            self.id = self.id or _drawn_id(self._log.identity)
            self._notices = Notices(_LOG, self._now, self.id)
            table = await self._first_start()
        elif self._given and table.addresses() != self._given:
            text = "%s holds data: the list of members given is ignored, they are %s"
            self._notices.warn("members", text, self._path, table)
        own = next((each for each in table.members if each.identity == self.identity), None)
        self.id = self.id or (0 if own is None else own.id)
        if own is None or own.id != self.id:
            raise MembersDiffer(f"{self._path} is not the directory of member {self.id} of {table}", theirs=table)
        self._notices = Notices(_LOG, self._now, self.id)
        pace = Pace(self.tuning.sync)
        self._disk = DiskLoop(self._log, pace, self._syncs, self._chores, self._fail, self.flush, self._was_slow)
        self._depot = Depot(self._log, self._streams)
        registrar = Registrar(self, self._notices)
        if self._joins:
            registrar.registry.expect(table)
        self._registrar = registrar
        await self._begin_to_talk(registrar, own.addresses)
        self._tick_due(self._loop.time())
        if self._joins:
            await self._until_in(registrar)
        if self._advertise and self._advertise != registrar.registry.hosts[self.id].addresses:
            self.spawn(self._update_own())

    async def _first_start(self) -> MemberTable:
        if self._seeds:
            return await self._join()
        if self._log.cluster:
            raise StorageFailed(
                f"{self._path} names a cluster, but not its members: if this host was about to join, give `join` again"
            )
        if not self._given:
            raise ConfigError(f"{self._path} is empty: give members to found a cluster, or join to enter one")
        return await self._found()

    def _open_log(self) -> Any:
        self._files = self.seams.files(self._path)
        log = self.seams.log(self._files)
        for group in log.groups():
            # Here, on a thread, since this reads the newest snapshot of each group to verify it.
            try:
                log.group(group, bodies=True)
            except Corruption as error:
                self._damaged[group] = error
        return log

    def _stored_table(self) -> MemberTable | None:
        """Return the hosts as of the newest snapshot of the registry, None before the first start has ended."""
        if SYSTEM_LOG in self._damaged:
            raise self._damaged[SYSTEM_LOG]
        system = self._log.group(SYSTEM_LOG, bodies=True)
        snapshot = system.snapshot()
        if snapshot.metadata.index == 0:
            return None
        file: Any = BytesIO(snapshot.data)
        if is_reference(snapshot.data):
            file = system.bodies.open(system.bodies.reference(snapshot))
        self.cluster, table, _ = read_table(file)
        if not self._log.cluster:
            # A crash came after the table was stored and before the cluster's id was.
            self._log.set_cluster(_cluster_bytes(self.cluster))
        return table

    def _listen_at(self, addresses: tuple[str, ...]) -> tuple[str, int]:
        return self._listen or split_address(addresses[0])

    async def _begin_to_talk(self, registrar: Registrar, addresses: tuple[str, ...]) -> None:
        """Start the system group, give the transport the addresses of the peers, and listen."""
        self._calls = Calls(self.id, self._drawn(), lambda m: self.send(CALL_GROUP, [m]), self._serve)
        transport = self._make_transport(self.cluster, self._advertise or addresses)
        self._herd.begin(self.id)
        transport.attach(BEAT_GROUP, self._herd)
        transport.attach(CALL_GROUP, CallReceiver(self._calls, self._check))
        self._newcomers = Calls(self.id, self._drawn(), lambda m: self.send(NEWCOMERS_GROUP, [m]), self._serve_newcomer)
        transport.attach(NEWCOMERS_GROUP, CallReceiver(self._newcomers, self._check))
        log = self._log.group(SYSTEM_LOG, bodies=True)
        system = Replica(ForSystem(self), "(system)", SYSTEM_GROUP, registrar.registry, log)
        self._replicas[SYSTEM_GROUP] = system
        if self._depot is not None:
            self._depot.serve(SYSTEM_GROUP, system.served)
        self.attach(system)
        await registrar.start(system, transport)
        await transport.listen(*self._listen_at(addresses))
        self.wake(system)

    def _drawn(self) -> int:
        """Draw the number with which the calls of this start begin."""
        return int.from_bytes(self.seams.draw(8), "big")

    async def _until_in(self, registrar: Registrar) -> None:
        """Wait until the directory holds the registry, with this host in it: from then on it needs no other's help."""
        while registrar.system is None or not registrar.system.is_member:
            await registrar.next_change()
            self._check()

    async def _update_own(self) -> None:
        with suppress(MemberError, Stopped):
            await self.update(self.id, addresses=self._advertise, timeout_s=None)

    def _make_transport(self, cluster: int, addresses: tuple[str, ...]) -> Any:
        self._transport = self.seams.transport(
            self.id,
            Nobody(),
            cluster=cluster,
            identity=self.identity,
            tls=self._tls,
            newcomers=NEWCOMERS_GROUP,
            policy=self._judge,
            advertise=[split_address(each) for each in addresses],
            depot=self._depot,
            limits=Limits(
                streams=self.tuning.snapshot_streams,
                stream_bytes_per_second=self.tuning.snapshot_bytes_per_second,
            ),
            on_failure=self._fail,
            on_refused=self._refused,
        )
        return self._transport

    def _judge(self, hello: Hello, known: bool) -> Refusal | None:
        return None if self._registrar is None else self._registrar.policy(hello, known)

    def _refused(self, peer: int, refusal: Refusal) -> None:
        """Fail for a peer's refusal whose reason is permanent."""
        text = f"member {peer} refuses this one: {refusal.text}"
        if refusal.reason == Reason.REMOVED:
            self._fail(MemberRemoved(text, "removed"))
        elif refusal.reason == Reason.IDENTITY:
            self._fail(MembersDiffer(f"{text}. Its data was lost: let a host with a new id `replace` it"))
        elif self._joins and self._registrar is None and refusal.reason in (Reason.VERSION, Reason.CERTIFICATE):
            self._fail(MemberRefused(f"the cluster refuses this host: {refusal.text}", refusal.reason.name.lower()))

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
        if self._registrar is not None:
            self._registrar.stop()
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
        if self._chores is None:
            return
        if hangs:
            # The directory is free once the disk has answered. Before, another start would write beside what hangs.
            asides = (self._syncs, self._chores, self._snapshots, self._streams)
            call_after_all([each for each in asides if each is not None], self._close_files)
        else:
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
                self._close_files()

        try:
            # The last sync may hang, or a chore before it.
            await asyncio.wait_for(run_aside(aside, close), self.tuning.handover_ms / 1000)
        except TimeoutError:
            self._notices.always(logging.ERROR, _LEFT)
        except StorageFailed as error:
            self._note(error)

    def _close_files(self) -> None:
        closing = getattr(self._files, "close", None)
        if closing is not None:
            closing()

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
        if self._registrar is not None:
            self._registrar.wake()

    def _was_slow(self, seconds: float) -> None:
        self._notices.warn("sync", "a sync of the log took %.1f s", seconds)

    def _now(self) -> float:
        return self._loop.time()

    def _check(self) -> None:
        if self._over.is_set() or not self._open:
            raise Stopped(self.failure)

    # -- the first start -------------------------------------------------------------------------------------------

    async def _found(self) -> MemberTable:
        """Wait until all members of a new cluster have confirmed the same table, and store it."""
        founding = Founding(
            self.id,
            self.identity,
            self._given,
            self._listen_at(self._given[self.id]),
            self.tuning.tick_ms / 1000,
            self._notices,
            lambda: self._make_transport(0, self._given[self.id]),
            lambda: self.failure,
            self._drawn(),
        )
        table = await founding.run()
        voters = ConfState(voters=[member.id for member in table.members])
        metadata = SnapshotMetadata(conf_state=voters, index=1, term=1)
        system = self._log.group(SYSTEM_LOG, bodies=True)
        system.save(HardState(term=1, vote=0, commit=1), [], Snapshot(data=table.encode(), metadata=metadata))

        def store() -> None:
            self._log.sync()
            self._log.set_cluster(_cluster_bytes(table.cluster))

        await self._aside(store)
        self.cluster = table.cluster
        return table

    async def _join(self) -> MemberTable:
        """Ask a running cluster for a place until it gives one, and return its hosts."""
        arrival = Arrival(
            id=self.id,
            identity=self.identity,
            addresses=self._reached,
            wish=Wish.LEARNER if self._learner else Wish.VOTER,
            knows=Registry.knows,
            name=self._name,
            attributes=self._attributes,
        )
        joining = Joining(
            arrival,
            self._seeds,
            self._listen_at(self._reached),
            self.tuning.tick_ms / 1000,
            self.tuning.call_ms / 1000,
            self._notices,
            lambda: self._make_transport(0, self._reached),
            lambda: self.failure,
            self._drawn(),
        )
        self._joins = True
        taken = await joining.run()
        await self._aside(lambda: self._log.set_cluster(_cluster_bytes(taken.cluster)))
        self.cluster = taken.cluster
        return taken.table

    async def _aside(self, act: Callable[[], None]) -> None:
        if self._chores is None:
            raise Stopped(self.failure)
        await run_aside(self._chores, act)

    def _serve_newcomer(self, sender: int, kind: int, group: int, data: bytes, answer: Answer) -> None:
        """Answer a host that has no cluster yet. It gets the table, or a place, and nothing else."""
        registrar = self._registrar
        if kind == CONFIRM and registrar is not None and registrar.registry.founding.members:
            answer(stored(registrar.registry.founding), "")
        elif kind == JOIN and registrar is not None:
            registrar.serve_newcomer(sender, data, answer)
        else:
            answer(None, "the cluster has begun")

    # -- replicas --------------------------------------------------------------------------------------------------

    def replica(self, name: str, machine: StateMachine) -> Replica:
        """Start this host's member of the group ``name``, and return it. It restores its state into ``machine``.

        The hosts of the cluster that serve the group are its members, and all of them should, under the same name. The
        first call makes the group. A host that was not a member of the cluster then gets into the group once its leader
        knows that it serves it; until then it has no leader. The group commits nothing until a majority serves it.

        A replica needs a new machine, even one that is made again after ``close`` or an error: the group's whole state
        would be applied to a used machine a second time. Only an OnDiskMachine, which knows its applied index, may be
        used again.

        Raises GroupDeleted if the group was deleted: a replica made before this host knows that ends with it. Raises
        ConfigError if this host has not started, already serves the name, or if the machine has served before;
        TypeError if the machine is no StateMachine, such as a class; Contradiction if
        an OnDiskMachine has applied entries that the log does not hold; Corruption if the group's newest snapshot is
        damaged and the one before it cannot take its place; Stopped if the host has failed or is closed; and the errors
        of restoring the machine from a small state. A large one is restored on a thread, and its errors end the
        replica.
        """
        if not (self._open or self._closing or self._over.is_set()):
            raise ConfigError("this host has not started: enter it first, with 'async with host:'")
        self._check()
        if self._closing or self._registrar is None:
            raise Stopped(self.failure)
        instance(machine, StateMachine, "machine")
        group = group_of(name)
        if group in self._registrar.registry.deleted:
            raise GroupDeleted(name)
        if group in self._replicas:
            raise ConfigError(f"this host serves {self._replicas[group].name!r} already")
        if group in self._damaged:
            raise self._damaged[group]
        log = self._log.group(group, bodies=True)
        _check_machine(machine, log.last_index())
        _take_machine(machine)
        replica = Replica(self, name, group, machine, log)
        self._dead.pop(group, None)
        self._replicas[group] = replica
        if self._depot is not None:
            self._depot.serve(group, replica.served)
        self._registrar.took(replica)
        self.wake(replica)
        return replica

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
        if kind < OWN_KINDS and self._registrar is not None:
            self._registrar.serve(sender, kind, group, data, answer)
            return
        serving = self._serving.get(kind)
        if serving is None:
            answer(None, f"nobody serves requests of the kind {kind}")
            return
        self.spawn(_serve_one(serving, sender, data, answer))

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

    # -- what replicas and the registrar need ---------------------------------------------------------------------

    def pin(self, name: str) -> None:
        """Keep a snapshot's file from being removed."""
        self._log.pin(name)

    def unpin(self, name: str) -> None:
        """Take back one ``pin``."""
        self._log.unpin(name)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task that ends with the host. Its error ends the host."""
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._spawned)

    def _spawned(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def replicas(self) -> list[Replica]:
        """Return all replicas, with that of the system group."""
        return list(self._replicas.values())

    def find(self, group: int) -> Replica | None:
        """Return the replica of a group, by its id in the transport."""
        return self._replicas.get(group)

    def death(self, group: int) -> BaseException | None:
        """Return the error that ended the replica of a group, by its id in the transport; None if none did."""
        return self._dead.get(group)

    def attach(self, replica: Replica) -> None:
        """Deliver the messages of a replica's group to it."""
        self._transport.attach(replica.group, replica)
        self._herd.add(replica)

    def knows(self, id: int) -> bool:
        """Whether the registry has this host, so that its votes and acknowledgements count."""
        return self._registrar is not None and self._registrar.registry.has(id)

    def look(self, replica: Replica) -> None:
        """Ask another host to wake a group that has no leader here."""
        if self._registrar is not None:
            self._registrar.look(replica)

    def members_due(self, replica: Replica) -> None:
        """Note that a replica may have to change its members."""
        if self._registrar is not None:
            self._registrar.members_due(replica)

    def fail(self, error: BaseException) -> None:
        """End the host, because of an error."""
        self._fail(error)

    def wake(self, replica: Replica) -> None:
        """Give a replica a turn in the loop's next round."""
        if not replica.is_dirty:
            self.woken(replica)
            replica.is_dirty = True
            self._dirty.append(replica)
            if self._due is None:
                self._due = self._loop.call_soon(self._turn)

    def woken(self, replica: Replica) -> None:
        """Note that a replica has work, which ends its sleep."""
        self._herd.woken(replica)

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
        return self.seams.now_us()

    def disk_waits_s(self) -> float:
        """How long the present sync has lasted, in seconds; 0 without one."""
        return 0.0 if self._disk is None else self._disk.waits_s()

    def is_asleep(self, replica: Replica) -> bool:
        """Whether a replica takes no ticks."""
        return self._herd.is_asleep(replica)

    def drop_group(self, group: int, error: GroupDeleted) -> bool:
        """End a group's replica, and drop its share of the log. Return whether there was any. For the registrar."""
        replica = self._replicas.get(group)
        if replica is not None:
            replica.die(error, logging.INFO)
        had: bool = self._log.drop(group)
        self._dead.pop(group, None)
        self._damaged.pop(group, None)
        if had and self._disk is not None:
            self._disk.staged(NoWriter(), True)
        return had or replica is not None

    def died(self, replica: Replica, error: BaseException) -> None:
        """Note that a replica has died. An error of the log ends all replicas."""
        self.left(replica)
        if isinstance(error, GroupDeleted):
            return
        self._dead[replica.group] = error
        self._note(error)
        log_failed = self._log is not None and self._log.failure is not None
        if isinstance(error, StorageFailed) or log_failed or replica.group == SYSTEM_GROUP:
            self._fail(error)

    def left(self, replica: Replica) -> None:
        """Forget a replica that has ended."""
        if self._replicas.get(replica.group) is replica:
            del self._replicas[replica.group]
            self._herd.remove(replica)
            if self._depot is not None:
                self._depot.leave(replica.group)
            self._transport.detach(replica.group)
            if self._registrar is not None:
                self._registrar.forget(replica)

    # -- time ------------------------------------------------------------------------------------------------------

    def _tick_due(self, due: float) -> None:
        """Let a tick pass. It skips ticks that a stall has delayed, because a burst of them could depose a leader."""
        seconds = self.tuning.tick_ms / 1000
        now = self._loop.time()
        late = now - due > seconds / 2
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
        self._herd.tick(late)
        if self._registrar is not None and not self._closing:
            try:
                self._registrar.tick()
            except Exception as error:
                self._fail(error)
        self.flush()

    def status(self) -> HostStatus:
        """Return the present state of this host, and what it knows of the cluster."""
        registrar = self._registrar
        registry = Registry() if registrar is None else registrar.registry
        system = None if registrar is None else registrar.system
        return HostStatus(
            id=self.id,
            identity=self.identity,
            cluster=self.cluster,
            hosts=dict(registry.hosts),
            removed=frozenset(registry.removed),
            groups=tuple(sorted(registry.groups)),
            system=None if system is None else system.status(),
            failure=self.failure,
        )

    def __repr__(self) -> str:
        return f"<Host {self.id} of the cluster {self.cluster:016x}, {len(self._replicas)} groups>"


def _drawn_id(identity: bytes) -> int:
    """Return the id of a host that was given none: drawn with the identity of its directory, and stored with it."""
    return int.from_bytes(identity[8:], "big") % (2**63 - 1) + 1


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
