"""Rules of the logs."""

import zlib
from collections.abc import Mapping

from ...replica.work import Write
from ...wire import consts as k
from ...wire.messages import Entry
from ..seen import Seen, View
from .base import Checker
from .ledger import Committed


def digest(e: Entry) -> int:
    """A checksum of an entry's type and data."""
    return zlib.crc32(e.data, int(e.type))


class LogMatching(Checker):
    """If two logs have an entry with the same index and term, all entries up to it are the same (paper, figure 3).

    Each entry is recorded with the term of its predecessor. If all entries with the same index and term agree in their
    data and in that term, whole logs agree by induction.
    """

    rule = "log matching"

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], tuple[int, int]] = {}

    def appended(self, member: Seen, entries: list[Entry]) -> None:
        seen = self.seen
        previous = member.raft.log.term_or_zero(entries[0].index - 1)
        for e in entries:
            mine = (digest(e), previous)
            known = seen.setdefault((e.index, e.term), mine)
            if known != mine and (known[0] != mine[0] or (known[1] and previous)):
                what = "its data" if known[0] != mine[0] else f"the term before it, {previous} and {known[1]}"
                self.fail(f"{member.id} appends ({e.index}, term {e.term}), which differs from another's in {what}")
            previous = e.term


class LeaderAppendOnly(Checker):
    """A leader never overwrites or deletes entries of its log (paper, figure 3).

    Because of log matching it suffices to check, at every change, that the previous last entry is still there.
    """

    rule = "leader append-only"

    def __init__(self) -> None:
        self.ends: dict[int, tuple[int, int, int]] = {}

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.state != k.LEADER:
            self.ends.pop(member.id, None)
            return
        log = member.raft.log
        end = self.ends.get(member.id)
        if end is not None and end[0] == after.term:
            _, index, term = end
            if after.last < index or log.term_or_zero(index) != term:
                self.fail(f"{member.id}, leader of term {after.term}, has lost ({index}, term {term})")
        self.ends[member.id] = (after.term, after.last, log.last_term())

    def crashed(self, member: Seen) -> None:
        self.ends.pop(member.id, None)


class CommittedIsDurable(Checker):
    """A committed entry is on the disks of a majority of the voters, in both halves of a joint configuration.

    - Checked when an index is first observed as committed, against the configuration in force on that member.
    - It stays there: no disk overwrites a committed entry with another one, or replaces a log that has it by a snapshot
      that does not cover it. This holds for members that may have acknowledged the entry to the leader that committed
      it. A member that merely has the same entry, and has not reached that leader's term, may still accept older
      messages from a leader of a term in between.
    """

    rule = "committed is durable"

    def __init__(self, committed: Committed, disks: Mapping[int, Seen]) -> None:
        self.committed = committed
        self.members = disks
        self.checked = 0

    def begin(self, index: int) -> None:
        """Set what is committed before the run."""
        self.checked = index

    def changed(self, member: Seen, before: View, after: View) -> None:
        last = self.committed.last
        if last <= self.checked:
            return
        self.checked = last
        term = self.committed.terms[last]
        voters = member.raft.tracker.config.voters
        for half in (voters.incoming, voters.outgoing):
            ids = half.ids()
            have = [id for id in ids if id in self.members and self.members[id].disk.has(last, term)]
            if ids and len(have) <= len(ids) // 2:
                self.fail(f"{member.id} commits ({last}, term {term}), which only {have} of {ids} have on disk")

    def storing(self, member: Seen, batch: Write) -> None:
        terms = self.committed.terms
        last = self.committed.last
        if batch.snapshot is not None and batch.snapshot.metadata.index < last and self._promised(member, last):
            self.fail(
                f"{member.id} replaces its log with ({last}, term {terms[last]}), which is committed, "
                f"by a snapshot of {batch.snapshot.metadata.index}"
            )
        if not batch.entries or batch.entries[0].index > last:
            return
        for e in batch.entries:
            known = terms.get(e.index)
            if known is not None and known != e.term and self._promised(member, e.index):
                self.fail(f"{member.id} overwrites ({e.index}, term {known}), which is committed, by term {e.term}")

    def _promised(self, member: Seen, index: int) -> bool:
        """Whether a member may have acknowledged an entry to the leader that committed it.

        It may if the entry and that leader's term are on its disk. A torn write can leave an entry of a later term than
        the hard state's. It was never acknowledged.
        """
        term = self.committed.terms[index]
        state = member.disk.synced
        return member.disk.has(index, term) and state is not None and state.term >= max(term, self.committed.by[index])
