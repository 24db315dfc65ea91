"""Random histories of several groups in one log, beside MemoryStorage as a model of each.

With ``files``, the snapshots of a history are files: written or received, replaced and removed, with the log's own.
"""

from collections.abc import Callable
from copy import copy
from random import Random
from typing import Any

from raftcy import Corruption, MemoryStorage, Snapshot
from raftcy.rafttest.storage_history import draw
from raftcy.rafttest.storage_model import contents
from raftcy.storage.bodies import Bodies
from raftcy.storage.files import Files
from raftcy.storage.group_log import GroupLog
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

    def __init__(self, seed: int, disk: CutDisk, files: bool = False) -> None:
        self.random = Random(seed)
        self.files = files
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
            group = self.log.group(id, bodies=True)
            if self.files:
                step = self.with_body(group, step)
            for storage in (self.staged[id], group):
                getattr(storage, step[0])(*step[1:])
        return str(step[0])

    def with_body(self, group: GroupLog, step: Any) -> Any:
        """The same step, with a file in place of most snapshots' data."""
        if step[0] == "create_snapshot" and self.random.random() < 0.8:
            name, index, members, _ = step
            return name, index, members, self.body(group, index, group.term(index), received=False)
        if step[0] == "save" and step[3] is not None and self.random.random() < 0.8:
            name, state, entries, snapshot = step
            metadata = snapshot.metadata
            data = self.body(group, metadata.index, metadata.term, received=True)
            return name, state, entries, Snapshot(data=data, metadata=metadata)
        return step

    def body(self, group: GroupLog, index: int, term: int, received: bool) -> bytes:
        """Write a body of any bytes, and return its reference. Now and then one is given up before."""
        bodies = group.bodies
        assert bodies is not None
        state = self.random.randbytes(self.random.choice((0, 10, 600, 1500)))
        for gives_up in (self.random.random() < 0.2, False):
            if received:
                announced = Bodies(CutDisk(), group.id).write(index, term)
                announced.write(state)
                writer = bodies.receive(announced.finish())
            else:
                writer = bodies.write(index, term)
            writer.write(state[: len(state) // 2])
            if gives_up:
                # By a crash, which leaves the part, or by itself.
                if self.random.random() < 0.5:
                    writer.abort()
                continue
            writer.write(state[len(state) // 2 :])
        return writer.finish().encode()

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
    found = contents(log.group(id, bodies=True))
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
    whole(log, disk, when)
    log.abandon()
    again = open_log(disk.after(()))
    for id, model in found.items():
        same(again, id, [model], f"{when}, and a power cut after the opening")
    again.abandon()
    return found


def whole(log: SharedLog, disk: CutDisk, when: str) -> None:
    """Every snapshot's file is there and intact, and no other one."""
    needed = set()
    for id in GROUPS:
        group = log.group(id, bodies=True)
        bodies = group.bodies
        assert bodies is not None
        for snapshot in (group.newest, group.older):
            if snapshot is not None:
                bodies.verify(snapshot)
                needed.update(bodies.names_of(snapshot))
    found = {name for name in disk.files if name.endswith((".snap", ".part", ".new"))}
    assert found == needed, f"{when}: files {sorted(found ^ needed)}"


def with_damaged_snapshots(disk: CutDisk, before: Models, after: Models, when: str) -> int:
    """With the newest file of each group damaged, the older one is used if nothing is lost by it; else it is reported.

    Returns how many times the older one was used.
    """
    log = open_log(disk)
    names = {id: Bodies(disk, id).names_of(log.group(id).newest) for id in GROUPS}
    log.abandon()
    for name in [name for each in names.values() for name in each]:
        disk.files[name].content[-1] ^= 1
    log = open_log(disk)
    used = 0
    for id in GROUPS:
        try:
            group = log.group(id, bodies=True)
        except Corruption as error:
            if [error.file] != names[id]:
                raise AssertionError(when) from error
            continue
        models = [model for model in (before[id], after[id]) if model.initial_state()[0] == group.initial_state()[0]]
        assert models, f"{when}: the hard state of the group {id}"
        if not names[id]:
            continue
        used += 1
        assert any(continues(group, model) for model in models), f"{when}: what follows the older snapshot of {id}"
    log.abandon()
    return used


def continues(group: GroupLog, model: MemoryStorage) -> bool:
    """Whether a group with an older snapshot leads to all that its model has."""
    state = model.initial_state()[0]
    first, last = model.first_index(), model.last_index()
    if not group.snapshot().metadata.index < model.snapshot().metadata.index <= last == group.last_index():
        return False
    if state is not None and state.commit > last:
        return False
    mine = {e.index: e for e in group.entries(group.first_index(), last + 1, 2**64 - 1)}
    missing = [index for index in range(group.snapshot().metadata.index + 1, last + 1) if index not in mine]
    others = model.entries(first, last + 1, 2**64 - 1) if first <= last else []
    return not missing and all(mine[e.index] == e for e in others if e.index in mine)


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


def run(seed: int, steps: int, look: Look, files: bool = False) -> None:
    """A history in which every sync of a file is looked at before it is completed."""
    disk = CutDisk()
    history = History(seed, disk, files)

    def on_sync(name: str) -> None:
        look(history.disk, history.durable, history.staged)

    for _ in range(steps):
        history.disk.on_sync = on_sync
        history.step()
        history.disk.on_sync = None
        history.check()
