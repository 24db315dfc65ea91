"""`EtcdMember`: a member of an etcd cluster on a host, with its RPCs as plain functions for any front.

::

    async with Host(directory, id=1, members=members) as host:
        async with EtcdMember(host, Options(name="one", client_urls=("http://127.0.0.1:2379",))) as member:
            front = Front(member.services())

Rules:

- A member answers its own writes only after it has applied them.
- Everything that waits ends: with its answer, or as a refusal after ``Core.limit_s``, or when the member ends.
- A failure of the host or of the replica shows in ``health``, and every later call is refused.
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ..errors import RaftError
from ..replica.events import LeaderChanged, ReplicaStopped, SnapshotReceived
from ..replica.host import Host
from ..replica.replica import Replica
from . import schema
from .apicore import LOG, Core, Options
from .clustercalls import AuthCalls, ClusterCalls
from .etcdmachine import GROUP, Attributes, EtcdMachine
from .hashcheck import HashCheck
from .kvcalls import KvCalls, entry_of
from .leasecalls import LeaseCalls
from .maintenance import MaintenanceCalls
from .refusals import refused
from .service import Method
from .watchcalls import WatchCalls

_ATTRIBUTES = b"\xaa\x51"
"""The tag of cluster_member_attr_set in an InternalRaftRequest."""
TICK_S = 0.1


class EtcdMember:
    """See the module. The host must be open. ``machine`` is a new one unless a state was restored into it before."""

    def __init__(
        self,
        host: Host,
        options: Options | None = None,
        *,
        machine: EtcdMachine | None = None,
        group: str = GROUP,
        peer_scheme: str = "http",
    ) -> None:
        options = options or Options()
        self.host = host
        self.machine: EtcdMachine = machine or EtcdMachine()
        self.replica: Replica = host.replica(group, self.machine)
        self.core = Core(host, self.replica, self.machine, options)
        self._freed: list[Any] = []
        self._freeing: asyncio.Handle | None = None
        self.kv = KvCalls(self.core, self._when_freed)
        self.lease = LeaseCalls(self.core)
        self.watch = WatchCalls(self.core)
        self.maintenance = MaintenanceCalls(self.core)
        self.hashes = HashCheck(self.core)
        self._calls: list[Any] = [
            self.kv,
            self.watch,
            self.lease,
            ClusterCalls(self.core, peer_scheme),
            self.maintenance,
            AuthCalls(self.core),
        ]
        self._ticker: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None
        self._publishing: Any = None
        self._is_over = False

    def services(self) -> list[Method]:
        """Return all RPCs."""
        return [method for calls in self._calls for method in calls.methods()]

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to follow the replica and the time. ``services`` may be offered before and after."""
        if self._following is None:
            self._following = self.core.loop.create_task(self._follow())
            self.hashes.start()
            self._tick()

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until this member has a leader and has published its name and addresses. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self.replica.wait_for_leader()
            while self.machine.attributes.get(self.host.id) != self._own():
                self.health_or_raise()
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Refuse what waits, and stop. The host closes the replica."""
        self._stop()
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following

    def _stop(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        for handle in (self._ticker, self._freeing):
            if handle is not None:
                handle.cancel()
        self.hashes.stop()
        self.core.slow.stop()
        self.watch.stop()
        self.lease.stop()
        self.core.patience.stop(refused("STOPPED"))

    async def _follow(self) -> None:
        """Follow the replica's events."""
        async for event in self.replica.events():
            if isinstance(event, LeaderChanged):
                self.core.patience.changed_s = self.core.loop.time()
                self.lease.tick()
                self.core.patience.try_again()
            elif isinstance(event, SnapshotReceived):
                self.machine.settle()
                self.watch.work_soon()
            elif isinstance(event, ReplicaStopped):
                self._stop()

    # -- time ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._is_over:
            return
        self._ticker = self.core.loop.call_later(TICK_S, self._tick)
        try:
            self.core.patience.sweep()
            self.core.patience.try_again()
            self.lease.tick()
            self.watch.tick()
            self._publish()
            self._free_soon()
        except RaftError as error:
            LOG.warning("a tick of the etcd member was cut short: %s", error)

    def _own(self) -> Attributes:
        options = self.core.options
        return Attributes(options.name, options.client_urls)

    def _publish(self) -> None:
        """Publish this member's name and addresses through the log, until they stand there."""
        own, host = self._own(), self.host
        if self._publishing is not None or self.machine.attributes.get(host.id) == own:
            return
        if self.replica.leader is None or not self.replica.is_ready or not self.replica.is_member:
            return
        request = schema.ClusterMemberAttrSetRequest(
            member_ID=host.id, member_attributes=schema.Attributes(name=own.name, client_urls=own.client_urls)
        )
        self._publishing = self.core.propose(entry_of(_ATTRIBUTES, request), lambda _: None)
        self._publishing.add_done_callback(self._published)

    def _published(self, ended: Any) -> None:
        self._publishing = None
        if not ended.cancelled() and ended.exception() is not None:
            LOG.info("the member's name and addresses are not published yet: %s", ended.exception())

    # -- what was compacted --------------------------------------------------------------------------------------

    def _when_freed(self, call: Any) -> None:
        self._freed.append(call)
        self._free_soon()

    def _free_soon(self) -> None:
        if self._freeing is None:
            self._freeing = self.core.loop.call_soon(self._free)

    def _free(self) -> None:
        """Free some of what is compacted."""
        self._freeing = None
        machine = self.machine
        if self.replica.is_ready and not machine.store.is_writing and not machine.store.work():
            freed, self._freed = self._freed, []
            for call in freed:
                call()
        elif self._freed or self.replica.is_ready:
            self._freeing = self.core.loop.call_soon(self._free)

    # -- for the fronts ------------------------------------------------------------------------------------------

    def health_or_raise(self) -> None:
        """Raise the failure of the host or of the replica, if there is one."""
        failure = self.host.failure or self.replica.failure
        if failure is not None:
            raise failure

    def health(self) -> tuple[bool, str]:
        """Whether this member can serve, and why not: the host has failed, there is no leader, or an alarm."""
        failure = self.host.failure or self.replica.failure
        if failure is not None:
            return False, f"the member has failed: {failure}"
        for _, alarm in self.machine.alarms:
            return False, f"ALARM {schema.AlarmType.Name(alarm)}"
        if self.replica.leader is None:
            return False, "RAFT NO LEADER"
        return True, ""
