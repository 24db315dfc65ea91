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
    storage = begun()
    node = raftcy.RawNode(config(2, storage))
    applied, synced = 0, raftcy.HardState()
    fields: dict[str, Any] = {"from_": 1, "to": 2, "term": 1}
    entries = [raftcy.Entry(term=1, index=index, data=b"x") for index in (2, 3, 4)]
    append = raftcy.Message(type=raftcy.MessageType.MSG_APP, index=1, log_term=1, entries=entries, commit=2, **fields)
    for m in (append, raftcy.Message(type=raftcy.MessageType.MSG_HEARTBEAT, commit=4, **fields)):
        node.step(m)
        while node.has_ready():
            ready = node.ready()
            raftcy.save_ready(storage, ready)
            if ready.must_sync:
                synced = storage.initial_state()[0]
            for entry in ready.committed_entries:
                applied = entry.index
            node.advance()
    # The power fails.
    storage.set_hard_state(synced)
    print(f"the machine has applied {applied}, the stored commit index is {synced.commit}")
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
