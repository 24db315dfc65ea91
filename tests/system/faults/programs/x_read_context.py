"""A member asks for a read, starts anew, and asks again; then the answer to the first read comes.

It prints:

answers on their way to the first read: 1
the leader has committed 5, and the member has applied 2
the contexts differ: True
answers to the second read from the late answer: 0
"""

import os

import raftcy

from .parts import Member, attempt, exchange


def main() -> None:
    members = {id: Member(id, os.urandom(16)) for id in (1, 2, 3)}
    one, two = members[1], members[2]
    one.node.campaign()
    exchange(members)
    first = two.driver.read()
    late = exchange(members, lambda m: m.type == raftcy.MessageType.MSG_READ_INDEX_RESP)
    print("answers on their way to the first read:", len(late))
    two.start(os.urandom(16))
    two.work()
    for _ in range(3):
        one.node.propose(b"w")
    exchange({1: one, 3: members[3]})
    one.node.tick()
    # Member 2 learns who leads, and nothing else.
    for m in exchange(members, lambda m: m.to == 2):
        if m.type == raftcy.MessageType.MSG_HEARTBEAT:
            attempt(lambda m=m: two.node.step(m))
    applied = two.driver.applied
    print(f"the leader has committed {one.node.basic_status().commit}, and the member has applied {applied}")
    second = two.driver.read()
    print("the contexts differ:", first != second)
    attempt(lambda: two.node.step(late[0]))
    two.work()
    print("answers to the second read from the late answer:", len([r for r in two.reads if r.request_ctx == second]))


if __name__ == "__main__":
    main()
