"""A member refuses a snapshot because too many messages wait, and nobody crashes.

It prints:

the leader waits for the end of the snapshot: StateSnapshot
after 100 ticks: StateReplicate, and the member has what the leader has: True
"""

import raftcy

from .parts import begun, config


def main() -> None:
    group = raftcy.Loopback()
    storages = {id: begun() for id in (1, 2, 3)}
    for id, storage in storages.items():
        group.add(raftcy.RawNode(config(id, storage, max_pending_msgs=4 if id == 3 else 0)), storage)
    leader = group.find(1).node
    leader.campaign()
    raftcy.tick_groups([group])

    def work(rounds: int) -> None:
        for _ in range(rounds):
            for id in (1, 2):
                group.find(id).run()

    for _ in range(6):
        leader.propose(b"v")
    work(60)
    group.find(3).inbox.clear()
    storages[1].create_snapshot(7, raftcy.ConfState(voters=[1, 2, 3]), b"state")
    storages[1].compact(7)
    for _ in range(2):
        leader.tick()
        work(3)
    group.find(3).run()
    work(3)
    for _ in range(2):
        leader.tick()
        work(2)
    group.find(3).run()
    work(3)
    print("the leader waits for the end of the snapshot:", leader.status().progress[3].state)
    term = leader.basic_status().term
    heartbeat = raftcy.Message(type=raftcy.MessageType.MSG_HEARTBEAT, to=3, from_=1, term=term)
    member = group.find(3)
    member.inbox = [heartbeat] * 5 + list(member.inbox)
    for _ in range(100):
        raftcy.tick_groups([group])
    caught_up = storages[3].last_index() == storages[1].last_index()
    state = leader.status().progress[3].state
    print(f"after 100 ticks: {state}, and the member has what the leader has: {caught_up}")


if __name__ == "__main__":
    main()
