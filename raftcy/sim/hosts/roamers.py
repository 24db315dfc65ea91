"""A client that outlives the members: it repeats its commands under their session's numbers, through any member.

It is the strictest user of sessions. Several attempts of one command may be under way at the same time, at several
members, and members may be killed in between; the group must apply the command once, and answer it alike each time.
"""

from typing import Any, Protocol

from ...errors import CommandError, OutcomeUnknown, Rejected, SessionExpired
from ...machines import SessionClient
from ...machines.envelope import open_session
from ...replica.tokens import RejectReason
from ..checkers import Violation
from .truth import Truth


class World(Protocol):
    """What a roamer needs of the cluster."""

    def told(self, what: str, *words: object) -> None:
        """Note what a client was told."""

    def wrong(self, rule: str, text: str) -> None:
        """Note a violation."""


class Roamer:
    """One client. ``waits`` while its command has no outcome; ``attempt`` proposes it once more."""

    __slots__ = (
        "_attempts",
        "_client",
        "_command",
        "_entry",
        "_floor",
        "_number",
        "_truth",
        "_unsure",
        "_world",
        "name",
        "timeout_ms",
    )

    def __init__(self, world: World, name: str, truth: Truth, timeout_ms: int) -> None:
        self._world = world
        self._truth = truth
        self.name = name
        self.timeout_ms = timeout_ms
        self._client: SessionClient | None = None
        # The present command: its number among all commands and in its session, and whether it may be in the log.
        self._command = 0
        self._number = 0
        self._entry = b""
        self._unsure = False
        self._floor = 0
        # The attempts under way, by the life of the member that they go through.
        self._attempts: dict[object, int] = {}

    @property
    def waits(self) -> bool:
        """Whether the present command has no outcome yet."""
        return self._number > 0

    @property
    def is_trying(self) -> bool:
        """Whether any attempt is under way."""
        return len(self._attempts) > 0

    def attempt(self, life: object, replica: Any, command: int, data: bytes, timeout_s: float) -> str:
        """Propose through a replica: the present command again, or a new one, or first of all a session.

        ``life`` stands for the start of the member. Returns a text about it.
        """
        if self._client is None:
            if self._attempts:
                return ""
            self._try(life, replica, open_session(self.timeout_ms), 0, timeout_s)
            return "opens a session"
        if not self._number:
            self._number, self._entry = self._client.begin(data)
            self._command, self._unsure, self._floor = command, False, self._truth.floor
            what = f"proposes {self._command}"
        else:
            what = f"repeats {self._command}"
        if self._attempts:
            # More than one may be applied, and a refusal of one says nothing about the others.
            self._unsure = True
        self._try(life, replica, self._entry, self._number, timeout_s)
        return what

    def _try(self, life: object, replica: Any, entry: bytes, number: int, timeout_s: float) -> None:
        session = 0 if self._client is None else self._client.id
        end = replica.propose_entry(entry, timeout_s=timeout_s)
        self._attempts[life] = self._attempts.get(life, 0) + 1

        def ended(future: Any) -> None:
            self._end(life)
            try:
                self._take(session, number, future)
            except Violation as error:
                self._world.wrong(error.rule, error.text)

        end.add_done_callback(ended)

    def _end(self, life: object) -> None:
        left = self._attempts.pop(life, 0) - 1
        if left > 0:
            self._attempts[life] = left

    def killed(self, life: object) -> None:
        """Note that a start of a member has ended, and with it all attempts through it."""
        if self._attempts.pop(life, None) is not None:
            self._unsure = True

    def _take(self, session: int, number: int, future: Any) -> None:
        if future.cancelled():
            return
        error = future.exception()
        present = self._client is not None and self._client.id == session and number == self._number > 0
        words = (self.name, number) if error is None else (self.name, number, type(error).__name__, str(error))
        self._world.told("roamer", *words)
        if session == 0:
            if error is None and self._client is None:
                self._client = SessionClient(future.result())
        elif isinstance(error, SessionExpired):
            if self._client is not None and self._client.id == session:
                if self._number and not self._unsure and present and not self._attempts:
                    self._truth.never(self._command, f"no attempt was applied: {error}")
                self._client, self._number = None, 0
        elif isinstance(error, OutcomeUnknown):
            self._unsure = True
        elif isinstance(error, Rejected):
            if error.reason == RejectReason.TOO_LARGE and present and not self._attempts:
                # No attempt will be accepted.
                if not self._unsure:
                    self._truth.never(self._command, str(error))
                self._answered()
        elif isinstance(error, CommandError):
            if present:
                self._truth.refused(self._command, error)
                self._answered()
        elif error is not None:
            raise Violation("no error", f"{self.name}: {type(error).__name__}: {error}")
        elif present:
            self._truth.answered(self._command, future.result(), self._floor)
            self._answered()

    def _answered(self) -> None:
        if self._client is not None:
            self._client.answered(self._number)
        self._number = 0
