"""Two changes of an address at once, a close during a change, a change that is cancelled, calls that come twice.

It prints:

the address that was given last is in force: True
messages at the old, the first and the last address: [1, 0, 1]
tasks left after close: 0
tasks left after a close during a change: 0
after a cancelled change the peer is known: True
its own address: BadPeer: 1 is the id of this node, not of a peer
listening twice: TransportError: 1 listens already
a change after close: TransportError: the transport is closed
tasks left: 0
"""

import asyncio
from contextlib import suppress
from typing import Any

from raftcy.transport import Transport
from tests.support.transports import heartbeat

from .parts import HOST, Receiver, tasks_left, until


async def refused(call: Any) -> str:
    try:
        await call
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


async def main() -> None:
    receivers = [Receiver() for _ in range(3)]
    listeners = [Transport(2, each) for each in receivers]
    addresses = [await each.listen(HOST, 0) for each in listeners]
    idle = tasks_left()
    sender = Transport(1, Receiver(), {2: addresses[0]})
    sender.send([heartbeat()])
    await until(lambda: receivers[0].got)
    await asyncio.gather(sender.set_peer(2, addresses[1]), sender.set_peer(2, addresses[2]))
    print("the address that was given last is in force:", sender.peers[2] == (addresses[2],))
    sender.send([heartbeat()])
    await until(lambda: receivers[2].got)
    print("messages at the old, the first and the last address:", [len(each.got) for each in receivers])
    await sender.close()
    await until(lambda: tasks_left() == idle)
    print("tasks left after close:", tasks_left() - idle)

    sender = Transport(1, Receiver(), {2: addresses[0]})
    sender.send([heartbeat()])
    await until(lambda: len(receivers[0].got) > 1)
    await asyncio.gather(sender.set_peer(2, addresses[1]), sender.close())
    await until(lambda: tasks_left() == idle)
    print("tasks left after a close during a change:", tasks_left() - idle)

    sender = Transport(1, Receiver(), {2: addresses[0]})
    sender.send([heartbeat()])
    change = asyncio.create_task(sender.set_peer(2, addresses[1]))
    await asyncio.sleep(0)
    change.cancel()
    with suppress(asyncio.CancelledError):
        await change
    print("after a cancelled change the peer is known:", 2 in sender.peers)
    print("its own address:", await refused(sender.set_peer(1, addresses[0])))
    await sender.listen(HOST, 0)
    print("listening twice:", await refused(sender.listen(HOST, 0)))
    await sender.close()
    print("a change after close:", await refused(sender.set_peer(2, addresses[0])))
    for each in listeners:
        await each.close()
    await until(lambda: tasks_left() == 0)
    print("tasks left:", tasks_left())


if __name__ == "__main__":
    asyncio.run(main())
