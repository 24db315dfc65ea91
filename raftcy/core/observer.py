"""Observer: gets a report of each call that can change a RawNode. The flight recorder is one (``raftcy.recorder``)."""

from typing import Any


class Observer:
    """Watches one RawNode, from ``node.observer = observer`` on. A subclass overrides the methods that it needs.

    Each call that can change the node is reported twice: by ``began`` before the node does anything, and by
    ``returned`` or ``raised`` when it ends. Calls that only read, such as ``has_ready`` and ``status``, are not
    reported, nor are calls with an argument of wrong type or range, or calls of a dead node. While a node is observed,
    ``take_messages`` returns no messages but an empty list, so that they come in a Ready, which is reported.

    An observer may read the node but must not call a method that changes it. If ``began`` raises, the caller gets that
    error and the node does nothing. If a later method raises, the caller gets that error after the call has taken
    effect. Neither kills the node.
    """

    __slots__ = ()

    def offering(self, node: Any, offer: Any) -> Any:
        """Return the function that the node calls instead of ``offer``, after ``node.offer_snapshots(offer)``."""
        return offer

    def began(self, call: str, given: Any) -> None:
        """A call of the method ``call`` begins, with the argument ``given``.

        ``given`` is None if there is no argument, and a tuple if there are two. Ids and bytes are checked already, and
        an iterable has become a list. The argument of ``advance`` is left out.
        """

    def returned(self, node: Any, result: Any) -> None:
        """The call has taken effect and is about to return ``result``."""

    def raised(self, node: Any, error: BaseException, dead: bool) -> None:
        """The call is about to raise ``error``. ``dead`` says whether the node has died of it."""

    def failed(self, node: Any, error: BaseException) -> None:
        """``RawNode.fail`` has declared the node dead, outside of any other call."""
