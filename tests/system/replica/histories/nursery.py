"""Starts, stops and kills the members of a history, and cuts the ways between them.

    python -m tests.system.replica.histories.nursery FOLDER LEASE FOUNDER ...

It takes orders as lines of JSON, and answers each with a line: see ``ORDERS``. It has imported everything, so members
are forked in milliseconds. They end with this process, and this process with its standard input.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from raftcy.errors import MemberRemoved

from .network import Network, end_with_parent
from .serving import member

REMOVED = 3
"""The exit status of a member that was removed from its cluster."""


class Nursery:
    """The processes, by id, and their network."""

    def __init__(self, folder: Path, lease: bool, founders: list[int]) -> None:
        self.folder = folder
        self.lease = lease
        self.founders = founders
        self.network = Network()
        self._alive: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        self._homes: set[int] = set()

    def start(self, id: int, join: list[int]) -> None:
        """Start a member that is not alive, in its namespace."""
        if id not in self._homes:
            self._homes.add(id)
            self.network.add(id)
        self._ended.pop(id, None)
        pid = os.fork()
        if pid == 0:
            self._live(id, join)
        self._alive[id] = pid

    def _live(self, id: int, join: list[int]) -> None:
        """The life of a forked process."""
        status = 1
        try:
            end_with_parent()
            self.network.enter(id)
            os.close(0)
            errors = os.open(self.folder / f"{id}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(errors, 1)
            os.dup2(errors, 2)
            logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
            asyncio.run(member(self.folder, id, self.founders, join, self.lease))
        except MemberRemoved:
            status = REMOVED
        except BaseException:
            logging.exception("the member has failed")
        os._exit(status)

    def signal(self, ids: list[int], name: str) -> None:
        """Send a signal to members that are alive."""
        for id in ids:
            if self.ended(id) is None:
                os.kill(self._alive[id], getattr(signal, name))

    def kill(self, ids: list[int]) -> list[int | None]:
        """Kill members, and say of each how it had ended before, None if it had not."""
        before = [self.ended(id) for id in ids]
        self.signal(ids, "SIGKILL")
        for id in ids:
            if id in self._alive:
                os.waitpid(self._alive.pop(id), 0)
        return before

    def ended(self, id: int) -> int | None:
        """How a member has ended by itself, as its exit status; None if it has not."""
        if id in self._alive:
            pid, status = os.waitpid(self._alive[id], os.WNOHANG)
            if pid:
                del self._alive[id]
                self._ended[id] = os.waitstatus_to_exitcode(status)
        return self._ended.get(id)

    def cut(self, ways: dict[str, list[int]]) -> None:
        """Cut these ways, from each member to others, and heal all other ways."""
        self.network.cut({int(id): set(others) for id, others in ways.items()})

    def close(self) -> None:
        """End everything."""
        self.kill(list(self._alive))
        self.network.close()


ORDERS: dict[str, Any] = {
    "start": Nursery.start,
    "signal": Nursery.signal,
    "kill": Nursery.kill,
    "ended": Nursery.ended,
    "cut": Nursery.cut,
}


def main() -> None:
    folder, lease, *founders = sys.argv[1:]
    nursery = Nursery(Path(folder), bool(int(lease)), [int(id) for id in founders])
    gc.freeze()
    try:
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            print(json.dumps(ORDERS[name](nursery, *arguments)), flush=True)
    finally:
        nursery.close()


if __name__ == "__main__":
    main()
