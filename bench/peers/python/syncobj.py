"""PySyncObj end to end: ``python -m bench.peers.python.syncobj cluster``, three processes on the loopback address."""

from __future__ import annotations

import argparse
import functools
import logging
import sys
import tempfile
import time
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

from pysyncobj import SyncObj, SyncObjConf, replicated

from ... import processes
from ...measured import counts, line

# How long a turn of its loop may wait for a socket. It looks for new commands only once per turn. A longer wait makes a
# single outstanding command slower, and no wait keeps three processes busy on two processors.
_TURN_S = 0.001


class Store(SyncObj):  # type: ignore[misc]
    """Counts applied values."""

    def __init__(self, own: str, others: list[str], conf: SyncObjConf) -> None:
        self.count = 0
        super().__init__(own, others, conf)

    @replicated  # type: ignore[untyped-decorator]
    def put(self, data: bytes) -> None:
        """Apply a value."""
        self.count += 1


class Proposer:
    """Keeps a number of values outstanding until all are applied."""

    def __init__(self, store: Store, data: bytes, n: int, outstanding: int) -> None:
        self.store, self.data, self.n = store, data, n
        self.sent = self.done = 0
        for _ in range(min(n, outstanding)):
            self.put()

    def put(self) -> None:
        """Propose one value."""
        self.sent += 1
        self.store.put(self.data, callback=self._answered)

    def _answered(self, _: object, error: int) -> None:
        if error:
            raise SystemExit(f"a value was refused: {error}")
        self.done += 1
        if self.sent < self.n:
            self.put()


def member(journal: str, batch: bool, place: int, ports: list[int], pipe: Connection, size: int) -> None:
    """The main function of a process."""
    logging.disable(logging.CRITICAL)
    names = [f"{processes.HOST}:{port}" for port in ports]
    file = str(Path(journal, f"journal-{place}")) if journal else None
    conf = SyncObjConf(autoTick=False, journalFile=file, connectionRetryTime=0.1, appendEntriesUseBatch=batch)
    store = Store(names[place], names[:place] + names[place + 1 :], conf)
    told = False
    proposer: Proposer | None = None
    while True:
        store.doTick(_TURN_S)
        if not told and store._isReady() and store._getLeader() is not None:
            told = True
            pipe.send(("ready", store._isLeader()))
        if proposer is not None and proposer.done == proposer.n:
            proposer = None
            pipe.send(("done",))
        if pipe.poll(0):
            said = pipe.recv()
            if said[0] == "go":
                proposer = Proposer(store, bytes(size), said[1], said[2])
            elif said[0] == "count":
                pipe.send(("count", store.count, time.process_time()))
            else:
                return


def main(argv: list[str]) -> int:
    """Run one workload and print one JSON line."""
    p = argparse.ArgumentParser(prog="python -m bench.peers.python.syncobj")
    p.add_argument("workload", choices=["cluster"])
    counts(p, "n", "size", "outstanding")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--journal", action="store_true", help="keep a journal in a file, which PySyncObj never syncs")
    o = p.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        outstanding = o.outstanding or 1
        # With batches a single value waits for the next period, 0.1 s; without them each is sent at once.
        run = functools.partial(member, folder if o.journal else "", outstanding > 1)
        out = processes.cluster(run, o.n or 4_000, outstanding, o.size or 128)
    out.extra["journal"] = o.journal
    implementation = f"{sys.implementation.name} {sys.version.split()[0]}"
    print(line(out, "pysyncobj", version("pysyncobj"), implementation, "python", o.workload))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
