"""Messages between nodes over TCP, for asyncio.

Owns sockets, frames and the rules for what is dropped and reported. Never looks at what a message means, beyond its
address and the few kinds that no peer may send. ``Transport`` serves one node; ``Receiver`` is what it needs of that
node, and ``raftcy.Node`` has it.
"""

from .limits import Limits, Traffic
from .receiver import Receiver
from .transport import Transport

__all__ = ["Limits", "Receiver", "Traffic", "Transport"]
