"""Rules of single steps, which the great ones rest on: a fault shows here when it is made, not when it does harm."""

from collections.abc import Mapping

from ...replica.work import Write
from ...wire import consts as k
from ...wire.messages import Entry, Message
from ..seen import Seen, View
from .base import Checker

HANDOVERS_MOST = 3


class ElectedByQuorum(Checker):
    """A leader has the votes of a majority of the voters, of both halves of a joint configuration (paper 5.2).

    Votes of its term, given by others in what they sent, and its own only if that is on its disk.
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
    """Who asks before it campaigns disturbs nobody, and who hears of a leader does not vote (thesis 4.2.3, 9.6).

    A pre-candidate is still in the term that it was in. With ``check_quorum`` a request for a vote changes nothing
    within an election timeout of the leader's last word, unless the leader itself hands over.
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
            self.fail(f"{member.id} takes up term {m.term} from {m.from_} in the lease of {self.lead}")

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state == k.PRE_CANDIDATE and before.state != k.PRE_CANDIDATE and after.term != before.term:
            self.fail(f"{member.id} asks for pre-votes and goes from term {before.term} to {after.term}")


class OldMessages(Checker):
    """A message of an older term changes nothing: neither the node nor what it knows of its peers (paper 5.1)."""

    rule = "old messages change nothing"

    def __init__(self) -> None:
        self.before: list[object] = []

    def taking(self, member: Seen, m: Message) -> None:
        self.before = _known(member) if 0 < m.term < member.raft.term else []

    def taken(self, member: Seen, m: Message) -> None:
        if self.before and self.before != _known(member):
            self.fail(f"{member.id} in term {member.raft.term} goes from {self.before} to {_known(member)} by {m!r}")


def _known(member: Seen) -> list[object]:
    raft = member.raft
    peers = [(pr.id, pr.match, pr.next) for pr in raft.tracker.peers()]
    return [member.view(), dict(raft.tracker.votes), peers]


class OwnTerm(Checker):
    """A leader begins with an entry of its term, and commits by counting only such entries (paper 5.4.2, 8)."""

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
    """A member applies what is on its own disk, or its state would be ahead of its log after a restart."""

    rule = "applied is durable"

    def applying(self, member: Seen, e: Entry) -> None:
        if not member.disk.has(e.index, e.term):
            self.fail(f"{member.id} applies ({e.index}, term {e.term}), which it does not have on disk")


class CountedIsDurable(Checker):
    """What a leader counts as stored by a member is on its disk, unless that has gone on to a newer term (paper 5.3).

    What is committed is looked at by CommittedIsDurable, so this is about what is not yet.
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
    """What a node takes for stored is on its disk, and is not written again (``Unstable``'s rules).

    An acknowledged write says nothing about entries, or a snapshot, that took the place of what it wrote.
    """

    rule = "stored once"

    def storing(self, member: Seen, batch: Write) -> None:
        unstable = member.raft.log.unstable
        pending = unstable.snapshot_index()
        if batch.snapshot is not None and pending < batch.snapshot.metadata.index:
            self.fail(f"{member.id} stores the snapshot {batch.snapshot.metadata.index}, but waits for {pending}")
        if batch.entries and not pending and batch.entries[0].index < unstable.offset:
            self.fail(
                f"{member.id} stores ({batch.entries[0].index}, term {batch.entries[0].term}), "
                f"but takes all before {unstable.offset} for stored"
            )

    def changed(self, member: Seen, before: View, after: View) -> None:
        unstable = member.raft.log.unstable
        if unstable.snapshot is None and unstable.offset > member.disk.last_index() + 1:
            self.fail(
                f"{member.id} takes all before {unstable.offset} for stored, its log on disk ends at "
                f"{member.disk.last_index()}"
            )
        if unstable.entries and unstable.entries[0].index != unstable.offset:
            self.fail(f"{member.id} has entry {unstable.entries[0].index} in memory at the place {unstable.offset}")


class CommitsWhatItKnows(Checker):
    """An append commits nothing beyond the entries that it brings: what comes after them may differ (paper 5.3)."""

    rule = "commits what it knows"

    def __init__(self) -> None:
        self.before = 0

    def taking(self, member: Seen, m: Message) -> None:
        self.before = member.raft.log.committed

    def taken(self, member: Seen, m: Message) -> None:
        committed = member.raft.log.committed
        if m.type == k.APP and committed > max(self.before, m.index + len(m.entries)):
            self.fail(f"{member.id} goes from commit index {self.before} to {committed} by {m!r}")


class ReadsByQuorum(Checker):
    """A read is confirmed by a majority of the voters, of both halves, each by an answer to a later heartbeat (6.4)."""

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
        told = int.from_bytes(m.context, "little")
        if reads.acks.get(m.from_) > max(acked, told):
            self.fail(f"{member.id} takes an answer to read {told} for one to {reads.acks.get(m.from_)}: {m!r}")
        if reads.confirmed <= confirmed:
            return
        voters = member.raft.tracker.config.voters
        for half in (voters.incoming, voters.outgoing):
            ids = half.ids()
            have = [id for id in ids if reads.acks.get(id) >= reads.confirmed]
            if ids and len(have) <= len(ids) // 2:
                self.fail(f"{member.id} takes read {reads.confirmed} for confirmed by {have} of {ids}")


class HandoversEnd(Checker):
    """A leader that hands over takes proposals again when that has not come off in an election timeout (thesis 3.10).

    It is seen by its heartbeats. Some more time is allowed, since a handover may be asked for again.
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
            self.fail(f"{member.id} hands over to {raft.lead_transferee} for the {times}. election timeout")
        self.seen[member.id] = (key, elapsed, times)
