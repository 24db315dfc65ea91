"""How many elections the members of one host begin at once. No I/O.

A host that leads thousands of groups may die, or all hosts may start again. Then thousands of members become due within
one election timeout. If all of them began at once, their messages would wait behind each other for longer than the
timeout, so most elections would fail and begin again, and the heartbeats of all other groups would be late. Rules:

- At most ``ELECTIONS_AT_ONCE`` elections of a host are under way. A member that is due while that is so takes no tick
  and waits. So a host begins elections as fast as they are decided, whatever its machine can do.
- While ticks come late, this host, or its machine, has too much to do: the limit halves at each such tick, down to
  ``ELECTIONS_LEAST``, and rises again while ticks are in time.
- An election counts until it is decided, for ``COUNTS_TICKS`` ticks at most: one that cannot be decided, because a
  majority of its group is away, must not keep others waiting for good.
- Who became due first begins first, so everybody's turn comes. But those who are the first in the order of their group
  (``idleness.spread``) come before those who stand in reserve, and these wait a few ticks longer: the first ones of
  their groups may wait at other hosts. If both stood at once, neither would be elected for a whole timeout.
- A member that waits is as ready to vote, and to follow, as one whose time has not come.
"""

from ..wire import consts as k
from .idleness import turn_of
from .ticking import Seat, is_due

ELECTIONS_AT_ONCE = 100
"""How many elections of one host may be under way."""
ELECTIONS_LEAST = 4
"""To how many the limit falls while ticks come late, and by how many it rises at each tick in time."""
COUNTS_TICKS = 10
"""For how many ticks an election counts that is not decided."""
RESERVE_TICKS = 5
"""For how many ticks no first member of any group has waited here before those in reserve begin."""


class Elections:
    """The elections of one host. Call ``tick`` before the members are ticked, and ``admit`` afterwards."""

    def __init__(self) -> None:
        # Members whose election is under way: since how many ticks.
        self._begun: dict[Seat, int] = {}
        # Members that are due, the first one first: those that are the first of their group, and those in reserve.
        self._first: dict[Seat, None] = {}
        self._reserve: dict[Seat, None] = {}
        self._calm_ticks = RESERVE_TICKS
        self._limit = ELECTIONS_AT_ONCE

    def tick(self, late: bool = False) -> int:
        """Let a tick pass, which may be late. Return how many members may begin an election now if nobody waits."""
        if late:
            self._limit = max(ELECTIONS_LEAST, self._limit // 2)
        else:
            self._limit = min(ELECTIONS_AT_ONCE, self._limit + ELECTIONS_LEAST)
        for seat, ticks in list(self._begun.items()):
            undecided = seat.raft.state in (k.CANDIDATE, k.PRE_CANDIDATE)
            if undecided and ticks < COUNTS_TICKS:
                self._begun[seat] = ticks + 1
            else:
                del self._begun[seat]
        self._calm_ticks = 0 if self._first else self._calm_ticks + 1
        return 0 if self._first or self._reserve else max(0, self._limit - len(self._begun))

    def admit(self, begun: list[Seat], held: list[Seat]) -> list[Seat]:
        """Note the members that have begun an election, and those that were held back. Return who may begin now."""
        for seat in begun:
            self._begun[seat] = 0
        for seat in held:
            if seat not in self._first and seat not in self._reserve:
                (self._first if _is_first(seat) else self._reserve)[seat] = None
        admitted = self._take(self._first)
        if not self._first and self._calm_ticks >= RESERVE_TICKS:
            admitted += self._take(self._reserve)
        return admitted

    def _take(self, waiting: dict[Seat, None]) -> list[Seat]:
        admitted = []
        while waiting and len(self._begun) < self._limit:
            seat = next(iter(waiting))
            del waiting[seat]
            # It may have heard from a leader meanwhile, or have ended.
            if seat.place >= 0 and seat.driver.failure is None and is_due(seat):
                self._begun[seat] = 0
                admitted.append(seat)
        return admitted


def _is_first(seat: Seat) -> bool:
    turn = turn_of(seat.driver, seat.group, int(seat.raft.lead))
    return turn is not None and turn[0] == 0
