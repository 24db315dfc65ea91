"""What a power cut, a kill, or a kill followed by a power cut may leave of a log within any of its syncs."""

from collections.abc import Iterator
from random import Random

from tests.support import log_histories
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import Models, cut_while_opening, left_by, with_damaged_snapshots


class Cuts:
    """Looks at every sync of one history. ``subsets`` is how many random subsets of its writes it tries in all.

    The snapshots of histories with an odd seed are files.
    """

    def __init__(self, seed: int, steps: int, subsets: int) -> None:
        self.seed = seed
        self.steps = steps
        self.random = Random(seed)
        # About half of the steps sync, some of them twice.
        self.subsets = max(1, subsets * 2 // steps)
        self.states = 0
        self.fallbacks = 0

    def run(self) -> int:
        """Run the history; how many states were looked at. AssertionError for one that is wrong."""
        try:
            log_histories.run(self.seed, self.steps, self.look, files=self.seed % 2 == 1)
        except AssertionError as error:
            raise AssertionError(f"history {self.seed}: {error}") from error
        return self.states

    def look(self, disk: CutDisk, before: Models, after: Models) -> None:
        for what, kept in self.kept(disk):
            self.states += 1
            left_by(disk.after(kept), before, after, f"{what}: {list(kept)} of {len(disk.items)} writes are kept")
        left_by(disk.killed(), before, after, "after a kill")
        some = next(disk.some_lost(self.random, 1))
        self.fallbacks += with_damaged_snapshots(disk.after(some), before, after, f"damaged, {some} are kept")
        # Costly, and the same for most syncs.
        if self.random.random() < 0.1:
            cut_while_opening(disk, before, after, self.random, 2, "after a kill")

    def kept(self, disk: CutDisk) -> Iterator[tuple[str, object]]:
        for kept in disk.every_cut():
            yield "a cut", kept
        for lost in disk.each_lost():
            yield "a sector is lost", lost
        for some in disk.some_lost(self.random, self.subsets):
            yield "some are lost", some


def outcome(history: tuple[int, int, int]) -> tuple[int, str]:
    """Run the history of a seed, with so many steps and subsets: how many states it had, and what was wrong with it."""
    try:
        return Cuts(*history).run(), ""
    except Exception as error:
        return 0, repr(error)[:600]
