"""The errors of reading and replaying a recording."""

from ..errors import RaftError


class RecordingError(RaftError):
    """A recording cannot be read or replayed."""


class DamagedRecording(RecordingError):
    """The bytes are not a recording, or not as they were written. ``offset`` counts from the start of the file."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text, offset)
        self.text = text
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.text} at offset {self.offset}"


class UnknownVersion(RecordingError):
    """The recording has a format that this version of raftcy does not know. ``version`` is its number."""

    def __init__(self, version: int, known: int) -> None:
        super().__init__(f"a recording of format {version}; this version of raftcy reads format {known}")
        self.version = version
        self._known = known

    def __reduce__(self) -> tuple[type["UnknownVersion"], tuple[int, int]]:
        return type(self), (self.version, self._known)


class ReplayDifference(RecordingError):
    """A replay differs from the recording.

    ``record`` is the number of the record, ``what`` says which part of it differs, and ``recorded`` and ``replayed``
    are the two texts of that part.
    """

    def __init__(self, record: int, what: str, recorded: str, replayed: str) -> None:
        super().__init__(record, what, recorded, replayed)
        self.record = record
        self.what = what
        self.recorded = recorded
        self.replayed = replayed

    def __str__(self) -> str:
        return f"record {self.record} differs in {self.what}\n  recorded: {self.recorded}\n  replayed: {self.replayed}"
