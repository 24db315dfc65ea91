"""Answers to come: futures that a front waits for, and that a replica gives the outcome of a proposal or a read.

A replica calls ``set_result`` and ``set_exception`` of an `Answer` itself, and the `Answer` tells the front that it was
given to by ``tell``. So a put costs one future, and no task or callback of the event loop between the machine's answer
and the client's.

Every answer ends: ``Patience`` refuses those that have waited for too long.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from .outcomes import is_worth_retrying, outcome_of, timed_out
from .service import Caller

SWEEP_S = 0.25
"""How often answers that have waited too long are looked for, in seconds."""


class Answer(asyncio.Future[Any]):
    """The answer to a request. ``finish`` makes it from the machine's answer; ``entry`` is what was proposed.

    ``finish`` is called where the replica applies, so it must be quick. `Refused` from it is the client's refusal.
    """

    __slots__ = ("_caller", "_finish", "_patience", "entry")

    def __init__(self, patience: "Patience", finish: Callable[[Any], Any], entry: bytes = b"") -> None:
        super().__init__(loop=patience.loop)
        self._patience = patience
        self._finish: Callable[[Any], Any] | None = finish
        self._caller: Caller | None = None
        self.entry = entry
        patience.waiting[self] = patience.now_s()

    def tell(self, caller: Caller) -> None:
        """Have the outcome told to a call of a front, in the turn that brings it. There may be one such call."""
        if not self.done():
            self._caller = caller
            return
        # It came while the handler ran, which has returned now.
        error = self.exception()
        if error is None:
            caller.answered(self.result())
        else:
            caller.failed(error)

    def _over(self) -> None:
        self._patience.waiting.pop(self, None)
        self._finish = None

    def set_result(self, found: Any) -> None:
        """Take the machine's answer."""
        finish = self._finish
        if finish is None or self.done():
            return
        try:
            result = finish(found)
        except Exception as error:
            self.fail(error)
            return
        if result is not NOT_YET:
            self.give(result)

    def give(self, result: Any) -> None:
        """Give the client's answer."""
        self._over()
        if not self.done():
            super().set_result(result)
            caller = self._caller
            if caller is not None:
                self._caller = None
                try:
                    caller.answered(result)
                except Exception as fault:
                    self._report(fault)

    def _report(self, fault: Exception) -> None:
        """Report a fault of the front. The replica, in whose turn it happened, goes on."""
        context = {"message": "an answer could not be sent", "exception": fault}
        self._patience.loop.call_exception_handler(context)

    def set_exception(self, error: Any) -> None:
        """Take an outcome other than the machine's answer. A certain rejection may lead to another attempt."""
        if not self.done() and self.entry and is_worth_retrying(error):
            self._patience.park(self)
        else:
            self.fail(outcome_of(error))

    def fail(self, error: BaseException) -> None:
        """Give the client a refusal."""
        self._over()
        if not self.done():
            super().set_exception(error)
            # A client that is gone asks nobody.
            self.add_done_callback(_retrieve)
            caller, self._caller = self._caller, None
            if caller is not None:
                try:
                    caller.failed(error)
                except Exception as fault:
                    self._report(fault)

    def cancel(self, msg: Any = None) -> bool:
        """Note that nobody waits any more."""
        self._over()
        caller, self._caller = self._caller, None
        cancelled = super().cancel(msg)
        if caller is not None:
            caller.given_up()
        return cancelled


def _retrieve(ended: "asyncio.Future[Any]") -> None:
    if not ended.cancelled():
        ended.exception()


class _NotYet:
    pass


NOT_YET = _NotYet()
"""What ``finish`` returns if it will call ``give`` or ``fail`` later."""


class Patience:
    """The answers that are waited for, oldest first, each for at most ``limit_s``.

    ``again`` is called with an answer whose proposal may be made again. ``changed_s`` is when the leader changed last.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float, again: Callable[[Answer], object]) -> None:
        self.loop = loop
        self.now_s = loop.time
        self.waiting: dict[Answer, float] = {}
        self.changed_s = -1e9
        self._limit_s = limit_s
        self._again = again
        self._parked: dict[Answer, None] = {}

    def park(self, answer: Answer) -> None:
        """Let an answer wait for the next attempt."""
        self._parked[answer] = None

    def try_again(self) -> None:
        """Make the next attempt of all parked answers. Call it now and then."""
        if self._parked:
            parked, self._parked = self._parked, {}
            for answer in parked:
                if not answer.done():
                    self._again(answer)

    def sweep(self) -> None:
        """Refuse the answers that have waited too long. Call it now and then."""
        end_s = self.now_s() - self._limit_s
        while self.waiting:
            answer, began_s = next(iter(self.waiting.items()))
            if began_s > end_s:
                return
            answer.fail(timed_out(self.changed_s >= began_s))
            self.waiting.pop(answer, None)

    def stop(self, error: BaseException) -> None:
        """Refuse everything that waits."""
        for answer in list(self.waiting):
            answer.fail(error)
        self.waiting.clear()
        self._parked.clear()
