"""What was asked of a member and is not answered yet: reads, and proposals that somebody waits for.

Rules:

- A read is answered once the machine has applied the index that the leader confirmed for it.
- A proposal that this member appended as leader has a place: an index and a term. What is applied at the index decides:
  an entry of that term is the proposal, an entry of another term means that the proposal never will be committed.
- Of a place that a snapshot jumped over nothing is known: the proposal may be part of the snapshot.
"""

from typing import Any, NamedTuple

from ..core.ready import ReadState
from ..wire.messages import Entry
from ..wire.whole import keep_whole

APPLIED = "applied"
REJECTED = "rejected"
UNKNOWN = "unknown"


class Outcome(NamedTuple):
    """What became of a proposal: ``what`` is "applied", "rejected" or "unknown", ``tag`` is the proposer's.

    ``answer`` is what the machine answered when the entry at index ``place`` was applied. A rejected proposal is
    certainly not in the log and never will be. An unknown one may have been applied, as part of a snapshot that was
    received.
    """

    tag: Any
    what: str
    place: int
    answer: Any = None


class Asked:
    """Made at the first read or tagged proposal, since most members of most groups have none at a time."""

    __slots__ = ("_answered", "_ended", "_places", "_reads", "count")
    count: int

    def __init__(self) -> None:
        self._reads: list[ReadState] = []
        self._answered: list[ReadState] = []
        # By index: term and tag of each proposal that was appended there, the oldest first.
        self._places: dict[int, list[tuple[int, Any]]] = {}
        self._ended: list[Outcome] = []
        self.count = 0

    def confirm(self, states: list[ReadState], applied: int) -> None:
        """The leader has confirmed reads."""
        if self._reads:
            self._reads.extend(states)
            self.advance(applied)
            return
        for state in states:
            (self._answered if state.index <= applied else self._reads).append(state)

    def advance(self, applied: int) -> None:
        """The machine has applied all entries up to ``applied``."""
        reads = self._reads
        if reads:
            self._answered.extend([state for state in reads if state.index <= applied])
            self._reads = [state for state in reads if state.index > applied]

    def take_reads(self) -> list[ReadState]:
        """The reads that may be answered now from the machine's state; each is given once."""
        answered, self._answered = self._answered, []
        return answered

    def place(self, index: int, term: int, tag: Any) -> None:
        """A proposal was appended."""
        self._places.setdefault(index, []).append((term, tag))
        self.count += 1

    def settle(self, entry: Entry, answer: Any) -> None:
        """An entry was applied."""
        placed = self._places.pop(entry.index, None)
        if placed is None:
            return
        self.count -= len(placed)
        for term, tag in placed:
            if term == entry.term:
                self._ended.append(Outcome(tag, APPLIED, entry.index, answer))
            else:
                self._ended.append(Outcome(tag, REJECTED, entry.index))

    def jump(self, index: int) -> None:
        """A snapshot took the place of all entries up to ``index``."""
        for each in sorted([place for place in self._places if place <= index]):
            placed = self._places.pop(each)
            self.count -= len(placed)
            self._ended.extend([Outcome(tag, UNKNOWN, each) for _, tag in placed])

    def take_outcomes(self) -> list[Outcome]:
        """What became of proposals since the last call, in the order in which it was known."""
        ended, self._ended = self._ended, []
        return ended


keep_whole(Asked)
