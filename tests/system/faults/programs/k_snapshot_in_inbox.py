"""A snapshot waits in the inbox of a member that is replaced, as by a crash and a new start.

It prints:

the leader waits for the end of the snapshot: StateSnapshot
after 300 ticks: StateReplicate, and the member has what the leader has: True
"""

import raftcy

from .parts import begun, config


def main() -> None:
    group = raftcy.Loopback()
    storages = {id: begun() for id in (1, 2, 3)}

    def start(id: int) -> None:
        group.add(raftcy.RawNode(config(id, storages[id])), storages[id])

    def work(*ids: int) -> None:
        for _ in range(50):
            for id in ids:
                group.find(id).run()

    for id in storages:
        start(id)
    leader = group.find(1).node
    leader.campaign()
    raftcy.tick_groups([group])
    for _ in range(20):
        leader.propose(b"v")
    work(1, 2)
    # Member 3 crashes, and gets nothing of what was on its way.
    group.find(3).inbox.clear()
    storages[1].create_snapshot(15, raftcy.ConfState(voters=[1, 2, 3]), b"state")
    storages[1].compact(15)
    start(3)
    for _ in range(2):
        leader.tick()
        work(1, 2)
        work(3)
        group.find(1).run()
    print("the leader waits for the end of the snapshot:", leader.status().progress[3].state)
    # It crashes again, with the snapshot in its inbox.
    start(3)
    for _ in range(300):
        raftcy.tick_groups([group])
    caught_up = storages[3].last_index() == storages[1].last_index()
    state = leader.status().progress[3].state
    print(f"after 300 ticks: {state}, and the member has what the leader has: {caught_up}")


if __name__ == "__main__":
    main()
