"""Rules of elections: votes and leaders."""

from ...wire import consts as k
from ...wire.messages import Message
from ..seen import Seen, View
from .base import Checker
from .ledger import Committed


class ElectionSafety(Checker):
    """A term has at most one leader, and it does not lead that term again after a restart (paper, figure 3).

    This rests on votes, which are checked too: a member votes for at most one candidate in a term, also across
    restarts. A candidate's request counts as its vote for itself if that vote is on its disk.
    """

    rule = "election safety"

    def __init__(self) -> None:
        self.leaders: dict[int, tuple[int, int]] = {}
        self.votes: dict[tuple[int, int], int] = {}

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state == k.LEADER and (before.state != k.LEADER or before.term != after.term):
            known = self.leaders.setdefault(after.term, (member.id, member.life))
            if known != (member.id, member.life):
                self.fail(
                    f"{member.id} (start {member.life}) becomes leader of term {after.term}, "
                    f"which {known[0]} (start {known[1]}) has led"
                )

    def sending(self, member: Seen, m: Message) -> None:
        kind = m.type
        if kind == k.VOTE:
            state = member.disk.synced
            if state is None or state.term != m.term:
                # Without ``hold_votes`` the candidate's vote is not on disk yet, and does not count until it is.
                return
            candidate = member.id
        elif kind == k.VOTE_RESP and not m.reject:
            candidate = m.to
        else:
            return
        known = self.votes.setdefault((member.id, m.term), candidate)
        if known != candidate:
            self.fail(f"{member.id} votes for {candidate} in term {m.term}, where it has voted for {known} before")


class LeaderCompleteness(Checker):
    """A leader has all entries that were committed in earlier terms (paper, figure 3)."""

    rule = "leader completeness"

    def __init__(self, committed: Committed) -> None:
        self.committed = committed

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state != k.LEADER or (before.state == k.LEADER and before.term == after.term):
            return
        index = self.committed.newest_before(after.term)
        if index == 0:
            return
        log = member.raft.log
        if index + 1 < log.first_index():
            return
        term = log.term_or_zero(index)
        if term != self.committed.terms[index]:
            self.fail(
                f"{member.id} becomes leader of term {after.term} with term {term} at index {index}, where term "
                f"{self.committed.terms[index]} was committed in term {self.committed.by[index]}"
            )
