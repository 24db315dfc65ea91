"""Reads that wait until a quorum has confirmed the leader (etcd's ``readOnly`` of v3.7; thesis 6.4).

Rules:

- Requests get numbers in the order of arrival, starting from 1 at every change of role. A quorum must acknowledge a
  heartbeat that was sent after the request arrived; acknowledging number n confirms all requests up to n. An earlier
  heartbeat proves nothing, because another leader could have committed writes since.
- A heartbeat carries the newest number in its context, in 8 bytes, little endian. Without waiting requests it has no
  context.
- Contexts of the application are passed through, so two requests with equal contexts remain two requests.
- Until the leader has committed an entry of its term, requests wait in ``pending``, without a number. A change of role
  leaves them there, and they start once this node leads and has committed such an entry.
- At most ``max_pending`` requests wait, of both kinds together.
"""

from ..errors import Overloaded
from ..wire import consts as k
from ..wire.messages import Message
from ..wire.whole import has_one_owner, keep_whole
from .acks import Acks, pack_number
from .droplist import drop_oldest
from .quorum import JointConfig

# Shared by all nodes without requests; never filled.
_NO_REQUESTS: list[Message] = []
_NO_INDEXES: list[int] = []
_NO_ACKS = Acks()


class ReadOnly:
    """The waiting requests, oldest first, each a message with the commit index at its arrival.

    ``count`` is their number. ``acks`` has the highest request number that each id has acknowledged, and ``confirmed``
    is the number of the last request that was answered.
    """

    __slots__ = ("_head", "_indexes", "_pending", "_waiting", "acks", "confirmed", "count", "max_pending", "option")
    # The requests are the ``count`` places from _head on, in both lists: see ``droplist``.
    _indexes: list[int]
    _waiting: list[Message]
    acks: Acks

    def __init__(self, option: int, max_pending: int) -> None:
        self.option = option
        self.max_pending = max_pending
        self._pending: list[Message] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all requests that have a number, at a change of role."""
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
        """The requests that have a number, as a new list."""
        return self._waiting[self._head :]

    @property
    def indexes(self) -> list[int]:
        """The commit index at the arrival of each request in ``waiting``, as a new list."""
        return self._indexes[self._head :]

    @property
    def pending(self) -> list[Message]:
        """The requests that wait for the leader's first commit."""
        return [] if self._pending is None else self._pending

    @pending.setter
    def pending(self, requests: list[Message]) -> None:
        self._pending = requests or None

    def check_room(self) -> None:
        """Raise Overloaded if ``max_pending`` requests wait already."""
        waiting = self.count
        if self._pending is not None:
            waiting += len(self._pending)
        if waiting >= self.max_pending:
            raise Overloaded(f"{waiting} reads wait already")

    def put_off(self, request: Message) -> None:
        """Let a request wait for the leader's first commit."""
        if self._pending is None:
            self._pending = []
        self._pending.append(request)

    def take_pending(self) -> list[Message]:
        """Remove and return the requests that waited for the leader's first commit."""
        requests = self.pending
        self._pending = None
        return requests

    def add_request(self, index: int, request: Message) -> None:
        """Number a request that arrived while the commit index was ``index``."""
        if self.count == 0:
            self._waiting = [request]
            self._indexes = [index]
        else:
            self._waiting.append(request)
            self._indexes.append(index)
        self.count += 1

    def last_number(self) -> int:
        """Return the number of the newest request."""
        return self.confirmed + self.count

    def recv_ack(self, from_: int, number: int) -> None:
        """Record that node ``from_`` has acknowledged the requests up to ``number``."""
        if self.acks is _NO_ACKS:
            self.acks = Acks()
        self.acks.raise_to(from_, number)

    def maybe_advance(self, voters: JointConfig) -> int:
        """Return how many requests are now confirmed, oldest first. ``drop`` them once they are answered."""
        number = voters.acknowledged(self.acks)
        if number <= self.confirmed:
            return 0
        return number - self.confirmed

    def drop(self, count: int) -> None:
        """Remove the oldest ``count`` requests, which are answered."""
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
        """Return the context for heartbeats, or None if no request waits."""
        if self.count == 0:
            return None
        return pack_number(self.last_number())

    def safe(self) -> bool:
        """Whether a quorum confirms reads, rather than the leader's lease."""
        return self.option == k.READ_ONLY_SAFE


keep_whole(ReadOnly)
has_one_owner(ReadOnly)
