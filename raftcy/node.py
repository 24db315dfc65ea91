"""Node: a RawNode for asyncio, with the calls and the rules of etcd's ``Node``.

Owns one RawNode, the queue of ticks, the proposals that wait for a leader and the hand-over of one Ready at a time.
It stores nothing, sends nothing and reads no clock: the application does, in its loop over ``Ready``.

How it runs. There is no thread and no channel. A call steps the state machine directly and then wakes whoever waits for
a Ready; a Ready is put together only when somebody takes it, so that everything stepped before is in it. What remains
is the run loop, a callback that the event loop gets whenever ticks are queued.

Rules:

- All calls come from the thread of the event loop in which the node was started; nothing here locks.
- One Ready is out at a time. The next comes after ``advance()``. With async storage writes there is no ``advance()``,
  and the next Ready comes as soon as there is one.
- A proposal waits while no leader is known, and after this node was removed. Proposals that wait keep their order.
  Of those that other nodes forward, no more wait than 4,096 and 64 MiB.
- A MsgSnap that comes while committed entries are handed out and not applied waits until they are, so that a change
  among them is not applied to the snapshot's later configuration. One waits at most, the newest. etcd's does not wait.
- A call that needs not wait is no task switch, but every 64th step, of whatever kind, lets the rest of the loop run.
- After ``stop()`` every call raises ``Stopped``. The node is dead after InvariantError, LogLost, StorageFailed, and any
  error that is not raised on purpose. The call that met it raises it; everybody who waits, and every later call, gets
  ``Stopped`` with that cause.

An application takes one Ready after the other (``async for ready in node``): it stores what the Ready holds, sends its
messages, applies its committed entries, and calls ``advance()``, in this order. README has the loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from .core.config import Config, Peer
from .core.guards import has_to_apply
from .core.logger import Log, default_logger
from .core.rawnode import RawNode
from .core.ready import Ready
from .core.status import Status
from .errors import (
    ConfChangeRefused,
    LogLost,
    MalformedMessage,
    Overloaded,
    ProposalDropped,
    RaftError,
    StepError,
    StepLocalMessage,
    StepPeerNotFound,
    Stopped,
)
from .wire import consts as k
from .wire.changes import ConfChange, ConfChangeV2
from .wire.checks import instance, instances, octets, u64
from .wire.enums import SnapshotStatus
from .wire.kinds import needs_no_gate, refuse_from_network
from .wire.messages import ConfState, Message
from .wire.origins import from_storage_thread

__all__ = ["Node", "restart_node", "start_node"]

_TICK_BUFFER = 128
# So many calls may step in a row before a coroutine lets the rest of the event loop run.
_STRETCH = 64
# So many forwarded proposals, and bytes of their entries, may wait for a leader.
_MAX_FORWARDED = 4096
_MAX_FORWARDED_BYTES = 64 << 20
_ANSWERS_OF_STORAGE = (k.STORAGE_APPEND_RESP, k.STORAGE_APPLY_RESP)


def start_node(config: Config, peers: Iterable[Peer], *, make_raw: Callable[[Config], RawNode] = RawNode) -> "Node":
    """A new node of a new cluster (etcd's ``StartNode``). Call it inside a running event loop.

    The log begins with one entry per peer that adds it as a voter, committed and in the order of ``peers``, so every
    node must be given the same ones. ``peers`` may be empty, as in etcd's releases before 3.5: then the node belongs to
    no configuration yet, and learns it from a leader; where the storage holds something, that is ``restart_node``.
    ``make_raw`` makes the state machine, by default ``RawNode(config)``; ``raftcy.recorder`` has a function that makes
    one whose calls are recorded.

    Raises ConfigError, and BootstrapError if peers are given and the storage is not empty.
    """
    asyncio.get_running_loop()
    voters = list(peers)
    raw = make_raw(config)
    if voters:
        raw.bootstrap(voters)
    elif raw.raft.term == 0 and raw.raft.log.last_index() == 0:
        raw.begin_empty()
    return Node(raw, config)


def restart_node(config: Config, *, make_raw: Callable[[Config], RawNode] = RawNode) -> "Node":
    """A node that goes on from what its storage holds (etcd's ``RestartNode``), or that joins a cluster.

    Call it inside a running event loop. ``config.applied`` is the last index that the application has applied; with 0
    the committed entries come again. ``make_raw`` as for ``start_node``. Raises ConfigError.
    """
    asyncio.get_running_loop()
    return Node(make_raw(config), config)


class Node:
    """One member of a cluster, for asyncio (etcd's ``Node``). Made by ``start_node`` and ``restart_node``.

    Coroutines: propose, propose_conf_change, campaign, step, step_many, ready, transfer_leadership, forget_leader,
    read_index and stop. Plain calls: tick, advance, apply_conf_change, status, report_unreachable and report_snapshot.
    ``async for`` takes one Ready after the other and ends when the node is stopped; ``async with`` stops it at the end.

    Cancelling a coroutine, also by a timeout, never loses a Ready, and withdraws a proposal that was not stepped yet.
    Now and then a coroutine lets the rest of the event loop run, so that a tight proposer starves nobody.
    """

    def __init__(self, raw: RawNode, config: Config) -> None:
        self._loop = asyncio.get_running_loop()
        self._raw = raw
        self._id = config.id
        self._log = Log(default_logger() if config.logger is None else config.logger)
        self._async_writes = config.async_storage_writes
        self._lead = k.NONE
        # Whether proposals are stepped at once: a leader is known, and this node was not removed since.
        self._open = False
        # Proposals that wait, oldest first; there are none while _open holds. A result is the error to raise.
        self._proposals: dict[asyncio.Future[Exception | None], Callable[[], None]] = {}
        self._forwarded = 0
        self._forwarded_bytes = 0
        # A MsgSnap that waits until what was handed out is applied.
        self._snapshot: Message | None = None
        # Who waits for a Ready, oldest first. At most one was woken and has not run yet.
        self._consumers: deque[asyncio.Future[None]] = deque()
        self._woken = False
        self._taken: Ready | None = None
        self._ticks = 0
        self._turn: asyncio.Handle | None = None
        self._stretch = 0
        self._stopped = False
        self._cause: BaseException | None = None

    @property
    def id(self) -> int:
        """The id of this node."""
        return self._id

    def tick(self) -> None:
        """Let one tick of time pass (etcd's ``Tick``): elections and heartbeats count in ticks.

        Never blocks, and only queues: the run loop drains the queue, at the latest before the next Ready. When 128
        ticks wait already, because the event loop did not get to run, the tick is dropped with a warning.
        """
        self._check()
        if self._ticks >= _TICK_BUFFER:
            if self._log.warning_on():
                self._log.warning(f"{self._id:x} A tick missed to fire. Node blocks too long!")
            return
        self._ticks += 1
        if self._turn is None:
            self._turn = self._loop.call_soon(self._run)

    async def campaign(self) -> None:
        """Stand for election (etcd's ``Campaign``). Nothing happens on a leader, or where the node may not stand."""
        self._check()
        self._call(self._raw.campaign)
        await self._rest()

    async def propose(self, data: bytes | None) -> None:
        """Propose that ``data`` be appended to the log (etcd's ``Propose``); None for an entry without data.

        Waits while no leader is known. Returning does not mean committed: a leader has appended the proposal, a
        follower has only forwarded it, and in both cases it may still be lost. Once committed it arrives in
        ``Ready.committed_entries`` of every node. To propose again may put it into the log twice.

        Raises ProposalDropped when it was refused and is certainly not in the log.
        """
        if self._stopped:
            raise Stopped(self._cause)
        payload = data if data is None or type(data) is bytes else octets(data, "data")
        if not self._open:
            await self._step_later(lambda: self._raw.propose(payload))
            return
        try:
            self._raw.propose(payload)
        except BaseException:
            self._bury_if_dead()
            await self._rest()
            raise
        self._settle()
        self._stretch += 1
        if self._stretch >= _STRETCH:
            await self._rest()

    async def propose_conf_change(self, cc: ConfChange | ConfChangeV2 | None) -> None:
        """Propose a change of the configuration (etcd's ``ProposeConfChange``); None leaves a joint one.

        Waits while no leader is known. On a follower it returns once the proposal is forwarded. When the committed
        entry arrives, the application calls ``apply_conf_change``.

        Raises ProposalDropped when it was refused and is certainly not in the log; ConfChangeRefused when this node,
        as the leader, put an empty entry in its place, because another change is pending or this one does not fit
        the present configuration; and ConfChangeError for what is no change, such as one of an unknown type.
        """
        self._check()
        if cc is not None and not isinstance(cc, (ConfChange, ConfChangeV2)):
            raise TypeError(f"cc must be a ConfChange or a ConfChangeV2, not {type(cc).__name__}")
        if self._open:
            await self._step_now(self._propose_change, cc)
        else:
            await self._step_later(lambda: self._propose_change(cc))

    async def step(self, m: Message) -> None:
        """Take a message from another node, or the answer of a storage thread (etcd's ``Step``).

        Messages that a node sends to itself alone are dropped, and so are responses from nodes outside the
        configuration. A MsgProp, a proposal that another node forwards, waits while no leader is known, so whoever
        reads a connection must not stop behind it; nobody learns whether it was refused.

        Raises MalformedMessage for what no correct peer sends: what ``RawNode.step`` names, a MsgForgetLeader, and any
        message whose ``from_`` is a storage thread. Only with async storage writes are the answers of these threads
        taken. They look the same wherever they come from, so a transport must refuse them (``refuse_from_network``).
        A MsgSnap may be kept until the entries that were handed out are applied; if it is refused then, a warning is
        logged.
        Raises Overloaded for a proposal when too many that others forwarded wait already, and where
        ``Config.max_pending_reads`` or ``Config.max_pending_msgs`` is reached.
        Raises LogLost when this node has lost its log; it is dead then.
        """
        if self._stopped:
            raise Stopped(self._cause)
        instance(m, Message, "m")
        if not needs_no_gate(m):
            await self._step_special(m)
            return
        try:
            self._raw.step(m)
        except (StepLocalMessage, StepPeerNotFound):
            pass
        except BaseException:
            self._bury_if_dead()
            await self._rest()
            raise
        self._settle()
        self._stretch += 1
        if self._stretch >= _STRETCH:
            await self._rest()

    async def step_many(self, messages: Iterable[Message]) -> list[tuple[int, RaftError]]:
        """Take messages in one call, in order, each as ``step`` takes it; cheaper by far than one at a time.

        Goes on after a message that is refused, and returns the place and the error of each. Never waits for a leader:
        a proposal that would have to is refused with ProposalDropped.

        Raises what kills the node, such as LogLost; the messages after that are lost.
        """
        self._check()
        batch = instances(messages, Message, "messages")
        self._stretch += len(batch)
        try:
            refused = self._raw.step_many(batch) if all(map(needs_no_gate, batch)) else self._step_each(batch)
        except BaseException:
            self._bury_if_dead()
            await self._rest()
            raise
        self._settle()
        if self._stretch >= _STRETCH:
            await self._rest()
        return [each for each in refused if not isinstance(each[1], (StepLocalMessage, StepPeerNotFound))]

    async def ready(self) -> Ready:
        """The next Ready, once there is one and the last one was advanced (etcd's ``Ready``).

        Handle it as the module's text shows and then call ``advance()``, except with async storage writes. When several
        wait, each Ready goes to one of them, to the first first.
        """
        self._check()
        await self._rest()
        if self._consumers or self._woken:
            await self._wait_in_line()
        while True:
            self._check()
            if self._taken is None:
                self._drain_ticks()
                if (rd := self._take()) is not None:
                    return rd
            await self._wait_in_line()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Ready:
        try:
            return await self.ready()
        except Stopped as stopped:
            if stopped.cause is None:
                raise StopAsyncIteration from None
            raise

    def advance(self) -> None:
        """Say that the Ready taken last is stored, sent and applied (etcd's ``Advance``).

        Entries may still be on their way to be applied in order, but configuration changes must be applied by then.

        Raises RaftError if no Ready is out. With async storage writes, where the answers of the storage threads take
        its place, it must not be called: InvariantError.
        """
        self._check()
        rd = self._taken
        if rd is None and not self._async_writes:
            raise RaftError("advance without a Ready")
        self._taken = None
        self._call(self._raw.advance, rd)
        if self._snapshot is not None:
            self._call(self._step_kept_snapshot)

    def apply_conf_change(self, cc: ConfChange | ConfChangeV2) -> ConfState:
        """Apply a committed configuration change (etcd's ``ApplyConfChange``) and return the members from now on.

        The application calls it when it applies the entry, and stores what it returns in its snapshots. When this
        removes this very node, proposals wait from then on, until a leader is known anew.

        Raises ConfChangeError for a change that is invalid in the present configuration, which stays as it is; all
        nodes refuse alike, and the entry counts as empty.
        """
        self._check()
        was_member = self._is_member()
        state: ConfState = self._guard(self._raw.apply_conf_change, cc)
        if was_member and not self._is_member():
            self._open = False
        self._settle()
        return state

    async def transfer_leadership(self, lead: int, transferee: int) -> None:
        """Ask that leadership pass from ``lead`` to ``transferee`` (etcd's ``TransferLeadership``).

        A follower forwards the request to the leader it knows, whatever ``lead`` is. It may come to nothing: after one
        election timeout the leader gives up and takes proposals again.
        """
        self._check()
        u64(lead, "lead")
        self._call(self._raw.transfer_leader, transferee)
        await self._rest()

    async def forget_leader(self) -> None:
        """Make a follower forget its leader, staying in the term (etcd's ``ForgetLeader``).

        So it may vote at once where pre-vote and check-quorum would make it wait. Nothing happens on a leader.
        """
        self._check()
        self._call(self._raw.forget_leader)
        await self._rest()

    async def read_index(self, rctx: bytes) -> None:
        """Ask for a read index (etcd's ``ReadIndex``, thesis 6.4); ``rctx`` names the request.

        The answer is a ReadState with the same ``request_ctx`` in a later Ready. It never comes if there is no leader
        or the leader changes: ask again after a while.

        Raises Overloaded on a leader where ``Config.max_pending_reads`` wait already.
        """
        self._check()
        self._call(self._raw.read_index, rctx)
        await self._rest()

    def status(self) -> Status:
        """A copy of the state of the state machine (etcd's ``Status``)."""
        self._check()
        status: Status = self._guard(self._raw.status)
        return status

    def report_unreachable(self, id: int) -> None:
        """Say that the last message to node ``id`` was not sent (etcd's ``ReportUnreachable``)."""
        self._check()
        if u64(id, "id") in self._raw.raft.tracker.progress:
            self._call(self._raw.report_unreachable, id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Say how sending a snapshot to node ``id`` ended (etcd's ``ReportSnapshot``).

        Every MsgSnap needs it: without, a follower that did not get its snapshot is never sent anything again.
        """
        self._check()
        self._call(self._raw.report_snapshot, id, status)

    async def stop(self) -> None:
        """Stop the node (etcd's ``Stop``): all that wait get Stopped. Calling it again does nothing."""
        if not self._stopped:
            self._close(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _check(self) -> None:
        if self._stopped:
            raise Stopped(self._cause)

    def _check_origin(self, m: Message) -> None:
        if needs_no_gate(m) or (self._async_writes and from_storage_thread(m) and m.type in _ANSWERS_OF_STORAGE):
            return
        reason = refuse_from_network(m)
        if reason is not None:
            raise MalformedMessage(reason)

    def _guard(self, act: Callable[..., Any], *args: Any) -> Any:
        """Call into the state machine; what kills it kills this node."""
        try:
            return act(*args)
        except BaseException:
            self._bury_if_dead()
            raise

    def _call(self, act: Callable[..., Any], *args: Any) -> None:
        try:
            act(*args)
        except BaseException:
            self._bury_if_dead()
            raise
        self._settle()

    def _bury_if_dead(self) -> None:
        try:
            self._raw.check_alive()
        except Stopped as stopped:
            self._close(stopped.cause)

    def _settle(self) -> None:
        """What follows every step: a change of leader is noticed, and a consumer woken if there is a Ready."""
        if self._raw.raft.lead != self._lead:
            self._notice_leader()
        if self._consumers and not self._woken:
            self._wake()

    def _notice_leader(self) -> None:
        before, now, term = self._lead, self._raw.raft.lead, self._raw.raft.term
        self._lead = now
        self._open = now != k.NONE
        if self._log.info_on():
            if now == k.NONE:
                text = f"lost leader {before:x}"
            elif before == k.NONE:
                text = f"elected leader {now:x}"
            else:
                text = f"changed leader from {before:x} to {now:x}"
            self._log.info(f"raft.node: {self._id:x} {text} at term {term}")
        if self._open and self._proposals:
            self._step_waiting()

    def _is_member(self) -> bool:
        return self._id in self._raw.raft.tracker.progress

    def _step_each(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        refused: list[tuple[int, RaftError]] = []
        for place, m in enumerate(messages):
            try:
                self._check_origin(m)
                if m.type == k.PROP and m.entries:
                    if not self._open:
                        raise ProposalDropped("no leader")
                    self._step_proposal(_as_own(m, self._id))
                else:
                    self._step_other(m)
            except (StepError, ProposalDropped) as error:
                if isinstance(error, LogLost):
                    raise
                refused.append((place, error))
            self._settle()
        return refused

    async def _step_special(self, m: Message) -> None:
        """Take what is not plain: a proposal, a snapshot, a storage thread's answer, or what must not come."""
        self._check_origin(m)
        if m.type != k.PROP or not m.entries:
            await self._step_now(self._step_other, m)
            return
        own = _as_own(m, self._id)
        if self._open:
            await self._step_now(self._step_proposal, own)
            return
        size = sum(len(entry.data) for entry in m.entries)
        too_large = self._forwarded > 0 and self._forwarded_bytes + size > _MAX_FORWARDED_BYTES
        if too_large or self._forwarded >= _MAX_FORWARDED:
            raise Overloaded("too many forwarded proposals wait for a leader")
        self._forwarded += 1
        self._forwarded_bytes += size
        try:
            await self._step_later(lambda: self._step_proposal(own))
        finally:
            self._forwarded -= 1
            self._forwarded_bytes -= size

    async def _step_now(self, act: Callable[..., None], *args: Any) -> None:
        try:
            self._call(act, *args)
        finally:
            await self._rest()

    async def _step_later(self, act: Callable[[], None]) -> None:
        future: asyncio.Future[Exception | None] = self._loop.create_future()
        self._proposals[future] = act
        try:
            error = await future
        finally:
            self._proposals.pop(future, None)
        if error is not None:
            raise error

    def _step_waiting(self) -> None:
        waiting, self._proposals = self._proposals, {}
        for future, act in waiting.items():
            if future.done():
                continue
            error: Exception | None = None
            try:
                self._guard(act)
            except Exception as raised:
                error = raised
            future.set_result(error)

    def _propose_change(self, cc: ConfChange | ConfChangeV2 | None) -> None:
        reason = self._raw.propose_conf_change_checked(cc)
        if reason is not None:
            raise ConfChangeRefused(reason)

    def _step_other(self, m: Message) -> None:
        """Step a message that is not plain and no proposal."""
        if m.type == k.SNAP:
            self._step_snapshot(m)
            return
        self._raw.step(m)
        self._step_kept_snapshot()

    def _step_snapshot(self, m: Message) -> None:
        if not has_to_apply(self._raw.raft):
            self._raw.step(m)
        elif self._snapshot is None or _age(self._snapshot) <= _age(m):
            self._snapshot = m

    def _step_kept_snapshot(self) -> None:
        if self._snapshot is None or has_to_apply(self._raw.raft):
            return
        m, self._snapshot = self._snapshot, None
        try:
            self._raw.step(m)
        except (MalformedMessage, Overloaded) as error:
            # Whoever gave it is gone.
            self._log.warning(f"raft.node: {self._id:x} drops a MsgSnap that was kept: {error}")

    def _step_proposal(self, m: Message) -> None:
        with suppress(ProposalDropped):
            self._raw.step(m)

    async def _rest(self) -> None:
        self._stretch += 1
        if self._stretch >= _STRETCH:
            self._stretch = 0
            await asyncio.sleep(0)

    async def _wait_in_line(self) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._consumers.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled():
                self._woken = False
            elif future in self._consumers:
                self._consumers.remove(future)
            # The Ready that it was woken for, or that came while it was still in line, is the next one's.
            self._wake()
            raise
        self._woken = False

    def _wake(self) -> None:
        if self._woken or self._taken is not None or self._stopped:
            return
        future = next((f for f in self._consumers if not f.done()), None)
        if future is not None and self._raw.has_ready():
            self._consumers.remove(future)
            self._woken = True
            future.set_result(None)

    def _take(self) -> Ready | None:
        rd: Ready | None = self._guard(self._raw.poll)
        if rd is None:
            return None
        if self._async_writes:
            self._wake()
        else:
            self._taken = rd
        return rd

    def _run(self) -> None:
        """One turn of the run loop."""
        self._turn = None
        try:
            self._drain_ticks()
        except Exception as error:
            # Nobody called, so nobody can be told but those who wait, and the log.
            self._log.error(f"raft.node: {self._id:x} died: {error}")

    def _drain_ticks(self) -> None:
        if not self._ticks:
            return
        ticks, self._ticks = self._ticks, 0
        for _ in range(ticks):
            self._guard(self._raw.tick)
        self._settle()

    def _close(self, cause: BaseException | None) -> None:
        self._stopped = True
        self._open = False
        self._cause = cause
        self._snapshot = None
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        for proposal in self._proposals:
            if not proposal.done():
                proposal.set_result(Stopped(cause))
        for consumer in self._consumers:
            if not consumer.done():
                consumer.set_result(None)
        self._consumers.clear()


def _age(m: Message) -> tuple[int, int]:
    return m.term, 0 if m.snapshot is None else m.snapshot.metadata.index


def _as_own(m: Message, id: int) -> Message:
    """The same message as if this node had sent it, as etcd's node does with forwarded proposals."""
    if m.from_ == id:
        return m
    fields = {name: getattr(m, name) for name in m.__match_args__ if m.has(name)}
    return Message(**(fields | {"from_": id}))
