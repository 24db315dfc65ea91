"""What receivers and callbacks raise: it costs the messages of that call, and never goes unseen."""

import asyncio
from typing import Any

import pytest

from raftcy.errors import Overloaded, ProposalDropped, RaftError, Stopped
from raftcy.transport import Transport
from raftcy.wire.messages import Message
from tests.support.transports import FAST, HOST, Direct, Waiting, connected, heartbeat, pair, proposal, snapshot, until

ERRORS = [ProposalDropped("no leader"), Overloaded("too much"), RaftError("some other"), ZeroDivisionError("a bug")]


def datas(node: Any) -> list[bytes]:
    return [entry.data for m in node.messages for entry in m.entries]


@pytest.mark.parametrize("error", ERRORS)
async def test_a_proposal_that_fails_takes_no_other_with_it(error: Exception) -> None:
    """It is dropped and counted. Only an exception that nobody expected is a failure, and that is told.

    catches: faults#J
    """
    heard: list[BaseException] = []
    node = Waiting()
    receiver = Transport(2, node, limits=FAST, on_failure=heard.append)
    address = await receiver.listen(HOST, 0)
    node.proposal_error = error
    async with connected(address) as caller:
        caller.say(*[proposal(b"%d" % number) for number in range(5)])
        await until(lambda: len(node.messages) == 4)
        assert datas(node) == [b"1", b"2", b"3", b"4"]
        caller.say(proposal(b"5"))
        await until(lambda: len(node.messages) == 5)
    assert receiver.traffic.ignored_messages == 1
    expected = not isinstance(error, RaftError)
    assert heard == [error] * expected
    assert receiver.failure is (error if expected else None)
    assert receiver.traffic.failed_calls == expected
    await receiver.close()


async def test_a_proposal_that_comes_as_the_last_one_ends_is_delivered() -> None:
    """The task that delivers them has ended by then, and the event loop has not yet said so."""

    class Last(Waiting):
        async def step(self, m: Message) -> None:
            await super().step(m)
            if len(self.messages) == 1:
                asyncio.get_running_loop().call_soon(late)

    def late() -> None:
        queue = receiver._incoming.proposals(0)
        assert queue.task is not None
        assert queue.task.done()
        assert queue.put(proposal(b"late"), 4) is None

    node = Last()
    receiver = Transport(2, node, limits=FAST)
    address = await receiver.listen(HOST, 0)
    async with connected(address) as caller:
        caller.say(proposal(b"first"))
        await until(lambda: len(node.messages) == 2)
    assert datas(node) == [b"first", b"late"]
    await receiver.close()


async def test_only_stopped_ends_proposals() -> None:
    node = Waiting()
    async with pair(receiver=node) as both, connected(both.address) as caller:
        node.proposal_error = Stopped()
        caller.say(*[proposal(b"%d" % number) for number in range(5)])
        await until(lambda: both.receiver.traffic.ignored_messages == 5)
        caller.say(heartbeat())
        assert await caller.is_closed()
        assert datas(node) == []
        assert both.receiver.failure is None


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", [Direct, Waiting])
async def test_a_call_that_fails_takes_no_other_with_it(kind: Any, error: Exception) -> None:
    async with pair(receiver=kind()) as both, connected(both.address) as caller:
        node = getattr(both.two, "inner", both.two)
        node.error = error
        caller.say(heartbeat(1), heartbeat(2))
        await until(lambda: both.receiver.traffic.ignored_messages == 2)
        node.error = None
        caller.say(heartbeat(3))
        await until(lambda: node.messages)
        assert node.messages == [heartbeat(3)]
        assert both.receiver.failure is (None if isinstance(error, RaftError) else error)


@pytest.mark.parametrize("error", ERRORS)
async def test_reports_that_fail(error: Exception) -> None:
    class Fails(Direct):
        def report_unreachable(self, id: int) -> None:
            raise error

        report_snapshot = report_unreachable  # type: ignore[assignment]

    class FailsTwice(Fails):
        def report_snapshot(self, id: int, status: Any) -> None:  # type: ignore[override]
            raise error

    sender = Transport(1, FailsTwice(), {2: (HOST, 1)}, FAST)
    sender.send([heartbeat(), snapshot(), heartbeat(to=9), snapshot(to=9)])
    await until(lambda: sender.traffic.failed_dials)
    assert sender.failure is (None if isinstance(error, RaftError) else error)
    await sender.close()


async def test_callbacks_that_fail() -> None:
    """Not even ``on_failure`` itself can hide what happened."""

    def fails(error: BaseException) -> None:
        raise KeyError("on_failure")

    node = Direct()
    receiver = Transport(2, node, limits=FAST, on_failure=fails)
    address = await receiver.listen(HOST, 0)
    node.error = fault = ZeroDivisionError()
    async with connected(address) as caller:
        caller.say(heartbeat())
        await until(lambda: receiver.failure)
        assert receiver.failure is fault
        node.error = None
        caller.say(heartbeat())
        await until(lambda: node.messages)
    await receiver.close()


async def test_a_failure_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with pair() as both, connected(both.address) as caller:
        both.two.error = ZeroDivisionError("a bug")
        caller.say(heartbeat())
        await until(lambda: both.receiver.failure)
    assert "2: the receiver failed: ZeroDivisionError('a bug')" in caplog.text


class Panic(BaseException):
    """What an extension may raise that is no Exception."""


@pytest.mark.parametrize("kind", [Direct, Waiting])
async def test_a_panic_of_the_receiver_surfaces(kind: Any) -> None:
    """It is an exception that the event loop hears of as well, and the connection does not stay half alive.

    catches: faults#J
    """
    loop = asyncio.get_running_loop()
    heard: list[Any] = []
    loop.set_exception_handler(lambda loop, context: heard.append(context["exception"]))
    try:
        async with pair(receiver=kind()) as both, connected(both.address) as caller:
            node = getattr(both.two, "inner", both.two)
            node.error = panic = Panic()
            caller.say(heartbeat(1))
            await until(lambda: both.receiver.failure)
            assert both.receiver.failure is panic
            node.error = None
            assert await caller.is_closed()
            async with connected(both.address) as another:
                another.say(heartbeat(2))
                await until(lambda: node.messages)
    finally:
        loop.set_exception_handler(None)


async def test_a_panic_of_a_proposal_surfaces() -> None:
    node = Waiting()
    async with pair(receiver=node) as both, connected(both.address) as caller:
        node.proposal_error = panic = Panic()
        caller.say(proposal(b"1"))
        await until(lambda: both.receiver.failure)
        assert both.receiver.failure is panic
        caller.say(proposal(b"2"))
        await until(lambda: node.messages)
