"""The machine's state is durable, and the commit index is not, since a commit index alone is not synced.

It prints:

the machine has applied 4, the stored commit index is 2
a bare RawNode: InvariantError: applied(4) is out of range [prevApplied(1), committed(2)]
it says what to do: True
a driver, given what the machine has applied: starts, and hands on []
a driver, given the same by Config.applied: starts, and hands on []
"""

from typing import Any

import raftcy

from .parts import begun, config


class Machine:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def apply(self, entries: list[Any]) -> None:
        self.given += [entry.index for entry in entries]


def main() -> None:
    # The log as the power cut has left it: the entries were synced with a commit index of 2, and a later one was not.
    storage = begun()
    storage.append([raftcy.Entry(term=1, index=index, data=b"x") for index in (2, 3, 4)])
    storage.set_hard_state(raftcy.HardState(term=1, commit=2))
    applied = 4
    print(f"the machine has applied {applied}, the stored commit index is {storage.initial_state()[0].commit}")
    try:
        raftcy.RawNode(config(2, storage, applied=applied))
    except raftcy.InvariantError as error:
        print(f"a bare RawNode: InvariantError: {error}")
        print("it says what to do:", "applied" in (error.hint or ""))
    first, second = Machine(), Machine()
    raftcy.Driver.start(config(2, storage), first, machine_applied=applied).run()
    print("a driver, given what the machine has applied: starts, and hands on", first.given)
    raftcy.Driver.start(config(2, storage, applied=applied), second).run()
    print("a driver, given the same by Config.applied: starts, and hands on", second.given)


if __name__ == "__main__":
    main()
