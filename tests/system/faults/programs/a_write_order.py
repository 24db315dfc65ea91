"""Power fails between two calls of a storage that cannot write all parts of a Ready at once.

It prints:

an append, power fails before entries: starts again
an append, power fails before hard_state: starts again
an append, power does not fail: starts again
a snapshot: StorageFailed, since no order of single calls is safe
a storage that writes each part elsewhere and inherits save(): TypeError
"""

from typing import Any

import raftcy

from .parts import begun, config, snapshot


class PowerFails(Exception):
    """Before the part that it names is written."""


class Single:
    """Etcd's single calls, each durable when it returns. ``fuse`` counts the calls before the power fails."""

    def __init__(self) -> None:
        self.memory = begun()
        self.memory.set_hard_state(raftcy.HardState(term=1, vote=1, commit=1))
        self.fuse = 99

    def _write(self, name: str) -> None:
        self.fuse -= 1
        if self.fuse < 0:
            raise PowerFails(name)

    def set_hard_state(self, state: Any) -> None:
        self._write("hard_state")
        self.memory.set_hard_state(state)

    def apply_snapshot(self, received: Any) -> None:
        self._write("snapshot")
        self.memory.apply_snapshot(received)

    def append(self, entries: Any) -> None:
        self._write("entries")
        self.memory.append(entries)

    def initial_state(self) -> Any:
        return self.memory.initial_state()

    def entries(self, low: int, high: int, size: int) -> Any:
        return self.memory.entries(low, high, size)

    def term(self, index: int) -> int:
        return int(self.memory.term(index))

    def first_index(self) -> int:
        return int(self.memory.first_index())

    def last_index(self) -> int:
        return int(self.memory.last_index())

    def snapshot(self) -> Any:
        return self.memory.snapshot()


class Elsewhere(raftcy.MemoryStorage):
    """Writes entries elsewhere too, and does not say how it saves."""

    def append(self, entries: Any) -> None:
        super().append(entries)


def crash(m: raftcy.Message, fuse: int) -> tuple[str, str]:
    """What ended the work on a message, and whether a new start works."""
    storage = Single()
    log = raftcy.check_log_storage(storage)
    driver = raftcy.Driver(raftcy.RawNode(config(2, log)), log, send=lambda messages: None)
    storage.fuse = fuse
    driver.inbox.append(m)
    try:
        driver.run()
        ended = "power does not fail"
    except PowerFails as error:
        ended = f"power fails before {error}"
    except raftcy.StorageFailed:
        ended = "StorageFailed, since no order of single calls is safe"
    storage.fuse = 99
    raftcy.RawNode(config(2, raftcy.check_log_storage(storage)))
    return ended, "starts again"


def main() -> None:
    entries = [raftcy.Entry(term=1, index=index, data=b"x") for index in (2, 3)]
    fields: dict[str, Any] = {"to": 2, "from_": 1, "term": 1}
    kind = raftcy.MessageType
    append = raftcy.Message(type=kind.MSG_APP, index=1, log_term=1, entries=entries, commit=3, **fields)
    for fuse in range(3):
        print("an append, {}: {}".format(*crash(append, fuse)))
    print("a snapshot:", crash(raftcy.Message(type=kind.MSG_SNAP, snapshot=snapshot(7), **fields), 0)[0])
    try:
        raftcy.check_log_storage(Elsewhere())
    except TypeError:
        print("a storage that writes each part elsewhere and inherits save(): TypeError")


if __name__ == "__main__":
    main()
