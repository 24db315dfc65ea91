"""Outbox: what the state machine has to say, until a Ready takes it.

Rules:

- ``msgs`` may be sent with the next Ready at once. ``msgs_after_append`` rest on what that Ready stores, and go out, or
  to the node itself, once it is stored. Which message is of which kind is decided by ``raft``.
- A list that is handed out is the receiver's: the outbox begins another one.
- A list that was empty is None, but one that was needed once is made anew at once: there may be thousands of nodes in a
  process, and lists made in each of their ticks, alive together, would set the collector going (docs/performance.md).
"""

from collections.abc import Iterable

from ..wire.messages import Message
from ..wire.whole import keep_whole
from . import fresh
from .ready import ReadState


class Outbox:
    """The messages of one node, and its answers to read requests, each in the order in which they came.

    ``has_own`` says whether one of the messages that wait for the storage is to this very node.
    """

    __slots__ = ("_msgs", "_msgs_after_append", "_read_states", "has_own")

    def __init__(self) -> None:
        self._msgs: list[Message] | None = None
        self._msgs_after_append: list[Message] | None = None
        self._read_states: list[ReadState] | None = None
        self.has_own = False

    @property
    def msgs(self) -> list[Message]:
        """Messages to send with the next Ready."""
        if self._msgs is None:
            self._msgs = []
        return self._msgs

    @msgs.setter
    def msgs(self, messages: list[Message]) -> None:
        self._msgs = messages or None

    @property
    def msgs_after_append(self) -> tuple[Message, ...]:
        """Messages that may be sent, or delivered here, once the storage has what the next Ready holds."""
        return () if self._msgs_after_append is None else tuple(self._msgs_after_append)

    @msgs_after_append.setter
    def msgs_after_append(self, messages: Iterable[Message]) -> None:
        self._msgs_after_append = list(messages) or None
        self.has_own = any(m.to == m.from_ for m in self.msgs_after_append)

    @property
    def read_states(self) -> list[ReadState]:
        """Answers to read requests for the next Ready."""
        return [] if self._read_states is None else self._read_states

    @read_states.setter
    def read_states(self, states: list[ReadState]) -> None:
        self._read_states = states or None

    def count(self) -> int:
        """How many messages and answers to reads the next Ready would hold."""
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
        """Send a message with the next Ready."""
        if self._msgs is None:
            self._msgs = [m]
        else:
            self._msgs.append(m)

    def _send_after_append(self, m: Message) -> None:
        """Send a message, or deliver it here, once the storage has what the next Ready holds."""
        if m.to == m.from_:
            self.has_own = True
        if self._msgs_after_append is None:
            self._msgs_after_append = [m]
        else:
            self._msgs_after_append.append(m)

    def add_read_state(self, index: int, request_ctx: bytes) -> None:
        """Answer a read request."""
        if self._read_states is None:
            self._read_states = []
        self._read_states.append(fresh.read_state(index, request_ctx))

    # -- out -----------------------------------------------------------------------------------------------------

    def messages(self, keep: bool, both: bool) -> list[Message] | None:
        """The messages of a Ready: ``msgs``, and if it has ``both``, those after append but for those to this node.

        None for none. The list may be that of the outbox, which goes on with it, unless it must ``keep`` its own.
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
        """Let go of everything: a Ready has it."""
        if self._msgs:
            self._msgs = []
        if self._msgs_after_append:
            self._msgs_after_append = []
            self.has_own = False
        self._read_states = None

    def take_messages(self) -> list[Message] | None:
        """Take both kinds of messages, where none is to this node and nothing has to be stored; None for none."""
        messages = self._msgs
        answers = self._msgs_after_append
        self.taken()
        if not messages:
            return answers
        if answers:
            messages.extend(answers)
        return messages


keep_whole(Outbox)
