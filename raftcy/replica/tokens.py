"""What is said of a command that was proposed: why it was rejected, how it ended, and by what it is asked for later."""

from dataclasses import dataclass
from enum import StrEnum


class RejectReason(StrEnum):
    """Why a command is certainly not in the log; the ``reason`` of ``Rejected``."""

    NO_LEADER = "no leader"
    """This member knows of no leader, or the one that it knew did not lead any more."""
    TRANSFER = "transfer"
    """The leader was handing its leadership over."""
    QUOTA = "quota"
    """Too much is uncommitted at the leader."""
    NOT_A_MEMBER = "not a member"
    """The member that was asked does not belong to the group, or not any more."""
    TOO_LARGE = "too large"
    """A command has more bytes than a message may have."""
    OVERLOADED = "overloaded"
    """Too many commands, or too many bytes of them, wait already."""
    STOPPED = "stopped"
    """The member stopped before it handed the command on."""
    OTHER_TERM = "other term"
    """The term was not, or no longer, the one in which the command was to be proposed."""
    SUPERSEDED = "superseded"
    """Another leader's entry was committed in the place that the command had."""
    REFUSED = "refused"
    """Any other refusal of the core; the detail says which."""


_BY_TEXT = {
    "there is no leader": RejectReason.NO_LEADER,
    "leadership is being transferred": RejectReason.TRANSFER,
    "too much is uncommitted": RejectReason.QUOTA,
    "this leader was removed from the configuration": RejectReason.NOT_A_MEMBER,
}


def reason_of(text: str) -> RejectReason:
    """The reason that the core's text of a dropped proposal stands for."""
    return _BY_TEXT.get(text, RejectReason.REFUSED)


@dataclass(frozen=True, slots=True)
class Token:
    """A command whose outcome was not known when its wait ended; ``Replica.outcome`` takes it.

    ``term`` is the term in which it was proposed, and ``index`` its place in the log, 0 if that was not known.
    ``start`` and ``number`` say which start of which member handed it on, and as what.
    """

    term: int
    index: int
    start: bytes
    number: int


class Fate(StrEnum):
    """How a command ended, as ``Replica.outcome`` tells later."""

    APPLIED = "applied"
    REJECTED = "rejected"
    LOST = "lost"
    """It is too old to know: its place was compacted away, or never known to this member."""
