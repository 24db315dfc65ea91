"""Node: a RawNode for asyncio, with the calls and rules of etcd's ``Node``.

Owns one RawNode, the queue of ticks, the proposals that wait for a leader, and the hand-over of one Ready at a time. It
stores nothing, sends nothing and reads no clock; the application does all that in its loop over ``Ready``.

There is no thread and no channel. A call steps the state machine directly and then wakes a task that waits for a Ready.
A Ready is assembled only when a task takes it, so that it includes everything stepped before. The run loop is a
callback, scheduled on the event loop whenever ticks are queued.

Rules:

- All calls come from the thread of the event loop in which the node was started. Nothing here locks.
- One Ready is out at a time, and the next comes after ``advance()``. With async storage writes there is no
  ``advance()``, and the next Ready comes as soon as it has something in it.
- A proposal waits while no leader is known, and also once this node has been removed. Waiting proposals keep their
  order. At most 4,096 forwarded proposals and 64 MiB of them wait, since peers could exhaust memory otherwise.
- A MsgSnap that arrives while committed entries are handed out but not applied is delayed until they are. Otherwise a
  configuration change among them would be applied to the later configuration of the snapshot. Only the newest is
  kept. etcd's node does not delay it.
- Calls that do not block do not yield, except that every 64th step yields to the event loop, so that a task that
  proposes in a tight loop cannot starve the others.
- After ``stop()`` every call raises ``Stopped``. The node dies of InvariantError, LogLost, StorageFailed and any error
  that raftcy does not raise on purpose. The call in which that happens raises the error itself; all tasks that wait,
  and every later call, get ``Stopped`` with that error as the cause.

An application takes one Ready after the other (``async for ready in node``): it stores what the Ready holds, sends its
messages, applies its committed entries, and calls ``advance()``, in this order. README has the loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ._build import report_pure
from .core.config import Config, Peer
from .core.guards import has_to_apply
from .core.hints import NO_LEADER
from .core.log_storage import check_start
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
from .wire.whole import refuse_copy

__all__ = ["Node", "restart_node", "start_node"]

_TICK_BUFFER = 128
# After this many steps a coroutine yields to the event loop.
_YIELD_INTERVAL = 64
# The most forwarded proposals, and bytes of their entries, that wait for a leader.
_MAX_FORWARDED = 4096
_MAX_FORWARDED_BYTES = 64 << 20
_STORAGE_RESPONSES = (k.STORAGE_APPEND_RESP, k.STORAGE_APPLY_RESP)


def start_node(config: Config, peers: Iterable[Peer], *, make_raw: Callable[[Config], RawNode] = RawNode) -> "Node":
    """Start a new node of a new cluster (etcd's ``StartNode``). Call it inside a running event loop.

    The log begins with one committed entry per peer, in the order of ``peers``, that adds the peer as a voter. Start
    every node with the same peers in the same order; otherwise their logs differ from the first entry on.

    ``peers`` may be empty, as in etcd's releases before 3.5. The node then belongs to no configuration until a leader
    sends it one. If the storage is not empty, this is the same as ``restart_node``.

    ``make_raw`` creates the state machine, by default a plain RawNode; ``raftcy.recorder`` has one that records.

    Raises ConfigError for a bad Config, BootstrapError if peers are given but the storage is not empty, and
    Contradiction as ``restart_node`` does.
    """
    asyncio.get_running_loop()
    voters = list(peers)
    raw = make_raw(config)
    if voters:
        raw.bootstrap(voters)
    elif raw.raft.term == 0 and raw.raft.log.last_index() == 0:
        raw.begin_empty()
    return Node(_checked(raw, config), config)


def restart_node(config: Config, *, make_raw: Callable[[Config], RawNode] = RawNode) -> "Node":
    """Restart a node from its storage (etcd's ``RestartNode``), or start one that joins an existing cluster.

    Call it inside a running event loop. Set ``config.applied`` to the last index that the application has applied; with
    0, all committed entries in the log are delivered again. ``make_raw`` is as for ``start_node``.

    After a crash the stored commit index may be behind what the application has applied, since a commit index alone is
    not synced. Then set ``config.applied`` to that commit index, and skip the entries that you have already applied.

    Raises ConfigError for a bad Config, and Contradiction if the storage is a LogStorage whose parts contradict each
    other: see ``check_log_storage``. A Storage with etcd's methods only is not checked.
    """
    asyncio.get_running_loop()
    return Node(_checked(make_raw(config), config), config)


def _checked(raw: RawNode, config: Config) -> RawNode:
    report_pure()
    check_start(config.storage, config.applied)
    return raw


class Node:
    """One member of a cluster, for asyncio (etcd's ``Node``). Create it with ``start_node`` or ``restart_node``.

    Coroutines: propose, propose_conf_change, campaign, step, step_many, ready, transfer_leadership, forget_leader,
    read_index and stop. Plain calls: tick, advance, apply_conf_change, status, report_unreachable and report_snapshot.
    ``async for`` takes one Ready after the other until the node is stopped. ``async with`` stops the node at the end.

    A cancelled coroutine, also one that timed out, never loses a Ready. Cancelling a proposal that still waits
    withdraws it.
    """

    def __init__(self, raw: RawNode, config: Config) -> None:
        self._loop = asyncio.get_running_loop()
        self._raw = raw
        self._id = config.id
        self._log = Log(default_logger() if config.logger is None else config.logger)
        self._async_writes = config.async_storage_writes
        self._lead = k.NONE
        # Whether to step proposals at once: a leader is known, and this node has not been removed since.
        self._open = False
        # Waiting proposals, oldest first; empty while _open is true. The result of a future is the error to raise.
        self._proposals: dict[asyncio.Future[Exception | None], Callable[[], None]] = {}
        self._forwarded = 0
        self._forwarded_bytes = 0
        # A MsgSnap that is delayed until the entries handed out are applied.
        self._snapshot: Message | None = None
        # Tasks that wait for a Ready, oldest first. _woken: one of them was woken and has not run yet.
        self._consumers: deque[asyncio.Future[None]] = deque()
        self._woken = False
        self._taken: Ready | None = None
        self._ticks = 0
        self._scheduled: asyncio.Handle | None = None
        self._unyielded = 0
        self._stopped = False
        self._cause: BaseException | None = None

    @property
    def id(self) -> int:
        """The id of this node, 1 to 2**64-1."""
        return self._id

    def tick(self) -> None:
        """Advance the clock by one tick (etcd's ``Tick``). Election and heartbeat timeouts are counted in ticks.

        Never blocks: it queues the tick, and the run loop drains the queue before the next Ready at the latest. If 128
        ticks are queued already, because the event loop is too busy, the tick is dropped with a warning.
        """
        self._check()
        if self._ticks >= _TICK_BUFFER:
            if self._log.warning_on():
                self._log.warning(f"{self._id:x} A tick missed to fire. Node blocks too long!")
            return
        self._ticks += 1
        if self._scheduled is None:
            self._scheduled = self._loop.call_soon(self._run)

    async def campaign(self) -> None:
        """Start an election (etcd's ``Campaign``). Does nothing on a leader, or on a node that must not campaign."""
        self._check()
        self._call(self._raw.campaign)
        await self._maybe_yield()

    async def propose(self, data: bytes | None) -> None:
        """Propose to append ``data`` to the log (etcd's ``Propose``); None proposes an entry without data.

        Waits while no leader is known. When it returns, the proposal is not yet committed: a leader has appended it, a
        follower has only forwarded it, and either way it may still be lost without notice. Once committed, it arrives
        in ``Ready.committed_entries`` on every node. Proposing it again may put it into the log twice.

        Raises ProposalDropped if it was refused; it is then certainly not in the log.
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
            self._close_if_dead()
            await self._maybe_yield()
            raise
        self._settle()
        self._unyielded += 1
        if self._unyielded >= _YIELD_INTERVAL:
            await self._maybe_yield()

    async def propose_conf_change(self, cc: ConfChange | ConfChangeV2 | None) -> None:
        """Propose a configuration change (etcd's ``ProposeConfChange``); None proposes to leave a joint configuration.

        Waits while no leader is known. On a follower it returns once the proposal is forwarded. When the committed
        entry arrives, the application must call ``apply_conf_change``.

        Raises ProposalDropped if it was refused; it is then certainly not in the log. Raises ConfChangeRefused if this
        node is the leader and appended an empty entry instead, because another change is pending or this one does not
        fit the current configuration. Raises ConfChangeError for a malformed change, such as one of unknown type.
        """
        self._check()
        if cc is not None and not isinstance(cc, (ConfChange, ConfChangeV2)):
            raise TypeError(f"cc must be a ConfChange or a ConfChangeV2, not {type(cc).__name__}")
        if self._open:
            await self._step_now(self._propose_change, cc)
        else:
            await self._step_later(lambda: self._propose_change(cc))

    async def step(self, m: Message) -> None:
        """Take a message from another node, or the response of a storage thread (etcd's ``Step``).

        Local messages, which a node sends only to itself, are dropped, and so are responses from nodes outside the
        configuration. A MsgProp, which is a proposal forwarded by another node, waits while no leader is known. The
        task that reads a connection must not wait behind it: the messages that would elect a leader come the same way.
        If the state machine refuses a MsgProp, nobody is notified. A MsgSnap may be delayed until the entries handed
        out are applied; if it is refused then, a warning is logged.

        The responses of storage threads are accepted only with async storage writes. They look the same wherever they
        come from, so a transport must refuse them, with ``refuse_from_network``.

        Raises MalformedMessage for a message that no correct peer sends: one that ``RawNode.step`` names, a
        MsgForgetLeader, or any other message from a storage thread. Raises Overloaded if too many forwarded proposals
        wait, or ``Config.max_pending_reads`` or ``Config.max_pending_msgs`` is reached. Raises LogLost if this node has
        lost its log; it is then dead.
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
            self._close_if_dead()
            await self._maybe_yield()
            raise
        self._settle()
        self._unyielded += 1
        if self._unyielded >= _YIELD_INTERVAL:
            await self._maybe_yield()

    async def step_many(self, messages: Iterable[Message]) -> list[tuple[int, RaftError]]:
        """Step messages in order, each as ``step`` does. One call for many messages is far cheaper than many calls.

        Refused messages are skipped; returns the position and the error of each. Never waits for a leader: a proposal
        that would have to wait is refused with ProposalDropped.

        Raises only errors that kill the node, such as LogLost. The messages after that are lost.
        """
        self._check()
        batch = instances(messages, Message, "messages")
        self._unyielded += len(batch)
        try:
            refused = self._raw.step_many(batch) if all(map(needs_no_gate, batch)) else self._step_each(batch)
        except BaseException:
            self._close_if_dead()
            await self._maybe_yield()
            raise
        self._settle()
        if self._unyielded >= _YIELD_INTERVAL:
            await self._maybe_yield()
        return [each for each in refused if not isinstance(each[1], (StepLocalMessage, StepPeerNotFound))]

    async def ready(self) -> Ready:
        """Wait for the next Ready (etcd's ``Ready``). The previous one must have been advanced.

        Handle it as the docstring of this module shows and then call ``advance()``, except with async storage writes.
        If several tasks wait, each Ready goes to exactly one of them, in the order in which they called.
        """
        self._check()
        await self._maybe_yield()
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
        """Acknowledge that the last Ready is stored, sent and applied (etcd's ``Advance``).

        Entries may still be waiting to be applied, in order, but configuration changes must have been applied.

        Raises RaftError if no Ready is out, and InvariantError with async storage writes, where the responses of the
        storage threads replace this call.
        """
        self._check()
        rd = self._taken
        if rd is None and not self._async_writes:
            raise RaftError("advance without a Ready")
        self._taken = None
        self._call(self._raw.advance, rd)
        if self._snapshot is not None:
            self._call(self._step_delayed_snapshot)

    def apply_conf_change(self, cc: ConfChange | ConfChangeV2) -> ConfState:
        """Apply a committed configuration change (etcd's ``ApplyConfChange``) and return the new members.

        Call it when applying the entry, and store the result in the next snapshot. If the change removes this node,
        proposals wait from then on, until another leader is known.

        Raises ConfChangeError if the change is invalid in the current configuration, which then stays unchanged. Every
        node refuses the same change, so treat the entry as empty.
        """
        self._check()
        was_member = self._is_member()
        state: ConfState = self._guard(self._raw.apply_conf_change, cc)
        if was_member and not self._is_member():
            self._open = False
        self._settle()
        return state

    async def transfer_leadership(self, lead: int, transferee: int) -> None:
        """Request to transfer leadership from ``lead`` to ``transferee`` (etcd's ``TransferLeadership``).

        A follower forwards the request to the leader that it knows, whatever ``lead`` is. The transfer may fail: after
        one election timeout the leader gives up and accepts proposals again.
        """
        self._check()
        u64(lead, "lead")
        self._call(self._raw.transfer_leader, transferee)
        await self._maybe_yield()

    async def forget_leader(self) -> None:
        """Make a follower forget its leader without changing its term (etcd's ``ForgetLeader``).

        With pre-vote and check-quorum a follower refuses to vote while it hears from a leader; after this it may vote
        at once. Does nothing on a leader.
        """
        self._check()
        self._call(self._raw.forget_leader)
        await self._maybe_yield()

    async def read_index(self, rctx: bytes) -> None:
        """Request a read index (etcd's ``ReadIndex``, thesis 6.4). ``rctx`` identifies the request.

        The answer is a ReadState with the same ``request_ctx`` in a later Ready. If there is no leader, or the leader
        changes, no answer comes: ask again after a timeout, with a new context.

        **A context must be unique, even across restarts of this node.** The late answer to an earlier read with the
        same context would pass for the answer to this one, which could then miss writes. A counter alone is not enough,
        since it begins anew after a restart: put random bytes, drawn at the start, in front of it.

        With ``ReadOnlyOption.LEASE_BASED``, do not read through a leader that is transferring its leadership: see
        docs/findings.md.

        Raises Overloaded on a leader if ``Config.max_pending_reads`` requests wait already.
        """
        self._check()
        self._call(self._raw.read_index, rctx)
        await self._maybe_yield()

    def status(self) -> Status:
        """Return a copy of the state machine's state (etcd's ``Status``)."""
        self._check()
        status: Status = self._guard(self._raw.status)
        return status

    def report_unreachable(self, id: int) -> None:
        """Report that the last message to node ``id`` could not be sent (etcd's ``ReportUnreachable``).

        The leader then probes that node instead of streaming entries to it. Does nothing for an unknown node.
        """
        self._check()
        if u64(id, "id") in self._raw.raft.tracker.progress:
            self._call(self._raw.report_unreachable, id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Report the outcome of sending a snapshot to node ``id`` (etcd's ``ReportSnapshot``).

        Call it for every MsgSnap. The leader sends no entries to a follower until it knows the outcome, so without
        the report a follower whose snapshot was lost would stay behind.
        """
        self._check()
        self._call(self._raw.report_snapshot, id, status)

    async def stop(self) -> None:
        """Stop the node (etcd's ``Stop``). Every task that waits gets Stopped. Calling it again does nothing."""
        if not self._stopped:
            self._close(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def __reduce__(self) -> Any:
        raise refuse_copy(type(self))

    def _check(self) -> None:
        if self._stopped:
            raise Stopped(self._cause)

    def _check_origin(self, m: Message) -> None:
        if needs_no_gate(m) or (self._async_writes and from_storage_thread(m) and m.type in _STORAGE_RESPONSES):
            return
        reason = refuse_from_network(m)
        if reason is not None:
            raise MalformedMessage(reason)

    def _guard(self, act: Callable[..., Any], *args: Any) -> Any:
        """Call the state machine. An error that kills it closes this node."""
        try:
            return act(*args)
        except BaseException:
            self._close_if_dead()
            raise

    def _call(self, act: Callable[..., Any], *args: Any) -> None:
        try:
            act(*args)
        except BaseException:
            self._close_if_dead()
            raise
        self._settle()

    def _close_if_dead(self) -> None:
        try:
            self._raw.check_alive()
        except Stopped as stopped:
            self._close(stopped.cause)

    def _settle(self) -> None:
        """Finish a step: notice a change of leader, and wake a task if there is a Ready."""
        if self._raw.raft.lead != self._lead:
            try:
                self._notice_leader()
            except BaseException as error:
                # The logger's error, or what a proposal that waited has met. Whoever waits must hear of it.
                self._raw.fail(error)
                self._close_if_dead()
                raise
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
                        raise ProposalDropped("no leader", NO_LEADER)
                    self._step_proposal(_sent_by(m, self._id))
                else:
                    self._step_other(m)
            except (StepError, ProposalDropped) as error:
                if isinstance(error, LogLost):
                    raise
                refused.append((place, error))
            self._settle()
        return refused

    async def _step_special(self, m: Message) -> None:
        """Take a message off the fast path: a proposal, a snapshot, a storage response, or one that must be refused."""
        self._check_origin(m)
        if m.type != k.PROP or not m.entries:
            await self._step_now(self._step_other, m)
            return
        own = _sent_by(m, self._id)
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
            await self._maybe_yield()

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
        try:
            for future, act in waiting.items():
                if future.done():
                    continue
                error: Exception | None = None
                try:
                    self._guard(act)
                except Exception as raised:
                    error = raised
                future.set_result(error)
        except BaseException:
            # The caller closes the node, which wakes those that are left.
            self._proposals |= waiting
            raise

    def _propose_change(self, cc: ConfChange | ConfChangeV2 | None) -> None:
        reason = self._raw.propose_conf_change_checked(cc)
        if reason is not None:
            raise ConfChangeRefused(reason)

    def _step_other(self, m: Message) -> None:
        """Step a message off the fast path that is not a proposal."""
        if m.type == k.SNAP:
            self._step_snapshot(m)
            return
        self._raw.step(m)
        self._step_delayed_snapshot()

    def _step_snapshot(self, m: Message) -> None:
        if not has_to_apply(self._raw.raft):
            self._raw.step(m)
        elif self._snapshot is None or _order(self._snapshot) <= _order(m):
            self._snapshot = m

    def _step_delayed_snapshot(self) -> None:
        if self._snapshot is None or has_to_apply(self._raw.raft):
            return
        m, self._snapshot = self._snapshot, None
        try:
            self._raw.step(m)
        except (MalformedMessage, Overloaded) as error:
            # The call that brought it has returned long ago, so only the log can report the error.
            self._log.warning(f"raft.node: {self._id:x} dropped a delayed MsgSnap: {error}")

    def _step_proposal(self, m: Message) -> None:
        with suppress(ProposalDropped):
            self._raw.step(m)

    async def _maybe_yield(self) -> None:
        self._unyielded += 1
        if self._unyielded >= _YIELD_INTERVAL:
            self._unyielded = 0
            await asyncio.sleep(0)

    async def _wait_in_line(self) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._consumers.append(future)
        try:
            await future
        except BaseException:
            # Cancelled, or closed: then the future is as it was.
            if future in self._consumers:
                self._consumers.remove(future)
            elif not future.cancelled():
                self._woken = False
            # Pass on to the next task the Ready that woke this one, or that came while it was in line.
            if not self._loop.is_closed():
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
        """Run the run loop once: process the queued ticks."""
        self._scheduled = None
        try:
            self._drain_ticks()
        except Exception as error:
            # No caller can receive the error. The waiting tasks have got it as their cause; log it as well.
            with suppress(Exception):
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
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        for proposal in self._proposals:
            if not proposal.done():
                proposal.set_result(Stopped(cause))
        for consumer in self._consumers:
            if not consumer.done():
                consumer.set_result(None)
        self._consumers.clear()


def _order(m: Message) -> tuple[int, int]:
    return m.term, 0 if m.snapshot is None else m.snapshot.metadata.index


def _sent_by(m: Message, id: int) -> Message:
    """Return the message with this node as its sender, as etcd's node does with forwarded proposals."""
    if m.from_ == id:
        return m
    fields = {name: getattr(m, name) for name in m.__match_args__ if m.has(name)}
    return Message(**(fields | {"from_": id}))
