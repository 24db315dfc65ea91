"""Asked: the reads and tagged proposals of one member that still wait for an answer.

Rules:

- A read can be answered once the machine has applied the index that the leader confirmed for it.
- A proposal that this member appended as leader has a place: an index and a term. When the entry at that index is
  applied and has that term, it is the proposal. If it has another term, the proposal can never be committed.
- If a snapshot skips the place, the outcome is unknown: the snapshot may contain the proposal.
"""

from typing import Any, NamedTuple

from ..core.ready import ReadState
from ..wire.messages import Entry
from ..wire.whole import has_one_owner, keep_whole

APPLIED = "applied"
REJECTED = "rejected"
UNKNOWN = "unknown"


class Outcome(NamedTuple):
    """The outcome of the proposal with ``tag``: ``what`` is "applied", "rejected" or "unknown".

    ``place`` is the index at which it was appended, and ``answer`` the machine's answer if it was applied. A rejected
    proposal is not in the log and never will be. An unknown one may have been applied, as part of a snapshot that this
    member received.
    """

    tag: Any
    what: str
    place: int
    answer: Any = None


class Asked:
    """The waiting reads and proposals. Created with the first one, since most members of most groups have none."""

    __slots__ = ("_answered", "_ended", "_places", "_reads", "count")
    count: int

    def __init__(self) -> None:
        self._reads: list[ReadState] = []
        self._answered: list[ReadState] = []
        # By index: term and tag of each proposal that was appended there, oldest first.
        self._places: dict[int, list[tuple[int, Any]]] = {}
        self._ended: list[Outcome] = []
        self.count = 0

    def confirm(self, states: list[ReadState], applied: int) -> None:
        """Record that the leader has confirmed reads, while the machine has applied entries up to ``applied``."""
        if self._reads:
            self._reads.extend(states)
            self.advance(applied)
            return
        for state in states:
            (self._answered if state.index <= applied else self._reads).append(state)

    def advance(self, applied: int) -> None:
        """Record that the machine has applied all entries up to ``applied``."""
        reads = self._reads
        if reads:
            self._answered.extend([state for state in reads if state.index <= applied])
            self._reads = [state for state in reads if state.index > applied]

    def take_reads(self) -> list[ReadState]:
        """Return the reads that the machine's state can answer now, each of them once."""
        answered, self._answered = self._answered, []
        return answered

    def place(self, index: int, term: int, tag: Any) -> None:
        """Record that the proposal with ``tag`` was appended at ``index`` in ``term``."""
        self._places.setdefault(index, []).append((term, tag))
        self.count += 1

    def settle(self, entry: Entry, answer: Any) -> None:
        """Record that an entry was applied, and what the machine answered."""
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
        """Record that a snapshot has replaced all entries up to ``index``."""
        for each in sorted([place for place in self._places if place <= index]):
            placed = self._places.pop(each)
            self.count -= len(placed)
            self._ended.extend([Outcome(tag, UNKNOWN, each) for _, tag in placed])

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes that became known since the last call, in that order."""
        ended, self._ended = self._ended, []
        return ended


keep_whole(Asked)
has_one_owner(Asked)
