"""The group's version: the newest version that commands and snapshots may have.

Rules:

- Each member reports through the log up to which version its program knows everything. The group's version is the
  lowest of these reports, over all members, including learners and both halves of a joint configuration. Until a member
  has reported, the version does not rise.
- The version never falls. A report below it is refused, and so is a change that would add such a member, because the
  member could not apply the commands in the log.
- A member whose program does not know the group's version stops with `UpgradeNeeded`, before it applies any command of
  that version. If it skipped them, its state would differ.
"""

from functools import lru_cache

from ..errors import CommandError, UpgradeNeeded
from ..wire.messages import ConfState
from . import envelope
from .envelope import VERSION_MOST
from .packing import Reader, number


@lru_cache(maxsize=64)
def _all_of(members: tuple[int, ...]) -> frozenset[int]:
    """Return the set of these members. Thousands of groups with the same members share one."""
    return frozenset(members)


_NOBODY: frozenset[int] = frozenset()


class Versions:
    """The group's ``version``, the reports of the members, and the newest version that this program ``knows``."""

    __slots__ = ("_members", "_reports", "knows", "version")

    def __init__(self, knows: int) -> None:
        if not 1 <= knows <= VERSION_MOST:
            raise ValueError(f"a program knows version 1 to {VERSION_MOST}, not {knows}")
        self.knows = knows
        self.version = 1
        self._reports: dict[int, int] = {}
        self._members: frozenset[int] = _NOBODY

    def reported(self, member: int) -> int:
        """Return the version that a member has reported, 0 without a report."""
        return self._reports.get(member, 0)

    def report_due(self, member: int) -> bytes | None:
        """Return the report that this program's member must propose, None if none is due.

        None is due once a report is applied, if the id is not a member's, or if the program knows only the first
        version, at which the group stays without a report. The entry may get lost. Raises UpgradeNeeded if the group's
        version is beyond this program.
        """
        self.check()
        if self._reports.get(member, 1) == self.knows or (self._members and member not in self._members):
            return None
        return envelope.version_report(member, self.knows)

    def refuses(self, version: int) -> CommandError | None:
        """Return why a member whose program knows ``version`` cannot join, None if it can; the same on all members."""
        if version >= self.version:
            return None
        return CommandError(
            f"the group uses version {self.version}, but this member's program knows versions up to {version}",
            "version",
        )

    def report(self, member: int, version: int) -> CommandError | None:
        """Apply a member's report; returns a refusal if it does not count. Raises UpgradeNeeded as `check` does."""
        if member not in self._members:
            return CommandError(f"{member} is not a member", "not a member")
        refused = self.refuses(version)
        if refused is None:
            self._reports[member] = version
            self._rise()
        return refused

    def follow(self, members: ConfState) -> None:
        """Take over changed members. Raises UpgradeNeeded as `check` does."""
        present = _all_of((*members.voters, *members.voters_outgoing, *members.learners, *members.learners_next))
        if present == self._members:
            return
        self._members = present
        for gone in [member for member in self._reports if member not in present]:
            del self._reports[gone]
        self._rise()

    def _rise(self) -> None:
        if self._members and len(self._reports) == len(self._members):
            lowest = min(self._reports.values())
            if lowest > self.version:
                self.version = lowest
                self.check()

    def check(self) -> None:
        """Raise UpgradeNeeded if the group's version is beyond this program."""
        if self.version > self.knows:
            raise UpgradeNeeded("version", self.version, self.knows)

    def encode(self) -> bytes:
        """Encode version and reports; equal ones have equal bytes."""
        parts = [number(self.version), number(len(self._reports))]
        for member, version in sorted(self._reports.items()):
            parts += [number(member), number(version)]
        return b"".join(parts)

    def decode(self, reader: Reader) -> "Versions":
        """Decode versions for the same program; does not `check`. DecodeError for bytes that `encode` does not make."""
        found = Versions(self.knows)
        found.version = reader.number(1, VERSION_MOST)
        last = 0
        for _ in range(reader.count(2)):
            last = reader.number(last + 1)
            found._reports[last] = reader.number(found.version, VERSION_MOST)
        return found
