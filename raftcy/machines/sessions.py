"""Sessions: commands that are applied once, however often they are proposed.

Rules:

- Entries of the log begin and end a session, so all members know the same sessions. Its id is the index of the entry
  that opened it.
- A command carries a number within its session. The first entry with a number is applied, and its answer kept; later
  entries with that number get the kept answer.
- The client acknowledges the answers that it has, from the lowest number up. The group forgets these answers, and
  refuses commands with acknowledged numbers, because it cannot know any more whether it has applied them.
- A number is at most `WINDOW` above the acknowledged ones. Otherwise a session could keep any number of answers.
- A session expires when the group has heard nothing from it for its timeout, by the group's time. A command of an
  unknown session is refused with `SessionExpired`, and never applied, because it might have been applied before.
"""

from collections.abc import Iterator

from ..errors import CommandError, DecodeError, SessionExpired
from .elapsed import deadline
from .packing import Reader, block, number

WINDOW = 1024
"""The most unacknowledged commands of one session. Part of the format: all members must use the same value."""
SESSIONS_MOST = 65_536
"""The most sessions of a group. Part of the format: all members must use the same value."""


class _Session:
    __slots__ = ("acknowledged", "answers", "deadline_ms", "timeout_ms")

    def __init__(self, timeout_ms: int, deadline_ms: int, acknowledged: int) -> None:
        self.timeout_ms = timeout_ms
        self.deadline_ms = deadline_ms
        self.acknowledged = acknowledged
        # The kept answers by number; all numbers are above `acknowledged`.
        self.answers: dict[int, bytes] = {}


class SessionTable:
    """The open sessions of a group, with their kept answers."""

    __slots__ = ("_earliest_ms", "_sessions")

    def __init__(self) -> None:
        self._sessions: dict[int, _Session] = {}
        # No deadline is earlier than this.
        self._earliest_ms = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session: int) -> bool:
        return session in self._sessions

    def kept(self) -> int:
        """The number of kept answers."""
        return sum(len(session.answers) for session in self._sessions.values())

    def open(self, index: int, timeout_ms: int, now_ms: int) -> int | CommandError:
        """Open a session, and return its id, or a refusal."""
        if len(self._sessions) >= SESSIONS_MOST:
            return CommandError(f"the group has {SESSIONS_MOST} sessions already", "sessions")
        end = deadline(now_ms, timeout_ms)
        self._earliest_ms = min(self._earliest_ms, end) if self._sessions else end
        self._sessions[index] = _Session(timeout_ms, end, 0)
        return index

    def begin(self, session: int, place: int, acknowledged: int, now_ms: int) -> bytes | CommandError | None:
        """Return a command's kept answer, or a refusal; None if the caller must apply it and `keep` its answer."""
        found = self._sessions.get(session)
        if found is None:
            return SessionExpired(session)
        self._acknowledge(found, acknowledged, now_ms)
        if place <= found.acknowledged:
            return CommandError(f"command {place} of session {session} was acknowledged before", "acknowledged")
        if place > found.acknowledged + WINDOW:
            return CommandError(
                f"command {place} of session {session} is more than {WINDOW} above {found.acknowledged}, "
                "up to where answers are acknowledged",
                "window",
            )
        return found.answers.get(place)

    def keep(self, session: int, place: int, answer: bytes) -> None:
        """Keep the answer of a command for which `begin` returned None, unless it was acknowledged since."""
        found = self._sessions[session]
        if place > found.acknowledged:
            found.answers[place] = answer

    def acknowledge(self, session: int, acknowledged: int, now_ms: int) -> CommandError | None:
        """Note that the client is alive and has the answers up to ``acknowledged``; a refusal without the session."""
        found = self._sessions.get(session)
        if found is None:
            return SessionExpired(session)
        self._acknowledge(found, acknowledged, now_ms)
        return None

    def _acknowledge(self, found: _Session, acknowledged: int, now_ms: int) -> None:
        found.deadline_ms = deadline(now_ms, found.timeout_ms)
        if acknowledged <= found.acknowledged:
            return
        found.acknowledged = acknowledged
        answers = found.answers
        if answers:
            for place in [place for place in answers if place <= acknowledged]:
                del answers[place]

    def answer(self, session: int, place: int) -> bytes | None:
        """Return the kept answer of a command; None if no open session has applied it, or if it was acknowledged."""
        found = self._sessions.get(session)
        return None if found is None else found.answers.get(place)

    def close(self, session: int) -> CommandError | None:
        """End a session; returns a refusal if it does not exist."""
        return SessionExpired(session) if self._sessions.pop(session, None) is None else None

    def expire(self, now_ms: int) -> None:
        """Drop the sessions whose deadline has come at the group's time ``now_ms``."""
        if now_ms < self._earliest_ms or not self._sessions:
            return
        sessions = self._sessions
        for session in [session for session, found in sessions.items() if found.deadline_ms <= now_ms]:
            del sessions[session]
        self._earliest_ms = min((found.deadline_ms for found in sessions.values()), default=0)

    def copy(self) -> "SessionTable":
        """Return a copy of the table, for encoding it later."""
        table = SessionTable()
        table._earliest_ms = self._earliest_ms
        for session, found in self._sessions.items():
            table._sessions[session] = same = _Session(found.timeout_ms, found.deadline_ms, found.acknowledged)
            same.answers = found.answers.copy()
        return table

    def encode(self) -> Iterator[bytes]:
        """Yield the table as bytes, one session at a time; equal tables have equal bytes."""
        yield number(len(self._sessions))
        for session, found in sorted(self._sessions.items()):
            parts = [number(session), number(found.timeout_ms), number(found.deadline_ms), number(found.acknowledged)]
            parts.append(number(len(found.answers)))
            for place, answer in sorted(found.answers.items()):
                parts += [number(place), block(answer)]
            yield b"".join(parts)

    @staticmethod
    def decode(reader: Reader) -> "SessionTable":
        """Decode a table. DecodeError for bytes that `encode` does not make."""
        table = SessionTable()
        last = 0
        for _ in range(reader.number(0, SESSIONS_MOST)):
            last = reader.number(last + 1)
            found = _Session(reader.number(1), reader.number(), reader.number())
            place = found.acknowledged
            most = place + WINDOW
            for _ in range(reader.number(0, WINDOW)):
                place = reader.number(place + 1, most)
                found.answers[place] = reader.block()
            table._sessions[last] = found
        table._earliest_ms = min((found.deadline_ms for found in table._sessions.values()), default=0)
        if last >= 2**64 - 1:
            raise DecodeError("a session has no index", reader.at)
        return table
