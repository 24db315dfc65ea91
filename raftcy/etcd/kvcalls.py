"""The RPCs of the KV service.

Rules:

- A write is checked, serialized as it came into an entry of the log, and proposed. Its answer is there once this member
  has applied it, so a client reads its own writes here.
- Fields that this program does not know are dropped before an entry is made: the log must not hold what some member
  would overlook.
- A linearizable read waits for a barrier, a serializable one does not. Both show one revision, however long they take.
"""

from collections.abc import Callable, Generator
from typing import Any

from google.protobuf.message import Message

from . import schema
from .apicore import Core
from .awaited import NOT_YET, Answer
from .encoding import varint
from .kvapply import Applied, read_range, read_range_now, read_txn, stream_range
from .quota import cost_of_put, cost_of_txn
from .requestchecks import (
    check_delete_range,
    check_put,
    check_range,
    check_range_stream,
    check_txn,
    is_read_only,
    is_serializable,
)
from .service import Context, Method, Stream, Streaming, Unary

PUT, DELETE_RANGE, TXN, COMPACTION = b"\x22", b"\x2a", b"\x32", b"\x3a"
"""The tags of requests in an InternalRaftRequest."""
STREAM_BYTES = 1 << 20
"""About how large an answer of RangeStream is."""


def entry_of(tag: bytes, request: Message) -> bytes:
    """Return the entry of the log for a request: an InternalRaftRequest that has nothing else."""
    request.DiscardUnknownFields()
    body = request.SerializeToString()
    return b"".join((tag, varint(len(body)), body))


class KvCalls:
    """See the module. ``when_freed`` calls back once nothing compacted is left to be freed."""

    def __init__(self, core: Core, when_freed: Callable[[Callable[[], object]], object]) -> None:
        self._core = core
        self._when_freed = when_freed
        self._finish = core.with_header

    def methods(self) -> list[Method]:
        """The RPCs."""
        service = "/etcdserverpb.KV/"
        return [
            Unary(service + "Range", schema.RangeRequest, schema.RangeResponse, self.range),
            Streaming(
                service + "RangeStream", schema.RangeRequest, schema.RangeStreamResponse, False, self.range_stream
            ),
            Unary(service + "Put", schema.PutRequest, schema.PutResponse, self.put),
            Unary(service + "DeleteRange", schema.DeleteRangeRequest, schema.DeleteRangeResponse, self.delete_range),
            Unary(service + "Txn", schema.TxnRequest, schema.TxnResponse, self.txn),
            Unary(service + "Compact", schema.CompactionRequest, schema.CompactionResponse, self.compact),
        ]

    # -- writes --------------------------------------------------------------------------------------------------

    def put(self, request: schema.PutRequest, context: Context) -> Answer:
        """Put a key."""
        core = self._core
        core.gate(context)
        check_put(request)
        return core.no_space_for(cost_of_put(request)) or core.propose(entry_of(PUT, request), self._finish)

    def delete_range(self, request: schema.DeleteRangeRequest, context: Context) -> Answer:
        """Delete keys."""
        self._core.gate(context)
        check_delete_range(request)
        return self._core.propose(entry_of(DELETE_RANGE, request), self._finish)

    def txn(self, request: schema.TxnRequest, context: Context) -> Any:
        """Run a transaction. One that only reads does not enter the log."""
        core = self._core
        core.gate(context)
        check_txn(request, core.options.max_txn_ops)
        if not is_read_only(request):
            return core.no_space_for(cost_of_txn(request)) or core.propose(entry_of(TXN, request), self._finish)
        return self._read(lambda: read_txn(core.machine.store, request), is_serializable(request))

    def compact(self, request: schema.CompactionRequest, context: Context) -> Answer:
        """Compact the history. With ``physical``, the answer waits until the space of this member is free."""
        core = self._core
        core.gate(context)
        if not request.physical:
            return core.propose(entry_of(COMPACTION, request), self._finish)

        def finish(applied: Applied) -> Any:
            self._when_freed(lambda: answer.give(core.with_header(applied)))
            return NOT_YET

        answer = core.propose(entry_of(COMPACTION, request), finish)
        return answer

    # -- reads ---------------------------------------------------------------------------------------------------

    def range(self, request: schema.RangeRequest, context: Context) -> Any:
        """Read a range."""
        core = self._core
        core.gate(context, request.serializable)
        check_range(request)
        if request.serializable:
            return core.now(lambda answer: self._range(request, answer))
        return core.after_barrier(lambda answer: self._range(request, answer))

    def _range(self, request: schema.RangeRequest, answer: Answer | None) -> Any:
        core = self._core
        core.machine.store.counts.ranges += 1
        found = read_range_now(core.machine.store, request)
        if found is not None:
            return core.with_header(found)
        return self._steps(read_range(core.machine.store, request), answer)

    def _read(self, steps: Callable[[], Generator[None, None, Applied]], serializable: bool) -> Any:
        if serializable:
            return self._core.now(lambda answer: self._steps(steps(), answer))
        return self._core.after_barrier(lambda answer: self._steps(steps(), answer))

    def _steps(self, steps: Generator[None, None, Applied], answer: Answer | None) -> Any:
        """Read in steps. ``answer`` is the one that the client waits for, None if it has none yet."""
        return self._core.in_steps(self._with_header(steps), answer)

    def _with_header(self, steps: Generator[None, None, Applied]) -> Generator[None, None, Any]:
        found = yield from steps
        return self._core.with_header(found)

    def range_stream(self, stream: Stream, context: Context) -> "RangeStream":
        """Read a range in many answers."""
        self._core.gate(context, True)
        return RangeStream(self._core, stream, context)


class RangeStream:
    """One call of RangeStream: sends as fast as the client takes it."""

    def __init__(self, core: Core, stream: Stream, context: Context) -> None:
        self._core = core
        self._stream = stream
        self._context = context
        self._steps: Generator[Applied | None, None, None] | None = None
        self._barrier: Any = None
        self._goes_on = False

    def received(self, request: schema.RangeRequest) -> None:
        """Begin."""
        core = self._core
        core.gate(self._context, request.serializable)
        check_range_stream(request)
        if request.serializable:
            self._begin(request)
            return
        self._barrier = core.after_barrier(lambda _: None)
        self._barrier.add_done_callback(lambda ended: self._confirmed(ended, request))

    def _confirmed(self, ended: Any, request: schema.RangeRequest) -> None:
        if ended.cancelled():
            return
        error = ended.exception()
        if error is not None:
            self._fail(error)
            return
        self._begin(request)

    def _begin(self, request: schema.RangeRequest) -> None:
        self._core.machine.store.counts.ranges += 1
        self._steps = stream_range(self._core.machine.store, request, STREAM_BYTES)
        self.writable()

    def writable(self) -> None:
        """Send more, if no turn is due already."""
        if self._steps is not None and not self._goes_on:
            self._goes_on = True
            self._core.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._goes_on = False
        steps = self._steps
        if steps is None or not self._stream.is_writable:
            return
        try:
            found = next(steps)
        except StopIteration:
            self._steps = None
            self._stream.end()
            return
        except Exception as error:
            self._fail(error)
            return
        if found is not None:
            self._stream.send(self._encoded(found))
        self.writable()

    def _encoded(self, found: Applied) -> bytes:
        body = found.body
        if found.revision:
            body = self._core.headers.field(found.revision, self._core.replica.term) + body
        return b"".join((b"\x0a", varint(len(body)), body))

    def _fail(self, error: BaseException) -> None:
        self.ended()
        self._stream.end(getattr(error, "code", 2), str(error))

    def half_closed(self) -> None:
        """Do nothing: the only request has come."""

    def ended(self) -> None:
        """Stop reading."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        if self._barrier is not None:
            self._barrier.cancel()
