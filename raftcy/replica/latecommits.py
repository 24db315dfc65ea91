"""Holds back a leader's news of a commit for a moment, so that the next entries carry it.

Rules:

- Only appends without entries are held, and only while callers of this member wait for answers: what has just been
  committed answers some of them, and most propose again at once. Their entries leave two rounds of the event loop
  later, in an append that says what is committed as well. So each member handles one message where it had two.
- Nothing is held for longer than three rounds, so other members learn of every commit.
- An append to the same peer, sent meanwhile, replaces the held one: it says everything that the held one said. To raft,
  that is a lost message.
"""

from typing import Any, Protocol

from ..wire import consts as k
from ..wire.messages import Message

_NOTHING: dict[int, Message] = {}


class Member(Protocol):
    """The member whose appends are held."""

    @property
    def call_soon(self) -> Any:
        """The event loop's ``call_soon``."""

    def send_late(self, held: list[Message]) -> None:
        """Send what was held."""


class LateCommits:
    """The held appends of one member, which gets them in the end."""

    __slots__ = ("_due", "_held", "_member")

    def __init__(self, member: Member) -> None:
        self._member = member
        # By peer, the append that is held.
        self._held: dict[int, Message] = _NOTHING
        self._due = False

    def sift(self, messages: list[Message], waits: bool) -> list[Message]:
        """Return the messages to send now. ``waits`` says whether callers of this member wait for answers."""
        if not waits and not self._held:
            return messages
        now = []
        for m in messages:
            if m.type != k.APP:
                now.append(m)
            elif waits and not m.entries:
                if self._held is _NOTHING:
                    self._held = {}
                self._held[m.to] = m
            else:
                self._held.pop(m.to, None)
                now.append(m)
        if self._held and not self._due:
            self._due = True
            # The answered callers run in the next round, and what they propose is handled in the one after it, in both
            # after what is scheduled here.
            call_soon = self._member.call_soon
            call_soon(call_soon, call_soon, self._end)
        return now

    def _end(self) -> None:
        self._due = False
        if self._held:
            held, self._held = list(self._held.values()), _NOTHING
            self._member.send_late(held)
