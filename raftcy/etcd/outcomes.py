"""How a proposal that has no answer of the machine is told to a client, in etcd's words.

Rules:

- What may have been applied is never answered as if it had not been. The texts of timeouts, and "server stopped", say
  nothing about the outcome, in etcd too.
- A rejection is certain, so the API proposes the command again while the client waits, where a later attempt may
  succeed (``is_worth_retrying``). etcd's proposals wait for a leader in the same way.

::

    Rejected                     again  answer
    no leader                    yes    14 request timed out …, once the time is over
    transfer                     yes    the same
    superseded                   yes    the same
    other term                   no     14 leader changed
    quota, overloaded            no      8 too many requests
    too large                    no      3 request is too large
    stopped                      no     14 server stopped
    not a member                 no     14 server stopped (a member that was removed ends)
    refused                      no     14 leader changed

    OutcomeUnknown               no     14 request timed out, possibly due to connection lost (the leader's reply is
                                           lost), server stopped (this member has ended), or request timed out
    Overloaded (a read)          no      8 too many requests
    Stopped                      no     14 server stopped
    CallFailed                   yes    14 request timed out, possibly due to connection lost, once the time is over
"""

from ..errors import CallFailed, CommandError, OutcomeUnknown, Overloaded, Rejected, Stopped
from ..replica.tokens import RejectReason
from .etcdmachine import refused_by
from .refusals import Refused, refused

_AGAIN = frozenset((RejectReason.NO_LEADER, RejectReason.TRANSFER, RejectReason.SUPERSEDED))
REJECTED: dict[str, str] = {
    RejectReason.NO_LEADER: "TIMEOUT_LEADER_FAILED",
    RejectReason.TRANSFER: "TIMEOUT_LEADER_FAILED",
    RejectReason.SUPERSEDED: "TIMEOUT_LEADER_FAILED",
    RejectReason.OTHER_TERM: "LEADER_CHANGED",
    RejectReason.QUOTA: "TOO_MANY_REQUESTS",
    RejectReason.OVERLOADED: "TOO_MANY_REQUESTS",
    RejectReason.TOO_LARGE: "REQUEST_TOO_LARGE",
    RejectReason.STOPPED: "STOPPED",
    RejectReason.NOT_A_MEMBER: "STOPPED",
    RejectReason.REFUSED: "LEADER_CHANGED",
}
"""The name of the refusal for each reason of a rejection."""


def is_worth_retrying(error: BaseException) -> bool:
    """Whether a command was certainly not applied, and may be on another attempt."""
    return isinstance(error, Rejected) and error.reason in _AGAIN


def outcome_of(error: BaseException) -> BaseException:
    """Return what a client gets in place of an answer. An error that nobody expects is returned as it is."""
    if isinstance(error, CommandError):
        return refused_by(error)
    if isinstance(error, Rejected):
        return refused(REJECTED.get(error.reason, "LEADER_CHANGED"))
    if isinstance(error, OutcomeUnknown):
        if error.__cause__ is not None or error.why.startswith("the replica "):
            return refused("STOPPED")
        return refused("TIMEOUT_CONNECTION_LOST" if error.token.index == 0 else "TIMEOUT")
    if isinstance(error, Overloaded):
        return refused("TOO_MANY_REQUESTS")
    if isinstance(error, Stopped):
        return refused("STOPPED")
    if isinstance(error, CallFailed):
        return refused("TIMEOUT_CONNECTION_LOST")
    return error


def timed_out(leader_changed: bool) -> Refused:
    """Return the refusal of a request whose time is over."""
    return refused("TIMEOUT_LEADER_FAILED" if leader_changed else "TIMEOUT")
