"""Ports for members that must know each other's addresses before they listen."""

import random
import socket
from contextlib import ExitStack, suppress

_HOST = "127.0.0.1"
# The system takes ports for outgoing connections from 32,768 on: those could be gone when the member wants to listen.
_FIRST, _END = 20_000, 32_768
_TRIES = 100


def free_ports(count: int) -> list[int]:
    """Return consecutive ports of the loopback address that nobody listens on now, drawn at random.

    Raises OSError if none are found.
    """
    for _ in range(_TRIES):
        first = random.randrange(_FIRST, _END - count)
        ports = list(range(first, first + count))
        with suppress(OSError), ExitStack() as stack:
            for port in ports:
                stack.enter_context(socket.create_server((_HOST, port)))
            return ports
    raise OSError(f"no {count} consecutive ports are free between {_FIRST} and {_END}")
