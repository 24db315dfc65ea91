"""Snapshots as files in the histories of ``log_histories``."""

from collections.abc import Iterable
from random import Random
from typing import Any

from raftcy import Corruption, MemoryStorage, Snapshot
from raftcy.storage.bodies import Bodies
from raftcy.storage.group_log import GroupLog
from raftcy.storage.shared_log import SharedLog

from .cut_disk import CutDisk


def with_body(random: Random, group: GroupLog, step: Any) -> Any:
    """The same step, with a file in place of most snapshots' data."""
    if step[0] == "create_snapshot" and random.random() < 0.8:
        name, index, members, _ = step
        return name, index, members, _body(random, group, index, group.term(index), received=False)
    if step[0] == "save" and step[3] is not None and random.random() < 0.8:
        name, state, entries, snapshot = step
        metadata = snapshot.metadata
        data = _body(random, group, metadata.index, metadata.term, received=True)
        return name, state, entries, Snapshot(data=data, metadata=metadata)
    return step


def _body(random: Random, group: GroupLog, index: int, term: int, received: bool) -> bytes:
    """Write a body of any bytes, and return its reference. Now and then one is given up before."""
    bodies = group.bodies
    assert bodies is not None
    state = random.randbytes(random.choice((0, 10, 600, 1500)))
    for gives_up in (random.random() < 0.2, False):
        if received:
            announced = Bodies(CutDisk(), group.id).write(index, term)
            announced.write(state)
            writer = bodies.receive(announced.finish())
        else:
            writer = bodies.write(index, term)
        writer.write(state[: len(state) // 2])
        if gives_up:
            # By a crash, which leaves the part, or by itself.
            if random.random() < 0.5:
                writer.abort()
            continue
        writer.write(state[len(state) // 2 :])
    return writer.finish().encode()


def whole(log: SharedLog, disk: CutDisk, groups: Iterable[int], when: str) -> None:
    """Every snapshot's file is there and intact, and no other one."""
    needed = set()
    for id in groups:
        group = log.group(id, bodies=True)
        bodies = group.bodies
        assert bodies is not None
        for snapshot in (group.newest, group.older):
            if snapshot is not None:
                bodies.verify(snapshot)
                needed.update(bodies.names_of(snapshot))
    found = {name for name in disk.files if name.endswith((".snap", ".part", ".new"))}
    assert found == needed, f"{when}: files {sorted(found ^ needed)}"


def with_damaged_snapshots(
    disk: CutDisk, opened: Any, before: dict[int, MemoryStorage], after: dict[int, MemoryStorage], when: str
) -> int:
    """With the newest file of each group damaged, the older one is used if nothing is lost by it; else it is reported.

    ``opened`` opens the log. Returns how many times the older one was used.
    """
    log = opened(disk)
    names = {id: Bodies(disk, id).names_of(log.group(id).newest) for id in before}
    log.abandon()
    for name in [name for each in names.values() for name in each]:
        disk.files[name].content[-1] ^= 1
    log = opened(disk)
    used = 0
    for id in before:
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
        assert any(_continues(group, model) for model in models), f"{when}: what follows the older snapshot of {id}"
    log.abandon()
    return used


def _continues(group: GroupLog, model: MemoryStorage) -> bool:
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
