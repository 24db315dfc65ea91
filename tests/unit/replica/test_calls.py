"""Requests between hosts: sent once, answered by whom they were sent to, or failed."""

import random
from typing import Any

import pytest

from raftcy.errors import CallFailed, Overloaded
from raftcy.replica.calls import Answer, Calls
from raftcy.wire.enums import MessageType
from raftcy.wire.messages import Message

from .test_proposals import End


class Side:
    """One host: what it has sent, and what it was asked."""

    def __init__(self, id: int, first: int = 0, limit: int = 100) -> None:
        self.sent: list[Message] = []
        self.asked: list[tuple[int, int, int, bytes]] = []
        self.answers: list[Answer] = []
        self.calls = Calls(id, first, self.sent.append, self.serve, limit)

    def serve(self, sender: int, kind: int, group: int, data: bytes, answer: Answer) -> None:
        self.asked.append((sender, kind, group, data))
        self.answers.append(answer)

    def take(self) -> list[Message]:
        sent, self.sent[:] = list(self.sent), []
        return [Message.decode(m.encode()) for m in sent]


def deliver(one: Side, other: Side) -> None:
    for m in one.take():
        other.calls.receive(m)


def asked(side: Side, peer: int = 2, data: bytes = b"q", ticks: int = 5) -> End:
    end = End()
    side.calls.ask(peer, 7, 9, data, end, ticks)
    return end


def test_there_and_back() -> None:
    one, two = Side(1), Side(2)
    end = asked(one, data=b"question")
    deliver(one, two)
    assert two.asked == [(1, 7, 9, b"question")]
    two.answers[0](b"answer", "")
    deliver(two, one)
    assert end.result == b"answer"
    assert len(one.calls) == 0


@pytest.mark.parametrize("data", [b"", b"x" * 100_000])
def test_bytes_of_any_length(data: bytes) -> None:
    one, two = Side(1), Side(2)
    end = asked(one, data=data)
    deliver(one, two)
    two.answers[0](data, "")
    deliver(two, one)
    assert end.result == data


def test_a_refusal_says_why() -> None:
    one, two = Side(1), Side(2)
    end = asked(one)
    deliver(one, two)
    two.answers[0](None, "nobody serves this")
    deliver(two, one)
    assert isinstance(end.error, CallFailed)
    assert str(end.error) == "no reply from 2: nobody serves this"
    assert end.error.peer == 2


def test_an_answer_counts_once() -> None:
    one, two = Side(1), Side(2)
    end = asked(one)
    deliver(one, two)
    two.answers[0](b"first", "")
    two.answers[0](b"second", "")
    assert len(two.sent) == 1
    again = two.sent[0]
    deliver(two, one)
    one.calls.receive(again)
    assert end.result == b"first"


def test_only_who_was_asked_may_answer() -> None:
    one, two = Side(1), Side(2)
    end = asked(one)
    deliver(one, two)
    two.answers[0](b"answer", "")
    (reply,) = two.take()
    one.calls.receive(Message(type=reply.type, from_=3, to=1, index=reply.index, context=b"forged"))
    assert not end.done()
    one.calls.receive(reply)
    assert end.result == b"answer"


def test_a_reply_to_an_earlier_start_means_nothing() -> None:
    one, two = Side(1, first=100), Side(2)
    asked(one)
    deliver(one, two)
    two.answers[0](b"old", "")
    again = Side(1, first=5000)
    end = asked(again)
    deliver(two, again)
    assert not end.done()


def test_numbers_go_around() -> None:
    one, two = Side(1, first=2**64 - 1), Side(2)
    ends = [asked(one), asked(one)]
    deliver(one, two)
    for number, answer in enumerate(two.answers):
        answer(b"%d" % number, "")
    deliver(two, one)
    assert [end.result for end in ends] == [b"0", b"1"]


def test_a_broken_connection_fails_what_waits_for_it() -> None:
    one = Side(1)
    second, third = asked(one, 2), asked(one, 3)
    one.calls.unreachable(2)
    assert isinstance(second.error, CallFailed)
    assert not third.done()
    one.calls.close()
    assert "the host was closed" in str(third.error)


def test_a_request_fails_after_its_time() -> None:
    one = Side(1)
    end = asked(one, ticks=2)
    one.calls.tick()
    one.calls.tick()
    assert not end.done()
    one.calls.tick()
    assert "no reply came in time" in str(end.error)
    assert len(one.calls) == 0


def test_what_was_cancelled_is_forgotten() -> None:
    one, two = Side(1), Side(2)
    end = asked(one, ticks=100)
    end.cancel()
    one.calls.tick()
    assert len(one.calls) == 0
    end = asked(one)
    end.cancel()
    deliver(one, two)
    two.answers[0](b"late", "")
    two.answers[1](b"late", "")
    deliver(two, one)
    assert end.result is None


def test_both_sides_are_bounded() -> None:
    one, two = Side(1, limit=3), Side(2, limit=2)
    ends = [asked(one) for _ in range(3)]
    with pytest.raises(Overloaded, match="3 requests wait for a reply already"):
        asked(one)
    deliver(one, two)
    assert len(two.asked) == 2
    deliver(two, one)
    assert "too many requests wait to be answered" in str(ends[2].error)
    two.answers[0](b"", "")
    asked(one)
    deliver(one, two)
    assert len(two.asked) == 3


def test_other_messages_are_ignored() -> None:
    one = Side(1)
    end = asked(one)
    for kind in MessageType:
        if kind not in (MessageType.MSG_HEARTBEAT, MessageType.MSG_HEARTBEAT_RESP):
            one.calls.receive(Message(type=kind, from_=2, to=1, index=1))
    assert not end.done()
    assert one.asked == []


def test_each_request_ends_once_and_rightly() -> None:
    """A naive model of a lossy way: each request gets the reply that was made for it, or fails."""
    for seed in range(50):
        draw = random.Random(seed)
        sides = {1: Side(1, draw.randrange(2**64)), 2: Side(2, draw.randrange(2**64))}
        ends: list[tuple[End, bytes]] = []
        way: list[tuple[int, Any]] = []
        for step in range(200):
            id = draw.choice([1, 2])
            what = draw.randrange(4)
            if what == 0:
                data = b"%d" % step
                ends.append((asked(sides[id], 3 - id, data, 20), data))
            elif what == 1 and sides[id].answers:
                sides[id].answers.pop(0)(b"to " + sides[id].asked.pop(0)[3], "")
            elif what == 2:
                sides[id].calls.tick()
            for side in sides.values():
                way += [(m.to, m) for m in side.take() if draw.random() < 0.8]
            if way and draw.random() < 0.7:
                to, m = way.pop(draw.randrange(len(way)))
                sides[to].calls.receive(m)
        for side in sides.values():
            side.calls.close()
        assert any(end.result is not None for end, _ in ends)
        for end, data in ends:
            assert isinstance(end.error, CallFailed) or end.result == b"to " + data
