"""The replicated state machine: records in their order, each exactly once."""

import hashlib
import struct

_NUMBER = struct.Struct(">Q")
PREFIX_BYTES = _NUMBER.size


def command(number: int, record: bytes) -> bytes:
    """The proposal of record ``number``, counted from 1."""
    return _NUMBER.pack(number) + record


class Machine:
    """Takes the committed commands of the log.

    A client that does not learn what became of its proposals, since the leader died, proposes them again; so the log
    may hold a record twice, or behind a gap. The number in front makes both harmless: only the record that follows the
    last one is taken, on every node alike, and the client goes on from the last one taken.
    """

    def __init__(self) -> None:
        self.records = 0
        """Records taken, which is the number of the last one."""
        self.repeated = 0
        """Commands passed over because their record was taken before."""
        self.early = 0
        """Commands passed over because a record before theirs was missing."""
        self._digest = hashlib.sha256()

    def apply(self, data: bytes) -> None:
        """Take one committed command."""
        (number,) = _NUMBER.unpack_from(data)
        if number <= self.records:
            self.repeated += 1
        elif number > self.records + 1:
            self.early += 1
        else:
            self.records = number
            self._digest.update(memoryview(data)[PREFIX_BYTES:])

    @property
    def digest(self) -> str:
        """The SHA-256 of all records taken, in hexadecimal."""
        return self._digest.hexdigest()
