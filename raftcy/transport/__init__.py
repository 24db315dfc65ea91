"""Sends messages between nodes over TCP, for asyncio.

This room owns the sockets, the frames, and the rules for refusing, dropping and reporting. It looks only at a message's
address, its sender and its type, because no peer may send local messages. One ``Transport`` serves one node, or one
node of each of many groups, through the ``Receiver`` protocol, which ``raftcy.Node`` implements, or ``DirectReceiver``.
"""

from .limits import Limits, PeerTraffic, Traffic
from .packets import Hello, Reason, Refusal
from .policy import hear_all, hear_known
from .receiver import DirectReceiver, Receiver
from .tls import TLS, allow_names, any_certificate, bind_member_id
from .transport import Address, Transport

__all__ = [
    "TLS",
    "Address",
    "DirectReceiver",
    "Hello",
    "Limits",
    "PeerTraffic",
    "Reason",
    "Receiver",
    "Refusal",
    "Traffic",
    "Transport",
    "allow_names",
    "any_certificate",
    "bind_member_id",
    "hear_all",
    "hear_known",
]
