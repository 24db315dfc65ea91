"""Outbox: keeps messages and answers to reads until a Ready takes them.

Rules:

- ``msgs`` may be sent at once. ``msgs_after_append`` depend on the entries and the hard state of the next Ready; they
  are sent, or delivered to the node itself, once these are stored. ``raft`` decides which kind a message is.
- A list that a Ready takes belongs to the Ready. The outbox starts another.
- A list is None until it is first needed. When it is taken, an empty one replaces it at once. A process may have
  thousands of nodes; if each of them created its list at a tick, the many new lists, alive together, would set off the
  garbage collector (docs/performance.md).
"""

from collections.abc import Iterable

from ..wire.messages import Message
from ..wire.whole import has_one_owner, keep_whole
from . import fresh
from .ready import ReadState


class Outbox:
    """The messages of one node and its answers to read requests, in order.

    ``has_own`` says whether ``msgs_after_append`` contains a message to the node itself.
    """

    __slots__ = ("_msgs", "_msgs_after_append", "_read_states", "has_own")

    def __init__(self) -> None:
        self._msgs: list[Message] | None = None
        self._msgs_after_append: list[Message] | None = None
        self._read_states: list[ReadState] | None = None
        self.has_own = False

    @property
    def msgs(self) -> list[Message]:
        """Messages that may be sent at once, with the next Ready."""
        if self._msgs is None:
            self._msgs = []
        return self._msgs

    @msgs.setter
    def msgs(self, messages: list[Message]) -> None:
        self._msgs = messages or None

    @property
    def msgs_after_append(self) -> tuple[Message, ...]:
        """Messages to send, or to deliver to this node, once the contents of the next Ready are stored."""
        return () if self._msgs_after_append is None else tuple(self._msgs_after_append)

    @msgs_after_append.setter
    def msgs_after_append(self, messages: Iterable[Message]) -> None:
        self._msgs_after_append = list(messages) or None
        self.has_own = any(m.to == m.from_ for m in self.msgs_after_append)

    @property
    def read_states(self) -> list[ReadState]:
        """Answers to read requests, for the next Ready."""
        return [] if self._read_states is None else self._read_states

    @read_states.setter
    def read_states(self, states: list[ReadState]) -> None:
        self._read_states = states or None

    def count(self) -> int:
        """Return how many messages and answers to reads are waiting."""
        count = 0
        if self._msgs is not None:
            count += len(self._msgs)
        if self._msgs_after_append is not None:
            count += len(self._msgs_after_append)
        if self._read_states is not None:
            count += len(self._read_states)
        return count

    # -- in ------------------------------------------------------------------------------------------------------

    def _send(self, m: Message) -> None:
        """Add a message that may be sent at once."""
        if self._msgs is None:
            self._msgs = [m]
        else:
            self._msgs.append(m)

    def _send_after_append(self, m: Message) -> None:
        """Add a message that has to wait until the contents of the next Ready are stored."""
        if m.to == m.from_:
            self.has_own = True
        if self._msgs_after_append is None:
            self._msgs_after_append = [m]
        else:
            self._msgs_after_append.append(m)

    def add_read_state(self, index: int, request_ctx: bytes) -> None:
        """Add the answer to a read request."""
        if self._read_states is None:
            self._read_states = []
        self._read_states.append(fresh.read_state(index, request_ctx))

    # -- out -----------------------------------------------------------------------------------------------------

    def messages(self, keep: bool, both: bool) -> list[Message] | None:
        """Return the messages of a Ready, or None: ``msgs``, and with ``both``, ``msgs_after_append`` to other nodes.

        With ``keep`` the list is a copy. Otherwise it may be the outbox's own list, so call ``taken`` afterwards.
        """
        messages = None
        if self._msgs:
            messages = list(self._msgs) if keep else self._msgs
        if both and self._msgs_after_append:
            if messages is None and not keep and not self.has_own:
                return self._msgs_after_append
            for m in self._msgs_after_append:
                if m.to != m.from_:
                    if messages is None:
                        messages = []
                    messages.append(m)
        return messages

    def taken(self) -> None:
        """Forget everything, because a Ready has taken it."""
        if self._msgs:
            self._msgs = []
        if self._msgs_after_append:
            self._msgs_after_append = []
            self.has_own = False
        self._read_states = None

    def take_messages(self) -> list[Message] | None:
        """Take the messages of both kinds. Only if none is to this node, and there is nothing to store or to read."""
        messages = self._msgs
        if not self._msgs_after_append:
            # Most rounds of an idle group come here.
            self._msgs = []
            return messages
        answers = self._msgs_after_append
        self.taken()
        if not messages:
            return answers
        if answers:
            messages.extend(answers)
        return messages


keep_whole(Outbox)
has_one_owner(Outbox)
