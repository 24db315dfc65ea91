"""Checks the ids and the addresses of peers, so that bad ones are refused before anything connects to them."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from ..errors import BadPeer
from ..wire.kinds import is_local_msg_target

__all__ = ["Address", "Addresses", "check_addresses", "check_peer", "is_literal"]

Address = tuple[str, int]
Addresses = Address | Iterable[Address]


def check_peer(id: Any, own: int) -> int:
    """Return ``id`` if a peer of node ``own`` can have it. Raises BadPeer."""
    if not isinstance(id, int) or isinstance(id, bool) or not 0 < id < 2**64 or is_local_msg_target(id):
        raise BadPeer(f"{id!r} is no id of a node")
    if id == own:
        raise BadPeer(f"{id} is the id of this node, not of a peer")
    return id


def check_addresses(addresses: Any) -> tuple[Address, ...]:
    """Return one address, or several, as a tuple. Raises BadPeer for an address that nothing can connect to."""
    if isinstance(addresses, tuple) and len(addresses) == 2 and isinstance(addresses[0], str):
        addresses = [addresses]
    try:
        found = tuple((host, port) for host, port in addresses)
    except (TypeError, ValueError):
        raise BadPeer(f"{addresses!r} is no address: give (host, port), or several of them") from None
    if not found:
        raise BadPeer("a peer needs an address at least")
    for host, port in found:
        _check(host, port)
    return found


def _check(host: Any, port: Any) -> None:
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise BadPeer(f"{port!r} is no port: ports are 1 to 65535")
    if not isinstance(host, str) or not host or len(host) > 255 or "\0" in host or any(map(str.isspace, host)):
        raise BadPeer(f"{host!r} is no host name and no address")
    if is_literal(host):
        return
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise BadPeer(f"{host!r} cannot be looked up: {error}") from None


def is_literal(host: str) -> bool:
    """Whether a host is an IPv4 or IPv6 address, which needs no look-up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
