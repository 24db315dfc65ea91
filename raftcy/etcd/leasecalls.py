"""The RPCs of the Lease service, and the leader's duty to revoke leases whose time is over.

Rules:

- A lease gets at least ``min_ttl_s``, one and a half election timeouts: a shorter one could be over before a new leader
  hears of its client. The member that is asked decides this, so that the log has what all members apply.
- A renewal, and how long a lease goes on, come from the leader only (``leasequestions``).
- A lease that does not exist is no error of these two: the answer has a TTL of 0, or of -1.
- Revocations are proposed in the leader's term only, never forwarded, and carry the term.
"""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import CallFailed, DecodeError, Overloaded, Rejected, Stopped
from . import schema
from .apicore import LOG, Core
from .awaited import Answer
from .encoding import number
from .kvapply import Applied
from .kvcalls import entry_of
from .leasequestions import (
    ASK_AGAIN,
    FOUND,
    RENEW,
    TIME_TO_LIVE,
    Desk,
    Question,
    Reply,
    decode_questions,
    decode_replies,
    encode_questions,
    encode_replies,
)
from .leasetable import MAX_TTL_S
from .lessor import Lessor
from .outcomes import outcome_of
from .quota import LEASE_COST
from .refusals import Refused, refused
from .service import Context, Method, Stream, Streaming, Unary

LEASE_KIND = 300
"""The kind of request to another host in which members ask the leader about leases."""
GRANT, REVOKE = b"\x42", b"\x4a"
KEEPALIVES_MOST = 1024
"""The most renewals of one stream that wait; beyond that, the stream takes no more for a while."""
_ID, _TTL = b"\x10", b"\x18"
_LONGEST_ID = 2**63 - 1


class LeaseCalls:
    """See the module."""

    def __init__(self, core: Core) -> None:
        self._core = core
        tuning = core.host.tuning
        self.min_ttl_s: int = max(1, math.ceil(1.5 * tuning.election_ms / 1000))
        """The shortest time to live that is granted."""
        machine = core.machine
        self.lessor = Lessor(machine.leases, extend_s=core.election_s, retry_s=3 * core.election_s)
        """The leader's clock for leases."""
        self.desk = Desk(
            self.lessor, machine.leases, self.led_term, core.replica.barrier, core.loop.time, self._forward_soon
        )
        """What is asked about leases."""
        machine.on_revoked = self.desk.revoked
        self._parked: dict[Answer, Callable[[], object]] = {}
        self._forwarding: asyncio.Handle | None = None
        self._revoking: dict[asyncio.Future[Any], None] = {}
        self.expired: int = 0
        """How many leases this member has revoked because their time was over."""
        core.host.serve(LEASE_KIND, self._serve)

    def methods(self) -> list[Method]:
        """The RPCs."""
        at = "/etcdserverpb.Lease/"
        s = schema
        return [
            Unary(at + "LeaseGrant", s.LeaseGrantRequest, s.LeaseGrantResponse, self.grant),
            Unary(at + "LeaseRevoke", s.LeaseRevokeRequest, s.LeaseRevokeResponse, self.revoke),
            Streaming(at + "LeaseKeepAlive", s.LeaseKeepAliveRequest, s.LeaseKeepAliveResponse, True, self.keep_alive),
            Unary(at + "LeaseTimeToLive", s.LeaseTimeToLiveRequest, s.LeaseTimeToLiveResponse, self.time_to_live),
            Unary(at + "LeaseLeases", s.LeaseLeasesRequest, s.LeaseLeasesResponse, self.leases),
        ]

    # -- leadership and time -------------------------------------------------------------------------------------

    def led_term(self) -> int:
        """Return the term that this member leads, 0 if it does not; and count leases just as long."""
        replica, lessor = self._core.replica, self.lessor
        if not replica.is_leader or not replica.is_ready:
            if lessor.term:
                lessor.demote()
                self.desk.demoted()
            return 0
        term = replica.term
        if lessor.term != term:
            if lessor.term:
                self.desk.demoted()
            lessor.promote(term, self._core.loop.time())
        return term

    def tick(self) -> None:
        """Propose what is due, and ask again what had no answer. Call it several times a second."""
        term = self.led_term()
        if term and len(self._revoking) < 8:
            due = self.lessor.due(self._core.loop.time())
            if due:
                self._revoke_due(due, term)
        parked, self._parked = self._parked, {}
        for answer, ask in parked.items():
            if not answer.done():
                ask()
        if self.desk.to_forward:
            self._forward_soon()

    def _revoke_due(self, due: list[int], term: int) -> None:
        entries = [
            schema.InternalRaftRequest(
                lease_revoke=schema.LeaseRevokeRequest(ID=id), revoked_in_term=term
            ).SerializeToString()
            for id in due
        ]
        end = self._core.replica.propose_many(entries, only_in_term=term)
        self._revoking[end] = None
        end.add_done_callback(partial(self._revoked, due))

    def _revoked(self, due: list[int], end: "asyncio.Future[list[Any]]") -> None:
        self._revoking.pop(end, None)
        if end.cancelled() or end.exception() is not None:
            return
        self.expired += sum(isinstance(found, Applied) for found in end.result())
        lost = [id for id, found in zip(due, end.result(), strict=True) if isinstance(found, Rejected)]
        if lost and self.lessor.term:
            self.lessor.not_revoked(lost, self._core.loop.time() + self._core.election_s)

    def stop(self) -> None:
        """Refuse everything that waits."""
        if self._forwarding is not None:
            self._forwarding.cancel()
        self.desk.stop(Stopped(self._core.replica.failure))
        self._parked.clear()

    # -- through the log -----------------------------------------------------------------------------------------

    def grant(self, request: schema.LeaseGrantRequest, context: Context) -> Answer:
        """Grant a lease."""
        core = self._core
        core.gate(context)
        if request.TTL > MAX_TTL_S:
            raise refused("LEASE_TTL_TOO_LARGE")
        if request.ID == 0:
            request.ID = int.from_bytes(core.host.seams.draw(8), "big") % _LONGEST_ID + 1
        request.TTL = max(request.TTL, self.min_ttl_s)
        return core.no_space_for(LEASE_COST) or core.propose(entry_of(GRANT, request), core.with_header)

    def revoke(self, request: schema.LeaseRevokeRequest, context: Context) -> Answer:
        """Revoke a lease."""
        core = self._core
        core.gate(context)
        return core.propose(entry_of(REVOKE, request), core.with_header)

    def leases(self, request: schema.LeaseLeasesRequest, context: Context) -> Any:
        """List the leases. They are replicated, so a barrier is enough: nothing is asked of the leader."""
        core = self._core
        core.gate(context)
        return core.after_barrier(lambda _: self._list())

    def _list(self) -> bytes:
        core = self._core
        found = [schema.LeaseStatus(ID=id) for id in sorted(core.machine.leases.leases)]
        return core.header() + schema.LeaseLeasesResponse(leases=found).SerializeToString()

    # -- at the leader -------------------------------------------------------------------------------------------

    def time_to_live(self, request: schema.LeaseTimeToLiveRequest, context: Context) -> Answer:
        """Say how long a lease goes on, and which keys it has."""
        self._core.gate(context)
        return self._ask(TIME_TO_LIVE, request.ID, request.keys, partial(self._told, request.ID))

    def _told(self, id: int, reply: Reply) -> bytes:
        if reply.status != FOUND:
            answer = schema.LeaseTimeToLiveResponse(ID=id, TTL=-1)
        else:
            answer = schema.LeaseTimeToLiveResponse(ID=id, TTL=reply.ttl_s, grantedTTL=reply.granted_s, keys=reply.keys)
        return self._core.header() + answer.SerializeToString()

    def renew(self, id: int) -> Answer:
        """Renew a lease; the answer is an encoded LeaseKeepAliveResponse."""
        return self._ask(RENEW, id, False, partial(self._renewed, id))

    def _renewed(self, id: int, reply: Reply) -> bytes:
        return self._core.header() + number(_ID, id) + number(_TTL, reply.ttl_s if reply.status == FOUND else 0)

    def _ask(self, kind: int, id: int, wants_keys: bool, finish: Callable[[Reply], bytes]) -> Answer:
        answer = Answer(self._core.patience, finish)

        def ask() -> None:
            try:
                question = self.desk.ask(kind, id, wants_keys, told)
            except Overloaded as error:
                answer.fail(outcome_of(error))
                return
            if not answer.done():
                answer.add_done_callback(lambda _: question.leave())

        def told(reply: Reply | BaseException) -> None:
            if isinstance(reply, BaseException):
                answer.fail(outcome_of(reply))
            elif reply.status == ASK_AGAIN:
                self._parked[answer] = ask
            else:
                answer.set_result(reply)

        ask()
        return answer

    def keep_alive(self, stream: Stream, context: Context) -> "KeepAlive":
        """Renew leases, one for each request."""
        self._core.gate(context)
        return KeepAlive(self, stream)

    # -- to and from other members -------------------------------------------------------------------------------

    def _forward_soon(self) -> None:
        if self._forwarding is None:
            self._forwarding = self._core.loop.call_soon(self._forward)

    def _forward(self) -> None:
        """Send what waits to the leader. Without one, it waits for the next tick."""
        self._forwarding = None
        if self.led_term():
            # This member has been elected meanwhile.
            for question in self.desk.take():
                self.desk.place(question)
            return
        leader = self._core.replica.leader
        if leader is None or leader == self._core.host.id:
            return
        questions = self.desk.take()
        if questions:
            self._core.host.spawn(self._send(leader, questions))
        if self.desk.to_forward:
            self._forward_soon()

    async def _send(self, leader: int, questions: list[Question]) -> None:
        again = Reply(ASK_AGAIN)
        try:
            data = await self._core.host.request(leader, LEASE_KIND, encode_questions(questions), self._core.election_s)
            replies = decode_replies(data, len(questions))
        except (CallFailed, Overloaded, TimeoutError, DecodeError) as error:
            LOG.debug("member %d was asked about leases: %s", leader, error)
            replies = [again] * len(questions)
        except Stopped as error:
            for question in questions:
                question.give(error)
            return
        for question, reply in zip(questions, replies, strict=True):
            question.give(reply)

    async def _serve(self, sender: int, data: bytes) -> bytes:
        """Answer another member's questions, as the leader."""
        loop = self._core.loop
        ends: list[asyncio.Future[Any]] = []
        asked: list[Question] = []
        try:
            for kind, id, wants_keys in decode_questions(data):
                end: asyncio.Future[Any] = loop.create_future()
                ends.append(end)
                asked.append(self.desk.ask(kind, id, wants_keys, partial(_take, end), here=True))
            async with asyncio.timeout(self._core.limit_s):
                found = await asyncio.gather(*ends)
        except TimeoutError:
            found = [end.result() if end.done() and not end.cancelled() else Reply(ASK_AGAIN) for end in ends]
        finally:
            for question in asked:
                question.leave()
        return encode_replies([each if isinstance(each, Reply) else Reply(ASK_AGAIN) for each in found])


def _take(end: "asyncio.Future[Any]", reply: Reply | BaseException) -> None:
    if not end.done():
        end.set_result(reply)


class KeepAlive:
    """One stream of renewals. Answers leave in the order in which they are there; each names its lease."""

    def __init__(self, calls: LeaseCalls, stream: Stream) -> None:
        self._calls = calls
        self._stream = stream
        self._waiting: dict[Answer, None] = {}
        self._is_paused = False
        self._is_last = False

    def received(self, request: schema.LeaseKeepAliveRequest) -> None:
        """Renew a lease."""
        answer = self._calls.renew(request.ID)
        self._waiting[answer] = None
        answer.add_done_callback(self._ended)
        self._pace()

    def _ended(self, answer: Answer) -> None:
        if self._waiting.pop(answer, self) is self or answer.cancelled():
            return
        error = answer.exception()
        if error is None:
            self._stream.send(answer.result())
            self._pace()
            self._end_if_done()
            return
        self._drop()
        code = error.code if isinstance(error, Refused) else 2
        self._stream.end(code, str(error))

    def _pace(self) -> None:
        """Take no more requests while many wait, or while the client does not read."""
        full = len(self._waiting) >= KEEPALIVES_MOST or not self._stream.is_writable
        if full != self._is_paused:
            self._is_paused = full
            if full:
                self._stream.pause()
            else:
                self._stream.resume()

    def writable(self) -> None:
        """Take requests again."""
        self._pace()

    def half_closed(self) -> None:
        """End once all answers have left."""
        self._is_last = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._is_last and not self._waiting:
            self._stream.end()

    def ended(self) -> None:
        """Forget what waits."""
        self._drop()

    def _drop(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for answer in waiting:
            answer.cancel()
