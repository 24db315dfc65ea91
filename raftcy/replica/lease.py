"""Lease: reads that a leader answers at once, without a message, while no other leader can exist.

A leader may answer a read at once if no other member can have been elected when the read is asked for. It knows that
from answers to heartbeats: the answer of a member that takes part says for how long it grants no vote (``promise``).
Once a quorum has answered heartbeats that were sent after some moment, nobody can be elected for an election timeout
from that moment on. The driver has no clock; whoever runs it passes readings of one. Rules:

- The lease runs from the reading before the round of heartbeats was sent, not from its answers: a member may have
  answered long before its answer arrives. It is shorter than the election timeout by a tick, and by a margin for clocks
  that run at different rates. Answers to an earlier round never shorten it.
- Only answers with a promise of at least this leader's election timeout count. A member that does not take part, or
  has a shorter timeout, is not heard, and without a quorum of those that do, there is no lease. So no mixture of
  settings is unsafe.
- A quorum is one of the configuration in force when the read is asked for, of both halves if it is a joint one.
- The lease belongs to one term, and ends with the leadership.
- Once MsgTimeoutNow has left, there is no lease for the rest of the term, because its receiver and the voters need not
  wait. Reads that were answered by the lease and wait for the machine are lost.
- A clock that goes back ends the lease. The lease ends in ticks as well as by the clock, so that a clock that stands
  still does not lengthen it.
- While reads come, each tick begins a round that renews the lease. Without reads there are no such rounds.

In doubt, a read begins a round, as without a lease.
"""

from collections import deque
from contextlib import suppress
from typing import Any

from ..core.acks import Acks, read_number
from ..core.rawnode import RawNode
from ..core.ready import ReadState
from ..errors import ConfigError, Overloaded
from ..wire import consts as k
from ..wire.messages import Message
from .promise import Promise

TRANSFER_CONTEXT = b"CampaignTransfer"
"""The context of a request for a vote by which a transfer of leadership goes on."""
DRIFT_MOST_PPM = 300_000
"""The most drift that a lease can allow for, in millionths."""
_PPM = 1_000_000
# Set in the number of a context: the round only renews the lease.
_RENEWAL = 1 << 63


class Lease:
    """The lease and the promise of one member, for its Driver.

    ``election_us`` is the election timeout and ``tick_us`` a tick, in microseconds. ``drift_ppm`` is by how many
    millionths a second by the clock of any member may be longer or shorter than a true one; up to 300,000. With
    ``promises`` off, the member takes no part: it only keeps a promise that an earlier life may have made.

    Raises ConfigError for times that leave nothing of the lease.
    """

    __slots__ = (
        "_acks",
        "_election_us",
        "_handed_over",
        "_length_ticks",
        "_length_us",
        "_node",
        "_nonce",
        "_now_us",
        "_promise",
        "_promises",
        "_raft",
        "_renewals",
        "_rounds",
        "_term",
        "_tick",
        "_tick_us",
        "_waiting",
        "_wanted_until_us",
    )

    def __init__(self, *, election_us: int, tick_us: int, drift_ppm: int, promises: bool = True) -> None:
        if not 0 < 2 * tick_us <= election_us:
            raise ConfigError(f"an election timeout of {election_us} us is less than two ticks of {tick_us} us")
        if not 0 <= drift_ppm <= DRIFT_MOST_PPM:
            raise ConfigError(f"clocks may drift by 0 to {DRIFT_MOST_PPM} millionths, not {drift_ppm}")
        self._election_us = election_us
        self._tick_us = tick_us
        # A voter's clock may be fast by the drift and this leader's slow.
        self._length_us = (election_us - tick_us) * (_PPM - drift_ppm) // (_PPM + drift_ppm)
        self._length_ticks = self._length_us // tick_us
        self._promise = Promise(election_us, election_us // tick_us)
        self._promises = promises
        self._node: Any = None
        self._raft: Any = None
        self._nonce = b""
        self._renewals = 0
        self._now_us: int | None = None
        self._tick = 0
        # The rounds of this term, oldest first: number, the clock before it was sent, and the tick.
        self._rounds: deque[tuple[int, int, int]] = deque()
        self._acks = Acks()
        self._term = 0
        self._handed_over = 0
        self._wanted_until_us = 0
        self._waiting: list[ReadState] = []

    def attach(self, node: RawNode, nonce: bytes) -> None:
        """Serve this node. The contexts of renewing rounds begin with ``nonce``. Raises ConfigError the second time."""
        if self._node is not None:
            raise ConfigError("a lease serves one driver")
        self._node = node
        self._raft = node.raft
        self._nonce = nonce

    # -- time ----------------------------------------------------------------------------------------------------

    def pass_time(self, now_us: int) -> None:
        """Note a reading of the clock, taken after everything that is stepped next has arrived."""
        if self._now_us is not None and now_us < self._now_us:
            self._rounds.clear()
        self._now_us = now_us
        self._promise.pass_time(now_us)

    def tick(self) -> bool:
        """Tick the node, unless it would campaign while the promise holds, and renew the lease if reads come.

        Return whether this object is needed no longer: it makes no promises, and the one of an earlier life is over.
        """
        self._tick += 1
        self._promise.tick()
        raft = self._raft
        campaigns = raft.state != k.LEADER and raft.election_elapsed + 1 >= raft.randomized_election_timeout
        if not campaigns or not self._promise.holds(self._now_us):
            self._node.tick()
        if self._is_due():
            self._renewals += 1
            with suppress(Overloaded):
                self._ask(self._nonce + (_RENEWAL | self._renewals).to_bytes(8, "big"))
        return not self._promises and not self._promise.holds(self._now_us)

    # -- the voter's side ----------------------------------------------------------------------------------------

    def objection(self, m: Message) -> str:
        """Return why a request for a vote must not be stepped now, or an empty text."""
        return "" if m.context == TRANSFER_CONTEXT else self.no_campaign()

    def no_campaign(self) -> str:
        """Return why this member must not campaign or vote now, or an empty text."""
        if self._promise.holds(self._now_us):
            return "an answered heartbeat, or a start, promises not to vote for an election timeout"
        return ""

    def heard(self, m: Message) -> None:
        """Note a heartbeat, or an answer to one, that was stepped."""
        raft = self._raft
        if not self._promises or m.term != raft.term:
            return
        if m.type == k.HEARTBEAT:
            self._promise.renew(self._now_us)
        elif raft.state == k.LEADER and m.term == self._term and m.vote >= self._election_us and len(m.context) >= 8:
            self._acks.raise_to(m.from_, read_number(m.context))

    def leaving(self, messages: list[Message]) -> list[Message]:
        """Return the messages that leave, with the promise in the answers to heartbeats."""
        left = []
        for m in messages:
            kind = m.type
            if kind == k.HEARTBEAT_RESP and self._promises:
                left.append(_promising(m, self._election_us))
                continue
            if kind == k.TIMEOUT_NOW:
                self._handed_over = m.term
                self._waiting = []
            left.append(m)
        return left

    # -- the leader's side ---------------------------------------------------------------------------------------

    def read(self, context: bytes) -> None:
        """Request a read: answered by the lease if it runs, else by a round of heartbeats."""
        index = self.index()
        if index:
            self._waiting.append(ReadState(index=index, request_ctx=context))
        else:
            self._ask(context)

    def is_running(self, now_us: int) -> bool:
        """Whether a read could be answered by the lease when the clock shows this. Changes nothing."""
        return self._now_us is not None and self._now_us <= now_us and self._runs(now_us)

    def index(self) -> int:
        """Return the index from which a read of this moment may be answered, 0 if the lease does not run."""
        if self._now_us is None or not self._promises:
            return 0
        self._wanted_until_us = self._now_us + self._election_us
        return int(self._raft.log.committed) if self._runs(self._now_us) else 0

    def _runs(self, now_us: int) -> bool:
        raft, rounds = self._raft, self._rounds
        if raft.state != k.LEADER or raft.term != self._term or self._handed_over == self._term or not rounds:
            return False
        confirmed = raft.tracker.config.voters.acknowledged(self._acks)
        while len(rounds) > 1 and rounds[1][0] <= confirmed:
            rounds.popleft()
        number, began_us, tick = rounds[0]
        return number <= confirmed and now_us < began_us + self._length_us and self._tick < tick + self._length_ticks

    def _ask(self, context: bytes) -> None:
        """Request a read by a round of heartbeats, and note the round."""
        reads = self._raft.read_only
        before = reads.last_number()
        self._node.read_index(context)
        number = reads.last_number()
        if self._now_us is not None and self._raft.state == k.LEADER and number > before:
            self._begin(number, self._now_us)

    def _begin(self, number: int, now_us: int) -> None:
        raft, rounds = self._raft, self._rounds
        if raft.term != self._term:
            self._term = raft.term
            self._acks = Acks()
            rounds.clear()
        self._acks.raise_to(raft.id, number)
        # A round that begins soon after another one would add nothing to the lease.
        if not rounds or now_us >= rounds[-1][1] + self._tick_us // 8:
            rounds.append((number, now_us, self._tick))
        while len(rounds) > 1 and rounds[0][1] + self._length_us <= now_us:
            rounds.popleft()

    def _is_due(self) -> bool:
        """Whether a round should renew the lease now: this member leads, and reads came lately."""
        now_us = self._now_us
        if now_us is None or self._raft.state != k.LEADER or self._handed_over == self._raft.term:
            return False
        return now_us < self._wanted_until_us <= now_us + self._election_us

    # -- reads that were answered --------------------------------------------------------------------------------

    def without_renewals(self, states: list[ReadState]) -> list[ReadState]:
        """Leave out the answers to rounds that only renewed the lease."""
        return [state for state in states if not self._is_renewal(state.request_ctx)]

    def _is_renewal(self, context: bytes) -> bool:
        size = len(self._nonce)
        return len(context) == size + 8 and context[size] >= 0x80 and context[:size] == self._nonce

    def take(self, applied: int) -> list[ReadState]:
        """Return the reads by the lease that the machine, which has applied ``applied``, can answer now, each once."""
        if not self._waiting:
            return []
        ended = [state for state in self._waiting if state.index <= applied]
        self._waiting = [state for state in self._waiting if state.index > applied]
        return ended


def _promising(m: Message, election_us: int) -> Message:
    """Return an answer to a heartbeat with a promise in it."""
    return Message(type=m.type, to=m.to, from_=m.from_, term=m.term, context=m.context, vote=election_us)
