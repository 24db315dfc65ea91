"""What a member has done since its start, in plain numbers: operations of the store, and calls by how they have ended.

Counting is on the way of each request, so it must cost nothing that anybody could measure: an int, or an entry of a
dict, goes up by one.
"""

from collections.abc import Sequence
from typing import Final

SLOW_APPLY_S: Final = 0.1
"""A request that takes longer to be applied is slow, as in etcd."""
_CODES: Final = (
    *("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists"),
    *("PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented"),
    *("Internal", "Unavailable", "DataLoss", "Unauthenticated"),
)


class Operations:
    """Operations on the store, those within transactions too."""

    __slots__ = ("deletes", "puts", "ranges", "txns")

    def __init__(self) -> None:
        self.ranges = 0
        self.puts = 0
        self.deletes = 0
        self.txns = 0
        """Transactions of more than one operation, as in etcd."""

    def ended(self, kinds: Sequence[str]) -> None:
        """A transaction has done operations of these kinds, in the words of RequestOp."""
        count = len(kinds)
        if count == 1 and kinds[0] == "request_put":
            self.puts += 1
            return
        puts = kinds.count("request_put")
        ranges = kinds.count("request_range")
        deletes = kinds.count("request_delete_range")
        self.puts += puts
        self.ranges += ranges
        self.deletes += deletes
        self.txns += puts + ranges + deletes > 1


class Handled:
    """Calls that have ended, by the path of the method and the code of the status."""

    __slots__ = ("bad", "good")

    def __init__(self) -> None:
        self.good: dict[str, int] = {}
        self.bad: dict[tuple[str, int], int] = {}

    def ended(self, path: str, code: int) -> None:
        """A call has ended."""
        if code == 0:
            self.good[path] = self.good.get(path, 0) + 1
        else:
            self.bad[path, code] = self.bad.get((path, code), 0) + 1

    def all(self) -> dict[tuple[str, str], int]:
        """All counts, by path and by the name that Go's library gives the code."""
        found = {(path, _CODES[0]): count for path, count in self.good.items()}
        for (path, code), count in self.bad.items():
            name = _CODES[code] if 0 <= code < len(_CODES) else f"Code({code})"
            found[path, name] = count
        return found
