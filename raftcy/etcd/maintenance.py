"""The RPCs of the Maintenance service: how this member stands, hashes, alarms, and snapshots.

Sizes are logical: the length of all keys and values with their history, so that compacting makes them smaller at once.
There is no file that could be defragmented.
"""

from collections.abc import Generator, Iterator
from typing import Any

from . import schema
from .apicore import LOG, Core
from .awaited import Answer
from .etcdmachine import alarms_answer
from .identity import CLUSTER_VERSION
from .kvcalls import entry_of
from .service import Context, Method, Stream, Streaming, Unary
from .snapshotfile import blobs

ALARM = b"\x52"
_ALARMS = {0: "NONE", 1: "NOSPACE", 2: "CORRUPT"}


class MaintenanceCalls:
    """See the module."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def methods(self) -> list[Method]:
        """The RPCs."""
        at, s = "/etcdserverpb.Maintenance/", schema
        return [
            Unary(at + "Status", s.StatusRequest, s.StatusResponse, self.status),
            Unary(at + "Alarm", s.AlarmRequest, s.AlarmResponse, self.alarm),
            Unary(at + "Defragment", s.DefragmentRequest, s.DefragmentResponse, self.defragment),
            Unary(at + "Hash", s.HashRequest, s.HashResponse, self.hash),
            Unary(at + "HashKV", s.HashKVRequest, s.HashKVResponse, self.hash_kv),
            Streaming(at + "Snapshot", s.SnapshotRequest, s.SnapshotResponse, False, self.snapshot),
        ]

    def status(self, request: schema.StatusRequest, context: Context) -> bytes:
        """Say how this member stands."""
        core = self._core
        core.gate(context, True)
        replica, machine = core.replica, core.machine
        leader = replica.leader
        errors = [] if leader is not None else ["etcdserver: no leader"]
        errors += [f"memberID:{member} alarm:{_ALARMS.get(alarm, alarm)} " for member, alarm in sorted(machine.alarms)]
        size = core.size_bytes
        answer = schema.StatusResponse(
            version=core.options.version,
            dbSize=size,
            dbSizeInUse=size,
            leader=leader or 0,
            raftIndex=replica.commit,
            raftTerm=replica.term,
            raftAppliedIndex=replica.applied,
            errors=errors,
            isLearner=core.is_learner,
            storageVersion=CLUSTER_VERSION,
            downgradeInfo=schema.DowngradeInfo(enabled=False),
        )
        return core.header() + answer.SerializeToString()

    def defragment(self, request: schema.DefragmentRequest, context: Context) -> bytes:
        """Do nothing, and say so in the log."""
        self._core.gate(context)
        LOG.info("defragment was asked for: this store keeps nothing that could be defragmented")
        return self._core.header()

    # -- alarms --------------------------------------------------------------------------------------------------

    def alarm(self, request: schema.AlarmRequest, context: Context) -> Any:
        """List alarms, or raise or take back one."""
        core = self._core
        core.gate(context)
        if request.action == schema.AlarmRequest.GET:
            wanted = request.alarm
            return core.after_barrier(lambda _: self._alarms(wanted))
        return core.propose(entry_of(ALARM, request), core.with_header)

    def _alarms(self, wanted: int) -> bytes:
        core = self._core
        found = [key for key in sorted(core.machine.alarms) if wanted in (schema.NONE, key[1])]
        return core.header() + alarms_answer(found)

    # -- hashes --------------------------------------------------------------------------------------------------

    def hash(self, request: schema.HashRequest, context: Context) -> Any:
        """Hash the whole store of this member, with its history."""
        self._core.gate(context)
        return self._core.now(lambda answer: self._core.in_steps(self._hash(0, False), answer))

    def hash_kv(self, request: schema.HashKVRequest, context: Context) -> Any:
        """Hash what the store of this member has at a revision."""
        self._core.gate(context)
        return self._core.now(lambda answer: self._core.in_steps(self._hash(request.revision, True), answer))

    def _hash(self, revision: int, full: bool) -> Generator[None, None, bytes]:
        core = self._core
        store = core.machine.store
        found, compacted, at = yield from store.hash_kv(revision) if full else store.hash_history()
        answer: Any = schema.HashResponse(hash=found)
        if full:
            answer = schema.HashKVResponse(hash=found, compact_revision=compacted, hash_revision=at)
        return core.header() + answer.SerializeToString()  # type: ignore[no-any-return]

    # -- snapshots -----------------------------------------------------------------------------------------------

    def snapshot(self, stream: Stream, context: Context) -> "SnapshotStream":
        """Send the whole state in the form that etcdctl stores."""
        self._core.gate(context, True)
        return SnapshotStream(self._core, stream)


class SnapshotStream:
    """One call of Snapshot: sends as fast as the client takes it."""

    def __init__(self, core: Core, stream: Stream) -> None:
        self._core = core
        self._stream = stream
        self._blobs: Iterator[bytes] | None = None
        self._ready: Answer | None = None
        self._left = 0
        self._goes_on = False

    def received(self, request: schema.SnapshotRequest) -> None:
        """Begin, once a batch that is being applied has ended."""
        self._ready = self._core.after_batch(self._begin)
        self._ready.add_done_callback(self._refused)

    def _refused(self, ended: Any) -> None:
        if not ended.cancelled() and ended.exception() is not None:
            error = ended.exception()
            self._stream.end(getattr(error, "code", 2), str(error))

    def _begin(self) -> None:
        machine = self._core.machine
        self._left = self._core.size_bytes
        self._blobs = blobs(machine.capture())
        self.writable()

    def writable(self) -> None:
        """Send more, if no turn is due already."""
        if self._blobs is not None and not self._goes_on:
            self._goes_on = True
            self._core.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._goes_on = False
        if self._blobs is None or not self._stream.is_writable:
            return
        blob = next(self._blobs, None)
        if blob is None:
            self._blobs = None
            self._stream.end()
            return
        # About how much is left: the size of what is written as it is sent is not known before its end.
        self._left = max(self._left - len(blob), 0 if len(blob) == 32 else 1)
        answer = schema.SnapshotResponse(remaining_bytes=self._left, blob=blob, version=CLUSTER_VERSION)
        if len(blob) == 32:
            answer.remaining_bytes = 0
        self._stream.send(self._core.header() + answer.SerializeToString())
        self.writable()

    def half_closed(self) -> None:
        """Do nothing: the only request has come."""

    def ended(self) -> None:
        """Let go of the captured state."""
        blobs, self._blobs = self._blobs, None
        if blobs is not None:
            blobs.close()  # type: ignore[attr-defined]
        if self._ready is not None:
            self._ready.cancel()
