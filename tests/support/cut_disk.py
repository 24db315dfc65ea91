"""A disk in memory whose power can be cut, as the simulator has it, with every cut in turn.

A kill of the process may come within a write, which then leaves the first items (``killed``).
"""

from collections.abc import Callable, Collection, Iterator
from random import Random

from raftcy.sim.hosts.medium import File, Item, Medium

__all__ = ["CutDisk", "File", "Item"]


class CutDisk(Medium):
    """See the module. ``fault`` is called before each write and sync with its kind and name, and may raise.

    It may also return how many bytes of a write are written before it fails, by disk full. What a failed sync has not
    made durable still waits here, and may reach the disk by a cut or by the next sync.
    """

    def __init__(self, fault: Callable[[str, str], int | None] | None = None) -> None:
        super().__init__()
        self.fault = fault
        self.calls: list[tuple[str, str]] = []
        # Called when a sync of a file begins, before anything is durable.
        self.on_sync: Callable[[str], None] | None = None

    def sync(self, name: str) -> None:
        if self.on_sync is not None:
            self.on_sync(name)
        self._try("sync", name)
        self._make_durable(name)

    def _try(self, kind: str, name: str) -> int | None:
        self.calls.append((kind, name))
        return None if self.fault is None else self.fault(kind, name)

    def killed(self, count: int | None = None) -> "CutDisk":
        """The disk as the next process finds it; what was not synced still is not.

        With ``count``, the process had written the first so many items when it was killed.
        """
        if count is None:
            return super().killed()
        left, copies = self._with(range(count))

        def copy(file: File | None) -> File | None:
            return None if file is None else copies.setdefault(id(file), File(file.durable))

        left.durable_files = {name: copy(file) or File() for name, file in self.durable_files.items()}
        left.items = [(kind, copy(file), at, data, name) for kind, file, at, data, name in self.items[:count]]
        return left

    def every_cut(self) -> Iterator[range]:
        """The items that are kept if they reach the disk one after the other."""
        return (range(count) for count in range(len(self.items) + 1))

    def each_lost(self) -> Iterator[list[int]]:
        """The items that are kept if one alone is lost."""
        places = range(len(self.items))
        return ([place for place in places if place != lost] for lost in places)

    def some_cuts(self, count: int) -> Iterator[Collection[int]]:
        """About so many of every cut and of each lost item, evenly chosen, the first and the last among them."""
        for states in (list(self.every_cut()), list(self.each_lost())):
            step = max(1, 2 * len(states) // count)
            yield from states[::step]
            yield from states[-1:]

    def some_lost(self, random: Random, count: int) -> Iterator[list[int]]:
        """Any items that are kept, by chance, so many times."""
        for _ in range(count):
            share = random.random()
            yield [place for place in range(len(self.items)) if random.random() < share]
