"""The rules again, by definition and without regard to cost, for comparison with the library.

Nothing here uses the library, and nothing is clever: quorums are enumerated, members are a dict of roles, a log is a
list.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

UNLIMITED = 2**64 - 1


# -- quorums -----------------------------------------------------------------------------------------------------------


def quorums(voters: Collection[int]) -> list[tuple[int, ...]]:
    """The smallest sets of voters that are more than half of them."""
    return list(combinations(sorted(voters), len(voters) // 2 + 1))


def committed(voters: Collection[int], acked: Mapping[int, int]) -> int:
    """The highest index that every voter of some quorum has acknowledged; without voters, no limit."""
    if not voters:
        return UNLIMITED
    return max(min(acked.get(id, 0) for id in quorum) for quorum in quorums(voters))


def vote(voters: Collection[int], votes: Mapping[int, bool]) -> str:
    """Won if some quorum has granted, lost if no quorum can grant any more."""
    if not voters or any(all(votes.get(id) is True for id in quorum) for quorum in quorums(voters)):
        return "WON"
    if any(all(votes.get(id) is not False for id in quorum) for quorum in quorums(voters)):
        return "PENDING"
    return "LOST"


def joint_vote(one: str, two: str) -> str:
    """The result of two votes that are both needed: lost if either is lost, won if both are won."""
    if "LOST" in (one, two):
        return "LOST"
    return "WON" if (one, two) == ("WON", "WON") else "PENDING"


# -- members -----------------------------------------------------------------------------------------------------------


@dataclass
class Members:
    """The role of each member, and the voters of the configuration that is being left."""

    roles: dict[int, str] = field(default_factory=dict)
    outgoing: set[int] = field(default_factory=set)

    def change(self, changes: Iterable[tuple[str, int]]) -> None:
        """Take steps such as ("v", 3): v for voter, l for learner, r for removal, u for nothing."""
        for letter, id in changes:
            if letter == "r":
                self.roles.pop(id, None)
            elif letter != "u":
                self.roles[id] = letter

    def in_role(self, letter: str) -> set[int]:
        return {id for id, role in self.roles.items() if role == letter}

    def text(self) -> str:
        """etcd's text for this configuration; a learner that still votes in the outgoing half is in LearnersNext."""
        learners = self.in_role("l")
        told = f"voters={_ids(self.in_role('v'))}"
        told += f"&&{_ids(self.outgoing)}" if self.outgoing else ""
        told += f" learners={_ids(learners - self.outgoing)}" if learners - self.outgoing else ""
        told += f" learners_next={_ids(learners & self.outgoing)}" if learners & self.outgoing else ""
        return told


def _ids(ids: Iterable[int]) -> str:
    return "(" + " ".join(f"{id:x}" for id in sorted(ids)) + ")"
