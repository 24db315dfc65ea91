"""``python -m tests.system.storage.writer FOLDER``: write to three groups until killed, and say what is acknowledged.

A line "group index" is printed once the entry with that index, and all before it, is synced.
"""

import random
import sys

from raftcy import ConfState, Entry, HardState
from raftcy.storage import DiskLog, GroupLog

GROUPS = (1, 2, 3)


def data_of(group: int, index: int) -> bytes:
    """What the entry of an index holds, so that whoever reads it can tell."""
    return b"%d of %d " % (index, group) * (1 + index % 50)


def append(group: GroupLog, count: int) -> int:
    """Stage entries; the last index."""
    first = group.last_index() + 1
    entries = [Entry(term=1, index=n, data=data_of(group.id, n)) for n in range(first, first + count)]
    group.save(HardState(term=1, vote=group.id, commit=first - 1), entries, None)
    newest = group.snapshot().metadata.index
    if first - 1 > newest + 200:
        group.create_snapshot(first - 1, ConfState(voters=[1]), None)
        group.compact(max(newest, group.first_index()))
    return first + count - 1


def main(folder: str) -> None:
    log = DiskLog(folder, segment_size=64 << 10, memory_size=64 << 10)
    rng = random.Random()
    while True:
        staged = [(id, append(log.group(id), rng.randrange(1, 20))) for id in GROUPS if rng.random() < 0.7]
        log.sync()
        for id, index in staged:
            print(id, index)
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
