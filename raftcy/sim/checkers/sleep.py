"""The rule of sleep: what a sleeping member rests on."""

from collections.abc import Mapping

from ...wire import consts as k
from ..seen import Seen
from .base import Checker

LIMIT = 100
"""After so many ticks, messages that were late have come, and a host that fell silent is noticed."""


class SleepEnds(Checker):
    """Nobody sleeps for long without what its sleep rests on.

    - A follower: the leader of its term leads and lives, and has the same log.
    - A leader: with it, a majority of the voters is in its term and follows it.
    - Anybody: its whole log is committed and applied, in every moment.
    """

    rule = "sleep ends"

    def __init__(self, members: Mapping[int, Seen]) -> None:
        self._members = members
        self._ticks: dict[int, int] = {}

    def started(self, member: Seen, view: object) -> None:
        self._ticks[member.id] = 0

    def ticked(self, member: Seen) -> None:
        lacks = self._lacks(member) if member.is_asleep else ""
        ticks = self._ticks[member.id] = self._ticks[member.id] + 1 if lacks else 0
        if ticks > LIMIT:
            self.fail(f"{member.id} has slept for {ticks} ticks although {lacks}")

    def _lacks(self, member: Seen) -> str:
        raft = member.raft
        last = raft.log.last_index()
        if not raft.log.committed == member.application.applied == last:
            self.fail(f"{member.id} sleeps with {last} entries, {raft.log.committed} of them committed")
        if raft.state == k.LEADER:
            voters = raft.tracker.config.voters.incoming
            follow = [id for id in voters if id == member.id or self._follows(id, member)]
            return "" if 2 * len(follow) > len(voters) else f"only {follow} follow it"
        leader = self._members.get(raft.lead)
        if leader is None or not leader.is_running or leader.raft.state != k.LEADER or leader.raft.term != raft.term:
            return f"{raft.lead} does not lead in term {raft.term}"
        theirs = leader.raft.log.last_index()
        return "" if theirs == last else f"its log ends at {last}, and that of the leader {raft.lead} at {theirs}"

    def _follows(self, id: int, leader: Seen) -> bool:
        member = self._members.get(id)
        if member is None or not member.is_running:
            return False
        return member.raft.lead == leader.id and member.raft.term == leader.raft.term
