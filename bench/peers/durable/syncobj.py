"""PySyncObj with its journal, in the shape of the programs in Go: ``python -m bench.peers.durable.syncobj``.

Its journal is memory-mapped, and never synced before a command is acknowledged: it survives a killed process, not a
power cut. So it does less work than the others. ``--log seq`` sends each command at once instead of in batches, which
is faster for one command at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pysyncobj import SyncObj, SyncObjConf, replicated

from ...durable.member import parser, split

_PATIENCE_S = 40.0
_BEGIN = threading.Semaphore(0)


class Store(SyncObj):  # type: ignore[misc]
    """Keeps the last command of each key, and counts them."""

    def __init__(self, own: str, others: list[str], conf: Any) -> None:
        super().__init__(own, others, conf)
        self.count = 0
        self.data: dict[int, bytes] = {}

    @replicated  # type: ignore[untyped-decorator]
    def put(self, key: int, value: bytes) -> int:
        """Apply a command."""
        self.data[key] = value
        self.count += 1
        return self.count


def _listen() -> None:
    """Take the runner's lines, and end the process when they end."""
    for _ in sys.stdin:
        _BEGIN.release()
    os._exit(0)


def _write(store: Store, phase: str, n: int, o: argparse.Namespace) -> dict[str, Any]:
    """Closed loops of ``n`` callers, by callbacks of PySyncObj's thread."""
    clock = time.perf_counter
    waits: list[float] = []
    errors = 0
    ended = threading.Semaphore(0)
    began = clock()
    end = began + o.seconds

    def submit(sequence: int) -> None:
        at = clock()

        def done(_: Any, error: int) -> None:
            nonlocal errors
            if error:
                errors += 1
            else:
                waits.append(clock() - at)
            if clock() > end:
                ended.release()
            else:
                submit(sequence + n)

        store.put(sequence % 1024, sequence.to_bytes(8, "little").ljust(o.size, b"x"), callback=done)

    for sequence in range(n):
        submit(sequence)
    for _ in range(n):
        ended.acquire()
    seconds = clock() - began
    waits.sort()
    found = {"phase": phase, "ops": len(waits), "secs": seconds, "per_sec": len(waits) / seconds, "errors": errors}
    if waits:
        found |= {"p50_us": waits[len(waits) // 2] * 1e6, "p99_us": waits[len(waits) * 99 // 100] * 1e6}
    return found


def main() -> int:
    """Serve, and on node 1 run the phases."""
    p = parser()
    p.add_argument("--log", choices=("batch", "seq"), default="batch", help="how commands are sent")
    o = p.parse_args()
    threading.Thread(target=_listen, daemon=True).start()
    Path(o.dir).mkdir(parents=True, exist_ok=True)
    names = {id: f"127.0.0.1:{o.port + id}" for id in range(1, o.nodes + 1)}
    low, high = (0.4, 0.6) if o.id == 1 else (20.0, 30.0)
    sending: dict[str, Any] = {"appendEntriesUseBatch": False}
    if o.log == "batch":
        sending = {"autoTickPeriod": 0.005, "appendEntriesPeriod": 0.005}
    conf = SyncObjConf(
        autoTick=True,
        **sending,
        raftMinTimeout=low,
        raftMaxTimeout=high,
        connectionTimeout=40.0,
        connectionRetryTime=0.2,
        journalFile=str(Path(o.dir, "journal")),
        logCompactionMinEntries=10_000_000,
        logCompactionMinTime=36_000,
        commandsQueueSize=1_000_000,
    )
    store = Store(names[o.id], [name for id, name in names.items() if id != o.id], conf)
    if o.id == 1:
        deadline = time.monotonic() + _PATIENCE_S
        while not (store.isReady() and store._isLeader()):
            if time.monotonic() > deadline:
                raise SystemExit("node 1 does not lead")
            time.sleep(0.05)
        time.sleep(o.settle)
        for phase in o.phases.split(","):
            kind, n = split(phase)
            if kind != "write":
                raise SystemExit(f"there is no phase {phase}")
            print(f"START {phase}", flush=True)
            _BEGIN.acquire()
            print("END", json.dumps(_write(store, phase, n, o)), flush=True)
        print("DONE", flush=True)
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
