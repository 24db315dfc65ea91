"""The state that the parts of one transport share: its hello, settings and counters, and its ways to report."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import RaftError, Stopped
from ..wire.enums import SnapshotStatus
from .bucket import Bucket
from .depots import Depot
from .limits import Limits, Traffic
from .packets import Hello, Refusal
from .policy import Policy
from .receiver import DirectReceiver, Receiver
from .tls import TLS

__all__ = ["Shared"]

_LOG = logging.getLogger("raftcy.transport")
# Lines of one kind are logged at most once in this time. The next line says how many were left out.
_LOG_SECONDS = 1.0
_KINDS_MAX = 1000


class Shared:
    """The shared state; each transport has one."""

    def __init__(
        self,
        hello: Hello,
        limits: Limits,
        tls: TLS | None,
        policy: Policy,
        source: random.Random,
        on_failure: Callable[[BaseException], object] | None,
        on_refused: Callable[[int, Refusal], object] | None,
        newcomers: int | None = None,
        depot: Depot | None = None,
    ) -> None:
        self.id = hello.sender
        self.newcomers = newcomers
        """The group in which nodes that do not know their cluster yet may talk, None to refuse such nodes."""
        self.depot = depot
        """Keeps the bodies of snapshots, None if all snapshots go in messages."""
        self.streams = asyncio.Semaphore(limits.streams)
        """A place for each stream that may send at a time."""
        self.stream_rate = Bucket(limits.stream_bytes_per_second)
        self.hello = hello
        self.limits = limits
        self.tls = tls
        self.policy = policy
        self.random = source
        self.loop = asyncio.get_running_loop()
        self.traffic = Traffic()
        self.received: dict[int, list[int]] = {}
        """How many messages and bytes have come from each known peer."""
        self.receivers: dict[int, Receiver | DirectReceiver] = {}
        self.direct: set[int] = set()
        """The groups whose receivers are DirectReceivers."""
        self.over: set[int] = set()
        """The groups whose receivers have raised Stopped."""
        self.pending_bytes = 0
        """The bytes of incomplete frames, over all connections."""
        self.known: dict[int, int] = {}
        """The identity of each known peer, 0 while it is not known."""
        self.hints: dict[int, tuple[tuple[str, int], ...]] = {}
        """The addresses in the hello of each connected sender, at which it wants to be answered."""
        self.failure: BaseException | None = None
        self.closed = False
        self._on_failure = on_failure
        self._on_refused = on_refused
        # For each kind: when a line was logged last, and how many were left out since.
        self._logged: dict[object, tuple[float, int]] = {}

    def attach(self, group: int, receiver: Receiver | DirectReceiver) -> None:
        """Deliver a group's messages to a receiver."""
        self.receivers[group] = receiver
        self.over.discard(group)
        if isinstance(receiver, DirectReceiver):
            self.direct.add(group)
        else:
            self.direct.discard(group)

    def detach(self, group: int) -> None:
        """Deliver nothing more to a group."""
        self.receivers.pop(group, None)
        self.over.discard(group)
        self.direct.discard(group)

    def count_received(self, sender: int, messages: int, size: int) -> None:
        """Count messages from a sender. Strangers are left out, so that they cannot fill the memory with their ids."""
        if sender in self.known:
            counts = self.received.setdefault(sender, [0, 0])
            counts[0] += messages
            counts[1] += size

    def may_talk(self, cluster: int) -> bool:
        """Whether a node of this cluster may connect.

        It may if the cluster is this node's. With ``newcomers`` it also may if either end does not know its cluster
        yet.
        """
        own = self.hello.cluster
        return cluster == own or (self.newcomers is not None and 0 in (cluster, own))

    @property
    def serves_nobody(self) -> bool:
        """Whether every receiver has stopped."""
        return bool(self.over) and self.over.issuperset(self.receivers)

    def log(self, level: int, kind: object, text: str, *arguments: object) -> None:
        """Log a line, unless one of its kind was logged just now. A kind is a short tuple, or a word."""
        if not _LOG.isEnabledFor(level):
            return
        now = self.loop.time()
        at, left_out = self._logged.get(kind, (now - _LOG_SECONDS, 0))
        if now - at < _LOG_SECONDS:
            self._logged[kind] = (at, left_out + 1)
            return
        if len(self._logged) >= _KINDS_MAX:
            self._logged.clear()
        self._logged[kind] = (now, 0)
        if left_out:
            text, arguments = text + " (and %d more like this)", (*arguments, left_out)
        _LOG.log(level, text, *arguments, extra={"group": "", "id": self.id, "term": 0})

    def failed(self, error: BaseException, where: str) -> None:
        """Count, log and pass on an unexpected exception, so that it never goes unseen."""
        self.traffic.failed_calls += 1
        if self.failure is None:
            self.failure = error
        self.log(logging.ERROR, ("failed", where, type(error)), "%x: %s failed: %r", self.id, where, error)
        if self._on_failure is not None:
            try:
                self._on_failure(error)
            except Exception as again:
                self.log(logging.ERROR, "on_failure", "%x: on_failure failed itself: %r", self.id, again)

    def refused_by(self, peer: int, refusal: Refusal) -> None:
        """Count and log that a peer has refused this node, and call ``on_refused``."""
        self.traffic.refused_by_peers += 1
        self.log(
            logging.WARNING,
            ("refused by", peer, refusal.reason),
            "%x is refused by %x: %s (%s)",
            self.id,
            peer,
            refusal.text,
            refusal.reason.name,
        )
        if self._on_refused is not None:
            self.call("on_refused", self._on_refused, peer, refusal)

    def call(self, where: str, act: Callable[..., Any], *arguments: object) -> None:
        """Call a function of the application, and survive any Exception that it raises."""
        try:
            act(*arguments)
        except Stopped:
            return
        except RaftError as error:
            self.log(logging.ERROR, (where, type(error)), "%x: %s raised %r", self.id, where, error)
        except Exception as error:
            self.failed(error, where)

    def unreachable(self, peer: int, groups: Iterable[int]) -> None:
        """Report a peer as unreachable to the receivers of these groups."""
        for group in groups:
            receiver = self.receivers.get(group)
            if receiver is not None:
                self.traffic.unreachable_reports += 1
                self.call("report_unreachable", receiver.report_unreachable, peer)

    def snapshot(self, peer: int, group: int, status: SnapshotStatus) -> None:
        """Report the outcome of a snapshot to the receiver of its group."""
        receiver = self.receivers.get(group)
        if receiver is not None:
            self.call("report_snapshot", receiver.report_snapshot, peer, status)
