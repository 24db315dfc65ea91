"""A counter that three members keep, each with a log on disk. Run it; it needs no arguments and makes a folder."""

import asyncio
import tempfile

from raftcy import Host
from raftcy.machines import StateMachine


class Counter(StateMachine):
    total = 0

    def apply_one(self, command):
        self.total += int(command.data)
        return self.total

    def capture(self):
        return b"%d" % self.total

    def restore(self, file):
        self.total = int(file.read())


async def member(folder, id, members):
    async with Host(f"{folder}/{id}", id=id, members=members) as host:
        counter = host.replica("counter", Counter())
        await counter.wait_for_leader()
        total = await counter.propose(b"5")  # committed, durable on a majority, applied here
        await counter.read()  # from here on, the machine shows all that was answered anywhere
        print(f"member {id}: the total was {total} after its command, and is {counter.machine.total}")
        while counter.machine.total < 5 * len(members):
            await counter.read(at_least=counter.applied + 1)
        await asyncio.sleep(0.5)  # the others may still need this one for a majority


async def main(ports=(7001, 7002, 7003)):
    members = {id: f"127.0.0.1:{port}" for id, port in enumerate(ports, 1)}
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.gather(*[member(folder, id, members) for id in members])


if __name__ == "__main__":
    asyncio.run(main())
