"""Three groups share a loop, and the disk of one member fails.

It prints:

rounds that raised: 1, MembersFailed
commit indexes before: [2, 2, 2]
commit indexes after: [3, 3, 3]
"""

from typing import Any

import raftcy

from .parts import begun, config


class Disk(raftcy.MemoryStorage):
    """Fails once it is broken."""

    is_broken = False

    def save(self, *parts: Any) -> None:
        if self.is_broken:
            raise OSError(28, "no space left")
        super().save(*parts)


def main() -> None:
    bad = Disk()
    groups = []
    for number in range(3):
        group = raftcy.Loopback()
        for id in (1, 2, 3):
            storage = begun(bad if (number, id) == (1, 2) else None)
            group.add(raftcy.RawNode(config(id, storage)), storage)
        group.find(1).node.campaign()
        groups.append(group)
    raftcy.tick_groups(groups)
    before = [group.find(1).node.basic_status().commit for group in groups]
    bad.is_broken = True
    for group in groups:
        group.find(1).node.propose(b"v")
    errors = []
    for _ in range(30):
        try:
            raftcy.tick_groups(groups)
        except raftcy.MembersFailed as error:
            errors.append(error)
    print(f"rounds that raised: {len(errors)}, {type(errors[0]).__name__}")
    print("commit indexes before:", before)
    print("commit indexes after:", [group.find(1).node.basic_status().commit for group in groups])


if __name__ == "__main__":
    main()
