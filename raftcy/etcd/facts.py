"""What the probes and the page of metrics ask a member."""

from collections.abc import Awaitable, Iterable, Mapping

from ..replica.metrics import HostMetrics
from . import schema
from .api import EtcdMember
from .counting import Handled
from .etcdmachine import GROUP
from .exposition import StoreNumbers
from .identity import CLUSTER_VERSION, ETCD_VERSION
from .probes import Probes
from .service import Context, Method, Unary, by_path


class MemberFacts:
    """Answers the probes (``probes.Facts``). ``methods`` are the RPCs by path."""

    def __init__(self, member: EtcdMember) -> None:
        self._member = member
        self.methods: dict[str, Method] = by_path(member.services())

    @property
    def failure(self) -> BaseException | None:
        """The error that ended the host or the replica."""
        return self._member.host.failure or self._member.replica.failure

    @property
    def has_leader(self) -> bool:
        """Whether a leader is known."""
        return self._member.replica.leader is not None

    @property
    def is_learner(self) -> bool:
        """Whether this member has no vote."""
        return self._member.core.is_learner

    def alarms(self) -> Iterable[str]:
        """Return the names of the alarms that are raised."""
        return [schema.AlarmType.Name(alarm) for _, alarm in self._member.machine.alarms]

    async def read(self, is_serializable: bool) -> None:
        """Read one key, as etcd's probes do."""
        method = self.methods["/etcdserverpb.KV/Range"]
        request = schema.RangeRequest(key=b"\0", range_end=b"\0", limit=1, keys_only=True, serializable=is_serializable)
        if isinstance(method, Unary):
            answer = method.call(request, Context())
            if isinstance(answer, Awaitable):
                await answer


def kind_of(method: Method) -> str:
    """The kind of a method in the words of Go's library for metrics."""
    if isinstance(method, Unary):
        return "unary"
    return "bidi_stream" if method.client_streams else "server_stream"


class MemberNumbers:
    """Answers the page of metrics (``exposition.Source``)."""

    def __init__(self, member: EtcdMember, probes: Probes, quota_bytes: int) -> None:
        self._member = member
        self.fronts: list[Handled] = []
        """What counts the calls of each front."""
        self._probes = probes
        self.id = member.host.id
        self.group = GROUP
        self.quota_bytes = quota_bytes
        self._kinds = {method.path: kind_of(method) for method in member.services()}

    @property
    def is_learner(self) -> bool:
        """Whether this member has no vote."""
        return self._member.core.is_learner

    def host_metrics(self) -> HostMetrics:
        """Return the numbers of the host."""
        return self._member.host.metrics()

    def store_numbers(self) -> StoreNumbers:
        """Return the numbers of the store."""
        machine = self._member.machine
        store = machine.store
        streams, watchers, slow = self._member.watch.hub.counts
        return StoreNumbers(
            size_bytes=store.size,
            keys=store.history.index.live(b"\0", b"\0"),
            revision=store.revision,
            compacted=store.compacted,
            leases=len(machine.leases.leases),
            watchers=watchers,
            slow_watchers=slow,
            watch_streams=streams,
            counts=self._counts(),
        )

    def _counts(self) -> dict[str, int]:
        """The counters, by etcd's names for them."""
        member = self._member
        machine, operations = member.machine, member.machine.store.counts
        return {
            "mvcc_put": operations.puts,
            "mvcc_range": operations.ranges,
            "mvcc_delete": operations.deletes,
            "mvcc_txn": operations.txns,
            "debugging_mvcc_events": member.watch.hub.events,
            "debugging_lease_granted": machine.leases.granted,
            "debugging_lease_revoked": machine.leases.revoked,
            "debugging_lease_renewed": member.lease.lessor.renewed,
            "debugging_server_lease_expired": member.lease.expired,
            "server_slow_apply": machine.slow,
        }

    def handled(self) -> Mapping[tuple[str, str, str], int]:
        """Return how many calls have ended how: by the kind and the path of the method, and the name of the code."""
        found: dict[tuple[str, str, str], int] = {}
        for front in self.fronts:
            for (path, code), count in front.all().items():
                key = (self._kinds[path], path, code)
                found[key] = found.get(key, 0) + count
        return found

    def health(self) -> tuple[int, int, Mapping[tuple[str, str, str], int]]:
        """Return how the probes ended."""
        return self._probes.health_true, self._probes.health_false, self._probes.checked

    def versions(self) -> tuple[str, str]:
        """Return the version of the server, and of the cluster."""
        return ETCD_VERSION, CLUSTER_VERSION
