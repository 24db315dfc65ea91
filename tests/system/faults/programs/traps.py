"""Storages that contradict themselves, by what a program or a crash has left.

It prints:

entries of a term above the hard state's: Contradiction
a snapshot without voters: the storage refuses it
compacting beyond the snapshot: the call refuses it
a log that begins after its snapshot: Contradiction
"""

from functools import partial
from typing import Any

import raftcy

from .parts import attempt, begun, config, kind_of


def with_entries() -> Any:
    """A storage after a few applied entries."""
    storage = begun(voters=(1,))
    driver = raftcy.Driver(raftcy.RawNode(config(1, storage)), storage)
    driver.node.campaign()
    driver.run()
    driver.node.propose(b"x")
    while driver.run():
        pass
    return storage


def main() -> None:
    storage = begun()
    storage.append([raftcy.Entry(term=5, index=2, data=b"x")])
    started = attempt(lambda: raftcy.Driver.start(config(1, storage)))
    print("entries of a term above the hard state's:", kind_of(started))
    storage = with_entries()
    last = storage.last_index()
    no_voters = raftcy.ConfState()
    made = attempt(lambda: storage.create_snapshot(last, no_voters, b"state"))
    refused = storage.snapshot().metadata.index == 1
    print("a snapshot without voters:", "the storage refuses it" if refused else made)
    compacted = attempt(partial(raftcy.compact_log, storage, last))
    refused = storage.first_index() == 2
    print("compacting beyond the snapshot:", "the call refuses it" if refused else compacted)
    storage.compact(last)
    print("a log that begins after its snapshot:", kind_of(attempt(lambda: raftcy.Driver.start(config(1, storage)))))


if __name__ == "__main__":
    main()
