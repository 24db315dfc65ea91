"""Random histories of several groups in one log, beside MemoryStorage as a model of each.

With ``files``, the snapshots of a history are files: written or received, replaced and removed, with the log's own.
"""

from collections import Counter
from collections.abc import Callable
from copy import copy
from random import Random

from raftcy import MemoryStorage
from raftcy.rafttest.storage_history import draw
from raftcy.rafttest.storage_model import Contents, contents
from raftcy.storage.files import Files
from raftcy.storage.shared_log import SharedLog

from .body_histories import whole, with_body
from .cut_disk import CutDisk

GROUPS = (0, 7, 2**64 - 1)
SEGMENT = 8192
MEMORY = 4000

Models = dict[int, MemoryStorage]
Seen = Counter[str]
"""How often something happened in histories."""


def open_log(files: Files, **options: object) -> SharedLog:
    """A log with small segments and little memory, whose random bytes are the same each time."""
    given = {"segment_size": SEGMENT, "memory_size": MEMORY, "clock": float, "draw": lambda size: b"\x11" * size}
    given |= options
    return SharedLog(files, **given)  # type: ignore[arg-type]


def do_chores(log: SharedLog) -> None:
    for chore in log.chores():
        chore.run()
        log.chore_done(chore)


class PowerCut(BaseException):
    """The power is cut within a sync. ``disk`` is what is left."""

    def __init__(self, disk: CutDisk) -> None:
        self.disk = disk


class History:
    """One history. ``durable`` has the models as of the last completed sync, ``staged`` as they are now."""

    def __init__(self, seed: int, disk: CutDisk, files: bool = False) -> None:
        self.random = Random(seed)
        self.files = files
        self.disk = disk
        # Some with segments so small that most writes begin one.
        self.segment = self.random.choice((4096, 8192))
        # In some, a group is quiet: the others write on, and its entries have to move forward.
        self.weights = self.random.choice(((1, 1, 1), (1, 9, 9), (1, 40, 2)))
        self.seen = Seen()
        self.log = open_log(disk, segment_size=self.segment)
        self.staged: Models = {id: MemoryStorage() for id in GROUPS}
        self.durable: Models = {id: MemoryStorage() for id in GROUPS}

    def step(self) -> str:
        """One call of a group, or a sync of all; its name."""
        id = self.random.choices(GROUPS, self.weights)[0]
        if self.random.random() < 0.01:
            # By itself: a group that began anew in the same write would have been empty in between.
            self.sync()
            self.log.drop(id)
            self.staged[id] = MemoryStorage()
            self.sync()
            return "drop"
        step = draw(self.random, self.staged[id])
        if step[0] == "sync":
            self.sync()
        elif step[0] == "restart":
            self.restart()
        elif step[0] == "crash":
            self.crash()
        else:
            group = self.log.group(id, bodies=True)
            if self.files:
                step = with_body(self.random, group, step)
            for storage in (self.staged[id], group):
                getattr(storage, step[0])(*step[1:])
        return str(step[0])

    def sync(self) -> None:
        """What all groups have staged becomes durable."""
        self.log.sync()
        self.durable = {id: copy(model) for id, model in self.staged.items()}
        if self.random.random() < 0.7:
            do_chores(self.log)

    def restart(self) -> None:
        """Close, and open again; the close may have something to sync, or only its mark to write."""
        if self.random.random() < 0.5:
            self.sync()
        self.log.close()
        self.durable = {id: copy(model) for id, model in self.staged.items()}
        self._open()

    def crash(self) -> None:
        """The process is killed; nothing was being written."""
        self.log.abandon()
        self.staged = {id: copy(model) for id, model in self.durable.items()}
        self.disk = self.disk.killed()
        self._open()

    def power_cut(self, disk: CutDisk) -> None:
        """The power was cut within a sync, and the history goes on from what is left."""
        self.log.abandon()
        self.disk = disk
        self._open()
        self.seen["torn tails"] += self.log.cut is not None
        self.staged = {
            id: copy(same(self.log, id, [self.durable[id], self.staged[id]], "on from a power cut")) for id in GROUPS
        }
        self.durable = {id: copy(model) for id, model in self.staged.items()}

    def _open(self) -> None:
        self.note()
        self.log = open_log(self.disk, segment_size=self.segment)

    def note(self) -> None:
        """Add the counters of the present log to those of the history."""
        counters = self.log.counters
        self.seen["segments freed"] += counters.segments_removed
        self.seen["groups moved"] += counters.groups_moved
        counters.segments_removed = counters.groups_moved = 0

    def check(self) -> None:
        """Every group holds what its model holds."""
        for id, model in self.staged.items():
            same(self.log, id, [model], "now")


def same(log: SharedLog, id: int, models: list[MemoryStorage], when: str) -> MemoryStorage:
    """The model that a group equals; AssertionError if it is none of them."""
    return models[_which(log, id, [contents(model) for model in models], when)]


def _which(log: SharedLog, id: int, wanted: list[Contents], when: str) -> int:
    found = contents(log.group(id, bodies=True))
    if found in wanted:
        return wanted.index(found)
    raise AssertionError(f"{when}: group {id}: {found.differences(wanted[-1])}")


Wanted = dict[int, list[Contents]]
"""What each group may hold after a crash within a sync: as before it, or as after it."""


def wanted_by(before: Models, after: Models) -> Wanted:
    return {id: [contents(before[id]), contents(after[id])] for id in before}


def left_by(disk: CutDisk, wanted: Wanted, when: str) -> None:
    """A log is found to hold what it may after a crash within a sync.

    And what it says once, it says again, though the power is cut at once.
    """
    log = open_log(disk)
    found = {id: each[_which(log, id, each, when)] for id, each in wanted.items()}
    whole(log, disk, wanted, when)
    log.abandon()
    again = open_log(disk.after(()))
    for id, each in found.items():
        _which(again, id, [each], f"{when}, and a power cut after the opening")
    again.abandon()


def cut_while_opening(left: CutDisk, wanted: Wanted, random: Random, count: int, when: str) -> None:
    """The power is cut at each sync of an opening, also of an opening after a first one that was cut off."""

    def on_sync(name: str) -> None:
        kept_ones = [*left.every_cut(), *left.each_lost(), *left.some_lost(random, count)]
        what = f"{when}, cut at the sync of {name!r} while it is opened"
        for kept in kept_ones:
            left_by(left.after(kept), wanted, f"{what}, {kept}")
        if count > 1:
            again = left.after(random.choice(kept_ones))
            cut_while_opening(again, wanted, random, count - 1, f"{what}, and again")

    left.on_sync = on_sync
    open_log(left).abandon()


Look = Callable[["History", CutDisk, Models, Models], None]
"""Called as a sync begins: the history, its disk, and the models before it and after it."""


def run(seed: int, before: int, steps: int, look: Look, files: bool = False) -> Seen:
    """A history in which, after ``before`` steps, every sync is looked at before it is completed; what happened in it.

    ``look`` may raise PowerCut: the history goes on from what is left.
    """
    history = History(seed, CutDisk(), files)
    for _ in range(before):
        history.step()

    def on_sync(name: str) -> None:
        look(history, history.disk, history.durable, history.staged)

    for _ in range(steps):
        history.disk.on_sync = on_sync
        try:
            history.seen[history.step()] += 1
        except PowerCut as cut:
            cut.disk.on_sync = None
            history.power_cut(cut.disk)
            history.seen["power cuts"] += 1
        history.disk.on_sync = None
        history.check()
    history.note()
    history.seen["segments begun"] = history.log.segments()[1]
    return history.seen
