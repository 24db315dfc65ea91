"""Policies: they decide which senders a transport accepts, in addition to the checks that it always makes.

A policy is a callable. It takes the ``Hello`` of a connection and whether its sender is a known peer, and returns None
to accept, or the ``Refusal`` to send. It runs in the event loop's thread and must not wait. A program that remembers
removed members should refuse them with ``Reason.REMOVED``, so that they stop.
"""

from collections.abc import Callable

from .packets import Hello, Reason, Refusal

__all__ = ["Policy", "hear_all", "hear_known"]

Policy = Callable[[Hello, bool], Refusal | None]


def hear_all(hello: Hello, known: bool) -> Refusal | None:
    """Accept every sender of the cluster. This is the default: a node may lag behind the change that added a sender."""
    return None


def hear_known(hello: Hello, known: bool) -> Refusal | None:
    """Accept only known peers, which the transport was created with or ``set_peer`` has named."""
    return None if known else Refusal(Reason.SENDER, f"node {hello.sender} is not a known peer")
