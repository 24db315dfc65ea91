"""What the runs have met: messages, roles and their transitions, faults, and faults that were in force together."""

from collections import Counter
from itertools import combinations

from ..wire.enums import MessageType, StateType

FAULTS = (
    "loss", "doubling", "overtaking", "delay", "partition", "isolation", "one-way cut", "pause", "skewed clock",
    "crash", "crash of all", "torn write", "failed write", "failed read", "slow disk", "no snapshot",
)  # fmt: skip

# Between threads of one node, or never sent by a node of raft: they do not travel.
_LOCAL = {"MsgHup", "MsgBeat", "MsgUnreachable", "MsgSnapStatus", "MsgCheckQuorum", "MsgForgetLeader"}
_MESSAGES = [str(kind) for kind in MessageType if str(kind) not in _LOCAL and "Storage" not in str(kind)]
_ROLES = [str(role) for role in StateType]
_TRANSITIONS = (
    "StateFollower to StatePreCandidate", "StateFollower to StateCandidate", "StatePreCandidate to StateCandidate",
    "StatePreCandidate to StateFollower", "StateCandidate to StateFollower", "StateCandidate to StateLeader",
    "StateCandidate to StatePreCandidate", "StateLeader to StateFollower",
)  # fmt: skip


class Coverage:
    """Counts by group and name. ``begin`` and ``end`` tell which faults are in force."""

    __slots__ = ("active", "counts")

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in _GROUPS}
        self.active: Counter[str] = Counter()

    def begin(self, fault: str) -> None:
        """A fault begins."""
        self.counts["faults"][fault] += 1
        for other in self.active:
            if other != fault:
                self.counts["pairs of faults"][_pair(fault, other)] += 1
        self.active[fault] += 1

    def end(self, fault: str) -> None:
        """A fault ends."""
        self.active[fault] -= 1
        if self.active[fault] <= 0:
            del self.active[fault]

    def add(self, other: "Coverage") -> None:
        """Count what another has met too."""
        for name, counts in other.counts.items():
            self.counts[name].update(counts)

    def summary(self) -> list[str]:
        """A line for each group: how much of it was met, and what was not."""
        lines = []
        for name, expected in _GROUPS.items():
            counts = self.counts[name]
            missed = [each for each in expected if not counts[each]]
            line = f"{name}: {len(expected) - len(missed)} of {len(expected)}"
            lines.append(line + (f", not reached: {', '.join(missed)}" if missed else ""))
        return lines


def _pair(one: str, other: str) -> str:
    return " + ".join(sorted((one, other)))


_GROUPS: dict[str, list[str]] = {
    "messages": _MESSAGES,
    "roles": _ROLES,
    "transitions": list(_TRANSITIONS),
    "faults": list(FAULTS),
    "pairs of faults": [_pair(*each) for each in combinations(FAULTS, 2)],
}
