"""The rule of liveness: what must happen once faults have ended."""

from collections.abc import Collection, Sequence

from ...wire import consts as k
from ..operation import Operation
from ..seen import Seen
from .base import Checker

LIMIT = 60
"""The number of election timeouts (``election_tick`` ticks each) within which the cluster must settle after faults."""


class Liveness(Checker):
    """Within LIMIT election timeouts after the last fault there is one leader, and every member follows and catches up.

    In detail: one leader, in the highest term, which all members know; every member has applied the leader's whole log;
    the configuration is not joint; every pending read and write has an outcome.
    """

    rule = "liveness"

    def unsettled(self, running: Sequence[Seen], pending: Collection[Operation]) -> str:
        leaders = [member for member in running if member.raft.state == k.LEADER]
        if len(leaders) != 1:
            return f"there are {len(leaders)} leaders: {[member.id for member in leaders]}"
        leader = leaders[0]
        raft = leader.raft
        if raft.tracker.config.voters.outgoing.ids():
            return f"{leader.id} is in the joint configuration {raft.tracker.config}"
        strangers = [member.id for member in running if raft.tracker.find(member.id) is None]
        if strangers:
            return f"{strangers} are running but are not members of {raft.tracker.config}"
        for member in running:
            if (member.raft.term, member.raft.lead) != (raft.term, leader.id):
                return f"{member.id} follows {member.raft.lead} in term {member.raft.term}, not {leader.id}"
            if member.application.applied != raft.log.last_index():
                return f"{member.id} has applied {member.application.applied} of {raft.log.last_index()} entries"
        missing = [id for id in raft.tracker.ids() if id not in {member.id for member in running}]
        if missing:
            return f"members {missing} of {leader.id} are not running"
        return f"{next(iter(pending))!r} and {len(pending) - 1} more have no outcome" if pending else ""
