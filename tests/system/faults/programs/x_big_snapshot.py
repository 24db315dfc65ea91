"""A machine whose state no message can carry: 70 MiB, where a frame takes 64.

It prints:

making the snapshot: SnapshotTooLarge
the log still has all entries: True
"""

from typing import Any

import raftcy

from .parts import attempt, begun, config


class Machine:
    """Has a large state."""

    def apply(self, entries: list[Any]) -> None:
        """Nothing."""

    def capture(self) -> bytes:
        return bytes(70 << 20)

    def restore(self, received: Any) -> None:
        """Nothing."""


def main() -> None:
    storage = begun(voters=(1,))
    driver = raftcy.Driver(raftcy.RawNode(config(1, storage)), storage, Machine())
    driver.node.campaign()
    while driver.run():
        pass
    first = storage.first_index()
    print("making the snapshot:", attempt(lambda: driver.make_snapshot(0)).partition(":")[0])
    print("the log still has all entries:", storage.first_index() == first)


if __name__ == "__main__":
    main()
