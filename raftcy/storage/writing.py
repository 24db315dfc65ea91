"""The work on the files, in pieces that any thread can run: a write with its sync, a spare segment, removing files."""

from collections.abc import Callable

from .files import FOLDER, Files
from .layout import Position

SPARE = "spare"
# Two names, because two threads may make a file at once: a chore makes the spare, a batch a segment without a spare.
_SPARE_ASIDE = "spare.new"
_SEGMENT_ASIDE = "segment.new"
_BLOCK = 1 << 20


class Batch:
    """One write and one sync, with the records of all groups that had staged changes.

    ``SharedLog.prepare`` makes it, ``run`` does the work on any thread, and ``SharedLog.finish`` acknowledges it.
    """

    __slots__ = ("_clock", "_files", "_spare", "data", "end", "error", "name", "offset", "records", "seconds", "size")

    def __init__(
        self, files: Files, clock: Callable[[], float], name: str, offset: int, data: bytes, end: Position
    ) -> None:
        self._files = files
        self._clock = clock
        # For the first write of a segment: the size of its file, and whether it can use the spare segment.
        self.size = 0
        self._spare = False
        self.name = name
        self.offset = offset
        self.data = data
        self.end = end
        self.records = 0
        self.error: BaseException | None = None
        self.seconds = 0.0

    def begins_segment(self, size: int, spare: bool) -> None:
        """Make the segment before the write."""
        self.size = size
        self._spare = spare

    @property
    def written_bytes(self) -> int:
        """How many bytes ``run`` writes, with the zeros of a segment that it makes."""
        return len(self.data) + (0 if self._spare else self.size)

    def run(self) -> None:
        """Write and sync. An error goes to ``error``, and ``finish`` raises it. An interrupt is raised here too."""
        files = self._files
        begun = self._clock()
        try:
            if self.size:
                if not self._spare:
                    make_zeros(files, _SEGMENT_ASIDE, self.size)
                files.rename(SPARE if self._spare else _SEGMENT_ASIDE, self.name)
                files.sync(FOLDER)
            files.write(self.name, self.offset, self.data)
            files.sync(self.name)
        except Exception as error:
            self.error = error
        except BaseException as error:
            self.error = error
            raise
        self.seconds = self._clock() - begun


def make_zeros(files: Files, name: str, size: int) -> None:
    """Make a file of zeros for a segment. The file is durable before it gets its name.

    It writes zeros instead of reserving blocks, because each write into a reserved block would cost the file system a
    commit of its journal.
    """
    files.remove(name)
    for at in range(0, size, _BLOCK):
        files.write(name, at, bytes(min(_BLOCK, size - at)))
    files.sync(name)


class Chore:
    """Work that nobody waits for: ``run`` it on any thread, then pass it to ``SharedLog.chore_done``."""

    __slots__ = ("_files", "error", "names", "size")

    def __init__(self, files: Files, size: int = 0, names: tuple[str, ...] = ()) -> None:
        self._files = files
        self.size = size
        self.names = names
        self.error: BaseException | None = None

    def run(self) -> None:
        """Make a spare segment of ``size`` bytes, or remove the files ``names``. An error goes to ``error``."""
        try:
            if self.size:
                make_zeros(self._files, _SPARE_ASIDE, self.size)
                self._files.rename(_SPARE_ASIDE, SPARE)
            for name in self.names:
                # Removed one by one, each durably before the next: a gap between segments would look like damage.
                self._files.remove(name)
                self._files.sync(FOLDER)
        except Exception as error:
            self.error = error

    def __repr__(self) -> str:
        return f"<Chore: make a spare of {self.size} bytes>" if self.size else f"<Chore: remove {list(self.names)}>"


def leftovers(names: dict[str, int]) -> list[str]:
    """Return the files that a crash may have left unfinished."""
    return sorted(name for name in names if name in (SPARE, _SPARE_ASIDE, _SEGMENT_ASIDE) or name.endswith(".part"))
