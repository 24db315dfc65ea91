"""TLS between real sockets: which certificates may speak as whom, and that nothing goes without them."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raftcy.transport import TLS, Limits, Transport, allow_names, any_certificate
from raftcy.transport.tls import bind_member_id, names_of
from raftcy.wire.enums import SnapshotStatus
from tests.support.certificates import Authority, Certificate
from tests.support.depots import Store, announcing
from tests.support.transports import (
    FAST,
    HOST,
    Caller,
    Direct,
    heartbeat,
    proposal,
    silent_peer,
    snapshot,
    tasks_left,
    until,
)


@pytest.fixture(scope="module", name="authority")
def made_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module", name="members")
def made_members(authority: Authority) -> dict[int, Certificate]:
    """Members 1 and 3 by a host name, 2 by a URI."""
    names = {1: ("DNS:member-1", "DNS:one.example"), 2: ("URI:raftcy:member:2",), 3: ("DNS:member-3",)}
    return {id: authority.issue(*each) for id, each in names.items()}


def settings(authority: Authority, certificate: Certificate, **options: Any) -> TLS:
    return TLS(certificate.file, certificate.key, authorities=authority.file, **options)


class Two:
    def __init__(self, one: TLS | None, two: TLS | None, limits: Limits) -> None:
        self.one, self.two = Direct(), Direct()
        self.sender = Transport(1, self.one, limits=limits, tls=one)
        self.receiver = Transport(2, self.two, limits=limits, tls=two)
        self.address = (HOST, 0)

    async def arrives(self) -> None:
        self.two.messages.clear()
        async with asyncio.timeout(20):
            while not self.two.messages:
                self.sender.send([heartbeat()])
                await asyncio.sleep(0.01)

    async def is_refused(self, counter: Callable[[], int]) -> None:
        """Nothing arrives; the counter says why."""
        async with asyncio.timeout(20):
            while not counter():
                self.sender.send([heartbeat()])
                await asyncio.sleep(0.01)
        await until(lambda: self.one.unreachable)
        assert self.two.messages == []


@asynccontextmanager
async def pair_of(one: TLS | None, two: TLS | None, limits: Limits = FAST) -> AsyncIterator[Two]:
    both = Two(one, two, limits)
    both.address = await both.receiver.listen(HOST, 0)
    await both.sender.set_peer(2, both.address)
    try:
        yield both
    finally:
        await both.sender.close()
        await both.receiver.close()
        assert tasks_left() == []


async def test_messages_arrive(authority: Authority, members: dict[int, Certificate]) -> None:
    async with pair_of(settings(authority, members[1]), settings(authority, members[2])) as both:
        sent = [*(heartbeat(number) for number in range(300)), snapshot(size=3 << 20), proposal(b"x")]
        both.sender.send(sent)
        await until(lambda: len(both.two.messages) == len(sent))
        assert both.two.messages == sent
        await until(lambda: both.one.snapshots == [(2, SnapshotStatus.FINISH)])
        connection = both.sender._outgoing[2]._connection
        assert connection is not None
        assert (connection.secured.version(), connection.secured.selected_alpn_protocol()) == ("TLSv1.3", "raftcy/2")


async def test_the_body_of_a_snapshot_arrives(authority: Authority, members: dict[int, Certificate]) -> None:
    """On a connection of its own, with the same proofs."""
    async with pair_of(settings(authority, members[1]), settings(authority, members[2])) as both:
        both.sender._shared.depot, taking = Store(a=b"x" * 300_000), Store()
        both.receiver._shared.depot = taking
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, SnapshotStatus.FINISH)])
        assert taking.arrived == {"a": b"x" * 300_000}
    limits = replace(FAST, stream_give_up_seconds=0.2)
    async with pair_of(settings(authority, members[3]), settings(authority, members[2]), limits) as both:
        both.sender._shared.depot, taking = Store(a=b"x"), Store()
        both.receiver._shared.depot = taking
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, SnapshotStatus.FAILURE)])
        assert both.receiver.traffic.refused_certificate
        assert taking.begun == []


async def test_a_certificate_speaks_as_its_member_only(authority: Authority, members: dict[int, Certificate]) -> None:
    """A stolen key of member 3 cannot acknowledge in the name of member 1, nor answer as member 2."""
    async with pair_of(settings(authority, members[3]), settings(authority, members[2])) as both:
        await both.is_refused(lambda: both.receiver.traffic.refused_certificate)
        assert both.sender.traffic.refused_by_peers
    async with pair_of(settings(authority, members[1]), settings(authority, members[3])) as both:
        await both.is_refused(lambda: both.sender.traffic.wrong_peers)


@pytest.mark.parametrize(
    "name", ["DNS:member-11", "DNS:member-1.example", "DNS:x-member-1", "URI:raftcy:member:11", ""]
)
async def test_names_that_are_nearly_right(authority: Authority, members: dict[int, Certificate], name: str) -> None:
    certificate = authority.issue(*([name] if name else []))
    async with pair_of(settings(authority, certificate), settings(authority, members[2])) as both:
        await both.is_refused(lambda: both.receiver.traffic.refused_certificate)


async def test_other_bindings(authority: Authority, members: dict[int, Certificate]) -> None:
    """One certificate for all, names that are allowed, and a rule of one's own."""
    shared = members[3]
    for binding in (
        any_certificate,
        allow_names(["member-3"]),
        lambda certificate, id: "member-3" in names_of(certificate),
    ):
        tls = settings(authority, shared, binding=binding)
        async with pair_of(tls, tls) as both:
            await both.arrives()
    strict = settings(authority, members[2], binding=allow_names(["one.example"]))
    async with pair_of(settings(authority, members[1], binding=any_certificate), strict) as both:
        await both.arrives()
    async with pair_of(settings(authority, shared, binding=any_certificate), strict) as both:
        await both.is_refused(lambda: both.receiver.traffic.refused_certificate)

    def fails(certificate: Any, id: int) -> bool:
        raise ZeroDivisionError

    async with pair_of(settings(authority, members[1]), settings(authority, members[2], binding=fails)) as both:
        await both.is_refused(lambda: both.receiver.traffic.refused)
        assert isinstance(both.receiver.failure, ZeroDivisionError)


def test_the_default_binding() -> None:
    def bound(*names: tuple[str, str]) -> bool:
        return bind_member_id({"subjectAltName": names}, 7)

    assert bound(("DNS", "x"), ("DNS", "member-7"))
    assert bound(("URI", "raftcy:member:7"))
    assert not bound(("URI", "member-7"), ("DNS", "raftcy:member:7"), ("DNS", "member-07"))
    assert not bind_member_id({}, 7)


async def test_a_certificate_of_another_authority(
    authority: Authority, members: dict[int, Certificate], tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    foreign = other.issue("DNS:member-1", "DNS:member-2")
    own = TLS(foreign.file, foreign.key, authorities=authority.file)
    async with pair_of(own, settings(authority, members[2])) as both:
        await both.is_refused(lambda: both.receiver.traffic.refused_certificate)
    async with pair_of(settings(authority, members[1]), own) as both:
        await both.is_refused(lambda: both.sender.traffic.failed_dials)


async def test_an_expired_certificate_is_renewed_while_running(
    authority: Authority, members: dict[int, Certificate], tmp_path: Path
) -> None:
    """New files are read by ``reload``; what cannot be read leaves things as they are."""
    file, key = tmp_path / "node.pem", tmp_path / "node.key"
    expired, renewed = authority.issue("DNS:member-1", days=-1), authority.issue("DNS:member-1")
    shutil.copy(expired.file, file)
    shutil.copy(expired.key, key)
    tls = TLS(file, key, authorities=authority.file)
    async with pair_of(tls, settings(authority, members[2])) as both:
        await both.is_refused(lambda: both.receiver.traffic.refused_certificate)
        shutil.copy(renewed.file, file)
        with pytest.raises(ssl.SSLError):
            tls.reload()
        shutil.copy(renewed.key, key)
        tls.reload()
        await both.arrives()


async def test_an_acceptor_takes_new_certificates_too(
    authority: Authority, members: dict[int, Certificate], tmp_path: Path
) -> None:
    """Also new authorities: who was trusted before is not any more, though open connections go on."""
    other = Authority(tmp_path, "other")
    trusted = tmp_path / "trusted.pem"
    shutil.copy(authority.file, trusted)
    two = TLS(members[2].file, members[2].key, authorities=trusted)
    async with pair_of(settings(authority, members[1]), two) as both:
        await both.arrives()
        shutil.copy(other.file, trusted)
        two.reload()
        await both.arrives()
        both.receiver._incoming.drop(1)
        before = both.receiver.traffic.refused_certificate
        async with asyncio.timeout(20):
            while both.receiver.traffic.refused_certificate == before:
                both.sender.send([heartbeat()])
                await asyncio.sleep(0.01)


async def test_without_tls_nobody_gets_in(authority: Authority, members: dict[int, Certificate]) -> None:
    async with pair_of(None, settings(authority, members[2])) as both:
        await both.is_refused(lambda: both.receiver.traffic.refused_certificate)
    async with pair_of(settings(authority, members[1]), None) as both:
        await both.is_refused(lambda: both.sender.traffic.failed_dials)


def client_context(authority: Authority, certificate: Certificate | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.check_hostname = False
    if certificate is not None:
        context.load_cert_chain(certificate.file, certificate.key)
    return context


@pytest.mark.parametrize("fault", ["no certificate", "TLS 1.2", "no ALPN", "another ALPN"])
async def test_clients_of_another_kind(authority: Authority, members: dict[int, Certificate], fault: str) -> None:
    context = client_context(authority, None if fault == "no certificate" else members[1])
    if fault == "TLS 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if fault not in ("no ALPN", "TLS 1.2"):
        context.set_alpn_protocols(["h2" if fault == "another ALPN" else "raftcy/2"])
    async with pair_of(None, settings(authority, members[2])) as both:
        with pytest.raises((OSError, EOFError, AssertionError, RuntimeError)):  # noqa: PT012
            reader, writer = await asyncio.open_connection(*both.address, ssl=context)
            caller = Caller(reader, writer)
            try:
                answer = await caller.greet()
                raise EOFError if answer is None else AssertionError(answer)
            finally:
                writer.transport.abort()
        await until(lambda: both.receiver.traffic.refused_certificate)
        assert both.receiver.traffic.accepted == 0


async def test_a_handshake_must_end_soon(authority: Authority, members: dict[int, Certificate]) -> None:
    """Such connections count among those that have proved nothing."""
    limits = Limits(hello_seconds=0.1, unproved_connections=3)
    async with pair_of(None, settings(authority, members[2]), limits) as both:
        crowd = [socket.create_connection(both.address) for _ in range(8)]
        await until(lambda: both.receiver.traffic.crowded_out == 5)
        await until(lambda: both.receiver.traffic.silent_connections == 3)
        await until(lambda: not both.receiver._incoming._connections)
        for each in crowd:
            each.close()


async def test_a_peer_that_does_not_do_the_handshake(authority: Authority, members: dict[int, Certificate]) -> None:
    with socket.create_server((HOST, 0)) as listener:
        node = Direct()
        limits = Limits(greet_seconds=0.05, retry_min_seconds=0.01)
        tls = settings(authority, members[1])
        sender = Transport(1, node, {2: listener.getsockname()[:2]}, limits, tls=tls)
        sender.send([heartbeat()])
        await until(lambda: node.unreachable)
        await sender.close()
        assert tasks_left() == []
    async with silent_peer() as address:
        sender = Transport(1, node, {2: address}, limits, tls=tls)
        sender.send([heartbeat()])
        await until(lambda: sender.traffic.failed_dials)
        await sender.close()


async def test_closing_at_each_turn_of_a_handshake(authority: Authority, members: dict[int, Certificate]) -> None:
    one, two = settings(authority, members[1]), settings(authority, members[2])
    for turns in range(0, 40, 3):
        async with pair_of(one, two) as both:
            both.sender.send([heartbeat()])
            for _ in range(turns):
                await asyncio.sleep(0)


async def test_a_message_longer_than_a_record(authority: Authority, members: dict[int, Certificate]) -> None:
    """Half-written, while the peer falls silent: noticed with TLS as well."""
    limits = Limits(write_timeout_seconds=0.4, retry_min_seconds=0.01)
    one, two = settings(authority, members[1]), settings(authority, members[2])
    async with pair_of(one, two, limits) as both:
        await both.arrives()
        (accepted,) = both.receiver._incoming._connections
        accepted.pause_reading()
        both.sender.send([snapshot(size=30 << 20)])
        await until(lambda: both.one.snapshots)
        assert both.one.snapshots == [(2, SnapshotStatus.FAILURE)]
        assert both.sender.traffic.broken_connections == 1


def test_settings_that_cannot_be_read(authority: Authority, members: dict[int, Certificate], tmp_path: Path) -> None:
    """They are refused when they are given. An encrypted key without its password asks nobody."""
    with pytest.raises(OSError, match="No such file"):
        TLS(tmp_path / "none", authorities=authority.file)
    with pytest.raises(ssl.SSLError):
        TLS(members[1].file, members[2].key, authorities=authority.file)
    with pytest.raises(ssl.SSLError):
        TLS(members[1].file, members[1].key, authorities=members[1].key)
    locked = authority.issue("DNS:member-1", password="open sesame")
    with pytest.raises(ssl.SSLError):
        settings(authority, locked)
    settings(authority, locked, password="open sesame")
    both = tmp_path / "both.pem"
    both.write_bytes(members[1].file.read_bytes() + members[1].key.read_bytes())
    TLS(both, authorities=authority.file)
