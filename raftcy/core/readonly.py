"""Reads that wait for the leader to be confirmed (etcd's ``readOnly`` of v3.7; thesis 6.4).

Rules:

- Requests are numbered as they come, from 1, anew with each role change. A request is good once a quorum has
  acknowledged a heartbeat that was sent after it came: acknowledging number n confirms all requests up to n.
- The number travels as the heartbeat's context, 8 bytes, little endian; a heartbeat without waiting requests has none.
- The contexts of the applications are only handed through, so two requests with the same one are two requests.
- Requests that came before the leader has committed an entry of its term are put off, without a number, in
  ``pending``. A role change leaves them there: they begin once this node leads and has committed again.
- No more than ``max_pending`` requests wait, of both kinds together.
"""

from ..errors import Overloaded
from ..wire import consts as k
from ..wire.messages import Message
from ..wire.whole import keep_whole
from .acks import Acks, pack_number
from .droplist import drop_oldest
from .quorum import JointConfig

# What a node without requests has; never filled.
_NO_REQUESTS: list[Message] = []
_NO_INDEXES: list[int] = []
_NO_ACKS = Acks()


class ReadOnly:
    """The requests that wait, oldest first, each a message with the commit index at its arrival.

    ``count`` of them wait; ``acks`` has the highest number that each id has acknowledged; ``confirmed`` is the number
    of the last request that no longer waits.
    """

    __slots__ = ("_head", "_indexes", "_pending", "_waiting", "acks", "confirmed", "count", "max_pending", "option")
    # Places from _head on are in use, ``count`` of them, in both lists: see ``droplist``.
    _indexes: list[int]
    _waiting: list[Message]
    acks: Acks

    def __init__(self, option: int, max_pending: int) -> None:
        self.option = option
        self.max_pending = max_pending
        self._pending: list[Message] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all requests that have begun."""
        self.acks = _NO_ACKS
        self._forget()
        self.confirmed = 0

    def _forget(self) -> None:
        self._waiting = _NO_REQUESTS
        self._indexes = _NO_INDEXES
        self._head = 0
        self.count = 0

    @property
    def waiting(self) -> list[Message]:
        """The requests; a new list."""
        return self._waiting[self._head :]

    @property
    def indexes(self) -> list[int]:
        """The commit index when each of ``waiting`` came; a new list."""
        return self._indexes[self._head :]

    @property
    def pending(self) -> list[Message]:
        """The requests that are put off."""
        return [] if self._pending is None else self._pending

    @pending.setter
    def pending(self, requests: list[Message]) -> None:
        self._pending = requests or None

    def check_room(self) -> None:
        """Raise Overloaded if no further request may wait."""
        waiting = self.count
        if self._pending is not None:
            waiting += len(self._pending)
        if waiting >= self.max_pending:
            raise Overloaded(f"{waiting} reads wait already")

    def put_off(self, request: Message) -> None:
        """A request waits for the leader's first commit."""
        if self._pending is None:
            self._pending = []
        self._pending.append(request)

    def take_pending(self) -> list[Message]:
        """Take the requests that were put off."""
        requests = self.pending
        self._pending = None
        return requests

    def add_request(self, index: int, request: Message) -> None:
        """A request came while the commit index was ``index``."""
        if self.count == 0:
            self._waiting = [request]
            self._indexes = [index]
        else:
            self._waiting.append(request)
            self._indexes.append(index)
        self.count += 1

    def last_number(self) -> int:
        """The number of the newest request."""
        return self.confirmed + self.count

    def recv_ack(self, from_: int, number: int) -> None:
        """A node has acknowledged the requests up to ``number``."""
        if self.acks is _NO_ACKS:
            self.acks = Acks()
        self.acks.raise_to(from_, number)

    def maybe_advance(self, voters: JointConfig) -> int:
        """How many of the waiting requests are now confirmed; ``drop`` them once they are answered."""
        number = voters.acknowledged(self.acks)
        if number <= self.confirmed:
            return 0
        return number - self.confirmed

    def drop(self, count: int) -> None:
        """The oldest ``count`` requests are answered."""
        if count == 0:
            return
        self.confirmed += count
        if count == self.count:
            self._forget()
        else:
            drop_oldest(self._indexes, self._head, count)
            self._head = drop_oldest(self._waiting, self._head, count)
            self.count -= count

    def heartbeat_ctx(self) -> bytes | None:
        """The context for the next heartbeats; None if nothing waits."""
        if self.count == 0:
            return None
        return pack_number(self.last_number())

    def safe(self) -> bool:
        """Whether reads are confirmed by a quorum rather than by the lease."""
        return self.option == k.READ_ONLY_SAFE


keep_whole(ReadOnly)
