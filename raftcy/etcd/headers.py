"""The header of every answer, encoded: which cluster and member answer, at which revision and term.

A message is the sequence of its encoded fields, and the header is the first field of every answer. So an answer is
the header's bytes followed by those of the rest.
"""

from .encoding import varint


class Headers:
    """The headers of one member's answers."""

    __slots__ = ("_field", "_ids", "_last")

    def __init__(self, cluster_id: int, member_id: int) -> None:
        self._ids = b"\x08" + varint(cluster_id) + b"\x10" + varint(member_id)
        self._last = (-1, -1)
        self._field = b""

    def field(self, revision: int, term: int) -> bytes:
        """Return the header's field: tag, length, ResponseHeader."""
        if self._last == (revision, term):
            return self._field
        body = b"".join((self._ids, b"\x18", varint(revision), b"\x20", varint(term)))
        # Two ids, a revision and a term have less than 128 bytes, so their length takes one.
        self._field = field = b"".join((b"\x0a", bytes((len(body),)), body))
        self._last = (revision, term)
        return field
