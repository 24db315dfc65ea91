"""The rule of sleep: what a sleeping member rests on."""

from collections.abc import Mapping

from ...wire import consts as k
from ..seen import Seen
from .base import Checker

LIMIT = 100
"""After so many ticks, messages that were late have come."""


class SleepEnds(Checker):
    """Nobody sleeps without what its sleep rests on.

    - Anybody: its whole log is committed and applied.
    - A follower: beats of its leader's host have come within half an election timeout and two ticks.
    - A leader: beats of a majority of the voters have come within that time, its own host included.
    - Unless messages are late: a follower's leader lives, leads in the same term and has the same log, and a majority
      of a leader's voters lives, is in its term and follows it.
    """

    rule = "sleep ends"

    def __init__(self, members: Mapping[int, Seen]) -> None:
        self._members = members
        # By member: ticks since the last beat of each other one, and ticks for which its sleep rests on nothing.
        self._silent: dict[int, dict[int, int]] = {}
        self._ticks: dict[int, int] = {}

    def started(self, member: Seen, view: object) -> None:
        self._ticks[member.id] = 0
        self._silent[member.id] = {}

    def beaten(self, member: Seen, sender: int) -> None:
        self._silent[member.id][sender] = 0

    def ticked(self, member: Seen) -> None:
        silent = self._silent[member.id]
        for id in silent:
            silent[id] += 1
        if not member.is_asleep:
            self._ticks[member.id] = 0
            return
        raft = member.raft
        last = raft.log.last_index()
        if not raft.log.committed == member.application.applied == last:
            self.fail(f"{member.id} sleeps with {last} entries, {raft.log.committed} of them committed")
        lacks = self._led(member) if raft.state == k.LEADER else self._follows(member)
        ticks = self._ticks[member.id] = self._ticks[member.id] + 1 if lacks else 0
        if ticks > LIMIT:
            self.fail(f"{member.id} has slept for {ticks} ticks although {lacks}")

    def _hears(self, member: Seen, id: int) -> bool:
        patience = int(member.raft.election_timeout) // 2 + 2
        return self._silent[member.id].get(id, patience + 1) <= patience

    def _led(self, member: Seen) -> str:
        voters = member.raft.tracker.config.voters.incoming
        heard = [id for id in voters if id == member.id or self._hears(member, id)]
        if 2 * len(heard) <= len(voters):
            self.fail(f"{member.id} sleeps as leader and hears only {heard}")
        following = [id for id in voters if id == member.id or self._is_behind(id, member)]
        return "" if 2 * len(following) > len(voters) else f"only {following} follow it"

    def _is_behind(self, id: int, leader: Seen) -> bool:
        member = self._members.get(id)
        if member is None or not member.is_running:
            return False
        return member.raft.lead == leader.id and member.raft.term == leader.raft.term

    def _follows(self, member: Seen) -> str:
        raft = member.raft
        if not self._hears(member, raft.lead):
            self.fail(f"{member.id} sleeps, but hears no beats of its leader {raft.lead}")
        leader = self._members.get(raft.lead)
        if leader is None or not leader.is_running or leader.raft.state != k.LEADER or leader.raft.term != raft.term:
            return f"{raft.lead} does not lead in term {raft.term}"
        last, theirs = raft.log.last_index(), leader.raft.log.last_index()
        return "" if theirs == last else f"its log ends at {last}, and that of the leader {raft.lead} at {theirs}"
