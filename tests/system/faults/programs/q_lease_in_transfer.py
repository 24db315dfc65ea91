"""A read by the lease at a leader that has sent MsgTimeoutNow, while all clocks go alike.

It prints:

2 leads in term 2, and has acknowledged index 4
1 still takes itself for the leader: True
a read at 1: NotNow: a leader that has sent MsgTimeoutNow cannot answer reads by its lease
reads that 1 has answered: []
"""

import raftcy

from .parts import Member, attempt, exchange


def main() -> None:
    options = {"check_quorum": True, "read_only_option": raftcy.ReadOnlyOption.LEASE_BASED}
    members = {id: Member(id, **options) for id in (1, 2, 3)}
    one, two = members[1], members[2]
    one.node.campaign()
    exchange(members)
    for _ in range(3):
        for member in members.values():
            member.node.tick()
        exchange(members)
    one.node.transfer_leader(2)
    for m in one.work():
        if m.type == raftcy.MessageType.MSG_TIMEOUT_NOW:
            two.node.step(m)
    # From now on, 1 hears and says nothing.
    rest = {2: two, 3: members[3]}
    exchange(rest)
    two.node.propose(b"x")
    exchange(rest)
    status = two.node.basic_status()
    print(f"{status.lead} leads in term {status.term}, and has acknowledged index {two.applied[-1].index}")
    for _ in range(5):
        for member in members.values():
            member.node.tick()
        exchange(rest)
    print("1 still takes itself for the leader:", one.node.basic_status().lead == 1)
    print("a read at 1:", attempt(one.driver.read))
    one.work()
    print("reads that 1 has answered:", one.reads)


if __name__ == "__main__":
    main()
