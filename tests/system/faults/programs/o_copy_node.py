"""A living node is copied, copied deeply, and pickled; and so are its parts.

It prints:

copy: TypeError: RawNode cannot be copied or pickled: it has one owner
deepcopy: TypeError: RawNode cannot be copied or pickled: it has one owner
dumps: TypeError: RawNode cannot be copied or pickled: it has one owner
Raft: TypeError
RaftLog: TypeError
Unstable: TypeError
ProgressTracker: TypeError
Inflights: TypeError
ReadOnly: TypeError
Acks: TypeError
"""

import copy
import pickle
from functools import partial
from typing import Any

import raftcy

from .parts import attempt, begun, config


def main() -> None:
    node = raftcy.RawNode(config(1, begun()))
    ways: list[Any] = [copy.copy, copy.deepcopy, pickle.dumps]
    for way in ways:
        print(f"{way.__name__}: {attempt(partial(way, node))}")
    raft: Any = node.raft
    log, tracker, reads = raft.log, raft.tracker, raft.read_only
    for part in (raft, log, log.unstable, tracker, tracker.progress[2].inflights, reads, reads.acks):
        print(f"{type(part).__name__}: {attempt(partial(copy.deepcopy, part)).partition(':')[0]}")


if __name__ == "__main__":
    main()
