"""How long the steps of large requests take: the table in docs/etcd-store.md.

    python -m tests.system.etcd.slices --keys 1000000

Each step is measured in CPU time of the thread, with the garbage collector as the server has it.
"""

import argparse
import gc
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

from raftcy.etcd import schema
from raftcy.etcd.kvapply import apply_delete_range, read_range
from raftcy.etcd.store import Store
from raftcy.etcd.watching import WatchHub
from tests.support.lessors import Attached


class Steps:
    """Measured steps by what they belong to."""

    def __init__(self) -> None:
        self.of: dict[str, list[float]] = {}

    def call(self, name: str, function: Callable[[], Any]) -> Any:
        """Measure one call."""
        begin = time.thread_time()
        try:
            return function()
        finally:
            self.of.setdefault(name, []).append(time.thread_time() - begin)

    def run(self, name: str, steps: Generator[Any, None, Any] | Iterator[Any]) -> Any:
        """Measure each step of a generator, and return what it returns."""
        while True:
            try:
                self.call(name, lambda: next(steps))
            except StopIteration as end:
                return end.value

    def show(self) -> None:
        """Print a row for each name."""
        print("| | steps | 99.9 % below, ms | longest, ms |\n| --- | --- | --- | --- |")
        for name, found in self.of.items():
            found.sort()
            most = found[min(len(found) - 1, int(len(found) * 0.999))]
            print(f"| {name} | {len(found):,} | {most * 1000:.1f} | {found[-1] * 1000:.1f} |")


class Sink:
    """A client that reads at once."""

    is_writable = True

    def __init__(self) -> None:
        self.bytes = 0

    def send(self, data: bytes | list[bytes], /) -> None:
        self.bytes += len(data) if isinstance(data, bytes) else sum(map(len, data))


def measure(keys: int) -> Steps:
    """Fill a store, and do with it all that takes long."""
    steps = Steps()
    store = Store(Attached())
    hub = WatchHub(store, lambda revision: b"", max_bytes=1 << 20)
    for number in range(keys):
        steps.call("put of a new key", partial(store.put, b"%016d" % (number * 7919 % keys), b"v" * 32))
    gc.freeze()
    for number in range(keys * 6 // 10):
        store.put(b"%016d" % number, b"w" * 32)
    everything = schema.RangeRequest(key=b"\0", range_end=b"\0")
    steps.run("range of everything", read_range(store, everything))
    by_value = schema.RangeRequest(key=b"\0", range_end=b"\0", sort_target=schema.RangeRequest.VALUE, sort_order=1)
    steps.run("range of everything, sorted by value", read_range(store, by_value))
    steps.run("HashKV", store.hash_kv())
    steps.run("Hash", store.hash_history())
    captured = steps.call("capture, its beginning", store.capture)
    pieces = iter(captured)
    steps.run("capture, its pieces", pieces)
    captured.close()
    store.compact(store.revision)
    while steps.call("compaction", store.work):
        pass
    sink = Sink()
    stream = hub.stream(sink)
    stream.create(schema.WatchCreateRequest(key=b"\0", range_end=b"\0"))
    request = schema.DeleteRangeRequest(key=b"\0", range_end=b"\0")
    gone = steps.run("delete of everything", apply_delete_range(store, request))
    steps.call("its events, handed to the hub", lambda: hub.notify(gone.events))
    while steps.call("its events, read on by a watcher", hub.work):
        pass
    print(f"{sink.bytes:,} bytes of events")
    return steps


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    measure(parser.parse_args().keys).show()


if __name__ == "__main__":
    main()
