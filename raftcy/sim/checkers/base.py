"""The interface of checkers, and the dispatch of events to them."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from ...replica.work import Write
from ...wire.messages import ConfState, Entry, Message, Snapshot
from ..operation import Operation
from ..seen import Seen, View


class Violation(Exception):
    """A rule is violated. ``rule`` is its name, and ``text`` describes what was observed."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(rule, text)
        self.rule = rule
        self.text = text

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


class Checker:
    """A rule, named ``rule``. Each method below is an event; a checker overrides the methods that it needs."""

    rule = ""

    def fail(self, text: str) -> None:
        """Raise a Violation of this rule."""
        raise Violation(self.rule, text)

    def started(self, member: Seen, view: View) -> None:
        """A member has started, for the first time or again."""

    def crashed(self, member: Seen) -> None:
        """A member has crashed, or was stopped."""

    def taking(self, member: Seen, m: Message) -> None:
        """A message from the network is about to be stepped."""

    def taken(self, member: Seen, m: Message) -> None:
        """A message from the network was stepped."""

    def changed(self, member: Seen, before: View, after: View) -> None:
        """The observable state of a member has changed."""

    def appended(self, member: Seen, entries: list[Entry]) -> None:
        """A member's Ready has entries to store."""

    def storing(self, member: Seen, batch: Write) -> None:
        """A batch is about to complete on a member's disk."""

    def sending(self, member: Seen, m: Message) -> None:
        """A member is sending a message."""

    def applying(self, member: Seen, e: Entry) -> None:
        """A member is about to apply a committed entry."""

    def restored(self, member: Seen, snapshot: Snapshot) -> None:
        """A snapshot from a leader has replaced the state of a member's application."""

    def snapshot_made(self, member: Seen, snapshot: Snapshot) -> None:
        """A member has made a snapshot of its own state."""

    def members_changed(self, member: Seen, index: int, members: ConfState) -> None:
        """A member has applied a configuration change."""

    def beaten(self, member: Seen, sender: int) -> None:
        """A beat of another member's host, or an answer to one, was taken."""

    def ticked(self, member: Seen) -> None:
        """A tick of a member that may sleep has passed."""

    def ended(self, operation: Operation, index: int) -> None:
        """A write was applied at ``index``, or a read answered from the state there."""

    def unsettled(self, running: Sequence[Seen], pending: Collection[Operation]) -> str:
        """Describe what is still unsettled after the last fault; empty if everything has settled.

        ``running`` holds the members that are up, and ``pending`` the operations without an outcome.
        """
        return ""


_EVENTS = (
    "started", "crashed", "taking", "taken", "changed", "appended", "storing", "sending", "applying", "restored",
    "snapshot_made", "members_changed", "beaten", "ticked", "ended",
)  # fmt: skip


def _silent(*_: Any) -> None:
    pass


class Checkers:
    """Several checkers as one. Each event is an attribute that calls the checkers that override it, and no others."""

    started: Callable[..., None]
    crashed: Callable[..., None]
    taking: Callable[..., None]
    taken: Callable[..., None]
    changed: Callable[..., None]
    appended: Callable[..., None]
    storing: Callable[..., None]
    sending: Callable[..., None]
    applying: Callable[..., None]
    restored: Callable[..., None]
    snapshot_made: Callable[..., None]
    members_changed: Callable[..., None]
    beaten: Callable[..., None]
    ticked: Callable[..., None]
    ended: Callable[..., None]

    def __init__(self, checkers: list[Checker]) -> None:
        self.all = checkers
        for event in _EVENTS:
            wanted = [each for each in checkers if getattr(type(each), event) is not getattr(Checker, event)]
            setattr(self, event, _fan_out([getattr(each, event) for each in wanted]))

    def unsettled(self, running: Sequence[Seen], pending: Collection[Operation]) -> Violation | None:
        """The first unmet condition, if any."""
        for each in self.all:
            text = each.unsettled(running, pending)
            if text:
                return Violation(each.rule, text)
        return None


def _fan_out(calls: list[Callable[..., None]]) -> Callable[..., None]:
    if not calls:
        return _silent
    if len(calls) == 1:
        return calls[0]

    def call_each(*arguments: Any) -> None:
        for call in calls:
            call(*arguments)

    return call_each
