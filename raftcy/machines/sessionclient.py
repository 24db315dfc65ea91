"""A client's side of a session: which number a command gets, and what the client may acknowledge."""

from . import envelope
from .sessions import WINDOW


class SessionClient:
    """The commands of one open session, whose id the group has given.

    Begin a command by `begin`, propose its entry as often as it takes to learn its outcome, and say `answered` once.
    Between two calls of `begin` any number may wait, up to `WINDOW` above the first that waits.
    """

    __slots__ = ("_acknowledged", "_answered", "_last", "id")

    def __init__(self, id: int) -> None:
        self.id = id
        self._last = 0
        self._acknowledged = 0
        # Numbers that are answered, but stand above one that is not.
        self._answered: set[int] = set()

    @property
    def waiting(self) -> int:
        """How many commands have begun and are not answered."""
        return self._last - self._acknowledged - len(self._answered)

    def full(self) -> bool:
        """Whether the next command would be refused: the oldest that waits has to be answered first."""
        return self._last - self._acknowledged >= WINDOW

    def begin(self, data: bytes) -> tuple[int, bytes]:
        """The number of the next command, and its entry. OverflowError if `full`."""
        if self.full():
            raise OverflowError(f"command {self._acknowledged + 1} of session {self.id} has to be answered first")
        self._last += 1
        return self._last, envelope.session_command(self.id, self._last, self._acknowledged, data)

    def answered(self, number: int) -> None:
        """The client has the answer, or the refusal, of a command, and will never ask for it again.

        ValueError for a number that does not wait.
        """
        if not self._acknowledged < number <= self._last or number in self._answered:
            raise ValueError(f"command {number} of session {self.id} does not wait for an answer")
        self._answered.add(number)
        while self._acknowledged + 1 in self._answered:
            self._acknowledged += 1
            self._answered.remove(self._acknowledged)

    def keep_alive(self) -> bytes:
        """The entry by which a session without commands lives on. Propose it several times within its timeout."""
        return envelope.acknowledge(self.id, self._acknowledged)

    def close(self) -> bytes:
        """The entry that ends the session."""
        return envelope.close_session(self.id)
