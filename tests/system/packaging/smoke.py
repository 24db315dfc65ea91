"""Runs against an installed raftcy: replicates on three nodes in one process, through public names alone.

    python smoke.py BUILD

Ends with the line `smoke ok: …`. The argument is the build that must be running.
"""

import sys

import raftcy


def node(number: int, storage: raftcy.MemoryStorage) -> raftcy.RawNode:
    config = raftcy.Config(
        id=number, election_tick=10, heartbeat_tick=1, storage=storage, max_size_per_msg=1 << 20, max_inflight_msgs=256
    )
    raw = raftcy.RawNode(config)
    raw.bootstrap([raftcy.Peer(peer) for peer in (1, 2, 3)])
    return raw


class Machine:
    def __init__(self) -> None:
        self.applied: list[bytes] = []

    def apply(self, entries: list[raftcy.Entry]) -> None:
        self.applied += [entry.data for entry in entries]


def main(build: str) -> None:
    if build != raftcy.BUILD:
        sys.exit(f"this is the {raftcy.BUILD} build, not the {build} one")
    stores = {number: raftcy.MemoryStorage() for number in (1, 2, 3)}
    machines = {number: Machine() for number in stores}

    def send(messages: list[raftcy.Message]) -> None:
        for message in messages:
            drivers[message.to].inbox.append(raftcy.Message.decode(message.encode()))

    drivers = {
        number: raftcy.Driver(node(number, storage), storage, machines[number], send)
        for number, storage in stores.items()
    }

    def drain() -> None:
        while sum(driver.run() for driver in drivers.values()):
            pass

    drain()
    drivers[1].node.campaign()
    drain()
    records = [b"record %d" % number for number in range(100)]
    for record in records:
        drivers[1].propose(record)
        drain()
    if any(machine.applied != records for machine in machines.values()):
        sys.exit("the nodes did not apply what was proposed")
    print(f"smoke ok: raftcy {raftcy.__version__}, {raftcy.BUILD} build, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main(sys.argv[1])
