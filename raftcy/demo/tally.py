"""The replicated state machine: applies the records in order, each exactly once."""

import hashlib
import struct

_NUMBER = struct.Struct(">Q")
PREFIX_BYTES = _NUMBER.size


def command(number: int, record: bytes) -> bytes:
    """Encode the proposal of record ``number``, counted from 1."""
    return _NUMBER.pack(number) + record


class Machine:
    """Applies the committed commands of the log.

    When the leader dies, the client does not learn the outcome of its proposals and proposes them again. So the log may
    hold a record twice, or after a gap. The number in front of each record makes both harmless: every node applies only
    the record that follows its last one and skips all others. The client continues after the last applied record.
    """

    def __init__(self) -> None:
        self.records = 0
        """The number of records applied, which is the number of the last one."""
        self.repeated = 0
        """Commands skipped because their record was applied before."""
        self.early = 0
        """Commands skipped because a record before theirs was missing."""
        self._digest = hashlib.sha256()

    def apply(self, data: bytes) -> None:
        """Apply one committed command."""
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
        """The SHA-256 of all applied records, in hexadecimal."""
        return self._digest.hexdigest()
