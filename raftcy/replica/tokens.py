"""The outcomes of proposed commands: reasons of a rejection, fates, and the tokens with which to ask for them later."""

from dataclasses import dataclass
from enum import StrEnum


class RejectReason(StrEnum):
    """Why a command is certainly not in the log; the ``reason`` of ``Rejected``."""

    NO_LEADER = "no leader"
    """This member knows no leader, or the leader that it knew did not lead any more."""
    TRANSFER = "transfer"
    """The leader was handing its leadership over."""
    QUOTA = "quota"
    """The leader has too many uncommitted bytes."""
    NOT_A_MEMBER = "not a member"
    """The member that was asked does not belong to the group, or does not belong to it any more."""
    TOO_LARGE = "too large"
    """A command is larger than a message may be."""
    OVERLOADED = "overloaded"
    """Too many commands, or too many bytes of them, wait already."""
    STOPPED = "stopped"
    """The member stopped before it handed the command on."""
    OTHER_TERM = "other term"
    """The term is not the one that the caller asked for."""
    SUPERSEDED = "superseded"
    """Another leader's entry was committed in the command's place."""
    REFUSED = "refused"
    """Any other refusal of the core; the detail says which."""


_BY_TEXT = {
    "there is no leader": RejectReason.NO_LEADER,
    "leadership is being transferred": RejectReason.TRANSFER,
    "too much is uncommitted": RejectReason.QUOTA,
    "this leader was removed from the configuration": RejectReason.NOT_A_MEMBER,
}


def reason_of(text: str) -> RejectReason:
    """Return the reason for the core's text of a dropped proposal."""
    return _BY_TEXT.get(text, RejectReason.REFUSED)


@dataclass(frozen=True, slots=True)
class Token:
    """Identifies a command whose outcome was unknown when its wait ended. Pass it to ``Replica.outcome``.

    ``term`` is the term in which it was proposed, and ``index`` its place in the log, 0 if that was unknown. ``start``
    identifies the start of the member that handed it on, and ``number`` the command within that start.
    """

    term: int
    index: int
    start: bytes
    number: int


class Fate(StrEnum):
    """How a command ended, as ``Replica.outcome`` returns it."""

    APPLIED = "applied"
    REJECTED = "rejected"
    LOST = "lost"
    """Too old to know: the place was compacted away, or this member never knew it."""
