"""The table from raftcy's outcomes to etcd's refusals, and answers that wait."""

import asyncio
from typing import Any

import pytest

from raftcy.errors import CallFailed, CommandError, OutcomeUnknown, Overloaded, Rejected, Stopped
from raftcy.etcd.awaited import NOT_YET, Answer, Patience
from raftcy.etcd.outcomes import REJECTED, is_worth_retrying, outcome_of
from raftcy.etcd.refusals import Refused, refused
from raftcy.replica.tokens import RejectReason, Token
from tests.support.virtual import run_virtually

AMBIGUOUS = {refused(name) for name in ("TIMEOUT", "TIMEOUT_LEADER_FAILED", "TIMEOUT_CONNECTION_LOST", "STOPPED")}


def unknown(index: int, why: str, cause: BaseException | None = None) -> OutcomeUnknown:
    error = OutcomeUnknown(Token(1, index, b"s", 1), why)
    error.__cause__ = cause
    return error


def test_every_reason_of_a_rejection_has_its_refusal() -> None:
    assert set(REJECTED) == set(RejectReason)


@pytest.mark.parametrize(
    "error",
    [
        unknown(0, "no reply came in time"),
        unknown(0, "the connection to 2 broke"),
        unknown(7, "a snapshot jumped over its place"),
        unknown(7, "the replica was closed"),
        unknown(7, "the replica died", RuntimeError("x")),
    ],
    ids=str,
)
def test_an_unknown_outcome_is_told_as_one(error: OutcomeUnknown) -> None:
    assert outcome_of(error) in AMBIGUOUS
    assert not is_worth_retrying(error), "it could be applied twice"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (Rejected(RejectReason.OVERLOADED), "TOO_MANY_REQUESTS"),
        (Rejected(RejectReason.QUOTA), "TOO_MANY_REQUESTS"),
        (Rejected(RejectReason.TOO_LARGE), "REQUEST_TOO_LARGE"),
        (Rejected(RejectReason.STOPPED), "STOPPED"),
        (Rejected(RejectReason.OTHER_TERM), "LEADER_CHANGED"),
        (Overloaded("reads"), "TOO_MANY_REQUESTS"),
        (Stopped(None), "STOPPED"),
        (CallFailed(2, "x"), "TIMEOUT_CONNECTION_LOST"),
        (CommandError(refused("LEASE_NOT_FOUND").text, "5"), "LEASE_NOT_FOUND"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_other_outcomes(error: Exception, name: str) -> None:
    assert outcome_of(error) == refused(name)


def test_an_error_that_nobody_expects_stays_as_it_is() -> None:
    error = ZeroDivisionError()
    assert outcome_of(error) is error
    assert outcome_of(CommandError("odd", "malformed")) == Refused(2, "odd")


def test_rejections_that_another_attempt_may_mend_are_tried_again() -> None:
    async def story() -> None:
        tried: list[Answer] = []
        patience = Patience(asyncio.get_running_loop(), 5.0, tried.append)
        answer = Answer(patience, lambda found: found, b"entry")
        for reason in (RejectReason.NO_LEADER, RejectReason.TRANSFER, RejectReason.SUPERSEDED):
            answer.set_exception(Rejected(reason))
            assert not answer.done()
            patience.try_again()
        assert tried == [answer] * 3
        patience.try_again()
        assert len(tried) == 3
        answer.set_result(5)
        assert await answer == 5
        assert not patience.waiting
        read = Answer(patience, lambda found: found)
        read.set_exception(Rejected(RejectReason.NO_LEADER))
        assert read.exception() == refused("TIMEOUT_LEADER_FAILED")

    run_virtually(story())


def test_an_answer_waits_so_long_and_no_longer() -> None:
    async def story() -> None:
        patience = Patience(asyncio.get_running_loop(), 5.0, lambda answer: None)
        one = Answer(patience, lambda found: found)
        await asyncio.sleep(1)
        two = Answer(patience, lambda found: found)
        await asyncio.sleep(4.1)
        patience.sweep()
        assert one.exception() == refused("TIMEOUT")
        assert not two.done()
        patience.changed_s = asyncio.get_running_loop().time()
        await asyncio.sleep(1)
        patience.sweep()
        assert two.exception() == refused("TIMEOUT_LEADER_FAILED")
        assert not patience.waiting
        # What comes late goes nowhere.
        one.set_result(1)
        one.set_exception(Stopped(None))

    run_virtually(story())


def test_answers_that_nobody_waits_for_are_forgotten() -> None:
    async def story() -> None:
        tried: list[Any] = []
        patience = Patience(asyncio.get_running_loop(), 5.0, tried.append)
        answer = Answer(patience, lambda found: found, b"entry")
        answer.set_exception(Rejected(RejectReason.NO_LEADER))
        answer.cancel()
        assert not patience.waiting
        patience.try_again()
        assert tried == []

    run_virtually(story())


def test_an_answer_that_cannot_be_made_is_an_error_and_harms_nobody_else() -> None:
    async def story() -> None:
        patience = Patience(asyncio.get_running_loop(), 5.0, lambda answer: None)

        def fail(found: Any) -> Any:
            raise refused("COMPACTED") if found else ZeroDivisionError()

        for found in (True, False):
            answer = Answer(patience, fail)
            answer.set_result(found)
            assert isinstance(answer.exception(), Refused if found else ZeroDivisionError)
        later = Answer(patience, lambda found: NOT_YET)
        later.set_result(1)
        assert not later.done()
        later.give(2)
        assert await later == 2
        stopped = Answer(patience, lambda found: found)
        patience.stop(refused("STOPPED"))
        assert stopped.exception() == refused("STOPPED")

    run_virtually(story())
