"""Pump: runs one Driver in an asyncio event loop, with a storage whose calls return when they are done.

Messages, ticks, proposals and reads go in. After a message or a tick, the pump stores, sends and applies until the
driver has no more work, before anything else runs. Proposals often arrive in bursts, so they wait for the next round of
the event loop and are handled together, as are reads and reports.

Rules:

- All calls come from the event loop's thread. Callbacks and hooks run there too, and must not block.
- The first error of the storage, the machine, a callback, a hook or a task of the pump ends the pump. Waiting callers,
  the current caller and all later ones get Stopped with that cause; ``done`` raises the error itself.
- A task of the pump runs as long as the pump. If it returns or is cancelled, the pump ends as by ``close``.
- No call waits in the middle of its work, so cancelling a caller leaves nothing half done.

A storage on disk would block the event loop. Write to one in the background, by the driver's steps ``stored`` and
``finish``.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

from ..core.rawnode import RawNode
from ..core.ready import ReadState, SoftState
from ..errors import MessageTooLong, NotNow, RaftError, Stopped
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message
from .driver import Driver
from .work import Batch

# After this many rounds, or proposals, in a row, other callbacks of the event loop run.
_STRETCH = 64


class Pump:
    """Runs a Driver, and is the ``DirectReceiver`` of a transport. Create it inside a running event loop.

    ``machine`` and ``options`` are those of Driver; the pump draws a ``nonce``. Set ``send`` before you yield to the
    event loop: the pump calls it with each list of messages to send, and it must return None. While ``send`` is None,
    messages are dropped. ``failure`` is the error that ended the pump, None while it runs and after ``close``. A
    subclass may override the hooks ``changed``, ``apply_batch``, ``finished`` and ``answered``.

    Raises RuntimeError outside an event loop, and what Driver raises.
    """

    def __init__(self, node: RawNode, storage: Any, machine: Any = None, **options: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self.driver = Driver(node, storage, machine, nonce=secrets.token_bytes(16), **options)
        self.send: Callable[[list[Message]], object] | None = None
        self.failure: BaseException | None = None
        self._over = asyncio.Event()
        self._due: asyncio.Handle | None = None
        self._working = False
        self._stretch = 0
        self._ticker: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        # By context, or by the future itself if no request was possible. The result is the index, or None to ask again.
        self._reads: dict[object, asyncio.Future[int | None]] = {}
        self.soon()

    def changed(self, state: SoftState) -> None:
        """Hook: called when the role or the leader has changed, after storing the Ready and before applying it."""

    def apply_batch(self, batch: Batch) -> None:
        """Hook: apply a batch. A subclass may do the steps in ``Driver.next_batch`` itself."""
        self.driver.apply(batch)

    def finished(self) -> None:
        """Hook: called after a batch is applied. A subclass may make a snapshot here."""

    def answered(self, state: ReadState) -> None:
        """Hook: called when the machine's state answers a read. An override must call this for ``read`` to work."""
        asked = self._reads.get(state.request_ctx)
        if asked is not None and not asked.done():
            asked.set_result(state.index)

    def tick(self) -> None:
        """Advance the clock by one tick. Once per election timeout, reads without an answer are requested again."""
        self._guard(self.driver.tick)
        self._ticks += 1
        if self._ticks % self.driver.node.raft.election_timeout == 0:
            self._wake()
        self.work()

    def start_ticking(self, seconds: float) -> None:
        """Call ``tick`` every ``seconds``. After a stall the missed ticks are skipped instead of following in a burst.

        Raises ValueError if ``seconds`` is not above 0.
        """
        self._check()
        if not seconds > 0:
            raise ValueError(f"seconds must be above 0, not {seconds}")
        self.stop_ticking()
        due = self._loop.time() + seconds
        self._ticker = self._loop.call_at(due, self._tick_due, due, seconds)

    def stop_ticking(self) -> None:
        """Stop the ticks of ``start_ticking``."""
        if self._ticker is not None:
            self._ticker.cancel()

    def _tick_due(self, due: float, seconds: float) -> None:
        now = self._loop.time()
        due = due + seconds if due + seconds > now else now + seconds
        self._ticker = self._loop.call_at(due, self._tick_due, due, seconds)
        with suppress(Stopped):
            self.tick()

    async def step(self, m: Message) -> None:
        """Process a message, such as a forwarded proposal.

        Raises the error that refuses it: ProposalDropped, also while no leader is known, NotNow, or a StepError. To the
        group, a refused message is a lost one.
        """
        for _, refused in await self.step_many([m]):
            raise refused

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Process messages that passed ``refuse_from_network``. Return the place and the error of each refused one."""
        refused = self.receive(messages)
        self.work()
        return refused

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Process messages as ``step_many`` does, without a coroutine.

        The work that follows waits for the event loop's next round, so that what other connections bring shares it.
        """
        refused: list[tuple[int, RaftError]] = self._guard(self.driver.step_many, messages)
        self.soon()
        return refused

    def report_unreachable(self, id: int) -> None:
        """Report that a message to node ``id`` was dropped."""
        self.call(self.driver.report_unreachable, id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Report that a snapshot to node ``id`` was sent, or was dropped."""
        self.call(self.driver.report_snapshot, id, status)

    async def propose(self, data: bytes) -> bool:
        """Propose ``data``. Return True once it is appended here, or False once it is forwarded to the leader.

        Raises ProposalDropped if the proposal is refused, also while no leader is known. If the call is cancelled,
        nothing was proposed.
        """
        if self._stretch >= _STRETCH:
            await asyncio.sleep(0)
        self._stretch += 1
        return bool(self.call(self.driver.propose, data))

    async def read(self) -> int:
        """Wait until the machine has applied all entries that were committed when this was called. Return the index.

        Asks again if the request is lost, and waits while there is no leader, so use a timeout. Raises Overloaded on a
        leader if ``Config.max_pending_reads`` reads wait already.
        """
        while True:
            asked: asyncio.Future[int | None] = self._loop.create_future()
            context: object = asked
            with suppress(NotNow):
                context = self.call(self.driver.read)
            self._reads[context] = asked
            try:
                index = await asked
            finally:
                del self._reads[context]
            if index is not None:
                return index

    def _wake(self) -> None:
        for asked in self._reads.values():
            if not asked.done():
                asked.set_result(None)

    def call(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method of the driver or its node, return or raise what it does, and work soon."""
        answer = self._guard(act, *arguments)
        self.soon()
        return answer

    def soon(self) -> None:
        """Call ``work`` in the event loop's next round."""
        if self._due is None and not self._over.is_set():
            self._due = self._loop.call_soon(self._work_due)

    def _work_due(self) -> None:
        self._due = None
        with suppress(Stopped):
            self.work()

    def work(self) -> None:
        """Do the driver's work now. If there is very much, the rest is done in the event loop's next round."""
        self._check()
        if self._working:
            # The call that is working already continues until nothing is left.
            return
        self._working = True
        self._stretch = 0
        try:
            for _ in range(_STRETCH):
                if not self._round():
                    return
            self.soon()
        except BaseException as error:
            self._die(error)
        finally:
            self._working = False

    def _round(self) -> bool:
        driver = self.driver
        work = driver.poll()
        if work is None:
            return False
        if work.messages:
            self._deliver(work.messages)
        if work.write is not None:
            messages = driver.store(work.write)
            if messages:
                self._deliver(messages)
        if work.soft_state is not None:
            self.changed(work.soft_state)
        batch = driver.next_batch()
        while batch is not None:
            self.apply_batch(batch)
            driver.finish(batch)
            self.finished()
            batch = driver.next_batch()
        for state in driver.take_reads():
            self.answered(state)
        return True

    def _deliver(self, messages: list[Message]) -> None:
        if self.send is None:
            return
        try:
            answer = self.send(messages)
        except MessageTooLong:
            # The transport has dropped, reported and logged it; another member may need no such message.
            return
        if answer is not None:
            # A coroutine would never run, and the messages would be lost without a report.
            raise TypeError(f"send must return None, not {type(answer).__name__}")

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine as a task of the pump. The pump ends with it, and cancels it when it ends earlier."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        if self._over.is_set():
            task.cancel()

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._end(None if task.cancelled() else task.exception())

    async def done(self) -> None:
        """Wait until the pump ends. Raises the error that ended it."""
        await self._over.wait()
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """End the pump and wait for its tasks. Calling it again does nothing."""
        self._end(None)
        await asyncio.gather(*self._tasks - {asyncio.current_task()}, return_exceptions=True)

    def _check(self) -> None:
        if self._over.is_set():
            raise Stopped(self.failure)

    def _guard(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method that may kill the member, and end the pump if it does."""
        self._check()
        try:
            return act(*arguments)
        except BaseException as error:
            if self.driver.failure is not None:
                self._die(error)
            raise

    def _die(self, error: BaseException) -> NoReturn:
        self._end(error)
        if isinstance(error, Exception):
            raise Stopped(self.failure) from error
        raise error

    def _end(self, error: BaseException | None) -> None:
        if self._over.is_set():
            return
        if error is not None:
            self.driver.fail(error)
            self.failure = self.driver.failure
            logging.getLogger("raftcy.replica").error("%x died: %r", self.driver.id, self.failure)
        self._over.set()
        self.stop_ticking()
        self._wake()
        # A task that ends the pump itself is not cancelled.
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
