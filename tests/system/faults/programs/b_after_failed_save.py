"""The disk refuses to store a vote, the program goes on, and the request for the vote comes a second time.

It prints:

round 1: OSError: [Errno 28] no space left
round 2: Stopped: raft: stopped ([Errno 28] no space left)
round 3: Stopped: raft: stopped ([Errno 28] no space left)
sent: []
on disk: HardState(term=1, vote=0, commit=1)
after a new start, votes for 2 in term 5: True
"""

from typing import Any

import raftcy

from .parts import attempt, begun, config


class Disk(raftcy.MemoryStorage):
    """Fails as long as it is full."""

    is_full = False

    def save(self, *parts: Any) -> None:
        if self.is_full:
            raise OSError(28, "no space left")
        super().save(*parts)


def vote(candidate: int) -> raftcy.Message:
    return raftcy.Message(type=raftcy.MessageType.MSG_VOTE, from_=candidate, to=3, term=5, index=1, log_term=1)


def main() -> None:
    disk = begun(Disk())
    disk.set_hard_state(raftcy.HardState(term=1, commit=1))
    sent: list[raftcy.Message] = []
    driver = raftcy.Driver(raftcy.RawNode(config(3, disk)), disk, send=sent.extend)
    disk.is_full = True
    for number in (1, 2, 3):
        driver.inbox.append(vote(1))
        print(f"round {number}:", attempt(driver.run))
        disk.is_full = False
    print("sent:", sent)
    state = disk.initial_state()[0]
    print(f"on disk: HardState(term={state.term}, vote={state.vote}, commit={state.commit})")
    driver = raftcy.Driver(raftcy.RawNode(config(3, disk)), disk, send=sent.extend)
    driver.inbox.append(vote(2))
    driver.run()
    print("after a new start, votes for 2 in term 5:", [(m.to, m.term, m.reject) for m in sent] == [(2, 5, False)])


if __name__ == "__main__":
    main()
