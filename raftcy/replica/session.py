"""A client's session with a group: the group applies each command once, even if it is proposed several times.

Each command has a number. The session proposes it under that number until the answer comes; the group applies it once,
and answers each time. The session lives in the log, so it survives elections and restarts of members. It expires if the
group hears nothing from it for its timeout.
"""

import asyncio
from types import TracebackType
from typing import Any, Protocol, Self

from ..errors import CommandError, OutcomeUnknown, Overloaded, Rejected, SessionExpired
from ..machines import SessionClient
from ..wire.checks import octets
from .tokens import RejectReason, Token

# Reasons after which a new attempt may soon succeed.
_PASSING = (
    RejectReason.NO_LEADER,
    RejectReason.TRANSFER,
    RejectReason.OTHER_TERM,
    RejectReason.SUPERSEDED,
    RejectReason.QUOTA,
    RejectReason.OVERLOADED,
)


class Proposing(Protocol):
    """The part of a replica that a session needs."""

    machine: Any
    failure: BaseException | None

    @property
    def election_s(self) -> float:
        """The election timeout in seconds."""

    def propose_entry(self, entry: bytes, *, only_in_term: int = 0, timeout_s: float | None = None) -> Any:
        """Propose the bytes of an entry."""


class Session:
    """A session, opened by ``Replica.session``. An async context manager, which closes it. Tasks may share it."""

    def __init__(self, replica: Proposing, id: int, timeout_ms: int) -> None:
        self._replica = replica
        self._client = SessionClient(id)
        self._entries: dict[int, bytes] = {}
        # Numbers of which an attempt has ended without certainty: the log may have their entry.
        self._unsure: set[int] = set()
        self._refresh_s = timeout_ms / 3000
        self._alive = asyncio.get_running_loop().create_task(self._live(), name=f"raftcy session {id}")
        self.id = id

    async def propose(self, command: Any, *, timeout_s: float | None = None) -> Any:
        """Propose a command as ``Replica.propose`` does, again and again until the answer comes. It is applied once.

        Raises OutcomeUnknown after ``timeout_s``, and when the replica ends or refuses the command after an attempt
        that may have put it into the log: ``again`` goes on with its token. Raises Rejected for what will not pass and
        is certainly not in the log, SessionExpired if the session's time has run out and no attempt can have been
        applied (else OutcomeUnknown, which stays unknown), and Overloaded while too many of its commands wait; one
        whose outcome is unknown waits until ``again`` has its answer.

        A cancelled wait is not tried again: the command is applied once or not at all.
        """
        if self._client.full():
            raise Overloaded(f"too many commands of session {self.id} wait for an answer")
        data = octets(self._replica.machine.encode(command), "command")
        number, entry = self._client.begin(data)
        self._entries[number] = entry
        try:
            return await self._attempt(number, timeout_s)
        except asyncio.CancelledError:
            # The caller has no token for ``again``. Later commands acknowledge the number, and the group then refuses
            # an entry that it has not applied yet.
            self._ended(number)
            raise

    async def again(self, token: Token, timeout_s: float | None = None) -> Any:
        """Go on with a command whose outcome was unknown. ValueError for a token of another session."""
        if token.start != self._start or token.number not in self._entries:
            raise ValueError(f"no command of session {self.id} waits under this token")
        return await self._attempt(token.number, timeout_s)

    @property
    def _start(self) -> bytes:
        return b"session" + self.id.to_bytes(8, "big")

    async def _attempt(self, number: int, timeout_s: float | None) -> Any:
        token = Token(0, 0, self._start, number)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._until_answered(self._entries[number], number)
        except TimeoutError:
            self._unsure.add(number)
            raise OutcomeUnknown(token, f"{timeout_s} s have passed") from None
        except OutcomeUnknown as error:
            # The session's own token: ``again`` knows no other.
            raise OutcomeUnknown(token, error.why) from error
        except Rejected as error:
            if number in self._unsure:
                # This attempt is not in the log, but an earlier one may be.
                raise OutcomeUnknown(token, str(error)) from error
            self._ended(number)
            raise
        except CommandError as error:
            unsure = number in self._unsure
            self._ended(number)
            if unsure and isinstance(error, SessionExpired):
                # This attempt was not applied, but an earlier one may have been. Nobody can tell any more.
                raise OutcomeUnknown(token, str(error)) from error
            raise
        self._ended(number)
        return answer

    def _ended(self, number: int) -> None:
        self._unsure.discard(number)
        if self._entries.pop(number, None) is not None:
            self._client.answered(number)

    async def _until_answered(self, entry: bytes, number: int = 0) -> Any:
        """Propose an entry until it has an answer. ``number`` is 0 for an entry that is not a command."""
        replica = self._replica
        patience_s = 3 * replica.election_s
        while True:
            try:
                return await replica.propose_entry(entry, timeout_s=patience_s)
            except OutcomeUnknown:
                if number:
                    self._unsure.add(number)
                if replica.failure is not None:
                    raise
            except Rejected as error:
                if error.reason not in _PASSING:
                    raise
            await asyncio.sleep(replica.election_s / 10)

    async def _live(self) -> None:
        """Keep the session alive in the group."""
        while True:
            await asyncio.sleep(self._refresh_s)
            try:
                await self._until_answered(self._client.keep_alive())
            except (CommandError, Rejected, OutcomeUnknown):
                # The next command of the session will raise the error.
                return

    async def close(self) -> None:
        """Make the group forget the session; if that fails, it expires later. Calling it again does nothing."""
        if self._alive.cancelled() or self._alive.done():
            return
        self._alive.cancel()
        await asyncio.gather(self._alive, return_exceptions=True)
        try:
            await self._replica.propose_entry(self._client.close(), timeout_s=self._replica.election_s)
        except (CommandError, Rejected, OutcomeUnknown):
            return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
