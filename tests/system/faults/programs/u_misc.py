"""A storage whose save is a coroutine function.

It prints:

a driver: TypeError: Later.save() must be a plain function: nobody awaits its coroutine
check_log_storage: TypeError: Later.save() must be a plain function: nobody awaits its coroutine
"""

from functools import partial
from typing import Any

import raftcy

from .parts import attempt, begun, config


class Later(raftcy.MemoryStorage):
    """Nobody awaits this."""

    async def save(self, *parts: Any) -> None:  # type: ignore[override]
        super().save(*parts)


def main() -> None:
    storage = begun(Later())
    print("a driver:", attempt(lambda: raftcy.Driver(raftcy.RawNode(config(2, storage)), storage)))
    print("check_log_storage:", attempt(partial(raftcy.check_log_storage, storage)))


if __name__ == "__main__":
    main()
