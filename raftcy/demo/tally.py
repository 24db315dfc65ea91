"""The replicated state machine: applies the records in order, each exactly once."""

import hashlib
import struct
from collections.abc import Iterator

from ..machines import Command, Pieces, StateMachine
from ..machines.statemachine import Readable

_NUMBER = struct.Struct(">Q")
_COUNTS = struct.Struct(">QQQ")
_LENGTH = struct.Struct(">L")


def command(number: int, record: bytes) -> bytes:
    """Encode the proposal of record ``number``, counted from 1."""
    return _NUMBER.pack(number) + record


class Machine(StateMachine):
    """Keeps the records.

    When a leader dies, the client does not learn what became of its last proposals and proposes them again. So the log
    may hold a record twice, or after a gap. The number in front of each record makes both harmless: every member
    applies only the record that follows its last one and skips all others. The answer says whether the record is in,
    and if it is, so are all before it. The client continues after the last record that is.
    """

    def __init__(self) -> None:
        self.repeated = 0
        """Commands skipped because their record was applied before."""
        self.early = 0
        """Commands skipped because a record before theirs was missing."""
        self._records: list[bytes] = []

    @property
    def records(self) -> int:
        """The number of records, which is the number of the last one."""
        return len(self._records)

    def digest(self) -> str:
        """Return the SHA-256 of all records, in hexadecimal."""
        digest = hashlib.sha256()
        for record in self._records:
            digest.update(record)
        return digest.hexdigest()

    def apply_one(self, command: Command) -> bool:
        """Take one record, and return whether it is in."""
        data = command.data
        (number,) = _NUMBER.unpack_from(data)
        if number <= len(self._records):
            self.repeated += 1
        elif number > len(self._records) + 1:
            self.early += 1
            return False
        else:
            self._records.append(data[_NUMBER.size :])
        return True

    def capture(self) -> Pieces:
        """The whole state: what was skipped, and each record, behind its length."""
        counts = _COUNTS.pack(self.repeated, self.early, len(self._records))
        return Pieces(_pieces(counts, tuple(self._records)))

    def restore(self, file: Readable) -> None:
        """Replace the state by that of a snapshot."""
        self.repeated, self.early, count = _COUNTS.unpack(file.read(_COUNTS.size))
        self._records = []
        for _ in range(count):
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            self._records.append(file.read(length))


def _pieces(counts: bytes, records: tuple[bytes, ...]) -> Iterator[bytes]:
    yield counts
    for record in records:
        yield _LENGTH.pack(len(record)) + record
