"""The group's version: what commands and snapshots may be of.

Rules:

- Each member reports through the log up to which version its program knows all. The group's version is the lowest of
  these, over all members, learners and both halves of a joint configuration included; a member that has not reported
  holds it where it is.
- It only rises. A report below it is refused, and so is the change that would add such a member: it could not apply
  what is in the log.
- A member whose own program does not know the group's version stops with `UpgradeNeeded`, before it applies anything of
  that version.
"""

from ..errors import CommandError, UpgradeNeeded
from ..wire.messages import ConfState
from . import envelope
from .envelope import VERSION_MOST
from .packing import Reader, number


class Versions:
    """The group's ``version``, what the members have reported, and what this program ``knows``."""

    __slots__ = ("_members", "_reports", "knows", "version")

    def __init__(self, knows: int) -> None:
        if not 1 <= knows <= VERSION_MOST:
            raise ValueError(f"a program knows version 1 to {VERSION_MOST}, not {knows}")
        self.knows = knows
        self.version = 1
        self._reports: dict[int, int] = {}
        self._members: frozenset[int] = frozenset()

    def reported(self, member: int) -> int:
        """What a member has reported, 0 if it has not."""
        return self._reports.get(member, 0)

    def report_due(self, member: int) -> bytes | None:
        """The entry that the member of this program has to propose; None if there is nothing to report.

        That is so once its report is applied, for an id that is not a member's, and for a program that knows the first
        version only, which holds the group there without a report. The entry may get lost. Raises UpgradeNeeded if the
        group is beyond this program.
        """
        self.check()
        if self._reports.get(member, 1) == self.knows or (self._members and member not in self._members):
            return None
        return envelope.version_report(member, self.knows)

    def refuses(self, version: int) -> CommandError | None:
        """Why a member whose program knows all up to ``version`` cannot join, None if it can; alike on all members."""
        if version >= self.version:
            return None
        return CommandError(
            f"the group uses version {self.version}, but this member's program knows versions up to {version}",
            "version",
        )

    def report(self, member: int, version: int) -> CommandError | None:
        """A member's report is applied; a refusal if it does not count. Raises UpgradeNeeded as `check` does."""
        if member not in self._members:
            return CommandError(f"{member} is not a member", "not a member")
        refused = self.refuses(version)
        if refused is None:
            self._reports[member] = version
            self._rise()
        return refused

    def follow(self, members: ConfState) -> None:
        """The members have changed. Raises UpgradeNeeded as `check` does."""
        present = frozenset((*members.voters, *members.voters_outgoing, *members.learners, *members.learners_next))
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
        """Raises UpgradeNeeded if the group's version is beyond this program."""
        if self.version > self.knows:
            raise UpgradeNeeded("version", self.version, self.knows)

    def encode(self) -> bytes:
        """Version and reports as bytes; equal ones have equal bytes."""
        parts = [number(self.version), number(len(self._reports))]
        for member, version in sorted(self._reports.items()):
            parts += [number(member), number(version)]
        return b"".join(parts)

    def decode(self, reader: Reader) -> "Versions":
        """What these bytes say, for the same program. DecodeError if `encode` does not make them; does not `check`."""
        found = Versions(self.knows)
        found.version = reader.number(1, VERSION_MOST)
        last = 0
        for _ in range(reader.count(2)):
            last = reader.number(last + 1)
            found._reports[last] = reader.number(found.version, VERSION_MOST)
        return found
