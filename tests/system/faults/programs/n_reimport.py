"""The package is imported within a patch of sys.modules, as tests do, and then again.

It prints:

one package: True
a RawNode: made
the storage's error is caught as raftcy.Compacted: True
"""

import sys
from unittest import mock


def main() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "raftcy"]:
        del sys.modules[name]
    with mock.patch.dict(sys.modules):
        import raftcy

        first = raftcy
    import raftcy

    print("one package:", raftcy is first)
    members = raftcy.ConfState(voters=[1, 2])
    storage = raftcy.MemoryStorage()
    storage.apply_snapshot(raftcy.Snapshot(metadata=raftcy.SnapshotMetadata(index=1, term=1, conf_state=members)))
    limits = {"max_size_per_msg": 1000, "max_inflight_msgs": 10}
    raftcy.RawNode(raftcy.Config(id=1, election_tick=10, heartbeat_tick=1, storage=storage, **limits))
    print("a RawNode: made")
    try:
        storage.term(0)
    except raftcy.Compacted:
        print("the storage's error is caught as raftcy.Compacted: True")


if __name__ == "__main__":
    main()
