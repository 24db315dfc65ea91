"""The replicated state machine: applies the records in order, each exactly once."""

import hashlib
import struct

from ..wire.messages import Entry, Snapshot

_NUMBER = struct.Struct(">Q")
_COUNTS = struct.Struct(">QQ")
_LENGTH = struct.Struct(">L")
PREFIX_BYTES = _NUMBER.size


def command(number: int, record: bytes) -> bytes:
    """Encode the proposal of record ``number``, counted from 1."""
    return _NUMBER.pack(number) + record


class Machine:
    """Takes the committed commands of the log; a StateMachine of a Driver.

    When the leader dies, the client does not learn the outcome of its proposals and proposes them again. So the log may
    hold a record twice, or after a gap. The number in front of each record makes both harmless: every node applies only
    the record that follows its last one and skips all others. The client continues after the last applied record.
    """

    def __init__(self) -> None:
        self.repeated = 0
        """Commands skipped because their record was applied before."""
        self.early = 0
        """Commands passed over because a record before theirs was missing."""
        # All commands taken, which the log holds as well; and the running digest of their records.
        self._taken: list[bytes] = []
        self._digest = hashlib.sha256()

    @property
    def records(self) -> int:
        """Records taken, which is the number of the last one."""
        return len(self._taken)

    @property
    def digest(self) -> str:
        """The SHA-256 of all applied records, in hexadecimal."""
        return self._digest.hexdigest()

    def apply(self, entries: list[Entry]) -> None:
        """Take committed commands."""
        for entry in entries:
            self.take(entry.data)

    def take(self, data: bytes) -> None:
        """Take one command."""
        (number,) = _NUMBER.unpack_from(data)
        if number <= len(self._taken):
            self.repeated += 1
        elif number > len(self._taken) + 1:
            self.early += 1
        else:
            self._taken.append(data)
            self._digest.update(memoryview(data)[PREFIX_BYTES:])

    def capture(self) -> bytes:
        """The whole state: what was passed over, and each command taken, behind its length."""
        parts = [_COUNTS.pack(self.repeated, self.early)]
        for data in self._taken:
            parts += _LENGTH.pack(len(data)), data
        return b"".join(parts)

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the state by that of a snapshot."""
        self._taken, self._digest = [], hashlib.sha256()
        state = snapshot.data
        at = _COUNTS.size
        while at < len(state):
            (length,) = _LENGTH.unpack_from(state, at)
            at += _LENGTH.size + length
            self.take(state[at - length : at])
        self.repeated, self.early = _COUNTS.unpack_from(state)
