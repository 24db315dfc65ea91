"""What really happened to each command of one group, and what its callers were told. The rules that tie the two.

Everything is known from what the members' machines applied: the first member that applies an index settles it for all.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ...errors import CommandError
from ...machines import Command
from ..checkers import Violation
from .journal import Answer, number_of


class Entry(NamedTuple):
    """What stands at an index, and what became of it, alike on all members."""

    term: int
    data: bytes
    time_ms: int
    session: int
    version: int
    answer: Answer | tuple[str, str]


class Truth:
    """The commands of one group. ``floor`` is the highest index that an operation that has ended has shown.

    ``known`` returns the newest version that some program of each member has known so far.

    Every method raises Violation if a rule is broken.
    """

    def __init__(self, known: Callable[[], int]) -> None:
        self._known = known
        self.entries: dict[int, Entry] = {}
        self.places: dict[int, int] = {}
        self.last = 0
        self.floor = 0
        self.version = 1
        self.time_ms = 0
        self._never: dict[int, str] = {}
        # The count and chain after each index.
        self._states: dict[int, tuple[int, int]] = {0: (0, 0)}

    # -- what members do -----------------------------------------------------------------------------------------

    def applied(self, id: int, before: int, version: int, state: tuple[int, int], command: Command, found: Any) -> None:
        """Note that member ``id``, whose last index was ``before``, has applied a command, with this answer.

        ``version`` is the group's, and ``state`` count and chain, as of the command.
        """
        index = command.index
        if index <= before:
            raise Violation("state machine safety", f"{id} applies {index} after {before}")
        answer = (found.text, found.reason) if isinstance(found, CommandError) else found
        entry = Entry(command.term, command.data, command.time_ms, command.session, version, answer)
        known = self.entries.get(index)
        if known is None:
            self._settle(id, index, entry)
            self._states[index] = state
        elif known != entry:
            raise Violation("state machine safety", f"{id} applies {entry} at {index}, where others applied {known}")
        elif self._states[index] != state:
            raise Violation("state machine safety", f"{id} has the state {state} at {index}, not {self._states[index]}")

    def _settle(self, id: int, index: int, entry: Entry) -> None:
        number = number_of(entry.data)
        if index < self.last:
            raise Violation("state machine safety", f"{id} applies a command at {index}, where others had none")
        if number in self.places:
            where = f"at {self.places[number]} and at {index}"
            raise Violation("exactly once", f"command {number} is applied {where}")
        if number in self._never:
            raise Violation("certain outcomes", f"command {number} is applied at {index}, but {self._never[number]}")
        if entry.version < self.version:
            raise Violation("versions only rise", f"version {entry.version} at {index}, after {self.version}")
        if entry.version > self.version and entry.version > self._known():
            raise Violation("versions", f"version {entry.version} at {index}: not every member has had such a program")
        if entry.time_ms < self.time_ms:
            raise Violation("time", f"{entry.time_ms} ms at {index}, after {self.time_ms}")
        self.entries[index] = entry
        self.places[number] = index
        self.last, self.version, self.time_ms = index, entry.version, entry.time_ms

    def restored(self, id: int, last: int, state: tuple[int, int]) -> None:
        """Note that a member has restored a state."""
        if self._states.get(last) != state:
            known = self._states.get(last, "no state")
            raise Violation("state machine safety", f"{id} restores the state {state} of {last}, where {known} was")

    # -- what callers are told -----------------------------------------------------------------------------------

    def answered(self, number: int, answer: Any, floor: int, term: int = 0) -> int:
        """A caller got this answer. ``floor`` is the floor from before the call. Returns the index."""
        index = self.places.get(number, 0)
        if not index:
            raise Violation("no invention", f"command {number} is answered with {answer!r}, and was never applied")
        entry = self.entries[index]
        if answer != entry.answer:
            raise Violation("answers", f"command {number} is answered with {answer!r}, in place of {entry.answer!r}")
        if term and entry.term != term:
            raise Violation("certain outcomes", f"command {number} was for term {term}, and is in {entry.term}")
        self.shown(floor, index, f"command {number}")
        return index

    def refused(self, number: int, error: CommandError) -> None:
        """A caller was told that the machine refuses the command."""
        self.answered(number, (error.text, error.reason), 0)

    def shown(self, floor: int, index: int, what: str) -> None:
        """An operation has shown ``index``; all that had ended before it began had shown at most ``floor``."""
        if index <= floor and what[0] == "c":
            raise Violation("linearizable", f"{what} is at {index}, after an operation at {floor} had ended")
        if index < floor:
            raise Violation("linearizable", f"{what} shows {index}, after an operation at {floor} had ended")
        self.floor = max(self.floor, index)

    def never(self, number: int, why: str) -> None:
        """A caller was told that a command is not in the log and never will be."""
        if number in self.places:
            raise Violation("certain outcomes", f"{why}: but command {number} was applied at {self.places[number]}")
        self._never[number] = why

    def settled(self, number: int, index: int) -> None:
        """A caller was told, later, that the command was applied: at ``index``, or anywhere if that is 0."""
        found = self.places.get(number, 0)
        if not found or index not in (0, found):
            where = f"at {index}" if index else "somewhere"
            raise Violation("certain outcomes", f"command {number} is said to be {where}, and is at {found}")
