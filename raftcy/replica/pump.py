"""The shell of one Driver in an asyncio event loop, for a storage that is done when its call returns, as memory is.

Messages, ticks, proposals and reads go in. After each the pump does all that the driver has to say: it stores, sends
and applies, before anything else runs. What comes in the middle of that, and proposals, which often come in numbers,
wait for the event loop's next round and are handled as one.

Rules:

- All calls come from the event loop's thread. Callbacks and hooks run there too, and must not wait.
- The first error ends the pump: of the storage, the machine, a callback, a hook or a task of the pump. Whoever waits,
  whoever called and every later call gets Stopped with that cause; ``done`` raises the error itself.
- A task of the pump lives as long as the pump. If it returns, or is cancelled, the pump ends as by ``close``.
- No call waits in the middle of its work, so that a cancelled caller leaves nothing half done.

Services with a disk come later. They write and apply on the side, by the driver's steps ``stored`` and ``finish``.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

from ..core.rawnode import RawNode
from ..core.ready import ReadState, SoftState
from ..errors import MessageTooLong, NotNow, RaftError, StepError, Stopped
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message
from .driver import Driver
from .work import Batch

# So many rounds, or proposals, in a row at most; then the rest of the event loop runs.
_STRETCH = 64


class Pump:
    """Runs a Driver, and is the node of a transport (its ``DirectReceiver``). Make it inside a running event loop.

    ``machine`` and ``options`` are Driver's. Set ``send`` before the event loop runs on: it is called with each list of
    messages to send, and returns None; while ``send`` is None, messages are dropped. ``failure`` is what the pump died
    of, None while it lives and after ``close``. A subclass sees more by the hooks ``changed``, ``apply_batch``,
    ``finished`` and ``answered``.
    """

    def __init__(self, node: RawNode, storage: Any, machine: Any = None, **options: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self.driver = Driver(node, storage, machine, **options)
        self.send: Callable[[list[Message]], object] | None = None
        self.failure: BaseException | None = None
        self._over = asyncio.Event()
        self._due: asyncio.Handle | None = None
        self._working = False
        self._stretch = 0
        self._ticker: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        # By context; a result is the index, or None to ask again.
        self._reads: dict[bytes, asyncio.Future[int | None]] = {}
        self.soon()

    def changed(self, state: SoftState) -> None:
        """Hook: the role or the leader has changed, which is stored; what came with it is not applied yet."""

    def apply_batch(self, batch: Batch) -> None:
        """Hook: apply what is committed. A subclass may do by itself what ``Driver.next_batch`` says."""
        self.driver.apply(batch)

    def finished(self) -> None:
        """Hook: a batch is applied. This is where a snapshot may be made."""

    def answered(self, state: ReadState) -> None:
        """Hook: the machine's state now answers a read."""
        asked = self._reads.get(state.request_ctx)
        if asked is not None and not asked.done():
            asked.set_result(state.index)

    def tick(self) -> None:
        """Let a tick pass. Reads that have no answer are asked again each time an election's ticks have passed."""
        self._guard(self.driver.tick)
        self._ticks += 1
        if self._ticks % self.driver.node.raft.election_timeout == 0:
            self._wake()
        self.work()

    def start_ticking(self, seconds: float) -> None:
        """Tick each time ``seconds`` have passed. What a stall has kept back is left out: late ticks never burst.

        Raises ValueError unless ``seconds`` is above 0.
        """
        self._check()
        if not seconds > 0:
            raise ValueError(f"seconds must be above 0, not {seconds}")
        self.stop_ticking()
        due = self._loop.time() + seconds
        self._ticker = self._loop.call_at(due, self._tick_due, due, seconds)

    def stop_ticking(self) -> None:
        """Undo ``start_ticking``."""
        if self._ticker is not None:
            self._ticker.cancel()

    def _tick_due(self, due: float, seconds: float) -> None:
        now = self._loop.time()
        due = due + seconds if due + seconds > now else now + seconds
        self._ticker = self._loop.call_at(due, self._tick_due, due, seconds)
        with suppress(Stopped):
            self.tick()

    async def step(self, m: Message) -> None:
        """Take a message, such as a forwarded proposal, which is lost if it is refused. Raises other StepErrors."""
        for _, refused in await self.step_many([m]):
            if isinstance(refused, StepError):
                raise refused

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages that passed ``refuse_from_network``, in order; the place and error of each that is refused."""
        return self.receive(messages)

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages as ``step_many`` does, without a task."""
        refused: list[tuple[int, RaftError]] = self._guard(self.driver.step_many, messages)
        self.work()
        return refused

    def report_unreachable(self, id: int) -> None:
        """A message to the node ``id`` was dropped."""
        self.call(self.driver.report_unreachable, id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """A snapshot to the node ``id`` was sent, or was dropped."""
        self.call(self.driver.report_snapshot, id, status)

    async def propose(self, data: bytes) -> bool:
        """Propose; returns once that is appended here (True) or forwarded to the leader (False). See Driver.propose.

        Raises ProposalDropped, also while no leader is known. Cancelled, it has proposed nothing.
        """
        if self._stretch >= _STRETCH:
            await asyncio.sleep(0)
        self._stretch += 1
        return bool(self.call(self.driver.propose, data))

    async def read(self) -> int:
        """Wait until the machine has applied all that was committed when this began; returns the index of that.

        It asks again if the question is lost, and waits while there is no leader: use a timeout. Raises Overloaded on a
        leader where ``Config.max_pending_reads`` wait already.
        """
        while True:
            # A context must not come twice, not even after a restart.
            context = secrets.token_bytes(16)
            asked: asyncio.Future[int | None] = self._loop.create_future()
            self._reads[context] = asked
            try:
                with suppress(NotNow):
                    self.call(self.driver.read_index, context)
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
        """Call a method of the driver or of its node, return or raise what it does, and work soon."""
        answer = self._guard(act, *arguments)
        self.soon()
        return answer

    def soon(self) -> None:
        """Work in the event loop's next round."""
        if self._due is None and not self._over.is_set():
            self._due = self._loop.call_soon(self._work_due)

    def _work_due(self) -> None:
        self._due = None
        with suppress(Stopped):
            self.work()

    def work(self) -> None:
        """Do all that the driver has to say. Of very much, the rest comes in the event loop's next round."""
        self._check()
        if self._working:
            # What is under way goes on until nothing is left.
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
        """Run a coroutine as a task of the pump."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        if self._over.is_set():
            task.cancel()

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._end(None if task.cancelled() else task.exception())

    async def done(self) -> None:
        """Wait for the end; raises what the pump died of."""
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
        """Call what may kill the member."""
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
        # A task that ends the pump goes on to its own end.
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
