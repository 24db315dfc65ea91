"""Which HTTP requests are let in, by their Host and Origin: what protects a server from pages in a browser.

Rules:

- A page in a browser can make requests to this server in two ways: from its own origin ("cross-site requests"), and by
  letting its name point here ("DNS rebinding"). A browser names the origin of the page in every request that changes
  something, and other clients send no Origin.
- A request with an Origin is let in only if ``--cors`` lists the origin or has ``*``, or if the page comes from this
  server itself, under a name that nobody can rebind: an address, ``localhost``, or the host of one of its own URLs.
- With ``--host-whitelist``, a request without TLS is let in only if it lists the request's Host. With TLS the
  certificate names the host, so no list is needed.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple


class Objection(NamedTuple):
    """Why a request is not let in: the HTTP status, and a text for the client."""

    status: int
    text: str


def host_name(host: str) -> str:
    """Return the name in a Host header or in an origin's authority, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and ":" not in name else host


class Access:
    """Decides by ``--host-whitelist`` and ``--cors``.

    ``hosts`` are the names that Host may have; none, or ``*``, lets in every name. ``origins`` are the origins that
    requests may come from, such as ``https://ui.example``; ``*`` lets in every origin. ``own`` are the hosts of this
    server's own URLs.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = (), own: Iterable[str] = ()) -> None:
        listed = frozenset(hosts)
        self._hosts = frozenset() if "*" in listed else listed
        self._origins = frozenset(origins)
        self._own = frozenset(each.lower() for each in own) | {"localhost"}

    def objection(self, host: str, origin: str | None, *, is_secure: bool) -> Objection | None:
        """Return why a request is not let in, None if it is."""
        if self._hosts and not is_secure and host_name(host) not in self._hosts:
            return Objection(
                421,
                f"this server is not known as {host_name(host)!r}. Use TLS, or start it with "
                f"--host-whitelist and this name in the list.\n",
            )
        if origin is None or self.is_allowed(origin) or self._is_own_page(host, origin, is_secure):
            return None
        return Objection(
            403,
            f"requests of pages from {origin!r} are refused: start the server with --cors and this origin in it.\n",
        )

    def is_allowed(self, origin: str) -> bool:
        """Whether ``--cors`` lets in requests from an origin."""
        return "*" in self._origins or origin in self._origins

    def headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers by which an answer tells a browser that the page may read it."""
        if "*" in self._origins:
            shown = "*"
        elif origin is not None and origin in self._origins:
            shown = origin
        else:
            return {}
        return {
            "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE",
            "Access-Control-Allow-Origin": shown,
            "Access-Control-Allow-Headers": "accept, content-type, authorization",
        }

    def _is_own_page(self, host: str, origin: str, is_secure: bool) -> bool:
        if origin != f"{'https' if is_secure else 'http'}://{host}":
            return False
        name = host_name(host).lower()
        return name in self._own or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
