"""Majorities, single and joint (etcd's ``quorum``; thesis 4.3 for joint configurations).

Answers two questions about a set of voters: which index a majority has acknowledged, and whether a vote is won. An
empty majority commits everything and wins every vote, so a joint configuration with an empty half behaves like the
other half alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..wire import consts as k
from ..wire.enums import VoteResult
from ..wire.whole import keep_whole
from .acks import Acks

_RESULTS: dict[int, Any] = {int(r): r for r in VoteResult}


class MajorityConfig:
    """A set of voters, in ascending order of ids (etcd's ``quorum.MajorityConfig``). Never changes once created."""

    __slots__ = ("_ids",)

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._ids = tuple(sorted(frozenset(ids)))

    def ids(self) -> list[int]:
        """The ids, ascending, as a new list (etcd's ``Slice``)."""
        return list(self._ids)

    def __contains__(self, id: object) -> bool:
        return id in self._ids

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MajorityConfig) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(self._ids)

    def __str__(self) -> str:
        return "(" + " ".join(f"{id:x}" for id in self._ids) + ")"

    def __repr__(self) -> str:
        return f"MajorityConfig({self.ids()})"

    def __reduce__(self) -> Any:
        return _majority, (self.ids(),)

    def committed_index(self, acked: Mapping[int, int]) -> int:
        """Return the highest index that a majority has acknowledged, or 2**64-1 without voters.

        ``acked`` gives the index that each id has acknowledged. An id that is missing counts as 0.
        """
        n = len(self._ids)
        if n == 0:
            return k.NO_LIMIT
        return sorted([acked.get(id, 0) for id in self._ids])[n - (n // 2 + 1)]

    def vote_result(self, votes: Mapping[int, bool]) -> VoteResult:
        """Return whether a vote is won, lost or pending. An id that is missing in ``votes`` has not voted yet."""
        return _RESULTS[self.tally(dict(votes))]  # type: ignore[no-any-return]

    def tally(self, votes: Any) -> int:
        """Return ``vote_result`` as a number."""
        n = len(self._ids)
        yes = 0
        missing = 0
        for id in self._ids:
            vote = votes.get(id)
            if vote is None:
                missing += 1
            elif vote:
                yes += 1
        needed = n // 2 + 1
        if n == 0 or yes >= needed:
            return k.VOTE_WON
        if yes + missing >= needed:
            return k.VOTE_PENDING
        return k.VOTE_LOST

    def describe(self, acked: Mapping[int, int]) -> str:
        """Draw a table of what each voter has acknowledged (etcd's ``Describe``)."""
        n = len(self._ids)
        if n == 0:
            return "<empty majority quorum>"
        bars: dict[int, int] = {}
        by_index = sorted((acked.get(id, 0), id) for id in self._ids)
        for place, (index, id) in enumerate(by_index):
            if place == 0:
                bars[id] = 0
            elif by_index[place - 1][0] < index:
                bars[id] = place
            else:
                bars[id] = bars[by_index[place - 1][1]]
        lines = [" " * n + "    idx\n"]
        for id in self._ids:
            bar = "x" * bars[id] + ">" + " " * (n - bars[id]) if id in acked else "?" + " " * n
            lines.append(f"{bar} {acked.get(id, 0):>5d}    (id={id:x})\n")
        return "".join(lines)


class JointConfig:
    """Two majorities that must both agree (etcd's ``quorum.JointConfig``). Never changes once created.

    ``outgoing``, the voters before the change, is empty outside a joint configuration.
    """

    __slots__ = ("incoming", "outgoing")

    def __init__(self, incoming: Any = None, outgoing: Any = None) -> None:
        self.incoming = _as_majority(incoming)
        self.outgoing = _as_majority(outgoing)

    def ids(self) -> list[int]:
        """The ids of both halves, ascending, as a new list."""
        if len(self.outgoing._ids) == 0:
            return self.incoming.ids()
        return sorted(set(self.incoming) | set(self.outgoing))

    def __contains__(self, id: object) -> bool:
        return id in self.incoming or id in self.outgoing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JointConfig) and self.incoming == other.incoming and self.outgoing == other.outgoing

    def __hash__(self) -> int:
        return hash((self.incoming, self.outgoing))

    def __str__(self) -> str:
        if len(self.outgoing) > 0:
            return f"{self.incoming}&&{self.outgoing}"
        return str(self.incoming)

    def __repr__(self) -> str:
        return f"JointConfig({self.incoming.ids()}, {self.outgoing.ids()})"

    def __reduce__(self) -> Any:
        return _joint, (self.incoming.ids(), self.outgoing.ids())

    def committed_index(self, acked: Mapping[int, int]) -> int:
        """Return the highest index that both majorities have acknowledged, as ``MajorityConfig.committed_index``."""
        return min(self.incoming.committed_index(acked), self.outgoing.committed_index(acked))

    def acknowledged(self, acks: Acks) -> int:
        """Return the highest number that both majorities have acknowledged."""
        one = acks.majority(self.incoming._ids)
        if len(self.outgoing._ids) == 0:
            return one
        two = acks.majority(self.outgoing._ids)
        return one if one < two else two

    def vote_result(self, votes: Mapping[int, bool]) -> VoteResult:
        """Return whether a vote is won, lost or pending: won if both majorities win it, lost if one loses it."""
        return _RESULTS[self.tally(dict(votes))]  # type: ignore[no-any-return]

    def tally(self, votes: Any) -> int:
        """Return ``vote_result`` as a number."""
        one = self.incoming.tally(votes)
        two = self.outgoing.tally(votes)
        if one == two:
            return one
        if one == k.VOTE_LOST or two == k.VOTE_LOST:
            return k.VOTE_LOST
        return k.VOTE_PENDING

    def describe(self, acked: Mapping[int, int]) -> str:
        """Draw the table of ``MajorityConfig.describe`` for the ids of both halves."""
        return MajorityConfig(self.ids()).describe(acked)


_NOBODY = MajorityConfig()


def _as_majority(ids: Any) -> MajorityConfig:
    if isinstance(ids, MajorityConfig):
        return ids
    return MajorityConfig(ids) if ids else _NOBODY


def _majority(ids: list[int]) -> MajorityConfig:
    return MajorityConfig(ids)


def _joint(incoming: list[int], outgoing: list[int]) -> JointConfig:
    return JointConfig(incoming, outgoing)


keep_whole(MajorityConfig)
keep_whole(JointConfig)
