"""The header of every answer, encoded: which cluster and member answer, at which revision and term.

A message is the sequence of its encoded fields, and the header is the first field of every answer. So an answer is
the header's bytes followed by those of the rest.
"""

from .encoding import varint


class Headers:
    """The headers of one member's answers."""

    __slots__ = ("_begin", "_end", "_field", "_revision", "_term")

    def __init__(self, cluster_id: int, member_id: int) -> None:
        self._begin = b"\x08" + varint(cluster_id) + b"\x10" + varint(member_id) + b"\x18"
        self._end = b""
        self._revision = self._term = -1
        self._field = b""

    def field(self, revision: int, term: int) -> bytes:
        """Return the header's field: tag, length, ResponseHeader."""
        if revision == self._revision and term == self._term:
            return self._field
        if term != self._term:
            self._term = term
            self._end = b"\x20" + varint(term)
        self._revision = revision
        middle = varint(revision)
        # Two ids, a revision and a term have less than 128 bytes, so their length takes one.
        size = varint(len(self._begin) + len(middle) + len(self._end))
        self._field = field = b"".join((b"\x0a", size, self._begin, middle, self._end))
        return field
