"""URLs of members and clients, and what is made of them: addresses, lists of members, ids.

A member's id is a hash of the cluster's token and the member's peer URLs, as etcd's is, so that all members of a new
cluster find the same ids in the same --initial-cluster.
"""

from hashlib import sha256
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from .flags import FlagError

_ID_MAX = 2**64 - 3


class Url(NamedTuple):
    """A URL of a listener: scheme, host and port."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The host and the port, as in an address of a member."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_secure(self) -> bool:
        """Whether it is served with TLS."""
        return self.scheme == "https"

    @property
    def bind_host(self) -> str:
        """The address to listen at. Like etcd, "localhost" is the one of IPv4."""
        return "127.0.0.1" if self.host == "localhost" else self.host


def parse_url(given: str, where: str) -> Url:
    """Read a URL. Raises FlagError; ``where`` is the flag that has it."""
    given = given.strip()
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError as error:
        raise FlagError(f"{where} has no URL: {given}: {error}") from None
    if parts.scheme in ("unix", "unixs"):
        raise FlagError(f"{where}={given} is not supported: sockets of the file system are not served")
    if parts.scheme not in ("http", "https"):
        raise FlagError(f"{where}: URL scheme must be http or https: {given}")
    if port is None or parts.username is not None:
        raise FlagError(f'{where}: URL address does not have the form "host:port": {given}')
    if parts.path or parts.query or parts.fragment:
        raise FlagError(f"{where}: URL must not contain a path: {given}")
    return Url(parts.scheme, parts.hostname or "", port)


def parse_urls(given: str, where: str) -> tuple[Url, ...]:
    """Read URLs with commas between them, sorted, each once. An empty text has none."""
    found = {parse_url(each, where) for each in given.split(",")} if given.strip() else set()
    return tuple(sorted(found, key=str))


def check_bound(urls: tuple[Url, ...], where: str) -> None:
    """Raise FlagError unless each URL has an address that can be listened at: a name may mean several."""
    for url in urls:
        if url.host == "localhost":
            continue
        try:
            ip_address(url.host)
        except ValueError:
            raise FlagError(f"{where}: expected IP in URL for binding ({url})") from None


def check_reached(urls: tuple[Url, ...], where: str) -> None:
    """Raise FlagError unless each URL has a host."""
    for url in urls:
        if not url.host:
            raise FlagError(f"{where}: unexpected empty host ({url})")


def parse_cluster(given: str) -> dict[str, tuple[Url, ...]]:
    """Read --initial-cluster: the peer URLs of the members by their names."""
    where = "--initial-cluster"
    found: dict[str, list[Url]] = {}
    for part in given.split(","):
        name, equals, url = part.strip().partition("=")
        if not equals or not name or not url:
            raise FlagError(f'{where} must have parts of the form "name=url", not {part!r}')
        found.setdefault(name, []).append(parse_url(url, where))
    taken: dict[Url, str] = {}
    for name, urls in found.items():
        for each in urls:
            if taken.setdefault(each, name) != name:
                raise FlagError(f"{where}: {each} belongs to {taken[each]} and to {name}")
    return {name: tuple(sorted(set(urls), key=str)) for name, urls in found.items()}


def member_id(token: str, urls: tuple[Url, ...]) -> int:
    """Return the id of the member with these peer URLs."""
    known = "\n".join([token, *map(str, urls)])
    return int.from_bytes(sha256(known.encode()).digest()[:8], "big") % _ID_MAX + 1
