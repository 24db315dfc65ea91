"""TLS between nodes: version 1.3, certificates on both sides, and which certificate may speak as which member.

Every node has a certificate with its key, and the authorities that it trusts for its peers. Use an authority that signs
nothing else, because every holder of one of its certificates can connect. A binding then decides whether the names in a
certificate allow its holder to speak as a member: a function of the certificate, as ``ssl.SSLSocket.getpeercert``
returns it, and the id.
"""

import ssl
from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any

__all__ = ["ALPN", "TLS", "Binding", "allow_names", "any_certificate", "bind_member_id", "names_of"]

ALPN = "raftcy/2"
"""The ALPN protocol that both ends must agree on, so that nobody can redirect a connection to another service."""

Binding = Callable[[dict[str, Any], int], bool]
Path = str | PathLike[str]


def names_of(certificate: dict[str, Any]) -> set[str]:
    """Return the names in a certificate's SAN: host names, addresses, URIs and others."""
    return {value for _, value in certificate.get("subjectAltName", ())}


def bind_member_id(certificate: dict[str, Any], id: int) -> bool:
    """Accept a certificate with the DNS name ``member-ID`` or the URI ``raftcy:member:ID``, ID in decimal.

    This is the default: a stolen key lets its holder speak as one member only.
    """
    names = certificate.get("subjectAltName", ())
    return ("DNS", f"member-{id}") in names or ("URI", f"raftcy:member:{id}") in names


def any_certificate(certificate: dict[str, Any], id: int) -> bool:
    """Accept any certificate of the authorities, for members that share one. Each holder can speak as any member."""
    return True


def allow_names(names: Iterable[str]) -> Binding:
    """Return a binding that accepts certificates with one of these names in their SAN, whatever the member's id."""
    allowed = frozenset(names)

    def allow(certificate: dict[str, Any], id: int) -> bool:
        return not allowed.isdisjoint(names_of(certificate))

    return allow


class TLS:
    """The TLS settings of a transport, from files in PEM format.

    ``certificate`` holds the node's certificate, followed by any intermediate certificates. ``key`` holds the private
    key; it is None if the key is in the same file. ``authorities`` holds the certificates that sign those of the peers.
    ``password`` opens an encrypted key. ``binding`` decides which certificate may speak as which member.

    Raises OSError if a file cannot be read, and its subclass ssl.SSLError if a file has the wrong contents.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path | None = None,
        *,
        authorities: Path,
        password: str | None = None,
        binding: Binding = bind_member_id,
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._authorities = authorities
        self._password = password
        self.binding = binding
        self.server_context, self.client_context = self._make()

    def reload(self) -> None:
        """Read the files again. New connections use the new contents, and open connections continue.

        If this raises, the transport keeps using the old contents.
        """
        self.server_context, self.client_context = self._make()

    def refuse(self, connection: Any, id: int) -> str | None:
        """Return why an established TLS connection may not speak as member ``id``, or None."""
        if connection is None or connection.version() != "TLSv1.3":
            return "the connection does not use TLS 1.3"
        if connection.selected_alpn_protocol() != ALPN:
            return f"the other end did not agree on {ALPN}"
        certificate = connection.getpeercert()
        if not certificate or not self.binding(certificate, id):
            names = ", ".join(sorted(names_of(certificate or {}))) or "no names"
            return f"a certificate with {names} may not speak as member {id}"
        return None

    def _make(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The binding checks the name instead: a member is known by its id, not by its host.
        client.check_hostname = False
        # Without tickets, no session resumes, so every connection has to show a certificate that is valid now.
        server.num_tickets = 0
        for context in (server, client):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cafile=self._authorities)
            context.load_cert_chain(self._certificate, self._key, self._refuse_prompt)
            context.set_alpn_protocols([ALPN])
        return server, client

    def _refuse_prompt(self) -> str:
        """Return the password, "" without one. Otherwise OpenSSL would ask on the terminal, and the node would hang."""
        return self._password or ""
