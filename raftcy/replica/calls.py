"""Requests from one host to another, and their replies, in messages that may be lost. No I/O.

They travel as messages of group 0, which no raft group uses: a request as a heartbeat, and a reply as a heartbeat's
answer, because a transport accepts these types only from their sender. ``index`` is the number of the request,
``commit`` its kind, ``log_term`` the raft group that it concerns, and ``context`` has the bytes.

Rules:

- A request is sent once. It ends with the reply, or with CallFailed, after which nobody knows whether it arrived.
- Each start begins with a random number, so that a late reply to a call of an earlier start matches no call.
- Both sides are bounded: the requests that wait for a reply, and the requests that wait for this host's answer.
"""

from collections.abc import Callable
from typing import Any

from ..errors import CallFailed, Overloaded, RaftError
from ..wire.enums import MessageType, SnapshotStatus
from ..wire.messages import Message

CALL_GROUP = 0
"""The group of these messages. The groups of replicas have other ids."""
NEWCOMERS_GROUP = 2**64 - 1
"""The group in which hosts talk that have no cluster yet: members of a new one, and hosts that ask for a place."""
CONFIRM = 1
"""The kind of request in which members of a new cluster send each other their statements."""
JOIN = 2
"""The kind of request in which a host without a cluster asks for a place."""

Answer = Callable[[bytes | None, str], None]
"""Answers a request with bytes, or with None and the reason for a failure. Later calls do nothing."""


class CallReceiver:
    """The receiver of calls, for a transport. ``guarded`` raises Stopped once they must not be served."""

    def __init__(self, calls: "Calls", guarded: Callable[[], None]) -> None:
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


class Told:
    """Takes a reply for which nobody waits, and passes it to ``hear``; ``lost``, if given, gets a failure."""

    def __init__(self, hear: Callable[[bytes], object], lost: Callable[[BaseException], object] | None = None) -> None:
        self._hear = hear
        self._lost = lost

    def done(self) -> bool:
        """Return False: a reply is always welcome."""
        return False

    def set_result(self, data: bytes) -> None:
        """Take the reply."""
        self._hear(data)

    def set_exception(self, error: BaseException) -> None:
        """Note that no reply will come."""
        if self._lost is not None:
            self._lost(error)


class _Call:
    __slots__ = ("end", "peer", "ticks")

    def __init__(self, peer: int, end: Any, ticks: int) -> None:
        self.peer = peer
        self.end = end
        self.ticks = ticks


class Calls:
    """The requests from and to the host ``id``.

    ``send`` takes each message to send. ``serve(sender, kind, group, data, answer)`` is called for each arriving
    request, and calls ``answer`` at once or later. ``first`` is the number of the first request. At most ``limit``
    requests wait on each side.
    """

    def __init__(
        self,
        id: int,
        first: int,
        send: Callable[[Message], object],
        serve: Callable[[int, int, int, bytes, Answer], object],
        limit: int = 10_000,
    ) -> None:
        self._id = id
        self._number = first
        self._send = send
        self._serve = serve
        self._limit = limit
        self._open: dict[int, _Call] = {}
        self._serving = 0

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, peer: int, kind: int, group: int, data: bytes, end: Any, ticks: int) -> int:
        """Send a request, and return its number. ``end`` gets the reply's bytes, or CallFailed after ``ticks``.

        ``end`` has ``done``, ``set_result`` and ``set_exception``. Raises Overloaded if too many requests wait for a
        reply.
        """
        if len(self._open) >= self._limit:
            raise Overloaded(f"{self._limit} requests wait for a reply already")
        self._number = number = (self._number + 1) % 2**64
        self._open[number] = _Call(peer, end, ticks)
        self._send(
            Message(
                type=MessageType.MSG_HEARTBEAT,
                from_=self._id,
                to=peer,
                index=number,
                commit=kind,
                log_term=group,
                context=data,
            )
        )
        return number

    def receive(self, m: Message) -> None:
        """Take a message of the calls' group from the peer in its ``from_``. Other messages are ignored."""
        if m.type == MessageType.MSG_HEARTBEAT_RESP:
            call = self._open.get(m.index)
            # Only the asked peer may answer.
            if call is not None and call.peer == m.from_:
                del self._open[m.index]
                if not m.reject:
                    _give(call, m.context)
                else:
                    _fail(call, m.context.decode(errors="replace"))
        elif m.type == MessageType.MSG_HEARTBEAT:
            self._take(m)

    def _take(self, m: Message) -> None:
        """Serve a request."""
        sender, number = m.from_, m.index
        if self._serving >= self._limit:
            self._reply(sender, number, None, "too many requests wait to be answered")
            return
        self._serving += 1
        answered = False

        def answer(data: bytes | None, why: str = "") -> None:
            nonlocal answered
            if not answered:
                answered = True
                self._serving -= 1
                self._reply(sender, number, data, why)

        self._serve(sender, m.commit, m.log_term, m.context, answer)

    def _reply(self, to: int, number: int, data: bytes | None, why: str) -> None:
        self._send(
            Message(
                type=MessageType.MSG_HEARTBEAT_RESP,
                from_=self._id,
                to=to,
                index=number,
                reject=data is None,
                context=why.encode(errors="replace") if data is None else data,
            )
        )

    def unreachable(self, peer: int) -> None:
        """Fail all open requests to a peer: messages to it may be lost, so perhaps no reply will come."""
        for number in [number for number, call in self._open.items() if call.peer == peer]:
            _fail(self._open.pop(number), f"the connection to {peer} broke")

    def tick(self) -> None:
        """Let a tick pass, and fail the requests that have waited too long."""
        over = []
        for number, call in self._open.items():
            call.ticks -= 1
            if call.ticks < 0 or call.end.done():
                over.append(number)
        for number in over:
            _fail(self._open.pop(number), "no reply came in time")

    def close(self) -> None:
        """Fail all open requests."""
        calls, self._open = list(self._open.values()), {}
        for call in calls:
            _fail(call, "the host was closed")


def _give(call: _Call, data: bytes) -> None:
    if not call.end.done():
        call.end.set_result(data)


def _fail(call: _Call, why: str) -> None:
    if not call.end.done():
        call.end.set_exception(CallFailed(call.peer, why))
