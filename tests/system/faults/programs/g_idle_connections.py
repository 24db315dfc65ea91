"""A peer leaves 256 connections behind that say nothing any more; as many as a transport takes.

It prints:

connections of the silent peer that were accepted: 256
closed in favour of a newer one: 255
messages of another peer that arrived: 40 of 40
the other peer was reported as unreachable: False
"""

import asyncio

from raftcy.transport import Limits, Transport
from raftcy.transport.packets import HELLO, Hello, encode_greeting
from tests.support.transports import heartbeat

from .parts import HOST, Receiver, until


async def main() -> None:
    receiver, sender = Receiver(), Receiver()
    transport = Transport(1, receiver, limits=Limits(connections=256))
    address = await transport.listen(HOST, 0)
    hello = encode_greeting(HELLO, Hello(sender=2, receiver=1, nonce=7))
    writers = []
    for number in range(256):
        _, writer = await asyncio.open_connection(*address)
        writer.write(hello)
        writers.append(writer)
        await until(lambda number=number: transport.traffic.accepted > number)
    print("connections of the silent peer that were accepted:", transport.traffic.accepted)
    print("closed in favour of a newer one:", transport.traffic.replaced)
    other = Transport(3, sender, {1: address})
    for _ in range(40):
        other.send([heartbeat(to=1, from_=3)])
        await asyncio.sleep(0.01)
    await until(lambda: len(receiver.got) == 40)
    print("messages of another peer that arrived:", len(receiver.got), "of 40")
    print("the other peer was reported as unreachable:", sender.unreachable > 0)
    await other.close()
    await transport.close()
    for writer in writers:
        writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(main())
