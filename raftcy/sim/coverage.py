"""Counts what runs have covered: messages, roles, role transitions, faults, and pairs of faults at the same time."""

from collections import Counter
from itertools import combinations

from ..wire.enums import MessageType, StateType

FAULTS = (
    "loss", "doubling", "overtaking", "delay", "partition", "isolation", "one-way cut", "pause", "skewed clock",
    "crash", "crash of all", "failed write", "failed read", "slow disk", "no snapshot",
)  # fmt: skip

# Local messages, and MsgForgetLeader, which no node sends: they never cross the network.
_LOCAL = {"MsgHup", "MsgBeat", "MsgUnreachable", "MsgSnapStatus", "MsgCheckQuorum", "MsgForgetLeader"}
_MESSAGES = [str(kind) for kind in MessageType if str(kind) not in _LOCAL and "Storage" not in str(kind)]
_ROLES = [str(role) for role in StateType]
_TRANSITIONS = (
    "StateFollower to StatePreCandidate", "StateFollower to StateCandidate", "StatePreCandidate to StateCandidate",
    "StatePreCandidate to StateFollower", "StateCandidate to StateFollower", "StateCandidate to StateLeader",
    "StateCandidate to StatePreCandidate", "StateLeader to StateFollower",
)  # fmt: skip


class Coverage:
    """Counts by group and name. ``active`` counts the faults in force, between ``begin`` and ``end``.

    ``groups`` has the names that are expected in each group.
    """

    __slots__ = ("active", "counts", "groups")

    def __init__(self, groups: dict[str, list[str]] | None = None) -> None:
        self.groups = GROUPS if groups is None else groups
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in self.groups}
        self.active: Counter[str] = Counter()

    def begin(self, fault: str) -> None:
        """Count a fault that begins."""
        self.counts["faults"][fault] += 1
        for other in self.active:
            if other != fault:
                self.counts["pairs of faults"][pair(fault, other)] += 1
        self.active[fault] += 1

    def end(self, fault: str) -> None:
        """End a fault."""
        self.active[fault] -= 1
        if self.active[fault] <= 0:
            del self.active[fault]

    def add(self, other: "Coverage") -> None:
        """Add the counts of ``other``. One that has counted nothing yet takes over what the other expects."""
        if not any(self.counts.values()):
            self.groups = other.groups
        for name, counts in other.counts.items():
            self.counts.setdefault(name, Counter()).update(counts)

    def summary(self) -> list[str]:
        """Return a line for each group: how much of it was covered, and what was not."""
        lines = []
        for name, expected in self.groups.items():
            counts = self.counts[name]
            missed = [each for each in expected if not counts[each]]
            line = f"{name}: {len(expected) - len(missed)} of {len(expected)}"
            lines.append(line + (f", not reached: {', '.join(missed)}" if missed else ""))
        return lines


def pair(one: str, other: str) -> str:
    """Return the name of two faults in force together."""
    return " + ".join(sorted((one, other)))


LEADING: dict[str, list[str]] = {"roles": _ROLES, "transitions": list(_TRANSITIONS)}
"""The groups of every run: roles, and changes between them."""

GROUPS: dict[str, list[str]] = {
    "messages": _MESSAGES,
    **LEADING,
    "faults": list(FAULTS),
    "pairs of faults": [pair(*each) for each in combinations(FAULTS, 2)],
}
