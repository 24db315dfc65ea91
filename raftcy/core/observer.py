"""Observer: sees each call that can change a RawNode. The flight recorder is one (``raftcy.recorder``)."""

from typing import Any


class Observer:
    """Watches one RawNode, from ``node.observer = observer`` on. A subclass overrides what it needs.

    Each call that can change the node is shown twice: by ``began`` before the node does anything, and by ``returned``
    or ``raised`` when it has ended. Not shown are calls that only look, such as ``has_ready`` and ``status``, calls
    that are refused for the type or range of an argument, and calls of a dead node. An observed node gives no messages
    by ``take_messages``: it answers with an empty list, so that they come as a Ready.

    An observer may look at the node and must not call anything else of it. What it raises in ``began`` takes the place
    of the call, which then changes nothing; what it raises later is raised after the call has done its work. Neither
    kills the node.
    """

    __slots__ = ()

    def offering(self, node: Any, offer: Any) -> Any:
        """``node.offer_snapshots(offer)`` was called; returns what the node asks instead of ``offer``."""
        return offer

    def began(self, call: str, given: Any) -> None:
        """A call begins: the name of the method, and its argument.

        ``given`` is None where there is no argument, and a tuple where there are two; ids and bytes are checked
        already, and what is iterable is a list. ``rd`` of ``advance`` is left out.
        """

    def returned(self, node: Any, result: Any) -> None:
        """The call has done its work, and is about to return ``result``."""

    def raised(self, node: Any, error: BaseException, dead: bool) -> None:
        """The call is about to raise ``error``; ``dead`` if that killed the node."""

    def failed(self, node: Any, error: BaseException) -> None:
        """The node was declared dead by ``RawNode.fail``, outside of any call."""
