"""A member of an etcd cluster in one process: a host with one group, the API on it, and the listeners for clients.

Rules:

- Clients are served once this member knows a leader, and has applied what was committed by then. So nobody reads old
  data of a member that has just started.
- The first failure of the host, of the replica or of a task here ends the server. Its probes are false at once.
- Stopping ends the listeners first, then hands over the leadership, then closes the log.
- A directory that holds a member knows its cluster. The flags that begin with ``--initial`` count at the first start.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, Stopped
from ..replica.host import Host
from ..replica.prometheus import HostCollector
from ..replica.replica import Replica
from ..replica.tuning import Tuning
from . import schema
from .access import Access
from .api import EtcdMember
from .apicore import Options
from .clienttls import server_context
from .compactor import Compactor
from .configuration import Configuration
from .counting import Handled
from .exposition import Exposition
from .facts import MemberFacts, MemberNumbers
from .grpc_shared import GrpcLimits
from .http2 import HIGHEST_STREAM, Http2Limits
from .identity import ETCD_VERSION, VERSIONS
from .listening import Endpoint
from .probes import Probes
from .refusals import Refused, refused
from .replies import Page
from .service import Context
from .urls import Url

if TYPE_CHECKING:
    from .gateway import Gateway

COMMAND_BYTES_MAX = 63 << 20
STOP_S_MAX = 5.0
"""How long calls have to finish when the server stops."""
_LOG = logging.getLogger("raftcy.etcd")


class Server:
    """Runs a member. ``run`` raises what ends it; ``close`` ends it in order, and may be called at any time.

    ``before_clients`` is called once, when the store is restored and nobody is served yet.
    """

    def __init__(self, configuration: Configuration, before_clients: Callable[[], object] | None = None) -> None:
        self._configuration = configuration
        self._before_clients = before_clients
        self._host: Host | None = None
        self._member: EtcdMember | None = None
        self._gateways: list[Gateway] = []
        self._endpoints: list[Endpoint] = []
        self._importing: Any = None
        self.addresses: list[tuple[str, int]] = []
        """Where clients are served."""
        self.is_ready = False
        """Whether clients are served."""

    async def run(self) -> None:
        """Start the member, serve clients, and go on until it fails. Raises the failure."""
        tls = self._configuration.tls
        secured = None if tls is None else server_context(tls)
        # aiohttp takes as long to import as everything else here. Meanwhile the members can find each other.
        self._importing = asyncio.get_running_loop().run_in_executor(None, _import_gateway)
        host = self._host = await self._open_host()
        member = self._member = EtcdMember(host, self._options())
        member.start()
        await _while_it_lives(host, member.replica, self._serve(host, member, secured))

    async def _serve(self, host: Host, member: EtcdMember, secured: ssl.SSLContext | None) -> None:
        await member.wait_ready()
        await member.replica.read()
        if self._before_clients is not None:
            self._before_clients()
        pages, facts, numbers = self._pages(host, member)
        numbers.fronts += await self._listen(member, pages, secured)
        if self._configuration.retention:
            await self._compact(member, facts)
        await asyncio.Event().wait()

    async def close(self) -> None:
        """End the listeners, hand over the leadership, and close the log."""
        failed = self._host is not None and self._host.failure is not None
        patience_s = 0.0 if failed else STOP_S_MAX
        for gateway in self._gateways:
            await gateway.close(min(patience_s, 1.0))
        for endpoint in self._endpoints:
            await endpoint.stop(patience_s)
        if self._member is not None:
            await self._member.close()
        if self._host is not None:
            await self._host.close()

    # -- starting --------------------------------------------------------------------------------------------------

    async def _open_host(self) -> Host:
        configuration = self._configuration
        directory = configuration.directory
        listen = _address(configuration.listen_peers[0].bind_host, configuration.listen_peers[0].port)
        tuning = tuning_of(configuration)
        with suppress(FileNotFoundError):
            if os.listdir(directory):
                _say("server has already been initialized", **{"data-dir": directory})
                host = Host(directory, listen=listen, tuning=tuning)
                try:
                    return await host.__aenter__()
                except ConfigError:
                    # A first start was cut short before the directory knew its cluster.
                    pass
        ids = configuration.member_ids
        members = {ids[name]: [url.authority for url in urls] for name, urls in configuration.cluster.items()}
        if len(members) != len(ids):
            raise ConfigError("two members of --initial-cluster have the same id")
        _say("starting a new member", **{"data-dir": directory, "members": sorted(configuration.cluster)})
        host = Host(directory, id=ids[configuration.name], members=members, listen=listen, tuning=tuning)
        return await host.__aenter__()

    def _options(self) -> Options:
        configuration = self._configuration
        return Options(
            name=configuration.name,
            client_urls=tuple(map(str, configuration.advertise_clients)),
            version=ETCD_VERSION,
            max_request_bytes=configuration.request_bytes_max,
            max_txn_ops=configuration.txn_ops_max,
            progress_interval_s=configuration.progress_notify_s,
            corrupt_check_s=configuration.corrupt_check_s,
            quota_bytes=configuration.quota_bytes,
        )

    def _pages(self, host: Host, member: EtcdMember) -> tuple[dict[str, Page], MemberFacts, MemberNumbers]:
        facts = MemberFacts(member)
        probes = Probes(facts, VERSIONS, self._configuration.read_s_max)
        numbers = MemberNumbers(member, probes, self._configuration.quota_bytes)
        exposition = Exposition(numbers, [HostCollector(host)])
        return {**probes.pages(), "/metrics": exposition.page}, facts, numbers

    async def _listen(
        self, member: EtcdMember, pages: Mapping[str, Page], secured: ssl.SSLContext | None
    ) -> list[Handled]:
        """Serve clients; return what counts their calls."""
        configuration = self._configuration
        methods = member.services()
        own = [url.host for url in (*configuration.advertise_clients, *configuration.listen_clients)]
        access = Access(configuration.hosts, configuration.cors, own)
        make_gateway = await self._importing
        gateway = make_gateway(
            methods,
            pages,
            access,
            request_bytes_max=configuration.request_bytes_max,
            serves_api=configuration.has_gateway,
        )
        self._gateways.append(gateway)
        endpoint = Endpoint(methods, http1=gateway.protocol, limits=limits_of(configuration))
        self._endpoints.append(endpoint)
        for url in configuration.listen_clients:
            await self._listen_at(endpoint, url, secured, grpc=True, http1=not configuration.listen_http)
        for url in configuration.listen_http:
            await self._listen_at(endpoint, url, secured, grpc=False, http1=True)
        if configuration.listen_metrics:
            beside = make_gateway(
                (), {name: page for name, page in pages.items() if name != "/version"}, access, serves_api=False
            )
            self._gateways.append(beside)
            watched = Endpoint((), http1=beside.protocol)
            self._endpoints.append(watched)
            for url in configuration.listen_metrics:
                await self._listen_at(watched, url, secured, grpc=False, http1=True)
        self.is_ready = True
        _say("ready to serve client requests")
        return [endpoint.shared.handled, gateway.handled]

    async def _listen_at(
        self, endpoint: Endpoint, url: Url, secured: ssl.SSLContext | None, *, grpc: bool, http1: bool
    ) -> None:
        context = secured if url.is_secure else None
        host, port = await endpoint.listen(url.bind_host, url.port, secured=context, grpc=grpc, http1=http1)
        self.addresses.append((host, port))
        how = "securely" if url.is_secure else "insecurely; this is strongly discouraged!"
        traffic = "grpc+http" if grpc and http1 else "grpc" if grpc else "http"
        _say(f"serving client traffic {how}", traffic=traffic, address=_address(host, port))

    # -- while it runs ---------------------------------------------------------------------------------------------

    async def _compact(self, member: EtcdMember, facts: MemberFacts) -> None:
        """Compact history by itself, as long as this member leads."""
        now_s = asyncio.get_running_loop().time
        compactor = Compactor(self._configuration.retention, now_s())
        while True:
            revision = compactor.due(now_s(), member.machine.store.revision)
            if revision and member.replica.is_leader and await self._compacted(facts, revision):
                compactor.done(now_s(), revision)
            await asyncio.sleep(compactor.every_s)

    async def _compacted(self, facts: MemberFacts, revision: int) -> bool:
        try:
            await answer_of(facts.methods["/etcdserverpb.KV/Compact"], schema.CompactionRequest(revision=revision))
        except Refused as error:
            if error == refused("COMPACTED"):
                return True
            fields = {"revision": revision, "error": error.text}
            _LOG.warning("automatic compaction has failed", extra={"fields": fields})
            return False
        _say("history was compacted", revision=revision)
        return True


def _import_gateway() -> "type[Gateway]":
    from .gateway import Gateway

    return Gateway


async def answer_of(method: Any, request: object) -> Any:
    """Call an RPC from here, and return its answer. Raises Refused."""
    answer = method.call(request, Context())
    return await answer if isinstance(answer, Awaitable) else answer


async def _while_it_lives(host: Host, replica: Replica, work: Any) -> None:
    """Do the work until it raises, or until the replica has ended. Raises why."""
    loop = asyncio.get_running_loop()
    end = loop.create_task(_end_of(host, replica))
    doing = loop.create_task(work)
    try:
        await asyncio.wait([end, doing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (end, doing):
            if not each.done():
                each.cancel()
        await asyncio.wait([end, doing])
    for each in (end, doing):
        if not each.cancelled():
            each.result()


async def _end_of(host: Host, replica: Replica) -> None:
    async for _ in replica.events():
        pass
    raise host.failure or replica.failure or Stopped()


def tuning_of(configuration: Configuration) -> Tuning:
    """Return the times and limits of the host."""
    # A request, its envelope, and what forwarding adds.
    command_bytes = min(max(8 << 20, 2 * configuration.request_bytes_max), COMMAND_BYTES_MAX)
    return Tuning(
        tick_ms=configuration.tick_ms,
        election_ms=configuration.election_ms,
        snapshot_entries=configuration.snapshot_entries,
        kept_entries=configuration.kept_entries,
        command_bytes=command_bytes,
        waiting_bytes=max(64 << 20, command_bytes),
        # A leader of an etcd group counts leases, and must notice at once that it does not lead any more.
        sleep=False,
    )


def limits_of(configuration: Configuration) -> GrpcLimits:
    """Return the limits of gRPC."""
    unlimited = configuration.streams_max >= HIGHEST_STREAM
    http2 = Http2Limits() if unlimited else Http2Limits(streams=max(1, configuration.streams_max))
    return GrpcLimits(
        http2=http2,
        message_bytes=configuration.request_bytes_max + (512 << 10),
        ping_min_s=max(configuration.keepalive_min_s, 0.001),
        # 0 turns these off.
        ping_interval_s=configuration.keepalive_interval_s or 1e9,
        ping_timeout_s=configuration.keepalive_timeout_s or 1e9,
    )


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _say(message: str, **fields: object) -> None:
    _LOG.info(message, extra={"fields": fields}, stacklevel=2)
