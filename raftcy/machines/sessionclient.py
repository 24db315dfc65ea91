"""A client's side of a session: it numbers the commands, and decides which answers the client may acknowledge."""

from . import envelope
from .sessions import WINDOW


class SessionClient:
    """The commands of one open session. The group's answer to opening it was ``id``.

    Call `begin` for a command, propose its entry as often as it takes to learn the outcome, and then call `answered`
    once. Several commands may wait at the same time, with numbers less than `WINDOW` above the first waiting one.
    """

    __slots__ = ("_acknowledged", "_answered", "_last", "id")

    def __init__(self, id: int) -> None:
        self.id = id
        self._last = 0
        self._acknowledged = 0
        # Answered numbers above one that is not answered yet.
        self._answered: set[int] = set()

    @property
    def waiting(self) -> int:
        """How many commands have begun and are not answered yet."""
        return self._last - self._acknowledged - len(self._answered)

    def full(self) -> bool:
        """Whether the group would refuse the next command. The oldest waiting one must be answered first."""
        return self._last - self._acknowledged >= WINDOW

    def begin(self, data: bytes) -> tuple[int, bytes]:
        """Return the number of the next command, and its entry. OverflowError if `full`."""
        if self.full():
            raise OverflowError(f"command {self._acknowledged + 1} of session {self.id} has to be answered first")
        self._last += 1
        return self._last, envelope.session_command(self.id, self._last, self._acknowledged, data)

    def answered(self, number: int) -> None:
        """Note that the client has the answer, or the refusal, of a command, and will never ask for it again.

        ValueError if no command of this number waits.
        """
        if not self._acknowledged < number <= self._last or number in self._answered:
            raise ValueError(f"command {number} of session {self.id} does not wait for an answer")
        self._answered.add(number)
        while self._acknowledged + 1 in self._answered:
            self._acknowledged += 1
            self._answered.remove(self._acknowledged)

    def keep_alive(self) -> bytes:
        """Return the entry that keeps an idle session alive. Propose it several times within the session's timeout."""
        return envelope.acknowledge(self.id, self._acknowledged)

    def close(self) -> bytes:
        """Return the entry that ends the session."""
        return envelope.close_session(self.id)
