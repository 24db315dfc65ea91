"""The store at one revision, which stays as it is while the store goes on."""

from collections.abc import Iterator, Sequence

from .history import History
from .items import FRAMED, VERSION, Item

PAGE = 512  # keys that are taken from the index at once
PORTION_BYTES = 1 << 20  # of items that are handed on together, unless one alone is larger


def portions(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The same items in lists of at most about a megabyte each, of a page's length at most."""
    if len(items) <= PAGE and sum([len(item[FRAMED]) for item in items]) <= PORTION_BYTES:
        if items:
            yield items
        return
    portion: list[Item] = []
    size = 0
    for item in items:
        size += len(item[FRAMED])
        if portion and (size > PORTION_BYTES or len(portion) >= PAGE):
            yield portion
            portion, size = [], len(item[FRAMED])
        portion.append(item)
    yield portion


class View:
    """The store at one revision.

    It stays as it is while transactions and compactions go on, until it is closed. It may be read and closed on another
    thread. A compaction frees nothing that an open view shows, so close it: in a ``with`` block, or by `close`.
    """

    __slots__ = ("__weakref__", "_history", "compacted", "is_closed", "revision")

    def __init__(self, history: History, revision: int) -> None:
        self._history = history
        self.revision = revision
        self.compacted = history.compacted
        self.is_closed = False
        history.keep_for(self)

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the revision, so that compactions may free it. May be called again."""
        self.is_closed = True

    def _open(self) -> History:
        if self.is_closed:
            raise ValueError("the view is closed")
        return self._history

    def get(self, key: bytes) -> Item | None:
        """The item of a live key."""
        return self._open().at(key, self.revision)

    def keys(self, key: bytes, end: bytes, size: int = PAGE) -> Iterator[list[bytes]]:
        """The keys of a range, in pages: those that are live at this revision, and perhaps others."""
        page = self._open().index.locked_page(key, end, size)
        while page:
            yield page
            if not end or len(page) < size:
                break
            page = self._open().index.locked_page(page[-1], end, size, after=True)

    def items(self, key: bytes, end: bytes, size: int = PAGE) -> Iterator[list[Item]]:
        """The live items of a range in the order of their keys, in pages, of which some may be empty.

        Unlike the rest, this is for the store's own thread.
        """
        history, revision = self._open(), self.revision
        for page in self.keys(key, end, size):
            if history.last <= revision:  # nothing has been written since
                yield [item for item in history.newest.several(page) if item[VERSION]]
            else:
                yield [item for item in [history.at(each, revision) for each in page] if item is not None]

    def kept(self) -> Iterator[Sequence[Item]]:
        """Everything that is kept at this revision, old items too, in the order of keys and revisions, in portions."""
        return self._kept_after(self.compacted)

    def bare(self) -> Iterator[Sequence[Item]]:
        """What a compaction at this very revision keeps, in portions; no compaction before it has a say in that."""
        return self._kept_after(self.revision)

    def _kept_after(self, compacted: int) -> Iterator[Sequence[Item]]:
        kept, revision = self._open().kept, self.revision
        for page in self.keys(b"\0", b"\0"):
            yield from portions([item for each in page for item in kept(each, compacted, revision)])
