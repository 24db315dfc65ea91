"""Records the answers of the storage and the random source during a call. ``feed`` gives them again in a replay.

An answer is a byte for the question, 4 bytes for the length, and a body that starts with the arguments. If a storage
returns a value of a wrong type, which has no encoding, its text is recorded: the recording shows it, and a replay ends
there.
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from ..wire.messages import ConfState, Entry, HardState, Snapshot
from ..wire.whole import has_one_owner, keep_whole
from .pack import pack
from .records import SIZE
from .tape import Tape

INITIAL_STATE, ENTRIES, TERM, FIRST_INDEX, LAST_INDEX, SNAPSHOT, RANDRANGE = range(1, 8)
RAISED = 0x40
UNREPLAYABLE = 0x80
QUESTIONS = ("", "initial_state", "entries", "term", "first_index", "last_index", "snapshot", "randrange")

HEAD = struct.Struct("<BI")
ONE = struct.Struct("<Q")
TWO = struct.Struct("<QQ")
THREE = struct.Struct("<QQQ")
DRAW = struct.Struct("<qq")
_term: Any = struct.Struct("<BIQQ").pack
_index: Any = struct.Struct("<BIQ").pack
_drawn: Any = struct.Struct("<BIqq").pack
_head: Any = HEAD.pack
_three: Any = THREE.pack
_size: Any = SIZE.pack

# The errors that encoding an answer of a wrong type may raise.
_ODD = (struct.error, AttributeError, TypeError, ValueError, OverflowError)


class RecordedStorage:
    """Passes every question on to a Storage, and records what it returns or raises."""

    __slots__ = ("_notes", "_storage")

    def __init__(self, storage: Any, notes: Tape) -> None:
        self._storage = storage
        self._notes = notes

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """Ask the storage, and record the answer."""
        try:
            found = self._storage.initial_state()
        except BaseException as error:
            self._raised(INITIAL_STATE, b"", error)
            raise
        try:
            state, members = found
            body = SIZE.pack(len(members.encode())) + members.encode()
            body += b"" if state is None else b"\1" + state.encode()
        except _ODD:
            self._odd(INITIAL_STATE, found)
        else:
            self._notes.answers.append(_head(INITIAL_STATE, len(body)) + body)
        return found  # type: ignore[no-any-return]

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Ask the storage, and record the answer. Returns a list of the entries."""
        asked = _three(lo, hi, max_size)
        try:
            found = list(self._storage.entries(lo, hi, max_size))
        except BaseException as error:
            self._raised(ENTRIES, asked, error)
            raise
        try:
            parts = [asked]
            for e in found:
                data = e.encode()
                parts.append(_size(len(data)))
                parts.append(data)
            body = b"".join(parts)
        except _ODD:
            self._odd(ENTRIES, found)
        else:
            self._notes.answers.append(_head(ENTRIES, len(body)) + body)
        return found

    def term(self, i: int) -> int:
        """Ask the storage, and record the answer."""
        try:
            found = self._storage.term(i)
        except BaseException as error:
            self._raised(TERM, ONE.pack(i), error)
            raise
        try:
            self._notes.answers.append(_term(TERM, 16, i, found))
        except _ODD:
            self._odd(TERM, found)
        return found  # type: ignore[no-any-return]

    def first_index(self) -> int:
        """Ask the storage, and record the answer."""
        try:
            found = self._storage.first_index()
        except BaseException as error:
            self._raised(FIRST_INDEX, b"", error)
            raise
        return self._place(FIRST_INDEX, found)

    def last_index(self) -> int:
        """Ask the storage, and record the answer."""
        try:
            found = self._storage.last_index()
        except BaseException as error:
            self._raised(LAST_INDEX, b"", error)
            raise
        return self._place(LAST_INDEX, found)

    def snapshot(self) -> Snapshot:
        """Ask the storage, and record the answer."""
        return self._snapshot_of(self._storage.snapshot)

    def offering(self, offer: Callable[[int], Snapshot]) -> Callable[[int], Snapshot]:
        """Return a function that calls ``offer`` and records its snapshot as an answer of the storage."""
        return lambda to: self._snapshot_of(partial(offer, to))

    def _snapshot_of(self, source: Callable[[], Snapshot]) -> Snapshot:
        try:
            found = source()
        except BaseException as error:
            self._raised(SNAPSHOT, b"", error)
            raise
        notes = self._notes
        try:
            # Many peers may get the same snapshot, which is written once.
            body = b"" if found is notes.snapshot else b"\1" + found.encode()
        except _ODD:
            self._odd(SNAPSHOT, found)
        else:
            notes.snapshot = found
            notes.answers.append(_head(SNAPSHOT, len(body)) + body)
        return found

    def _place(self, question: int, found: Any) -> int:
        try:
            self._notes.answers.append(_index(question, 8, found))
        except _ODD:
            self._odd(question, found)
        return found  # type: ignore[no-any-return]

    def _raised(self, question: int, asked: bytes, error: BaseException) -> None:
        self._notes.answers.append(raised_bytes(question, asked, error))

    def _odd(self, question: int, found: Any) -> None:
        self._notes.answers.append(odd_bytes(question, found))


class RecordedRandom:
    """Passes ``randrange`` on to a random source, and records what it draws."""

    __slots__ = ("_notes", "_source")

    def __init__(self, source: Any, notes: Tape) -> None:
        self._source = source
        self._notes = notes

    def randrange(self, n: int) -> int:
        """Ask the source, and record the answer."""
        try:
            found = self._source.randrange(n)
        except BaseException as error:
            self._notes.answers.append(raised_bytes(RANDRANGE, ONE.pack(n), error))
            raise
        try:
            self._notes.answers.append(_drawn(RANDRANGE, 16, n, found))
        except _ODD:
            self._notes.answers.append(odd_bytes(RANDRANGE, found))
        return found  # type: ignore[no-any-return]


def raised_bytes(question: int, asked: bytes, error: BaseException) -> bytes:
    """Encode an error that was raised instead of an answer."""
    told = [type(error).__name__, isinstance(error, Exception), str(error), repr(error)]
    body = SIZE.pack(len(asked)) + asked + pack(told)
    return HEAD.pack(question | RAISED, len(body)) + body


def odd_bytes(question: int, found: Any) -> bytes:
    """Encode an answer of a wrong type by its text."""
    body = pack(repr(found))
    return HEAD.pack(question | UNREPLAYABLE, len(body)) + body


keep_whole(RecordedStorage)
keep_whole(RecordedRandom)
has_one_owner(RecordedStorage)
has_one_owner(RecordedRandom)
