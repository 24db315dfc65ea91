"""Two transports in a network namespace of their own whose link swallows every packet for a while, and heals.

``python -m tests.system.transport.cut SECONDS`` cuts it for so long and prints, as JSON, what the nodes noticed. It has
to run as root; it makes the namespace itself, and touches no other.
"""

import asyncio
import ctypes
import json
import os
import subprocess
import sys
import time
from typing import Any

from raftcy.transport import Transport
from tests.support.transports import HOST, Direct, heartbeat

CLONE_NEWNET = 0x40000000
# A bucket that no packet fits into.
CUT = ["tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "8bit", "burst", "1", "latency", "1ms"]
HEAL = ["tc", "qdisc", "del", "dev", "lo", "root"]
SEND_SECONDS = 0.02
PATIENCE_SECONDS = 120.0


def enter_namespace() -> None:
    """Move this process into a network namespace of its own with a loopback device. Raises OSError if it may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    shell(["ip", "link", "set", "lo", "up"])


def shell(command: list[str]) -> None:
    """Run a command. Raises OSError if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


class Heard(Direct):
    """Keeps the times of what arrives, and of reports."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[float] = []
        self.reported: list[float] = []

    def receive(self, messages: Any) -> Any:
        self.arrived += [time.monotonic()] * len(messages)
        return []

    def report_unreachable(self, id: int) -> None:
        self.reported.append(time.monotonic())


async def cut(seconds: float) -> dict[str, float]:
    """Cut the link for so long while messages go both ways, and return what was noticed, in seconds."""
    nodes = {id: Heard() for id in (1, 2)}
    transports = {id: Transport(id, node) for id, node in nodes.items()}
    for id, transport in transports.items():
        await transports[3 - id].set_peer(id, await transport.listen(HOST, 0))

    async def talk() -> None:
        while True:
            for id, transport in transports.items():
                transport.send([heartbeat(to=3 - id, from_=id)])
            await asyncio.sleep(SEND_SECONDS)

    talking = asyncio.create_task(talk())
    await asyncio.sleep(0.5)
    begun = time.monotonic()
    shell(CUT)
    await asyncio.sleep(0.05)
    silent = time.monotonic()
    await asyncio.sleep(seconds - (time.monotonic() - begun))
    shell(HEAL)
    healed = time.monotonic()
    while time.monotonic() - healed < PATIENCE_SECONDS:
        if all(node.arrived[-1] > healed for node in nodes.values()):
            break
        await asyncio.sleep(0.01)
    talking.cancel()
    found = {
        "before": min(len([at for at in node.arrived if at < begun]) for node in nodes.values()),
        "during": sum(len([at for at in node.arrived if silent < at < healed]) for node in nodes.values()),
        "first_report": max(
            min([at for at in n.reported if at > begun] or [healed + 999]) - begun for n in nodes.values()
        ),
        "reports": min(len([at for at in node.reported if begun < at < healed]) for node in nodes.values()),
        "after_heal": max(
            min([at for at in n.arrived if at > healed] or [healed + 999]) - healed for n in nodes.values()
        ),
    }
    for transport in transports.values():
        await transport.close()
    return found


if __name__ == "__main__":
    enter_namespace()
    print(json.dumps(asyncio.run(cut(float(sys.argv[1])))))
