"""What members ask the leader about leases: renewals, and how long leases go on. Sans-I/O but for the barrier.

Rules:

- Only the leader answers, after it has confirmed that it still led when the question came, in the same term, and has
  applied everything committed by then. All questions that wait share the rounds of its replica.
- A question about a lease whose time is over waits until the lease is revoked, as in etcd: "not found" is certain then.
- Any other member forwards its questions to the leader, those of one turn in one request. A question may be asked
  again, since a second renewal does no harm, until its time is over.
- Both sides bound what waits.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import DecodeError, Overloaded
from ..machines.plaindata import pack, unpack
from .lessor import LeaseOver, Lessor, NoSuchLease, NotPrimary

RENEW, TIME_TO_LIVE = 1, 2
FOUND, NOT_FOUND, ASK_AGAIN = 0, 1, 2
REQUEST_MOST = 512
"""The most questions in one request to the leader."""
WAITING_MOST = 1 << 16
"""The most questions of one member that wait for an answer."""


class Reply(NamedTuple):
    """The answer to a question: FOUND with numbers and keys, NOT_FOUND, or ASK_AGAIN of the leader."""

    status: int
    ttl_s: int = 0
    granted_s: int = 0
    keys: tuple[bytes, ...] = ()


class Question:
    """A question about the lease ``id``. ``end`` is called with the reply, or with an error. A barrier takes it."""

    __slots__ = ("_desk", "_end", "id", "kind", "term", "wants_keys")

    def __init__(
        self, desk: "Desk", kind: int, id: int, wants_keys: bool, end: Callable[[Reply | BaseException], object]
    ) -> None:
        self._desk = desk
        self._end: Callable[[Reply | BaseException], object] | None = end
        self.kind = kind
        self.id = id
        self.wants_keys = wants_keys
        # The term in which this member led when it began to confirm that.
        self.term = 0

    def done(self) -> bool:
        """Whether nobody waits any more."""
        return self._end is None

    def set_result(self, found: Any) -> None:
        """Take the end of the barrier."""
        self._desk.confirmed(self)

    def set_exception(self, error: BaseException) -> None:
        """Take an error in place of the barrier's end."""
        self.give(error)

    def give(self, reply: Reply | BaseException) -> None:
        """Give the reply."""
        end, self._end = self._end, None
        if end is not None:
            self._desk.waiting.pop(self, None)
            end(reply)

    def leave(self) -> None:
        """Forget the question: nobody waits for the reply."""
        self._end = None
        self._desk.waiting.pop(self, None)


class Desk:
    """Answers questions about leases at the leader, and collects those that the leader has to be asked.

    ``term`` returns the term that this member leads, 0 if it does not lead. ``barrier`` confirms that it leads.
    ``changed`` is called when questions wait in ``to_forward``.
    """

    def __init__(
        self,
        lessor: Lessor,
        table: Any,
        term: Callable[[], int],
        barrier: Callable[[Question], object],
        now_s: Callable[[], float],
        changed: Callable[[], object],
    ) -> None:
        self._lessor = lessor
        self._table = table
        self._term = term
        self._barrier = barrier
        self._now_s = now_s
        self._changed = changed
        self.waiting: dict[Question, None] = {}
        self.to_forward: list[Question] = []
        # By lease: the questions that wait for its revocation.
        self._over: dict[int, list[Question]] = {}

    def ask(
        self, kind: int, id: int, wants_keys: bool, end: Callable[[Reply | BaseException], object], here: bool = False
    ) -> Question:
        """Ask a question. With ``here``, it is never forwarded: the reply is ASK_AGAIN if this member does not lead.

        Raises Overloaded if too many questions wait.
        """
        if len(self.waiting) >= WAITING_MOST:
            raise Overloaded(f"{WAITING_MOST} questions about leases wait already")
        question = Question(self, kind, id, wants_keys, end)
        self.waiting[question] = None
        self.place(question, here)
        return question

    def place(self, question: Question, here: bool = False) -> None:
        """Let a question go its way: to this member's confirmation, or to the leader."""
        question.term = self._term()
        if question.term:
            try:
                self._barrier(question)
            except Exception as error:
                question.give(error)
        elif here:
            question.give(Reply(ASK_AGAIN))
        else:
            self.to_forward.append(question)
            self._changed()

    def confirmed(self, question: Question) -> None:
        """Answer a question, now that everything committed when it came is applied."""
        if question.done():
            return
        if question.term != self._term() or question.term != self._lessor.term:
            # Another member leads, or did in between. What was confirmed says nothing about this leadership.
            question.give(Reply(ASK_AGAIN))
            return
        try:
            question.give(self._answer(question))
        except NoSuchLease:
            question.give(Reply(NOT_FOUND))
        except NotPrimary:
            question.give(Reply(ASK_AGAIN))
        except LeaseOver:
            self._over.setdefault(question.id, []).append(question)

    def _answer(self, question: Question) -> Reply:
        now_s = self._now_s()
        if question.kind == RENEW:
            return Reply(FOUND, self._lessor.renew(question.id, now_s))
        left_s = self._lessor.remaining_s(question.id, now_s)
        lease = self._table.leases[question.id]
        keys = tuple(sorted(lease.keys)) if question.wants_keys else ()
        return Reply(FOUND, max(0, int(left_s)), lease.ttl_s, keys)

    def revoked(self, id: int) -> None:
        """Note that a lease was revoked."""
        for question in self._over.pop(id, ()):
            question.give(Reply(NOT_FOUND))

    def demoted(self) -> None:
        """Note that this member does not lead any more: the next leader gives leases that are over full time again."""
        over, self._over = self._over, {}
        for questions in over.values():
            for question in questions:
                question.give(Reply(ASK_AGAIN))

    def take(self) -> list[Question]:
        """Take the questions that wait to be forwarded, at most ``REQUEST_MOST``."""
        alive = [each for each in self.to_forward if not each.done()]
        taken, self.to_forward = alive[:REQUEST_MOST], alive[REQUEST_MOST:]
        return taken

    def stop(self, error: BaseException) -> None:
        """End all questions."""
        for question in list(self.waiting):
            question.give(error)
        self.to_forward.clear()
        self._over.clear()


# -- the bytes of a request to the leader, and of its reply --------------------------------------------------------


def encode_questions(questions: list[Question]) -> bytes:
    """Encode questions for the leader."""
    return pack([(each.kind, each.id, each.wants_keys) for each in questions])


def decode_questions(data: bytes) -> list[tuple[int, int, bool]]:
    """Decode questions. Raises DecodeError for other bytes."""
    found = _unpacked(data)
    for each in found:
        if not isinstance(each, tuple) or len(each) != 3 or each[0] not in (RENEW, TIME_TO_LIVE):
            raise DecodeError(f"{each!r} is no question about a lease", 0)
        if type(each[1]) is not int or type(each[2]) is not bool:
            raise DecodeError(f"{each!r} is no question about a lease", 0)
    return found


def encode_replies(replies: list[Reply]) -> bytes:
    """Encode the replies to questions."""
    return pack([(each.status, each.ttl_s, each.granted_s, list(each.keys)) for each in replies])


def decode_replies(data: bytes, count: int) -> list[Reply]:
    """Decode the replies to ``count`` questions. Raises DecodeError for other bytes."""
    found = _unpacked(data)
    if len(found) != count:
        raise DecodeError(f"{len(found)} replies to {count} questions", 0)
    try:
        replies = [Reply(status, ttl_s, granted_s, tuple(keys)) for status, ttl_s, granted_s, keys in found]
    except (TypeError, ValueError) as error:
        raise DecodeError(f"no replies to questions about leases: {error}", 0) from error
    for each in replies:
        if each.status not in (FOUND, NOT_FOUND, ASK_AGAIN) or type(each.ttl_s) is not int:
            raise DecodeError(f"{each!r} is no reply to a question about a lease", 0)
    return replies


def _unpacked(data: bytes) -> list[Any]:
    found = unpack(data)
    if not isinstance(found, list) or len(found) > REQUEST_MOST:
        raise DecodeError("a request about leases has no list, or one that is too long", 0)
    return found
