"""Sends messages between nodes over TCP, for asyncio.

Owns sockets, frames, and the rules for what is dropped and reported. Looks at a message only for its address and for
the few types that no peer may send. One ``Transport`` serves one node, through the ``Receiver`` protocol, which
``raftcy.Node`` implements.
"""

from .limits import Limits, Traffic
from .receiver import Receiver
from .transport import Transport

__all__ = ["Limits", "Receiver", "Traffic", "Transport"]
