"""Rules of single steps, on which the global rules rest. A bug shows here when it happens, not when it does harm."""

from collections.abc import Mapping

from ...replica.work import Write
from ...wire import consts as k
from ...wire.messages import Entry, Message
from ..seen import Seen, View
from .base import Checker

HANDOVERS_MOST = 3


class ElectedByQuorum(Checker):
    """A leader has the votes of a majority of the voters, in both halves of a joint configuration (paper 5.2).

    Counted are the votes that other members sent in its term, and its own vote only if it is on its disk.
    """

    rule = "elected by a quorum"

    def __init__(self) -> None:
        self.votes: set[tuple[int, int, int]] = set()

    def sending(self, member: Seen, m: Message) -> None:
        if m.type == k.VOTE_RESP and not m.reject:
            self.votes.add((member.id, m.term, m.to))

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state != k.LEADER or before.state == k.LEADER:
            return
        state = member.disk.synced
        own = state is not None and (state.term, state.vote) == (after.term, member.id)
        voters = member.raft.tracker.config.voters
        for half in (voters.incoming, voters.outgoing):
            ids = half.ids()
            given = [id for id in ids if (own if id == member.id else (id, after.term, member.id) in self.votes)]
            if ids and len(given) <= len(ids) // 2:
                self.fail(f"{member.id} becomes leader of term {after.term} by the votes of {given} of {ids}")


class UndisturbedLeaders(Checker):
    """A pre-candidate disturbs no leader, and a member that hears from a leader does not vote (thesis 4.2.3, 9.6).

    A pre-candidate stays in its term. With ``check_quorum``, a request for a vote changes nothing within an election
    timeout of the leader's last message, unless the leader is transferring its leadership.
    """

    rule = "undisturbed leaders"

    def __init__(self) -> None:
        self.lead = 0

    def taking(self, member: Seen, m: Message) -> None:
        raft = member.raft
        asks = m.type == k.VOTE and m.term > raft.term and not m.context
        self.lead = raft.lead if asks and raft.check_quorum and raft.election_elapsed < raft.election_timeout else 0

    def taken(self, member: Seen, m: Message) -> None:
        if self.lead and member.raft.term == m.term:
            self.fail(f"{member.id} adopts term {m.term} from {m.from_} within the lease of {self.lead}")

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state == k.PRE_CANDIDATE and before.state != k.PRE_CANDIDATE and after.term != before.term:
            self.fail(f"{member.id} requests pre-votes and goes from term {before.term} to {after.term}")


class OldMessages(Checker):
    """A message from an older term changes neither the node nor its view of its peers (paper 5.1)."""

    rule = "old messages change nothing"

    def __init__(self) -> None:
        self.before: list[object] = []

    def taking(self, member: Seen, m: Message) -> None:
        self.before = _known(member) if 0 < m.term < member.raft.term else []

    def taken(self, member: Seen, m: Message) -> None:
        if self.before and self.before != _known(member):
            self.fail(f"{member.id} in term {member.raft.term} goes from {self.before} to {_known(member)} on {m!r}")


def _known(member: Seen) -> list[object]:
    raft = member.raft
    peers = [(pr.id, pr.match, pr.next) for pr in raft.tracker.peers()]
    return [member.view(), dict(raft.tracker.votes), peers]


class OwnTerm(Checker):
    """A leader begins with an entry of its term, and commits only entries of its term by counting (paper 5.4.2, 8)."""

    rule = "own term first"

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state != k.LEADER:
            return
        log = member.raft.log
        if before.state != k.LEADER or before.term != after.term:
            if log.last_term() != after.term:
                self.fail(f"{member.id} begins to lead term {after.term} with a last entry of term {log.last_term()}")
        elif after.commit > before.commit and log.term_or_zero(after.commit) != after.term:
            term = log.term_or_zero(after.commit)
            self.fail(f"{member.id}, leader of term {after.term}, commits ({after.commit}, term {term})")


class AppliedIsDurable(Checker):
    """A member applies only entries on its own disk; otherwise its state would be ahead of its log after a restart."""

    rule = "applied is durable"

    def applying(self, member: Seen, e: Entry) -> None:
        if not member.disk.has(e.index, e.term):
            self.fail(f"{member.id} applies ({e.index}, term {e.term}), which is not on its disk")


class CountedIsDurable(Checker):
    """What a leader counts as stored by a member is on that member's disk, unless it has moved to a newer term (5.3).

    Covers only uncommitted entries; CommittedIsDurable checks the rest.
    """

    rule = "counted is durable"

    def __init__(self, members: Mapping[int, Seen]) -> None:
        self.members = members

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state != k.LEADER:
            return
        log = member.raft.log
        for pr in member.raft.tracker.peers():
            if pr.match <= after.commit:
                continue
            disk = self.members[pr.id].disk
            term = log.term_or_zero(pr.match)
            if disk.has(pr.match, term) or (disk.synced is not None and disk.synced.term > after.term):
                continue
            self.fail(
                f"{member.id}, leader of term {after.term}, counts ({pr.match}, term {term}) as stored by {pr.id}, "
                f"whose log ends at {disk.last_index()}"
            )


class StoredOnce(Checker):
    """What a node considers stored is on its disk and is not written again (the rules of ``Unstable``).

    The acknowledgement of a write must not count for entries, or a snapshot, that have replaced what it wrote.
    """

    rule = "stored once"

    def storing(self, member: Seen, batch: Write) -> None:
        unstable = member.raft.log.unstable
        pending = unstable.snapshot_index()
        if batch.snapshot is not None and pending < batch.snapshot.metadata.index:
            self.fail(f"{member.id} stores snapshot {batch.snapshot.metadata.index}, but waits for {pending}")
        if batch.entries and not pending and batch.entries[0].index < unstable.offset:
            self.fail(
                f"{member.id} stores ({batch.entries[0].index}, term {batch.entries[0].term}), "
                f"but considers everything before {unstable.offset} stored"
            )

    def changed(self, member: Seen, before: View, after: View) -> None:
        unstable = member.raft.log.unstable
        if unstable.snapshot is None and unstable.offset > member.disk.last_index() + 1:
            self.fail(
                f"{member.id} considers everything before {unstable.offset} stored, but its log on disk ends at "
                f"{member.disk.last_index()}"
            )
        if unstable.entries and unstable.entries[0].index != unstable.offset:
            self.fail(f"{member.id} has entry {unstable.entries[0].index} in memory at offset {unstable.offset}")


class CommitsWhatItKnows(Checker):
    """An append commits nothing beyond its entries, because the entries after them may differ (paper 5.3)."""

    rule = "commits what it knows"

    def __init__(self) -> None:
        self.before = 0

    def taking(self, member: Seen, m: Message) -> None:
        self.before = member.raft.log.committed

    def taken(self, member: Seen, m: Message) -> None:
        committed = member.raft.log.committed
        if m.type == k.APP and committed > max(self.before, m.index + len(m.entries)):
            self.fail(f"{member.id} goes from commit index {self.before} to {committed} on {m!r}")


class ReadsByQuorum(Checker):
    """A majority of the voters, in both halves, confirms a read by responding to a later heartbeat (thesis 6.4)."""

    rule = "reads by a quorum"

    def __init__(self) -> None:
        self.before = (0, 0)

    def taking(self, member: Seen, m: Message) -> None:
        reads = member.raft.read_only
        self.before = (reads.confirmed, reads.acks.get(m.from_)) if m.type == k.HEARTBEAT_RESP else (0, 0)

    def taken(self, member: Seen, m: Message) -> None:
        if m.type != k.HEARTBEAT_RESP or member.raft.state != k.LEADER:
            return
        reads = member.raft.read_only
        confirmed, acked = self.before
        answered = int.from_bytes(m.context, "little")
        if reads.acks.get(m.from_) > max(acked, answered):
            self.fail(f"{member.id} counts a response to read {answered} for {reads.acks.get(m.from_)}: {m!r}")
        if reads.confirmed <= confirmed:
            return
        voters = member.raft.tracker.config.voters
        for half in (voters.incoming, voters.outgoing):
            ids = half.ids()
            have = [id for id in ids if reads.acks.get(id) >= reads.confirmed]
            if ids and len(have) <= len(ids) // 2:
                self.fail(f"{member.id} considers read {reads.confirmed} confirmed by {have} of {ids}")


class HandoversEnd(Checker):
    """A leader accepts proposals again if a transfer has not succeeded within an election timeout (thesis 3.10).

    Otherwise a transfer to a member that is down would block proposals for good. The leader is observed through its
    heartbeats. A few more timeouts are allowed, since a transfer may be requested again.
    """

    rule = "handovers end"

    def __init__(self) -> None:
        self.seen: dict[int, tuple[tuple[int, int, int], int, int]] = {}

    def sending(self, member: Seen, m: Message) -> None:
        if m.type != k.HEARTBEAT:
            return
        raft = member.raft
        if not raft.lead_transferee:
            self.seen.pop(member.id, None)
            return
        key, elapsed = (member.life, raft.term, raft.lead_transferee), raft.election_elapsed
        known, last, times = self.seen.get(member.id, (key, 0, 0))
        times = 0 if known != key else times + (elapsed < last)
        if times > HANDOVERS_MOST:
            self.fail(f"{member.id} is still transferring to {raft.lead_transferee} after {times} election timeouts")
        self.seen[member.id] = (key, elapsed, times)
