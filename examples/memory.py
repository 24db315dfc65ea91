"""A group in memory with one process per member. Each line of the input is a command; ``?`` shows all of them.

    python examples/memory.py --id 1 --members 1=127.0.0.1:7101,2=127.0.0.1:7102,3=127.0.0.1:7103

The same for 2 and 3. To add a member, start it with its own address in its list too, and give ``+4=127.0.0.1:7104`` to
all others. It has nothing to say before it hears of the group, so they have to know where it is. A member ends at the
end of its input.
"""

import argparse
import asyncio
import sys

from raftcy import (
    ConfChange,
    ConfChangeType,
    Config,
    ConfState,
    MemoryStorage,
    ProposalDropped,
    RawNode,
    Snapshot,
    SnapshotMetadata,
)
from raftcy.replica.pump import Pump
from raftcy.transport import Transport

FIRST = [1, 2, 3]


class Lines:
    def __init__(self):
        self.lines = []

    def apply(self, entries):
        self.lines += [entry.data for entry in entries]

    def capture(self):
        return b"\n".join(self.lines)

    def restore(self, snapshot):
        self.lines = (snapshot.data or b"").splitlines()


def node(id):
    storage = MemoryStorage()
    if id in FIRST:  # a newcomer starts empty and learns everything from the leader
        metadata = SnapshotMetadata(conf_state=ConfState(voters=FIRST), index=1, term=1)
        storage.apply_snapshot(Snapshot(metadata=metadata))
    limits = {"max_size_per_msg": 1 << 20, "max_inflight_msgs": 256}
    return RawNode(Config(id=id, election_tick=10, heartbeat_tick=1, storage=storage, pre_vote=True, **limits)), storage


async def add(pump, id):
    """Wait until a member is a voter. The leader makes it one: first a learner, which has no vote and gets the log."""
    while id not in pump.driver.members.voters:
        status = pump.driver.node.status()
        if status.lead == status.id:
            if id not in pump.driver.members.learners:
                pump.call(pump.driver.propose_change, ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=id))
            elif status.progress[id].match >= status.commit:
                pump.call(pump.driver.propose_change, ConfChange(type=ConfChangeType.ADD_NODE, node_id=id))
        await asyncio.sleep(0.2)
    print("voters", *pump.driver.members.voters, flush=True)


async def propose(pump, data):
    async with asyncio.timeout(10):  # nobody leads if a majority is gone
        while True:
            try:
                return await pump.propose(data)
            except ProposalDropped:
                await asyncio.sleep(0.1)


def place(text):
    id, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    return int(id), (host, int(port))


async def main(args):
    machine = Lines()
    pump = Pump(*node(args.id), machine)
    async with Transport(args.id, pump) as transport:
        pump.send = transport.send
        for id, address in map(place, args.members.split(",")):
            await (transport.listen(*address) if id == args.id else transport.set_peer(id, address))
        pump.start_ticking(0.05)
        ended = asyncio.create_task(pump.done())
        commands = asyncio.StreamReader()
        reading = asyncio.StreamReaderProtocol(commands)
        await asyncio.get_running_loop().connect_read_pipe(lambda: reading, sys.stdin)
        while line := (await commands.readline()).strip():
            if line.startswith(b"+"):
                id, address = place(line[1:].decode())
                await transport.set_peer(id, address)
                await add(pump, id)
            elif line == b"?":
                async with asyncio.timeout(10):
                    await pump.read()  # the machine then shows everything that was committed before
                print("lines", *(each.decode() for each in machine.lines), flush=True)
            else:
                await propose(pump, line)
        await pump.close()
        await ended  # raises the error, if one has ended the pump


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One member of a group in memory.")
    parser.add_argument("--id", type=int, required=True)
    parser.add_argument("--members", required=True)
    asyncio.run(main(parser.parse_args()))
