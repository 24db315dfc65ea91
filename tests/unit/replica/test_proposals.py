"""What is said of proposed commands: the machine's answer, a rejection that is certain, or that nobody knows."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from raftcy.errors import CommandError, OutcomeUnknown, Rejected
from raftcy.replica import proposals as subject
from raftcy.replica.forwarding import COMMANDS_MAX, Placed, Refused
from raftcy.replica.proposals import Proposal, Proposals, parts
from raftcy.replica.tokens import Fate, RejectReason, Token, reason_of
from raftcy.wire.messages import Entry

START = b"a start"


class End:
    """Where a proposal's answer goes, as a future would take it."""

    def __init__(self) -> None:
        self.result: Any = None
        self.error: Exception | None = None
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, result: Any) -> None:
        assert not self._done
        self._done = True
        self.result = result

    def set_exception(self, error: Exception) -> None:
        assert not self._done
        self._done = True
        self.error = error

    def cancel(self) -> None:
        self._done = True


def made(count_max: int = 1000, bytes_max: int = 1000, command_bytes_max: int = 100) -> Proposals:
    return Proposals(START, count_max, bytes_max, command_bytes_max)


def one(proposals: Proposals, command: bytes = b"c") -> Proposal:
    proposal = Proposal([command], End())
    proposals.add(proposal)
    return proposal


def many(proposals: Proposals, count: int) -> Proposal:
    proposal = Proposal([b"c"] * count, End(), many=True)
    proposals.add(proposal)
    return proposal


def log(first: int, *terms: int) -> list[Entry]:
    return [Entry(index=first + n, term=term, data=b"c") for n, term in enumerate(terms)]


def answers(entries: Sequence[Entry]) -> list[Any]:
    return [f"answer {e.index}" for e in entries]


def apply(proposals: Proposals, first: int, *terms: int) -> None:
    entries = log(first, *terms)
    proposals.settle(entries, answers(entries))


def kind(found: Any) -> str:
    return found.reason if isinstance(found, Rejected) else type(found).__name__


# -- handing on ------------------------------------------------------------------------------------------------------


def test_all_that_waits_is_taken_at_once_and_in_order() -> None:
    proposals = made()
    first, second = one(proposals), many(proposals, 3)
    assert proposals.is_waiting
    assert proposals.take() == [first, second]
    assert not proposals.is_waiting
    assert proposals.take() == []


def test_what_was_given_up_before_it_was_taken_is_never_handed_on() -> None:
    proposals = made()
    first, second = one(proposals), one(proposals)
    first.end.cancel()
    assert proposals.take() == [second]
    assert proposals.count == 1


def test_a_command_may_be_too_large() -> None:
    proposals = made(command_bytes_max=4)
    one(proposals, b"1234")
    for proposal in (Proposal([b"12345"], End()), Proposal([b"1", b"12345"], End(), many=True)):
        with pytest.raises(Rejected, match="a command of 5 bytes, where 4 are allowed") as caught:
            proposals.add(proposal)
        assert caught.value.reason == RejectReason.TOO_LARGE
    assert proposals.count == 1


def test_commands_are_bounded_by_number() -> None:
    proposals = made(count_max=3)
    waiting = many(proposals, 3)
    with pytest.raises(Rejected, match="3 commands wait already") as caught:
        one(proposals)
    assert caught.value.reason == RejectReason.OVERLOADED
    proposals.take()
    with pytest.raises(Rejected):
        one(proposals)
    proposals.place(waiting, 1, 1)
    apply(proposals, 1, 1, 1, 1)
    one(proposals)


def test_commands_are_bounded_by_bytes_but_one_goes_through() -> None:
    proposals = made(bytes_max=10)
    waiting = one(proposals, b"x" * 50)
    with pytest.raises(Rejected, match="50 bytes of commands wait already"):
        one(proposals)
    proposals.take()
    proposals.reject(waiting, RejectReason.NO_LEADER)
    one(proposals)
    assert proposals.size == 1


# -- places ----------------------------------------------------------------------------------------------------------


def test_a_placed_command_gets_the_answer_of_its_entry() -> None:
    proposals = made()
    proposal = one(proposals)
    proposals.take()
    proposals.place(proposal, 2, 7)
    apply(proposals, 5, 2, 2)
    assert not proposal.end.done()
    apply(proposals, 7, 2, 2)
    assert proposal.end.result == "answer 7"
    assert proposals.count == proposals.size == 0


def test_the_machine_may_give_no_answers() -> None:
    proposals = made()
    single, several = one(proposals), many(proposals, 2)
    proposals.place(single, 1, 1)
    proposals.place(several, 1, 2)
    proposals.settle(log(1, 1, 1, 1), None)
    assert single.end.result is None
    assert several.end.result == [None, None]


def test_a_refusal_of_the_machine_is_raised_to_the_proposer() -> None:
    proposals = made()
    single, several = one(proposals), many(proposals, 2)
    proposals.place(single, 1, 1)
    proposals.place(several, 1, 2)
    no = CommandError("no")
    proposals.settle(log(1, 1, 1, 1), [no, "yes", no])
    assert single.end.error is no
    assert several.end.result == ["yes", no]


def test_other_errors_are_answers_like_any() -> None:
    proposals = made()
    proposal = one(proposals)
    proposals.place(proposal, 1, 1)
    answer = ValueError("a value")
    proposals.settle(log(1, 1), [answer])
    assert proposal.end.result is answer


def test_another_term_in_its_place_means_rejected() -> None:
    proposals = made()
    proposal = one(proposals)
    proposals.place(proposal, 2, 7)
    apply(proposals, 7, 3)
    assert isinstance(proposal.end.error, Rejected)
    assert proposal.end.error.reason == RejectReason.SUPERSEDED


def test_a_later_term_before_its_place_means_rejected() -> None:
    """Nobody has to wait until the log has grown to the place of the command that was lost."""
    proposals = made()
    single, several = one(proposals), many(proposals, 3)
    proposals.place(several, 2, 5)
    proposals.place(single, 2, 8)
    apply(proposals, 5, 2, 3)
    assert [kind(each) for each in several.end.result] == ["str", "superseded", "superseded"]
    assert kind(single.end.error) == "superseded"


def test_many_are_settled_in_pieces() -> None:
    proposals = made()
    proposal = many(proposals, 5)
    proposals.place(proposal, 1, 3)
    apply(proposals, 1, 1, 1, 1, 1)
    apply(proposals, 5, 1)
    assert not proposal.end.done()
    apply(proposals, 6, 1, 1, 1)
    assert proposal.end.result == [f"answer {n}" for n in range(3, 8)]


def test_a_leader_again_in_a_later_term() -> None:
    """The old places overlap the new ones, and entries of both terms are committed."""
    proposals = made()
    old, lost, new = many(proposals, 2), one(proposals), one(proposals)
    proposals.place(old, 2, 5)
    proposals.place(lost, 2, 7)
    proposals.place(new, 4, 7)
    apply(proposals, 5, 2, 4, 4)
    assert [kind(each) for each in old.end.result] == ["str", "superseded"]
    assert kind(lost.end.error) == "superseded"
    assert new.end.result == "answer 7"


def test_of_a_place_that_a_snapshot_jumped_over_nothing_is_known() -> None:
    proposals = made()
    before, across, after = one(proposals), many(proposals, 4), one(proposals)
    proposals.place(before, 2, 5)
    proposals.place(across, 2, 6)
    proposals.place(after, 2, 10)
    proposals.jump(7, 2)
    assert isinstance(before.end.error, OutcomeUnknown)
    assert before.end.error.token == Token(2, 5, START, 0)
    assert not across.end.done()
    apply(proposals, 8, 2, 2, 2)
    assert [kind(each) for each in across.end.result] == ["OutcomeUnknown", "OutcomeUnknown", "str", "str"]
    assert [each.token.index for each in across.end.result[:2]] == [6, 7]
    assert after.end.result == "answer 10"


def test_a_snapshot_of_a_later_term_decides_on_what_lies_behind_it() -> None:
    proposals = made()
    inside, behind = one(proposals), one(proposals)
    proposals.place(inside, 2, 5)
    proposals.place(behind, 2, 9)
    proposals.jump(7, 3)
    assert kind(inside.end.error) == "OutcomeUnknown"
    assert kind(behind.end.error) == "superseded"


# -- requests to the leader --------------------------------------------------------------------------------------------


def sent(proposals: Proposals, term: int = 2) -> Proposal:
    proposal = one(proposals)
    proposals.take()
    proposals.send(proposal, term)
    return proposal


def test_a_reply_gives_a_place() -> None:
    proposals = made()
    proposal = sent(proposals)
    proposals.reply(proposal.number, Placed(2, 7))
    assert not proposal.end.done()
    apply(proposals, 7, 2)
    assert proposal.end.result == "answer 7"


def test_a_refusal_of_the_leader_is_certain() -> None:
    proposals = made()
    proposal = sent(proposals)
    proposals.reply(proposal.number, Refused(RejectReason.QUOTA, "full"))
    assert str(proposal.end.error) == "rejected: quota: full"
    assert proposals.count == 0


def test_a_reply_may_come_after_the_entry_is_applied() -> None:
    proposals = made()
    apply(proposals, 1, 1, 2)
    first, second = sent(proposals), sent(proposals)
    apply(proposals, 3, 2)
    apply(proposals, 4, 2, 2)
    proposals.reply(second.number, Placed(2, 5))
    proposals.reply(first.number, Placed(2, 3))
    assert first.end.result == "answer 3"
    assert second.end.result == "answer 5"
    assert not proposals._kept


def test_a_reply_across_what_is_applied() -> None:
    proposals = made()
    proposal = many(proposals, 4)
    proposals.take()
    proposals.send(proposal, 2)
    apply(proposals, 1, 2, 2)
    proposals.reply(proposal.number, Placed(2, 2))
    apply(proposals, 3, 2, 2, 2)
    assert proposal.end.result == ["answer 2", "answer 3", "answer 4", "answer 5"]


def test_a_late_reply_meets_a_later_term() -> None:
    proposals = made()
    within, behind = sent(proposals), sent(proposals)
    apply(proposals, 5, 2, 3)
    proposals.reply(within.number, Placed(2, 6))
    proposals.reply(behind.number, Placed(2, 9))
    assert kind(within.end.error) == "superseded"
    assert kind(behind.end.error) == "superseded"


def test_kept_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "KEPT_MAX", 3)
    proposals = made()
    early, late = sent(proposals), sent(proposals)
    for index in range(1, 6):
        apply(proposals, index, 2)
    proposals.reply(early.number, Placed(2, 2))
    assert isinstance(early.end.error, OutcomeUnknown)
    assert early.end.error.token.index == 2
    proposals.reply(late.number, Placed(2, 3))
    assert late.end.result == "answer 3"


def test_a_snapshot_forgets_kept_answers() -> None:
    proposals = made()
    proposal = sent(proposals)
    apply(proposals, 1, 2)
    proposals.jump(9, 2)
    proposals.reply(proposal.number, Placed(2, 1))
    assert isinstance(proposal.end.error, OutcomeUnknown)


def test_a_request_without_a_reply() -> None:
    proposals = made()
    proposal = sent(proposals)
    proposals.lose(proposal.number, "no reply")
    assert isinstance(proposal.end.error, OutcomeUnknown)
    token = proposal.end.error.token
    assert token == Token(2, 0, START, proposal.number)
    assert proposals.fate(token) == Fate.LOST, "no reply will come, so nobody has to wait"
    proposals.reply(proposal.number, Placed(2, 7))
    assert proposals.fate(token) == Placed(2, 7)
    assert proposals.count == 0


def test_a_late_refusal_is_remembered() -> None:
    proposals = made()
    proposal = sent(proposals)
    proposals.lose(proposal.number, "no reply")
    proposals.reply(proposal.number, Refused(RejectReason.NO_LEADER))
    assert proposals.fate(Token(2, 0, START, proposal.number)) == Fate.REJECTED


def test_late_replies_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "REPLIES_MAX", 2)
    proposals = made()
    for number in range(1, 5):
        proposals.reply(number, Placed(2, number))
    assert len(proposals._late) == 2
    assert proposals.fate(Token(2, 0, START, 4)) == Placed(2, 4)
    assert proposals.fate(Token(2, 0, START, 1)) == Fate.LOST, "its reply was forgotten"
    assert proposals.fate(Token(2, 0, START, 5)) is None


def test_a_lost_request_of_a_caller_who_has_given_up() -> None:
    proposals = made()
    proposal = sent(proposals)
    proposals.give_up(proposal, "time is over")
    token = proposal.end.error.token
    assert proposals.fate(token) is None
    proposals.lose(proposal.number, "no reply")
    assert proposals.fate(token) == Fate.LOST


def test_a_place_behind_an_entry_of_a_later_term_is_rejected() -> None:
    proposals = made()
    token = Token(2, 9, START, 0)
    apply(proposals, 5, 2)
    assert proposals.fate(token) == Placed(2, 9)
    apply(proposals, 6, 3)
    assert proposals.fate(token) == Fate.REJECTED
    assert proposals.fate(Token(2, 6, START, 0)) == Placed(2, 6), "the log says it"
    assert proposals.fate(Token(3, 9, START, 0)) == Placed(3, 9)


def test_a_command_without_a_place_is_lost_once_its_term_is_over() -> None:
    proposals = made()
    proposal = sent(proposals)
    token = Token(2, 0, START, proposal.number)
    apply(proposals, 1, 2)
    assert proposals.fate(token) is None
    apply(proposals, 2, 3)
    assert proposals.fate(token) == Fate.LOST


def test_tokens_of_another_start() -> None:
    proposals = made()
    assert proposals.fate(Token(2, 0, b"another", 1)) == Fate.LOST
    assert proposals.fate(Token(2, 5, b"another", 0)) == Placed(2, 5)


# -- the end of a wait -------------------------------------------------------------------------------------------------


def test_who_gives_up_in_the_queue_is_rejected() -> None:
    proposals = made()
    proposal = one(proposals)
    proposals.give_up(proposal, "time is over")
    assert kind(proposal.end.error) == "stopped"
    assert proposals.take() == []
    assert proposals.count == 0


def test_who_gives_up_later_does_not_know() -> None:
    proposals = made()
    placed, requested = one(proposals), one(proposals)
    proposals.take()
    proposals.place(placed, 2, 7)
    proposals.send(requested, 2)
    for each in (placed, requested):
        proposals.give_up(each, "time is over")
    assert placed.end.error.token == Token(2, 7, START, 0)
    token = requested.end.error.token
    assert proposals.count == proposals.size == 0
    proposals.reply(requested.number, Placed(2, 8))
    assert proposals.fate(token) == Placed(2, 8)
    apply(proposals, 7, 2, 2)
    assert proposals.count == proposals.size == 0


def test_giving_up_what_has_ended_does_nothing() -> None:
    proposals = made()
    proposal = one(proposals)
    proposals.place(proposal, 1, 1)
    apply(proposals, 1, 1)
    proposals.give_up(proposal, "time is over")
    assert proposal.end.result == "answer 1"
    assert proposals.count == 0


def test_a_cancelled_caller_leaves_nothing_behind() -> None:
    proposals = made()
    placed, requested = one(proposals), one(proposals)
    proposals.take()
    proposals.place(placed, 2, 7)
    proposals.send(requested, 2)
    placed.end.cancel()
    requested.end.cancel()
    apply(proposals, 7, 2)
    proposals.reply(requested.number, Placed(2, 8))
    assert proposals.count == proposals.size == 0
    assert not proposals._placed
    assert not proposals._sent


def test_the_end_of_the_member() -> None:
    proposals = made()
    placed, requested = one(proposals), one(proposals)
    proposals.take()
    queued = one(proposals)
    proposals.place(placed, 2, 7)
    proposals.send(requested, 2)
    proposals.stop("it is over")
    assert [kind(each.end.error) for each in (placed, requested, queued)] == [
        "OutcomeUnknown",
        "OutcomeUnknown",
        "stopped",
    ]
    assert proposals.count == proposals.size == 0


def test_the_end_of_the_member_while_it_hands_on() -> None:
    """What was taken may be in the log or with the leader already."""
    proposals = made()
    placed, requested, rejected, taken, several = *(one(proposals) for _ in range(4)), many(proposals, 2)
    proposals.take()
    proposals.place(placed, 2, 7)
    proposals.send(requested, 2)
    proposals.reject(rejected, RejectReason.OTHER_TERM)
    cause = RuntimeError("it broke")
    proposals.stop("it is over", cause)
    assert [kind(each.end.error) for each in (placed, requested, rejected, taken)] == [
        "OutcomeUnknown",
        "OutcomeUnknown",
        "other term",
        "OutcomeUnknown",
    ]
    assert taken.end.error.__cause__ is cause
    assert [kind(each) for each in several.end.result] == ["OutcomeUnknown", "OutcomeUnknown"]
    assert proposals.count == proposals.size == 0


def test_what_was_handed_on_is_not_kept() -> None:
    proposals = made()
    proposal = one(proposals)
    proposals.take()
    proposals.place(proposal, 2, 7)
    proposals.handed_on()
    apply(proposals, 7, 2)
    assert not proposals._taken
    proposals.stop("it is over")
    assert proposal.end.result == "answer 7"


def test_texts_of_the_core_have_reasons() -> None:
    assert reason_of("there is no leader") == RejectReason.NO_LEADER
    assert reason_of("something new") == RejectReason.REFUSED


def test_requests_are_cut_to_what_a_message_carries() -> None:
    proposals = made(count_max=10**6, bytes_max=10**9)
    given = [one(proposals, b"x" * size) for size in (3, 3, 3, 9, 1)]
    assert [len(part) for part in parts(given, 6)] == [2, 1, 1, 1]
    half = [many(proposals, COMMANDS_MAX // 2 + 1) for _ in range(3)]
    assert [len(part) for part in parts(half, 10**9)] == [1, 1, 1]
    assert parts([], 6) == []


# -- a naive twin ------------------------------------------------------------------------------------------------------


class History:
    """One log that is committed, and for each command what may be said of it, looked up in the whole of it."""

    def __init__(self, draw: random.Random) -> None:
        term = 1
        self.log: list[Entry] = []
        for index in range(1, 61):
            if draw.random() < 0.1:
                term += draw.randint(1, 2)
            self.log.append(Entry(index=index, term=term, data=b"c"))

    def expected(self, term: int, index: int) -> str:
        return f"answer {index}" if index <= 60 and self.log[index - 1].term == term else "superseded"


def said(found: Any) -> str:
    return found if isinstance(found, str) else kind(found)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_that_is_said_is_wrong(seed: int) -> None:
    """Places of any term and index, replies late and early, and answers in batches: only what is certain is said."""
    draw = random.Random(seed)
    history = History(draw)
    proposals = made()
    applied = 0
    given: list[tuple[Proposal, int, int]] = []
    requests: list[tuple[Proposal, int, int]] = []
    next_index: dict[int, int] = {}
    while applied < 60:
        what = draw.randrange(4)
        term = history.log[applied].term + draw.choice([0, 0, 0, 1])
        if what == 0:
            index = max(applied + 1, next_index.get(term, 0)) + draw.randrange(3)
            count = draw.randint(1, 4)
            proposal = many(proposals, count) if draw.random() < 0.5 else one(proposals)
            next_index[term] = index + proposal.count
            given.append((proposal, term, index))
            proposals.take()
            if draw.random() < 0.5:
                proposals.place(proposal, term, index)
            else:
                proposals.send(proposal, term)
                requests.append((proposal, term, index))
        elif what == 1 and requests:
            proposal, term, index = requests.pop(draw.randrange(len(requests)))
            proposals.reply(proposal.number, Placed(term, index))
        elif what >= 2:
            count = draw.randint(1, min(6, 60 - applied))
            entries = history.log[applied : applied + count]
            applied += count
            proposals.settle(entries, answers(entries))
    for proposal, term, index in requests:
        proposals.reply(proposal.number, Placed(term, index))
    for proposal, term, index in given:
        expected = [history.expected(term, index + n) for n in range(proposal.count)]
        if not proposal.end.done():
            # Only what lies behind the end of the log, in its last term, is still open.
            assert index + proposal.count - 1 > 60
            assert term >= history.log[-1].term
        elif proposal.many:
            assert [said(each) for each in proposal.end.result] == expected
        else:
            assert said(proposal.end.error or proposal.end.result) == expected[0]
    assert proposals.count == sum(p.count for p, _, _ in given if not p.end.done())
