"""The replicated machine of an etcd group: entries of the log, as etcd writes them, applied to store and leases.

Rules:

- The log holds the bytes of InternalRaftRequest, so that programs that read etcd's log can read a dump of this one.
- A request of a type that this program does not know stops the member with UpgradeNeeded. If it were skipped, the
  member's store would differ from those of the members that know the type. A new field of a known request needs a new
  version of the group (``knows``), because an older program would overlook it.
- A refusal changes nothing, and is the same on all members: a CommandError with etcd's text, and the code as reason.
- A revocation that a leader proposes names its term, and has no effect in any other: the next leader gave the lease its
  full time again.
- Once an alarm says that members differ, nothing is written any more until the alarm is taken back. While one says
  that a member has no space, what would take space is refused (``quota``).
- Watchers hear of a revision once it is complete.
- Long requests are applied in steps. Their writes show to nobody before the last step.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from ..errors import CommandError, Corruption, MachineFailed, UpgradeNeeded
from ..machines import Command, Pieces, StateMachine
from ..machines.plaindata import pack, unpack
from ..machines.statemachine import Readable, failed, read_full
from . import schema
from .counting import SLOW_APPLY_S
from .items import Item
from .kvapply import (
    Applied,
    apply_delete_range,
    apply_delete_range_now,
    apply_put,
    apply_txn,
    apply_txn_now,
    delete_leased,
)
from .leasetable import MAX_TTL_S, LeaseTable
from .pages import Pages
from .quota import cost_of_txn
from .refusals import Refused, refused
from .store import Store

GROUP = "etcd"
"""The name of the group that the members replicate."""
PUT_TAG, TXN_TAG = 0x22, 0x32
"""The first byte of an entry that is nothing but a put, or nothing but a transaction."""
_SIMPLE = (PUT_TAG, TXN_TAG)
_HEAD = b"raftcy-etcd 1\n"
_PIECE_BYTES = 1 << 16
_ENVELOPE = ("ID", "header", "revoked_in_term")
_NUMBERS = {each.name: each.number for each in schema.InternalRaftRequest.DESCRIPTOR.fields}
_KNOWN = max(number for name, number in _NUMBERS.items() if name.startswith("cluster_member"))
_CORRUPT: int = schema.CORRUPT
_NOSPACE: int = schema.NOSPACE


class Attributes(NamedTuple):
    """What a member has published of itself."""

    name: str
    client_urls: tuple[str, ...]


class Hub(Protocol):
    """Hears of what was applied, on the event loop."""

    def notify(self, events: Sequence[Item] | Pages, /) -> None:
        """The events of one revision, right after it is complete."""

    def restored(self) -> None:
        """The store was replaced by that of a snapshot."""


def only_request(data: bytes) -> bytes | None:
    """Return the encoded request of an entry that has one field with a tag of one byte, None for any other entry.

    It spares most entries the message around their request.
    """
    if not data or data[0] & 0x87 != 2:
        return None
    size = shift = 0
    for place in range(1, min(len(data), 6)):
        byte = data[place]
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            begin = place + 1
            return data[begin:] if begin + size == len(data) else None
        shift += 7
    return None


def corrupt_refusal() -> CommandError:
    """The answer to every request while members are known to differ."""
    return refusal_of(refused("CORRUPT"))


def refusal_of(error: Refused) -> CommandError:
    """A refusal as an answer of the machine."""
    return CommandError(error.text, str(error.code))


def refused_by(error: CommandError) -> Refused:
    """The refusal that an answer of the machine stands for."""
    return Refused(int(error.reason) if error.reason.isdigit() else 2, error.text)


class EtcdMachine(StateMachine):
    """See the module. A new one is empty; ``restore`` may fill it before it is given to a replica."""

    applies_in_steps = True

    def __init__(self) -> None:
        self.leases = LeaseTable()
        self.store = Store(self.leases)
        self.attributes: dict[int, Attributes] = {}
        """What the members have published of themselves, by id."""
        self.alarms: dict[tuple[int, int], None] = {}
        """The alarms that are raised: member and kind."""
        self.is_corrupt: bool = False
        """Whether an alarm says that members differ."""
        self.is_full: bool = False
        """Whether an alarm says that a member has no space."""
        self._is_restricted = False
        self.hub: Hub | None = None
        self.on_revoked: Callable[[int], object] | None = None
        """Called with the id of each lease that was revoked."""
        self.clock: Callable[[], float] | None = None
        """Measures how long requests take, in seconds."""
        self.slow: int = 0
        """How many requests took so long that etcd would count them as slow."""
        self._is_new = False

    # -- applying ------------------------------------------------------------------------------------------------

    def apply(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Apply entries without a pause."""
        steps = self.steps(commands)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def steps(self, commands: Sequence[Command]) -> Generator[None, None, Sequence[Any]]:
        """Apply entries. Yields within long ones, and returns an answer for each: Applied or a CommandError."""
        self.settle()
        answers: list[Any] = []
        store, hub = self.store, self.hub
        puts = 0
        for command in commands:
            data = command.data
            answer: Any
            try:
                tag = data[0]
                body = only_request(data) if tag in _SIMPLE else None
                if body is None or self._is_restricted:
                    answer = None
                elif tag == PUT_TAG:
                    answer = apply_put(store, schema.PutRequest.FromString(body))
                    puts += 1
                else:
                    answer = apply_txn_now(store, schema.TxnRequest.FromString(body))
                if answer is None:
                    answer = yield from self._apply(command)
                elif hub is not None and answer.events:
                    hub.notify(answer.events)
            except Refused as error:
                answer = refusal_of(error)
            except DecodeError as error:
                answer = CommandError(f"the entry is no request of etcd's: {error}", "malformed")
            except (MachineFailed, UpgradeNeeded):
                raise
            except Exception as error:
                raise failed(command, command, error) from error
            answers.append(answer)
        store.counts.puts += puts
        return answers

    def _apply(self, command: Command) -> Generator[None, None, Any]:
        request = schema.InternalRaftRequest.FromString(command.data)
        unknown: Any = UnknownFieldSet(request)
        if len(unknown):
            raise UpgradeNeeded("the type of etcd request", max(each.field_number for each in unknown), _KNOWN)
        names = [field.name for field, _ in request.ListFields() if field.name not in _ENVELOPE]
        if len(names) != 1:
            return CommandError(f"an entry with {len(names)} requests", "malformed")
        name = names[0]
        kind = _KINDS.get(name)
        if kind is None:
            raise UpgradeNeeded("the type of etcd request", _NUMBERS[name], _KNOWN)
        if self.is_corrupt and name != "alarm" and name != "cluster_member_attr_set":
            return corrupt_refusal()
        if self.is_full and _takes_space(name, request):
            raise refused("NO_SPACE")
        begin_s = 0.0 if self.clock is None else self.clock()
        answer = yield from kind(self, getattr(request, name), command, request)
        if self.clock is not None and self.clock() - begin_s > SLOW_APPLY_S:
            self.slow += 1
        if answer.events and self.hub is not None:
            self.hub.notify(answer.events)
        return answer

    def _put(self, request: Any, command: Command, outer: Message) -> Generator[None, None, Applied]:
        answer = apply_put(self.store, request)
        self.store.counts.puts += 1
        return answer
        yield

    def _delete_range(self, request: Any, command: Command, outer: Message) -> Generator[None, None, Applied]:
        self.store.counts.deletes += 1
        now = apply_delete_range_now(self.store, request)
        return now if now is not None else (yield from apply_delete_range(self.store, request))

    def _txn(self, request: Any, command: Command, outer: Message) -> Generator[None, None, Applied]:
        return (yield from apply_txn(self.store, request))

    def _compaction(self, request: Any, command: Command, outer: Message) -> Generator[None, None, Applied]:
        self.store.compact(request.revision)
        return Applied((b"",), self.store.revision)
        yield

    def _lease_grant(self, request: Any, command: Command, outer: Message) -> Generator[None, None, Applied]:
        id, ttl_s = request.ID, max(1, request.TTL)
        if id == 0:
            raise refused("LEASE_NOT_FOUND")
        if ttl_s > MAX_TTL_S:
            raise refused("LEASE_TTL_TOO_LARGE")
        if self.leases.exists(id):
            raise refused("LEASE_EXISTS")
        self.leases.grant(id, ttl_s)
        return Applied((schema.LeaseGrantResponse(ID=id, TTL=ttl_s).SerializeToString(),), self.store.revision)
        yield

    def _lease_revoke(self, request: Any, command: Command, outer: Any) -> Generator[None, None, Applied]:
        if outer.revoked_in_term not in (0, command.term):
            raise refused("LEADER_CHANGED")
        lease = self.leases.leases.get(request.ID)
        if lease is None:
            raise refused("LEASE_NOT_FOUND")
        keys: list[bytes] = []
        for key in lease.sorted_keys():
            if key is None:
                yield
            else:
                keys.append(key)
        answer = yield from delete_leased(self.store, keys)
        self.store.counts.deletes += len(keys)
        self.store.counts.txns += len(keys) > 1
        self.leases.remove(request.ID)
        if self.on_revoked is not None:
            self.on_revoked(request.ID)
        return answer

    def _alarm(self, request: Any, command: Command, outer: Message) -> Generator[None, None, Applied]:
        key = (request.memberID, request.alarm)
        if request.action == schema.AlarmRequest.ACTIVATE:
            self.alarms[key] = None
            found = [key]
        elif request.action == schema.AlarmRequest.DEACTIVATE:
            found = [key] if key in self.alarms else []
            self.alarms.pop(key, None)
        else:
            found = list(self.alarms)
        self._obey_alarms()
        return Applied((alarms_answer(found),), self.store.revision)
        yield

    def _obey_alarms(self) -> None:
        raised = {alarm for _, alarm in self.alarms}
        self.is_corrupt, self.is_full = _CORRUPT in raised, _NOSPACE in raised
        self._is_restricted = self.is_corrupt or self.is_full

    def _attributes(self, request: Any, command: Command, outer: Message) -> Generator[None, None, Applied]:
        given = request.member_attributes
        self.attributes[request.member_ID] = Attributes(given.name, tuple(given.client_urls))
        return Applied((b"",), self.store.revision)
        yield

    # -- snapshots -----------------------------------------------------------------------------------------------

    def capture(self) -> Pieces:
        """Return the present state in pieces: a head with leases, attributes and alarms, and the store."""
        leases = [(each.id, each.ttl_s) for each in self.leases.leases.values()]
        attributes = [(id, each.name, list(each.client_urls)) for id, each in self.attributes.items()]
        return Pieces(_pieces(sorted(leases), sorted(attributes), sorted(self.alarms), self.store.capture()))

    def restore(self, file: Readable) -> None:
        """Restore a capture. Raises Corruption if it is none."""
        if _exactly(file, len(_HEAD)) != _HEAD:
            raise Corruption("no state of an etcd group, or one of a later format")
        head = _exactly(file, int.from_bytes(_exactly(file, 8), "big"))
        try:
            leases, attributes, alarms = unpack(head)
        except ValueError as error:
            raise Corruption(f"the head of an etcd group's state is damaged: {error}") from error
        self.leases.replace((id, ttl_s) for id, ttl_s in leases)
        self.attributes = {id: Attributes(name, tuple(urls)) for id, name, urls in attributes}
        self.alarms = dict.fromkeys((member, alarm) for member, alarm in alarms)
        self._obey_alarms()
        self.store.restore(iter(lambda: file.read(_PIECE_BYTES), b""))
        self._is_new = True

    def settle(self) -> None:
        """Tell the hub of a restored state. The shell calls it too, on the event loop: ``restore`` runs on a thread."""
        if self._is_new:
            self._is_new = False
            if self.hub is not None:
                self.hub.restored()


_KINDS: dict[str, Callable[[EtcdMachine, Any, Command, Any], Generator[None, None, Any]]] = {
    "put": EtcdMachine._put,
    "delete_range": EtcdMachine._delete_range,
    "txn": EtcdMachine._txn,
    "compaction": EtcdMachine._compaction,
    "lease_grant": EtcdMachine._lease_grant,
    "lease_revoke": EtcdMachine._lease_revoke,
    "alarm": EtcdMachine._alarm,
    "cluster_member_attr_set": EtcdMachine._attributes,
}


def _takes_space(name: str, request: Any) -> bool:
    """Whether an alarm for space refuses a request: a put, a grant, or a transaction with a put in either branch."""
    return name in ("put", "lease_grant") or (name == "txn" and cost_of_txn(request.txn) > 0)


def alarms_answer(alarms: Sequence[tuple[int, int]]) -> bytes:
    """Encode an AlarmResponse without its header."""
    members = [schema.AlarmMember(memberID=member, alarm=alarm) for member, alarm in alarms]  # type: ignore[arg-type]
    return schema.AlarmResponse(alarms=members).SerializeToString()


def _pieces(leases: list[Any], attributes: list[Any], alarms: list[Any], captured: Any) -> Iterator[bytes]:
    head = pack([leases, attributes, alarms])
    yield _HEAD + len(head).to_bytes(8, "big") + head
    try:
        yield from captured
    finally:
        captured.close()


def _exactly(file: Readable, size: int) -> bytes:
    data = read_full(file, size)
    if len(data) < size:
        raise Corruption("the state of an etcd group ends early")
    return data
