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
from collections.abc import Iterable, Mapping
from contextlib import suppress

from ..errors import ConfigError, Stopped
from ..replica.host import Host
from ..replica.metrics import HostMetrics
from ..replica.prometheus import HostCollector
from ..replica.replica import Replica
from ..replica.tuning import Tuning
from . import schema
from .access import Access
from .api import Api
from .apicore import Options
from .clienttls import server_context
from .compactor import Compactor
from .configuration import Configuration
from .etcdmachine import EtcdMachine
from .exposition import Exposition, StoreNumbers
from .gateway import Gateway
from .grpc_shared import GrpcLimits
from .http2 import HIGHEST_STREAM, Http2Limits
from .identity import CLUSTER_VERSION, ETCD_VERSION, VERSIONS
from .listening import Endpoint
from .probes import Probes
from .refusals import Refused, refused
from .service import Context, Method, Unary, by_path
from .urls import Url

GROUP = "etcd"
"""The name of the group."""
COMMAND_BYTES_MAX = 63 << 20
STOP_S_MAX = 5.0
"""How long calls have to finish when the server stops."""
_LOG = logging.getLogger("raftcy.etcd")


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
        # Leases and watches are counted by the leader, which must be sure that it leads.
        sleep=False,
    )


class Server:
    """Runs a member. ``run`` raises what ends it; ``close`` ends it in order."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._host: Host | None = None
        self._replica: Replica | None = None
        self._machine = EtcdMachine()
        self._api: Api | None = None
        self._gateways: list[Gateway] = []
        self._endpoints: list[Endpoint] = []
        self._probes: Probes | None = None
        self._facts: MemberFacts | None = None
        self.addresses: list[tuple[str, int]] = []
        """Where clients are served."""

    async def run(self) -> None:
        """Start the member, serve clients, and go on until it fails. Raises the failure."""
        secured = None if self._configuration.tls is None else server_context(self._configuration.tls)
        self._host = await self._open_host()
        self._replica = self._host.replica(GROUP, self._machine)
        ended = asyncio.ensure_future(self._end_of(self._host, self._replica))
        compacting: asyncio.Future[None] | None = None
        try:
            starting = asyncio.ensure_future(self._start(self._host, self._replica))
            await _first(starting, ended)
            methods = starting.result()
            await self._listen(methods, secured)
            compacting = asyncio.ensure_future(self._compact(by_path(methods)))
            await _first(ended, compacting)
        finally:
            for each in (ended, compacting):
                if each is not None:
                    each.cancel()

    async def close(self) -> None:
        """End the listeners, hand over the leadership, and close the log."""
        for gateway in self._gateways:
            await gateway.close(STOP_S_MAX if self._is_well() else 0.0)
        for endpoint in self._endpoints:
            await endpoint.stop(STOP_S_MAX if self._is_well() else 0.0)
        if self._api is not None:
            self._api.stop()
        if self._host is not None:
            await self._host.close()

    def _is_well(self) -> bool:
        return self._facts is not None and self._facts.failure is None

    # -- starting --------------------------------------------------------------------------------------------------

    async def _open_host(self) -> Host:
        configuration = self._configuration
        directory = configuration.directory
        listen = f"{_bracketed(configuration.listen_peers[0].bind_host)}:{configuration.listen_peers[0].port}"
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

    async def _start(self, host: Host, replica: Replica) -> list[Method]:
        configuration = self._configuration
        options = Options(
            name=configuration.name,
            client_urls=tuple(map(str, configuration.advertise_clients)),
            version=ETCD_VERSION,
            max_request_bytes=configuration.request_bytes_max,
            max_txn_ops=configuration.txn_ops_max,
            progress_interval_s=configuration.progress_notify_s,
            corrupt_check_s=configuration.corrupt_check_s,
        )
        self._api = Api(host, replica, self._machine, options)
        self._api.start()
        methods = self._api.methods()
        self._facts = MemberFacts(host, replica, self._machine, by_path(methods))
        await replica.wait_for_leader()
        await replica.read()
        return methods

    async def _listen(self, methods: list[Method], secured: object) -> None:
        configuration, facts = self._configuration, self._facts
        if facts is None or self._host is None:
            raise Stopped()
        self._probes = Probes(facts, VERSIONS, configuration.read_s_max)
        numbers = Numbers(self, self._host, self._machine, facts, self._probes, configuration.quota_bytes)
        exposition = Exposition(numbers, [HostCollector(self._host)])
        pages = {**self._probes.pages(), "/metrics": exposition.page}
        own = [url.host for url in (*configuration.advertise_clients, *configuration.listen_clients)]
        access = Access(configuration.hosts, configuration.cors, own)
        has_gateway = configuration.has_gateway
        limit = configuration.request_bytes_max
        gateway = Gateway(methods, pages, access, request_bytes_max=limit, serves_api=has_gateway)
        self._gateways.append(gateway)
        endpoint = Endpoint(methods, http1=gateway.protocol, limits=limits_of(configuration))
        self._endpoints.append(endpoint)
        _say("ready to serve client requests")
        for url in configuration.listen_clients:
            await self._serve(endpoint, url, secured, grpc=True, http1=not configuration.listen_http)
        for url in configuration.listen_http:
            await self._serve(endpoint, url, secured, grpc=False, http1=True)
        if configuration.listen_metrics:
            watched = {name: page for name, page in pages.items() if name != "/version"}
            only_pages = Gateway((), watched, access, serves_api=False)
            self._gateways.append(only_pages)
            beside = Endpoint((), http1=only_pages.protocol)
            self._endpoints.append(beside)
            for url in configuration.listen_metrics:
                await self._serve(beside, url, secured, grpc=False, http1=True)

    async def _serve(self, endpoint: Endpoint, url: Url, secured: object, *, grpc: bool, http1: bool) -> None:
        context = secured if url.is_secure else None
        address = await endpoint.listen(url.bind_host, url.port, secured=context, grpc=grpc, http1=http1)  # type: ignore[arg-type]
        self.addresses.append(address)
        how = "securely" if url.is_secure else "insecurely; this is strongly discouraged!"
        traffic = "grpc+http" if grpc and http1 else "grpc" if grpc else "http"
        _say(f"serving client traffic {how}", traffic=traffic, address=f"{_bracketed(address[0])}:{address[1]}")

    # -- while it runs ---------------------------------------------------------------------------------------------

    async def _end_of(self, host: Host, replica: Replica) -> None:
        """Wait until the host or the replica has ended. Raises why."""
        whole = asyncio.ensure_future(host.wait_closed())
        group = asyncio.ensure_future(_end_of_replica(replica))
        try:
            await _first(whole, group)
        finally:
            whole.cancel()
            group.cancel()
        raise Stopped(host.failure or replica.failure)

    async def _compact(self, methods: Mapping[str, Method]) -> None:
        """Compact history by itself, if the flags want that; else wait without an end."""
        retention = self._configuration.retention
        compact = methods["/etcdserverpb.KV/Compact"]
        if not retention or not isinstance(compact, Unary) or self._replica is None:
            await asyncio.Event().wait()
            return
        now_s = asyncio.get_running_loop().time
        compactor = Compactor(retention, now_s())
        while True:
            revision = compactor.due(now_s(), self._machine.store.revision)
            if revision and self._replica.is_leader:
                try:
                    await _call(compact, schema.CompactionRequest(revision=revision))
                    _say("compacted by itself", revision=revision)
                except Refused as error:
                    if error != refused("COMPACTED"):
                        fields = {"revision": revision, "error": error.text}
                        _LOG.warning("automatic compaction has failed", extra={"fields": fields})
                        revision = 0
                if revision:
                    compactor.done(now_s(), revision)
            await asyncio.sleep(compactor.every_s)


class MemberFacts:
    """What the probes ask (``probes.Facts``)."""

    def __init__(self, host: Host, replica: Replica, machine: EtcdMachine, methods: Mapping[str, Method]) -> None:
        self._host = host
        self._replica = replica
        self._machine = machine
        self._range = methods["/etcdserverpb.KV/Range"]

    @property
    def failure(self) -> BaseException | None:
        """The error that ended the host or the replica."""
        return self._host.failure or self._replica.failure

    @property
    def has_leader(self) -> bool:
        """Whether a leader is known."""
        return self._replica.leader is not None

    @property
    def is_learner(self) -> bool:
        """Whether this member has no vote."""
        return self._host.id in self._replica.members.learners

    def alarms(self) -> Iterable[str]:
        """Return the names of the alarms that are raised."""
        return [schema.AlarmType.Name(alarm) for _, alarm in self._machine.alarms]

    async def read(self, is_serializable: bool) -> None:
        """Read one key."""
        if isinstance(self._range, Unary):
            await _call(self._range, schema.RangeRequest(key=b"\0", limit=1, serializable=is_serializable))


class Numbers:
    """What the page of metrics asks (``exposition.Source``)."""

    group = GROUP

    def __init__(
        self, server: Server, host: Host, machine: EtcdMachine, facts: MemberFacts, probes: Probes, quota_bytes: int
    ) -> None:
        self._server = server
        self._host = host
        self._machine = machine
        self._facts = facts
        self._probes = probes
        self.id = host.id
        self.quota_bytes = quota_bytes

    @property
    def is_learner(self) -> bool:
        """Whether this member has no vote."""
        return self._facts.is_learner

    def host_metrics(self) -> HostMetrics:
        """Return the numbers of the host."""
        return self._host.metrics()

    def store_numbers(self) -> StoreNumbers:
        """Return the numbers of the store."""
        store = self._machine.store
        return StoreNumbers(
            size_bytes=store.size,
            keys=store.count(b"\0", b"\0"),
            revision=store.revision,
            compacted=store.compacted,
            leases=len(self._machine.leases.leases),
            watchers=0,
            slow_watchers=0,
            watch_streams=0,
            counts={},
        )

    def health(self) -> tuple[int, int, Mapping[tuple[str, str, str], int]]:
        """Return how the probes ended."""
        return self._probes.health_true, self._probes.health_false, self._probes.checked

    def versions(self) -> tuple[str, str]:
        """Return the version of the server, and of the cluster."""
        return ETCD_VERSION, CLUSTER_VERSION


def limits_of(configuration: Configuration) -> GrpcLimits:
    """Return the limits of gRPC."""
    unlimited = configuration.streams_max >= HIGHEST_STREAM
    http2 = Http2Limits() if unlimited else Http2Limits(streams=max(1, configuration.streams_max))
    return GrpcLimits(
        http2=http2,
        message_bytes=configuration.request_bytes_max + (512 << 10),
        ping_min_s=max(configuration.keepalive_min_s, 0.001),
        ping_interval_s=configuration.keepalive_interval_s or 1e9,
        ping_timeout_s=configuration.keepalive_timeout_s or 1e9,
    )


async def _call(method: Unary, request: object) -> None:
    answer = method.call(request, Context())
    if not isinstance(answer, bytes | list | schema.RangeResponse | schema.CompactionResponse):
        await answer


async def _end_of_replica(replica: Replica) -> None:
    async for _ in replica.events():
        pass


async def _first(*waited: "asyncio.Future[object]") -> None:
    """Wait for the first of several futures. Raises its error, and leaves the others as they are."""
    done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    for each in done:
        each.result()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _say(message: str, **fields: object) -> None:
    _LOG.info(message, extra={"fields": fields})
