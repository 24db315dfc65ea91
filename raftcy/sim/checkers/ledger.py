"""What is known to be committed, by all that was ever seen: the ground that several checkers stand on."""

from ..seen import Seen, View
from .base import Checker


class Committed(Checker):
    """Leader completeness, seen from below: whoever commits an index commits the same entry there.

    ``terms`` has the term of the entry at each committed index, ``by`` the term of the node that was first seen to have
    committed it, ``last`` the highest committed index. Terms suffice since log matching holds: two entries of one index
    and one term are the same.
    """

    rule = "committed entries agree"

    def __init__(self) -> None:
        self.terms: dict[int, int] = {}
        self.by: dict[int, int] = {}
        self.last = 0

    def begin(self, index: int, terms: dict[int, int]) -> None:
        """What is committed before the run: entries, or a snapshot up to ``index``."""
        self.terms = dict(terms)
        self.by = dict.fromkeys(terms, 1)
        self.last = index

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.commit <= before.commit:
            return
        log = member.raft.log
        # What a snapshot has brought is not looked at one by one: it is not there.
        first = max(before.commit + 1, log.first_index() - 1)
        for index in range(first, after.commit + 1):
            term = log.term_or_zero(index)
            known = self.terms.get(index)
            if known is None:
                if index <= self.last:
                    continue
                self.terms[index] = term
                self.by[index] = after.term
                self.last = index
            elif term and term != known:
                self.fail(
                    f"{member.id} commits ({index}, term {term}) in term {after.term}; "
                    f"committed in term {self.by[index]} was ({index}, term {known})"
                )
        if after.commit > self.last:
            self.fail(f"{member.id} has committed {after.commit} by a snapshot of what nobody has committed")

    def newest_before(self, term: int) -> int:
        """The highest index that was committed in a term below ``term``; 0 if there is none."""
        index = self.last
        while index in self.by and self.by[index] >= term:
            index -= 1
        return index if index in self.by else 0
