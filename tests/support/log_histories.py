"""Random histories of several groups in one log, beside MemoryStorage as a model of each."""

from collections.abc import Callable
from copy import copy
from random import Random

from raftcy import MemoryStorage
from raftcy.rafttest.storage_history import draw
from raftcy.rafttest.storage_model import contents
from raftcy.storage.files import Files
from raftcy.storage.shared_log import SharedLog

from .cut_disk import CutDisk

GROUPS = (0, 7, 2**64 - 1)
SEGMENT = 8192
MEMORY = 4000

Models = dict[int, MemoryStorage]


def open_log(files: Files, **options: object) -> SharedLog:
    """A log with small segments and little memory, whose random bytes are the same each time."""
    given = {"segment_size": SEGMENT, "memory_size": MEMORY, "clock": float, "draw": lambda size: b"\x11" * size}
    given |= options
    return SharedLog(files, **given)  # type: ignore[arg-type]


def do_chores(log: SharedLog) -> None:
    for chore in log.chores():
        chore.run()
        log.chore_done(chore)


class History:
    """One history. ``durable`` has the models as of the last completed sync, ``staged`` as they are now."""

    def __init__(self, seed: int, disk: CutDisk) -> None:
        self.random = Random(seed)
        self.disk = disk
        # Some with segments so small that most writes begin one.
        self.segment = self.random.choice((4096, 8192))
        self.log = open_log(disk, segment_size=self.segment)
        self.staged: Models = {id: MemoryStorage() for id in GROUPS}
        self.durable: Models = {id: MemoryStorage() for id in GROUPS}

    def step(self) -> str:
        """One call of a group, or a sync of all; its name."""
        id = self.random.choice(GROUPS)
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
            for storage in (self.staged[id], self.log.group(id)):
                getattr(storage, step[0])(*step[1:])
        return str(step[0])

    def sync(self) -> None:
        """What all groups have staged becomes durable."""
        self.log.sync()
        self.durable = {id: copy(model) for id, model in self.staged.items()}
        if self.random.random() < 0.7:
            do_chores(self.log)

    def restart(self) -> None:
        """Close, and open again."""
        self.log.close()
        self.durable = {id: copy(model) for id, model in self.staged.items()}
        self.log = open_log(self.disk, segment_size=self.segment)

    def crash(self) -> None:
        """The process is killed; nothing was being written."""
        self.log.abandon()
        self.staged = {id: copy(model) for id, model in self.durable.items()}
        self.disk = self.disk.killed()
        self.log = open_log(self.disk, segment_size=self.segment)

    def check(self) -> None:
        """Every group holds what its model holds."""
        for id, model in self.staged.items():
            same(self.log, id, [model], "now")


def same(log: SharedLog, id: int, models: list[MemoryStorage], when: str) -> MemoryStorage:
    """The model that a group equals; AssertionError if it is none of them."""
    found = contents(log.group(id))
    for model in models:
        if found == contents(model):
            return model
    raise AssertionError(f"{when}: group {id}: {found.differences(contents(models[-1]))}")


def left_by(disk: CutDisk, before: Models, after: Models, when: str) -> Models:
    """What a log is found to hold after a crash within a sync: each group as before it, or as after it.

    And what it says once, it says again, though the power is cut at once.
    """
    log = open_log(disk)
    found = {id: same(log, id, [before[id], after[id]], when) for id in before}
    log.abandon()
    again = open_log(disk.after(()))
    for id, model in found.items():
        same(again, id, [model], f"{when}, and a power cut after the opening")
    again.abandon()
    return found


def cut_while_opening(disk: CutDisk, before: Models, after: Models, random: Random, count: int, when: str) -> None:
    """The power is cut while a killed process's log is being opened, at each of its syncs."""
    left = disk.killed()

    def on_sync(name: str) -> None:
        for kept in [*left.every_cut(), *left.each_lost(), *left.some_lost(random, count)]:
            left_by(left.after(kept), before, after, f"{when}, cut at the sync of {name!r} while it is opened, {kept}")

    left.on_sync = on_sync
    open_log(left).abandon()


Look = Callable[[CutDisk, Models, Models], None]
"""Called as a sync begins: the disk, and the models before it and after it."""


def run(seed: int, steps: int, look: Look) -> None:
    """A history in which every sync of a segment is looked at before it is completed."""
    disk = CutDisk()
    history = History(seed, disk)

    def on_sync(name: str) -> None:
        look(history.disk, history.durable, history.staged)

    for _ in range(steps):
        history.disk.on_sync = on_sync
        history.step()
        history.disk.on_sync = None
        history.check()
