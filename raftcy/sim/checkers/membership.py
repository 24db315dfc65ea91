"""Rules of the configuration."""

from ...wire import consts as k
from ...wire.messages import ConfState, Entry, Snapshot
from ..seen import Seen, View
from .base import Checker


class MembershipSafety(Checker):
    """Consecutive configurations have overlapping majorities (thesis 4.1, 4.3).

    - All members have the same configuration after the same index, also if a snapshot brought it.
    - One step changes at most one voter, enters a joint configuration from the current voters, or leaves one.
    - A leader's log has at most one change that it has not applied.
    - Only voters campaign, and not while they have a committed change to apply. A leader is a voter when it is elected.
    """

    rule = "membership safety"

    def __init__(self) -> None:
        self.first = 0
        self.known: dict[int, ConfState] = {}
        self.changes: dict[int, list[int]] = {}

    def begin(self, index: int, members: ConfState) -> None:
        """Set the configuration before the run. Changes up to ``index`` are not checked."""
        self.first = index
        self.known[index] = members

    def latest(self) -> tuple[int, ConfState]:
        """The newest configuration that any member has applied, after its index."""
        index = max(self.known)
        return index, self.known[index]

    def changes_seen(self) -> bool:
        """Whether any member has applied a change."""
        return len(self.known) > 1

    def as_of(self, index: int) -> ConfState:
        """The configuration after an index, as observed so far."""
        return self.known[max(each for each in self.known if each <= index)]

    def members_changed(self, member: Seen, index: int, members: ConfState) -> None:
        if index <= self.first:
            return
        known = self.known.get(index)
        if known is not None:
            if not known.equivalent(members):
                self.fail(f"{member.id} has {members!r} after {index}, where others have {known!r}")
            return
        before = self.as_of(index)
        self.known[index] = members
        if not _follows(before, members):
            self.fail(f"{members!r} at index {index} follows {before!r}")

    def snapshot_made(self, member: Seen, snapshot: Snapshot) -> None:
        self._compare(member, snapshot)

    def restored(self, member: Seen, snapshot: Snapshot) -> None:
        self._compare(member, snapshot)
        pending = member.raft.log.unstable.snapshot
        if pending is not None and pending.metadata.index != snapshot.metadata.index:
            # The next snapshot has arrived already.
            return
        mine = member.raft.tracker.conf_state()
        if not mine.equivalent(snapshot.metadata.conf_state):
            self.fail(f"{member.id} has {mine!r} after a snapshot of {snapshot.metadata.conf_state!r}")

    def _compare(self, member: Seen, snapshot: Snapshot) -> None:
        metadata = snapshot.metadata
        if metadata.index < self.first:
            # A new member is still applying the entries from before the run.
            return
        known = self.as_of(metadata.index)
        if not known.equivalent(metadata.conf_state):
            self.fail(f"the snapshot of {member.id} at {metadata.index} has {metadata.conf_state!r}, not {known!r}")

    def started(self, member: Seen, view: View) -> None:
        disk = member.disk
        first, last = disk.first_index(), disk.last_index()
        stored = disk.entries(first, last + 1, k.NO_LIMIT) if first <= last else []
        self.changes[member.id] = [e.index for e in stored if e.type != k.NORMAL]

    def appended(self, member: Seen, entries: list[Entry]) -> None:
        first = entries[0].index
        changes = self.changes[member.id]
        while changes and changes[-1] >= first:
            changes.pop()
        raft = member.raft
        for e in entries:
            if e.type == k.NORMAL:
                continue
            if raft.state == k.LEADER and e.term == raft.term and changes and changes[-1] > raft.log.applied:
                self.fail(
                    f"{member.id}, leader of term {raft.term}, appends the change {e.index} with the change "
                    f"{changes[-1]} not applied (applied to {raft.log.applied})"
                )
            changes.append(e.index)

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state == before.state or after.state == k.FOLLOWER:
            return
        voters = member.raft.tracker.config.voters
        if member.id not in voters.incoming.ids() and member.id not in voters.outgoing.ids():
            self.fail(f"{member.id}, not a voter of {voters}, goes from role {before.state} to {after.state}")
        if before.state == k.FOLLOWER:
            waiting = [each for each in self.changes[member.id] if before.applied < each <= before.commit]
            if waiting and after.applied < waiting[-1]:
                self.fail(f"{member.id} campaigns with the changes {waiting} committed and not applied")


def _follows(before: ConfState, after: ConfState) -> bool:
    """Whether ``after`` may directly follow ``before``."""
    old, new = set(before.voters), set(after.voters)
    if after.voters_outgoing and before.voters_outgoing:
        return before.equivalent(after)
    if after.voters_outgoing:
        return set(after.voters_outgoing) == old
    if before.voters_outgoing:
        return new == old
    return len(old ^ new) <= 1
