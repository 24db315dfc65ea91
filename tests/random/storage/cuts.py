"""What a power cut, a kill, or a kill followed by a power cut may leave of a log within any of its syncs."""

from collections.abc import Iterator
from random import Random

from tests.support import log_histories
from tests.support.body_histories import with_damaged_snapshots
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import (
    History,
    Models,
    PowerCut,
    Seen,
    Wanted,
    cut_while_opening,
    left_by,
    open_log,
    wanted_by,
)

# How often an opening is cut off at each of its syncs: costly, and the same for most syncs.
OPENINGS = 0.05
# How often a history goes on from what a power cut has left, so that torn tails are written over.
GOING_ON = 0.1


class Cuts:
    """Looks at every sync of the last ``steps`` of a history; ``subsets`` is how many random subsets it draws in all.

    Before these come ``before`` steps, or fewer, so that segments have been freed and groups moved. The snapshots of
    histories with an odd seed are files.
    """

    def __init__(self, seed: int, steps: int, subsets: int, before: int = 400) -> None:
        self.seed = seed
        self.steps = steps
        self.before = before
        self.random = Random(seed)
        # About half of the steps sync, some of them twice.
        self.subsets = max(1, subsets * 2 // steps)
        self.seen = Seen()

    def run(self) -> Seen:
        """Run the history, and return how often what happened. AssertionError for a state that is wrong."""
        try:
            before = self.random.randrange(self.before + 1)
            self.seen += log_histories.run(self.seed, before, self.steps, self.look, files=self.seed % 2 == 1)
        except AssertionError as error:
            raise AssertionError(f"history {self.seed}: {error}") from error
        return self.seen

    def look(self, history: History, disk: CutDisk, before: Models, after: Models) -> None:
        wanted = wanted_by(before, after)
        done = set()
        for what, kept in self.kept(disk):
            self.seen[what] += 1
            # Of a small write, the random subsets are the same again and again.
            if tuple(kept) in done:
                continue
            done.add(tuple(kept))
            self.seen["states"] += 1
            left_by(disk.after(kept), wanted, f"{what}: {list(kept)} of {len(disk.items)} writes are kept")
        # The process is killed within the write, or after it, and the power is cut once the log is open.
        for count in {len(disk.items), self.random.randrange(len(disk.items) + 1)}:
            self.seen["kills"] += 1
            self.seen["states"] += 1
            left_by(disk.killed(count), wanted, f"after a kill with {count} of {len(disk.items)} writes")
        if history.files:
            (some,) = disk.some_lost(self.random, 1)
            when = f"with damaged snapshots, {some} are kept"
            self.seen["older snapshots"] += with_damaged_snapshots(disk.after(some), open_log, before, after, when)
        if self.random.random() < OPENINGS:
            self.look_at_openings(disk, wanted)
        if self.random.random() < GOING_ON:
            (some,) = disk.some_lost(self.random, 1)
            raise PowerCut(disk.after(some))

    def look_at_openings(self, disk: CutDisk, wanted: Wanted) -> None:
        """The power is cut while the log is opened: after a kill, after one within the write, and after a power cut."""
        (some,) = disk.some_lost(self.random, 1)
        count = self.random.randrange(len(disk.items) + 1)
        for left, when in (
            (disk.killed(), "after a kill"),
            (disk.killed(count), f"after a kill with {count} of {len(disk.items)} writes"),
            (disk.after(some), f"after a power cut that has kept {some}"),
        ):
            self.seen["openings cut off"] += 1
            cut_while_opening(left, wanted, self.random, 2, when)

    def kept(self, disk: CutDisk) -> Iterator[tuple[str, "range | list[int]"]]:
        for kept in disk.every_cut():
            yield "cuts", kept
        for lost in disk.each_lost():
            yield "single losses", lost
        for some in disk.some_lost(self.random, self.subsets):
            yield "subsets", some


def outcome(history: tuple[int, int, int]) -> tuple[Seen, str]:
    """Run the history of a seed, with so many steps and subsets: what happened in it, and what was wrong with it."""
    try:
        return Cuts(*history).run(), ""
    except Exception as error:
        return Seen(), repr(error)[:600]
