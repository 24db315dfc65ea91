"""Reads that wait for the leader to be confirmed (etcd's ``readOnly`` of v3.7; thesis 6.4).

Rules:

- Requests are numbered as they come, from 1, anew with each role change. A request is good once a quorum has
  acknowledged a heartbeat that was sent after it came: acknowledging number n confirms all requests up to n.
- The number travels as the heartbeat's context, 8 bytes, little endian; a heartbeat without waiting requests has none.
- The contexts of the applications are only handed through, so two requests with the same one are two requests.
"""

from . import consts as k
from .acks import Acks, pack_number
from .messages import Message
from .quorum import JointConfig

# What a node without requests has; never filled.
_NO_REQUESTS: list[Message] = []
_NO_INDEXES: list[int] = []
_NO_ACKS = Acks()


class ReadOnly:
    """The requests that wait, oldest first, each a message with the commit index at its arrival.

    ``indexes`` goes with ``waiting``; ``acks`` has the highest number that each id has acknowledged.
    """

    __slots__ = ("acks", "confirmed", "indexes", "option", "waiting")
    acks: Acks
    indexes: list[int]
    waiting: list[Message]

    def __init__(self, option: int) -> None:
        self.option = option
        self.reset()

    def reset(self) -> None:
        """Forget all requests."""
        self.acks = _NO_ACKS
        self.waiting = _NO_REQUESTS
        self.indexes = _NO_INDEXES
        self.confirmed = 0

    def add_request(self, index: int, request: Message) -> None:
        """A request came while the commit index was ``index``."""
        if len(self.waiting) == 0:
            self.waiting = [request]
            self.indexes = [index]
        else:
            self.waiting.append(request)
            self.indexes.append(index)

    def last_number(self) -> int:
        """The number of the newest request."""
        return self.confirmed + len(self.waiting)

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
        if count == len(self.waiting):
            self.waiting = _NO_REQUESTS
            self.indexes = _NO_INDEXES
        else:
            del self.waiting[:count]
            del self.indexes[:count]

    def heartbeat_ctx(self) -> bytes | None:
        """The context for the next heartbeats; None if nothing waits."""
        if len(self.waiting) == 0:
            return None
        return pack_number(self.last_number())

    def safe(self) -> bool:
        """Whether reads are confirmed by a quorum rather than by the lease."""
        return self.option == k.READ_ONLY_SAFE
