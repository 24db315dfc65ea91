"""The TLS that clients meet."""

import ssl

from .configuration import ClientTls
from .telling import ALPN

_VERSIONS = {"TLS1.2": ssl.TLSVersion.TLSv1_2, "TLS1.3": ssl.TLSVersion.TLSv1_3}


def server_context(tls: ClientTls) -> ssl.SSLContext:
    """Return the context of a listener.

    With ``--trusted-ca-file`` alone, a client may leave out its certificate; one that it shows must be good. With
    ``--client-cert-auth`` it must show one.

    Raises OSError if a file cannot be read, and its subclass ssl.SSLError if it has the wrong contents.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.version_min]
    if tls.version_max:
        context.maximum_version = _VERSIONS[tls.version_max]
    # OpenSSL asks for the password of an encrypted key on the terminal, and the server would hang.
    context.load_cert_chain(tls.certificate, tls.key, lambda: "")
    if tls.authorities:
        context.load_verify_locations(cafile=tls.authorities)
        context.verify_mode = ssl.CERT_REQUIRED if tls.needs_certificate else ssl.CERT_OPTIONAL
    context.set_alpn_protocols(ALPN)
    return context
