"""What reading and replaying a recording can end in."""

from ..errors import RaftError


class RecordingError(RaftError):
    """A recording cannot be read or replayed."""


class DamagedRecording(RecordingError):
    """Bytes that are no recording, or not as they were written. ``offset`` counts from the start of the file."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text, offset)
        self.text = text
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.text} at offset {self.offset}"


class UnknownVersion(RecordingError):
    """A recording of a format that this version does not know. ``version`` is the number that it carries."""

    def __init__(self, version: int, known: int) -> None:
        super().__init__(f"a recording of format {version}; this version of raftcy reads format {known}")
        self.version = version
        self._known = known

    def __reduce__(self) -> tuple[type["UnknownVersion"], tuple[int, int]]:
        return type(self), (self.version, self._known)


class ReplayDifference(RecordingError):
    """A replay went another way than what was recorded.

    ``record`` is the number of the record, ``what`` the thing that differs, ``recorded`` and ``replayed`` its texts.
    """

    def __init__(self, record: int, what: str, recorded: str, replayed: str) -> None:
        super().__init__(record, what, recorded, replayed)
        self.record = record
        self.what = what
        self.recorded = recorded
        self.replayed = replayed

    def __str__(self) -> str:
        return f"record {self.record} differs in {self.what}\n  recorded: {self.recorded}\n  replayed: {self.replayed}"
