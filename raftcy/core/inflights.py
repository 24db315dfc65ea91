"""The window of appends that were sent to a peer and not yet acknowledged (etcd's ``tracker.Inflights``).

The pure twin of ``inflights.pyx``; the two agree in everything, errors included. The index of its last entry identifies
an append. Invariants: 0 <= count <= size; indexes never fall; ``bytes`` is the sum over the window.
"""

from typing import Any

from ..errors import InvariantError
from ..wire.whole import has_one_owner, keep_whole


class Inflights:
    """A window of at most ``size`` appends and, unless ``max_bytes`` is 0, about ``max_bytes`` bytes.

    The limit on bytes is soft: the append that crosses it still enters. The window is a ring that grows on demand, so a
    large ``size`` costs no memory until it is used. Raises ValueError if a limit is negative.
    """

    __slots__ = ("_bytes", "_count", "_indexes", "_max_bytes", "_size", "_sizes", "_start")

    def __init__(self, size: int, max_bytes: int = 0) -> None:
        if size < 0 or max_bytes < 0:
            raise ValueError("size and max_bytes must not be negative")
        self._size = size
        self._max_bytes = max_bytes
        self._start = 0
        self._count = 0
        self._bytes = 0
        self._indexes: list[int] = []
        self._sizes: list[int] = []

    def add(self, index: int, size_bytes: int) -> None:
        """Record an append up to ``index`` with ``size_bytes`` bytes. Raises InvariantError if the window is full."""
        if self.full():
            raise InvariantError("cannot add into a Full inflights")
        at = self._start + self._count
        if at >= self._size:
            at -= self._size
        if at >= len(self._indexes):
            # The ring has not reached its full size, so the next place is the end of the lists.
            self._indexes.append(index)
            self._sizes.append(size_bytes)
        else:
            self._indexes[at] = index
            self._sizes[at] = size_bytes
        self._count += 1
        self._bytes += size_bytes

    def free_le(self, to: int) -> None:
        """Remove every append whose index is at most ``to``."""
        freed = 0
        at = self._start
        while freed < self._count and self._indexes[at] <= to:
            self._bytes -= self._sizes[at]
            at += 1
            if at >= self._size:
                at = 0
            freed += 1
        self._count -= freed
        self._start = at if self._count else 0

    def full(self) -> bool:
        """Whether the window is full, by number or by bytes, so that no append may be sent."""
        return self._count == self._size or (self._max_bytes != 0 and self._bytes >= self._max_bytes)

    def count(self) -> int:
        """Return the number of appends in the window."""
        return self._count

    def reset(self) -> None:
        """Empty the window."""
        self._start = 0
        self._count = 0
        self._bytes = 0

    def clone(self) -> "Inflights":
        """Return an independent copy."""
        copy = Inflights(self._size, self._max_bytes)
        for index, size_bytes in self.window():
            copy.add(index, size_bytes)
        return copy

    def window(self) -> list[tuple[int, int]]:
        """Return the appends as ``(index, bytes)``, oldest first."""
        places = [(self._start + i) % self._size for i in range(self._count)]
        return [(self._indexes[at], self._sizes[at]) for at in places]

    @property
    def size(self) -> int:
        """The limit on the number of appends."""
        return self._size

    @property
    def max_bytes(self) -> int:
        """The limit on bytes; 0 means no limit."""
        return self._max_bytes

    @property
    def bytes(self) -> int:
        """Bytes in the window."""
        return self._bytes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Inflights):
            return NotImplemented
        mine = (self._size, self._max_bytes, self.window())
        return mine == (other._size, other._max_bytes, other.window())

    __hash__: Any = None

    def __repr__(self) -> str:
        return f"Inflights({self._size}, {self._max_bytes}, window={self.window()})"


keep_whole(Inflights)
has_one_owner(Inflights)
