"""What is known to be committed, from everything observed so far. Several checkers build on it."""

from ..seen import Seen, View
from .base import Checker


class Committed(Checker):
    """Every member that commits an index commits the same entry there: the consequence of leader completeness.

    ``terms`` holds the term of the entry at each committed index, ``by`` the term in which the first member was
    observed to commit it, and ``last`` the highest committed index. Comparing terms suffices because of log matching:
    entries with the same index and term are the same.
    """

    rule = "committed entries agree"

    def __init__(self) -> None:
        self.terms: dict[int, int] = {}
        self.by: dict[int, int] = {}
        self.last = 0

    def begin(self, index: int, terms: dict[int, int]) -> None:
        """Set what is committed before the run, up to ``index``: the terms of its entries, or of a snapshot."""
        self.terms = dict(terms)
        self.by = dict.fromkeys(terms, 1)
        self.last = index

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.commit <= before.commit:
            return
        log = member.raft.log
        # Entries covered by a snapshot are not in the log and cannot be compared.
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
            self.fail(f"{member.id} has committed {after.commit} through a snapshot, which no member has committed")

    def newest_before(self, term: int) -> int:
        """The highest index committed in a term below ``term``, or 0."""
        index = self.last
        while index in self.by and self.by[index] >= term:
            index -= 1
        return index if index in self.by else 0
