"""What all RPCs of a member share: its replica and machine, headers, gates, proposals, reads, and long work in steps.

Rules:

- A learner answers Status, serializable Range and Snapshot, and refuses everything else, as etcd's does.
- A client that requires a leader is refused while this member knows none.
- A proposal is refused before it enters the log if the machine is far behind the log: it would wait too long.
- Reads that wait share the rounds of the replica. None of them costs a task.
- Work that may take long is done in steps of a few milliseconds, between which the event loop runs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from ..errors import RaftError
from ..replica.host import Host
from ..replica.replica import Replica
from . import schema
from .awaited import NOT_YET, Answer, Patience
from .etcdmachine import EtcdMachine
from .headers import Headers
from .identity import ETCD_VERSION
from .kvapply import Applied
from .outcomes import outcome_of
from .quota import BASE_BYTES, DEFAULT_QUOTA_BYTES
from .refusals import refused
from .requestchecks import MAX_REQUEST_BYTES, MAX_TXN_OPS
from .service import Context

BEHIND_MOST = 5000
"""A member whose machine is behind its log by more entries than this takes no proposals, as in etcd."""
FEW_WAIT = 256
"""While so few answers are waited for, nobody looks how far the machine is behind."""
STEP_S = 0.005
"""About how long long work goes on before the event loop runs, in seconds."""

LOG = logging.getLogger("raftcy.etcd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may choose. Times are in seconds."""

    name: str = "default"
    """The member's name, for people."""
    client_urls: tuple[str, ...] = ()
    """Where clients reach this member: they go there from then on."""
    version: str = ETCD_VERSION
    """The version of etcd that is reported to clients."""
    max_request_bytes: int = MAX_REQUEST_BYTES
    max_txn_ops: int = MAX_TXN_OPS
    request_timeout_s: float | None = None
    """How long a request may wait; None for etcd's 5 seconds and two election timeouts."""
    progress_interval_s: float = 600.0
    """How often watchers that asked for it hear how far they are."""
    corrupt_check_s: float = 0.0
    """How often the leader compares the members' hashes; 0 for never."""
    quota_bytes: int = DEFAULT_QUOTA_BYTES
    """How large the store may become by what this member proposes; below 0 for any size."""


class SlowWork:
    """Generators that are run in turn, each for a few milliseconds, while the event loop goes on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._queue: deque[tuple[Generator[None, None, Any], Answer]] = deque()
        self._due: asyncio.Handle | None = None

    def run(self, steps: Generator[None, None, Any], answer: Answer) -> None:
        """Run steps to their end, and give the answer what they return or raise; stop if nobody waits any more."""
        self._queue.append((steps, answer))
        if self._due is None:
            self._due = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._due = None
        end_s = self._clock() + STEP_S
        steps, answer = self._queue.popleft()
        if answer.done():
            steps.close()
        elif not _advance(steps, answer, self._clock, end_s):
            self._queue.append((steps, answer))
        if self._queue:
            self._due = self._loop.call_soon(self._go_on)

    def stop(self) -> None:
        """Stop all work."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        for steps, _ in self._queue:
            steps.close()
        self._queue.clear()


def _no_space(_: Any) -> Any:
    raise refused("NO_SPACE")


def _advance(steps: Generator[None, None, Any], answer: Answer, clock: Callable[[], float], end_s: float) -> bool:
    """Run steps up to a time. Return whether they have ended."""
    try:
        while True:
            next(steps)
            if clock() >= end_s:
                return False
    except StopIteration as end:
        answer.give(end.value)
    except Exception as error:
        answer.fail(error)
    return True


class Core:
    """See the module."""

    def __init__(self, host: Host, replica: Replica, machine: EtcdMachine, options: Options) -> None:
        self.loop = asyncio.get_running_loop()
        self.host = host
        self.replica = replica
        self.machine = machine
        self.options = options
        tuning = host.tuning
        self.election_s: float = tuning.election_ms / 1000
        limit_s = options.request_timeout_s
        self.limit_s: float = 5.0 + 2 * self.election_s if limit_s is None else limit_s
        self.headers = Headers(host.cluster, host.id)
        self.patience = Patience(self.loop, self.limit_s, self._propose_again)
        machine.clock = host.seams.stopwatch
        self.slow = SlowWork(self.loop, host.seams.stopwatch)
        self._members: Any = None
        self._is_learner = False

    # -- gates ---------------------------------------------------------------------------------------------------

    @property
    def is_learner(self) -> bool:
        """Whether this member is a learner."""
        members = self.replica.members
        if members is not self._members:
            self._members = members
            self._is_learner = self.host.id in members.learners
        return self._is_learner

    def gate(self, context: Context, for_learners: bool = False) -> None:
        """Refuse a call that this member must not answer now."""
        replica = self.replica
        if replica.leader is None and context.requires_leader:
            raise refused("NO_LEADER")
        if not for_learners and self.is_learner:
            raise refused("NOT_SUPPORTED_FOR_LEARNER")
        if replica.failure is not None:
            raise refused("STOPPED")

    # -- proposals -----------------------------------------------------------------------------------------------

    def propose(self, entry: bytes, finish: Callable[[Any], Any]) -> Answer:
        """Propose an entry. The answer is what ``finish`` makes of the machine's answer."""
        if len(entry) > self.options.max_request_bytes:
            raise refused("REQUEST_TOO_LARGE")
        replica = self.replica
        if len(self.patience.waiting) > FEW_WAIT and replica.commit > replica.applied + BEHIND_MOST:
            raise refused("TOO_MANY_REQUESTS")
        answer = Answer(self.patience, finish, entry)
        replica.propose_for(answer, entry)
        return answer

    @property
    def size_bytes(self) -> int:
        """The size of the store, as clients see it."""
        return self.machine.store.size + BASE_BYTES

    def no_space_for(self, cost: int) -> Answer | None:
        """Whether a request of this cost finds no space: then the answer to it, which raises the alarm before."""
        quota = self.options.quota_bytes
        if quota < 0 or cost == 0 or self.size_bytes + cost < quota:
            return None
        if (self.host.id, schema.NOSPACE) in self.machine.alarms:
            raise refused("NO_SPACE")
        alarm = schema.AlarmRequest(action=schema.AlarmRequest.ACTIVATE, memberID=self.host.id, alarm=schema.NOSPACE)
        return self.propose(schema.InternalRaftRequest(alarm=alarm).SerializeToString(), _no_space)

    def _propose_again(self, answer: Answer) -> None:
        self.replica.propose_for(answer, answer.entry)

    def with_header(self, applied: Applied) -> bytes | list[bytes]:
        """Encode an answer, in pieces if it has pieces."""
        header = self.headers.field(applied.revision, self.replica.term)
        parts = applied.parts
        return header + parts[0] if len(parts) == 1 else [header, *parts]

    def header(self) -> bytes:
        """Encode the header of an answer of this moment."""
        return self.headers.field(self.machine.store.revision, self.replica.term)

    # -- reads ---------------------------------------------------------------------------------------------------

    def after_barrier(self, act: Callable[[Answer], Any]) -> Answer:
        """Call ``act`` once the machine shows everything committed by now, and answer with its result.

        It gets the answer, which the client waits for, and may be called before this returns.
        """
        answer = Answer(self.patience, lambda _: self._act(answer, act))
        try:
            self.replica.barrier(answer)
        except RaftError as error:
            answer.fail(outcome_of(error))
        return answer

    def _act(self, answer: Answer, act: Callable[[Answer], Any]) -> Any:
        if self.replica.is_ready:
            return act(answer)
        self._when_ready(answer, act)
        return NOT_YET

    def now(self, act: Callable[[Answer | None], Any]) -> Any:
        """Call ``act`` at once, or once the machine is restored from a snapshot that has just come.

        It gets the answer, None if the client does not wait for one yet.
        """
        if self.replica.is_ready:
            return act(None)
        answer = Answer(self.patience, lambda found: found)
        self._when_ready(answer, act)
        return answer

    def after_batch(self, act: Callable[[], Any]) -> Answer:
        """Call ``act`` when nothing is half applied, and answer with its result. It asks no other member."""
        answer = Answer(self.patience, lambda _: act())
        self._between(answer)
        return answer

    def _between(self, answer: Answer) -> None:
        if answer.done():
            return
        if self.replica.is_ready and not self.machine.store.is_writing:
            answer.set_result(None)
        elif self.replica.failure is not None:
            answer.fail(refused("STOPPED"))
        else:
            self.loop.call_later(STEP_S, self._between, answer)

    def _when_ready(self, answer: Answer, act: Callable[[Answer], Any]) -> None:
        task = self.loop.create_task(self._ready(answer, act))
        answer.add_done_callback(lambda _: task.cancel())

    async def _ready(self, answer: Answer, act: Callable[[Answer], Any]) -> None:
        """Wait for a restored machine. This is rare, so it may cost a task."""
        try:
            await self.replica.read(stale=True)
            if not answer.done():
                found = act(answer)
                if found is not NOT_YET:
                    answer.give(found)
        except Exception as error:
            answer.fail(outcome_of(error))

    def in_steps(self, steps: Generator[None, None, Any], answer: Answer | None) -> Any:
        """Run steps: the first ones now. Return their result if that was all.

        Otherwise return a new answer to come, or NOT_YET if there is one that the client waits for.
        """
        clock = self.host.seams.stopwatch
        end_s = clock() + STEP_S
        try:
            while True:
                next(steps)
                if clock() >= end_s:
                    break
        except StopIteration as end:
            return end.value
        if answer is not None:
            self.slow.run(steps, answer)
            return NOT_YET
        answer = Answer(self.patience, lambda found: found)
        self.slow.run(steps, answer)
        return answer
