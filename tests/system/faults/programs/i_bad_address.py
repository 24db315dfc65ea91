"""Addresses that nothing can connect to, and names that do not resolve.

It prints:

nobody listens there: every snapshot and some messages are reported as lost
the name does not resolve: every snapshot and some messages are reported as lost
a double dot: BadPeer
a label of 64 letters: BadPeer
port 70000: BadPeer
port -5: BadPeer
a NUL: BadPeer
a port that is a text: BadPeer
"""

import asyncio
from typing import Any

from raftcy.transport import Transport
from tests.support.transports import free_port, heartbeat, snapshot

from .parts import HOST, Receiver, until

ADDRESSES: dict[str, Any] = {
    "nobody listens there": (HOST, free_port()),
    "the name does not resolve": ("no-such-host.invalid", 80),
    "a double dot": ("node..example", 80),
    "a label of 64 letters": ("a" * 64 + ".example", 80),
    "port 70000": (HOST, 70000),
    "port -5": (HOST, -5),
    "a NUL": ("ho\0st", 80),
    "a port that is a text": (HOST, "x"),
}
TIMES = 5


async def one(address: Any) -> str:
    receiver = Receiver()
    try:
        transport = Transport(1, receiver, {2: address})
    except ValueError as error:
        return type(error).__name__
    for _ in range(TIMES):
        transport.send([snapshot(to=2), heartbeat()])
        await asyncio.sleep(0.1)
    await until(lambda: len(receiver.snapshots) == TIMES)
    reported = len(receiver.snapshots) == TIMES and receiver.unreachable > 0 and transport.failure is None
    await transport.close()
    return "every snapshot and some messages are reported as lost" if reported else "nobody says what is lost"


async def main() -> None:
    for shown, address in ADDRESSES.items():
        print(f"{shown}: {await one(address)}")


if __name__ == "__main__":
    asyncio.run(main())
