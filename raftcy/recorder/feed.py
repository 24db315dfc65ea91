"""A storage and a random source that give the recorded answers, and notice a question that was not recorded."""

import struct
from typing import Any, NamedTuple

from .. import errors
from ..wire.messages import ConfState, Entry, HardState, Snapshot
from . import answers as a
from .pack import unpack
from .records import SIZE, unpack_many


class Answer(NamedTuple):
    """An answer of the storage or the random source.

    ``question`` is the method, ``asked`` its arguments, and ``found`` its result, unless it raised ``error``. ``odd``
    marks a result of a wrong type, of which ``found`` is the text.
    """

    question: str
    asked: tuple[int, ...]
    found: Any
    error: BaseException | None = None
    odd: bool = False

    def __str__(self) -> str:
        call = f"{self.question}({', '.join(map(str, self.asked))})"
        if self.error is not None:
            return f"{call} raised {self.error!r}"
        return f"{call} -> {self.found!r}"


class Mismatch(Exception):
    """The node asked another question than when it was recorded."""


class Feed:
    """The answers to the current call, in order. ``mismatch`` has the first unexpected question, or None.

    While ``blank`` is set, FedStorage and FedRandom answer like an empty storage and a source of zeros.
    """

    def __init__(self) -> None:
        self._answers: list[Answer] = []
        self._next = 0
        self.snapshot: Any = None
        self.mismatch: tuple[str, str] | None = None
        self.blank = False

    def fill(self, answers: list[Answer]) -> None:
        """Replace the answers, for the next call."""
        self._answers = answers
        self._next = 0
        self.mismatch = None

    def left(self) -> Answer | None:
        """Return the first answer that the node has not asked for, or None."""
        return self._answers[self._next] if self._next < len(self._answers) else None

    def answer(self, question: str, *asked: int) -> Any:
        """Return or raise the recorded answer. Raises Mismatch if another question was recorded."""
        given = self.left()
        if given is None or given.odd or (given.question, given.asked) != (question, asked):
            told = f"{question}({', '.join(map(str, asked))})"
            self.mismatch = self.mismatch or ("no more questions" if given is None else str(given), told)
            raise Mismatch(told)
        self._next += 1
        if given.error is not None:
            raise given.error
        return given.found


class FedStorage:
    """A Storage that answers from a Feed."""

    __slots__ = ("_feed",)

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """Return the recorded answer."""
        if self._feed.blank:
            return None, ConfState(auto_leave=False)
        return self._feed.answer("initial_state")  # type: ignore[no-any-return]

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Return the recorded answer."""
        return list(self._feed.answer("entries", lo, hi, max_size))

    def term(self, i: int) -> int:
        """Return the recorded answer."""
        return 0 if self._feed.blank else self._feed.answer("term", i)

    def first_index(self) -> int:
        """Return the recorded answer."""
        return 1 if self._feed.blank else self._feed.answer("first_index")

    def last_index(self) -> int:
        """Return the recorded answer."""
        return 0 if self._feed.blank else self._feed.answer("last_index")

    def snapshot(self) -> Snapshot:
        """Return the recorded answer."""
        return self._feed.answer("snapshot")  # type: ignore[no-any-return]


class FedRandom:
    """A random source that draws from a Feed."""

    __slots__ = ("_feed",)

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def randrange(self, n: int) -> int:
        """Return the recorded answer."""
        return 0 if self._feed.blank else self._feed.answer("randrange", n)


def read_answers(data: bytes, snapshot: Any) -> tuple[list[Answer], Any]:
    """Decode the answers of a record. Return them and the newest snapshot after them.

    ``snapshot`` is the newest one before them, because a repeated snapshot is recorded without its bytes. Raises
    ValueError if the bytes are not answers.
    """
    at, found = 0, []
    while at < len(data):
        if at + a.HEAD.size > len(data):
            raise ValueError("an answer is cut off")
        code, length = a.HEAD.unpack_from(data, at)
        at += a.HEAD.size
        if length > len(data) - at:
            raise ValueError("an answer is cut off")
        try:
            answer = _answer(code, data[at : at + length], snapshot)
        except struct.error as error:
            raise ValueError(f"an answer is malformed: {error}") from None
        if answer.question == "snapshot" and answer.error is None and not answer.odd:
            snapshot = answer.found
        found.append(answer)
        at += length
    return found, snapshot


def _answer(code: int, body: bytes, snapshot: Any) -> Answer:
    question = code & 0x3F
    if not 0 < question < len(a.QUESTIONS):
        raise ValueError(f"an answer to question {code}")
    name = a.QUESTIONS[question]
    if code & a.UNREPLAYABLE:
        return Answer(name, (), unpack(body), odd=True)
    if code & a.RAISED:
        (size,) = SIZE.unpack_from(body)
        asked = body[SIZE.size : SIZE.size + size]
        return Answer(name, struct.unpack(f"<{size // 8}Q", asked), None, _error(*unpack(body[SIZE.size + size :])))
    if question == a.TERM:
        i, term = a.TWO.unpack(body)
        return Answer(name, (i,), term)
    if question == a.RANDRANGE:
        n, drawn = a.DRAW.unpack(body)
        return Answer(name, (n,), drawn)
    if question in (a.FIRST_INDEX, a.LAST_INDEX):
        return Answer(name, (), a.ONE.unpack(body)[0])
    if question == a.ENTRIES:
        values = unpack_many(body[a.THREE.size :])
        return Answer(name, a.THREE.unpack_from(body), [Entry.decode(each) for each in values])
    if question == a.SNAPSHOT:
        return Answer(name, (), Snapshot.decode(body[1:]) if body else snapshot)
    (size,) = SIZE.unpack_from(body)
    rest = body[SIZE.size :]
    state = HardState.decode(rest[size + 1 :]) if len(rest) > size else None
    return Answer(name, (), (state, ConfState.decode(rest[:size])))


def _error(name: str, ordinary: bool, text: str, shown: str) -> BaseException:
    """Return a recorded error: a StorageError by its class, any other by a new class of the same name."""
    own = getattr(errors, name, None)
    if isinstance(own, type) and issubclass(own, errors.StorageError):
        return own(text)
    base = Exception if ordinary else BaseException
    made = type(name, (base,), {"__str__": lambda self: text, "__repr__": lambda self: shown, "__module__": "replayed"})
    return made(text)  # type: ignore[no-any-return]
