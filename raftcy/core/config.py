"""What a node is started with.

Owns the fields, their defaults, and the judgement whether they can work together. Never changes what the user gave: the
values in effect are a copy, ``Config.validated()``.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from .._random import SHARED
from ..errors import ConfigError
from ..wire import consts as k
from ..wire.checks import octets, u64
from ..wire.enums import ReadOnlyOption
from ..wire.kinds import is_local_msg_target
from .logger import default_logger

__all__ = ["Config", "Peer"]

_TICKS_MAX = 2**31 - 1
_COUNT_MAX = 2**63 - 1

# What an object given by the user must be able to do.
_STORAGE = ("initial_state", "entries", "term", "first_index", "last_index", "snapshot")
_LOGGER = ("debug", "info", "warning", "error", "critical")


@dataclass(kw_only=True, slots=True)
class Config:
    """The parameters of one node (etcd's ``raft.Config``). All are keywords; ids, indexes and sizes are 0 to 2**64-1.

    ``id`` (``ID``)
        The node's own id. Required: not 0, and neither 2**64-1 nor 2**64-2, which stand for the storage threads. An id
        belongs to one node for ever; a node that has lost its storage comes back under a new one.
    ``election_tick`` (``ElectionTick``), in ticks
        A follower that hears of no leader for this long campaigns, and a leader that checks its quorum does so this
        often. Required: greater than ``heartbeat_tick``, at most 2**31-1; ten times ``heartbeat_tick`` is a good value.
        Each node waits for a random time of ``election_tick`` to 2 * ``election_tick`` - 1 ticks, drawn anew with
        every change of role (paper 5.2).
    ``heartbeat_tick`` (``HeartbeatTick``), in ticks
        A leader sends heartbeats this often. Required: at least 1.
    ``storage`` (``Storage``)
        The log and state as stored so far; see ``Storage``. Required.
    ``applied`` (``Applied``), an index
        The last entry that the application had applied before a restart; entries up to it are not handed out again. By
        default, 0, everything after the snapshot is. Starting fails with InvariantError if it is beyond the stored
        commit index or before the snapshot's.
    ``async_storage_writes`` (``AsyncStorageWrites``)
        Storage work comes as messages to storage threads instead of fields of a Ready, and is acknowledged by their
        responses instead of ``advance``, which must not be called then. Default False.
    ``max_size_per_msg`` (``MaxSizePerMsg``), in encoded bytes
        The limit on the entries of one append message; one entry is sent even if it is larger. Default 0: one entry a
        message. 2**64-1: no limit.
    ``max_committed_size_per_ready`` (``MaxCommittedSizePerReady``), in encoded bytes
        The limit on committed entries that were handed out and are not yet acknowledged as applied, over all Readys.
        Default 0: the value of ``max_size_per_msg``; if that is 0 too, the first committed entry is an InvariantError.
    ``max_uncommitted_entries_size`` (``MaxUncommittedEntriesSize``), in bytes of payload
        A leader drops proposals while its uncommitted entries hold more than this; one proposal is let in even if it is
        larger, and empty ones always. Default 0: no limit.
    ``max_inflight_msgs`` (``MaxInflightMsgs``), a count
        The limit on append messages that were sent to a peer and not yet acknowledged. Required: 1 to 2**63-1.
    ``max_inflight_bytes`` (``MaxInflightBytes``), in bytes of payload
        The same for the payload of these messages; a bound on bandwidth times round trip. Default 0: no limit. Else at
        least ``max_size_per_msg``.
    ``max_pending_reads``, a count
        A leader raises Overloaded for a read, or a peer's request for one, while so many wait for its first commit or
        for a quorum. Default 0: no limit, as in etcd, so that a peer can make them grow as long as no quorum answers;
        10,000 is a good value. (Not in etcd.)
    ``max_pending_msgs``, a count
        A node raises Overloaded for the messages of peers while so many of its own, and of its answers to reads, wait
        for the next Ready; a peer can make them grow while the application is busy with the last one. So it does for
        appends with entries while so many entries of its log are not stored yet, which grow while the storage is slow;
        the leader sends them again. Default 0: no limit, as in etcd; 10,000 is a good value, and more where appends
        hold thousands of entries. (Not in etcd.)
    ``check_quorum`` (``CheckQuorum``)
        A leader that has not heard of a quorum for an election timeout steps down, and votes are not given while a
        leader is known to live (thesis 6.2, 4.2.3). Default False.
    ``pre_vote`` (``PreVote``)
        Ask whether an election could be won before raising the term, so that a node which comes back from a partition
        disrupts nobody (thesis 9.6). Default False.
    ``read_only_option`` (``ReadOnlyOption``)
        How reads are made linearizable, a ReadOnlyOption. Default ``SAFE``; ``LEASE_BASED`` needs ``check_quorum``.
    ``logger`` (``Logger``)
        Any object with ``debug``, ``info``, ``warning``, ``error`` and ``critical``, each of which takes one finished
        text and must not raise. If it has ``isEnabledFor(level)``, with the numbers of the ``logging`` module, it is
        asked once a call of the node for each level that matters, and texts of a level that is off are not even made.
        Default None: ``logging.getLogger("raftcy")``.
    ``disable_proposal_forwarding`` (``DisableProposalForwarding``)
        Followers drop proposals instead of passing them to the leader. Default False.
    ``disable_conf_change_validation`` (``DisableConfChangeValidation``)
        A leader proposes configuration changes without looking at the configuration in force, which may be older than
        the one that the change will meet. Only for applications that serialize and verify changes themselves: one that
        turns out invalid raises ConfChangeError where it is applied. Default False.
    ``step_down_on_removal`` (``StepDownOnRemoval``)
        A leader that is removed or made a learner steps down as soon as it has applied that. Default False.
    ``batch_append``
        A leader sends what is proposed between two Readys as one append message to each peer, or as few as
        ``max_size_per_msg`` allows, instead of one for each proposal: fewer messages, which go out with the next Ready
        either way. Default False, as etcd's raft does. (Not in etcd; raft-rs has it.)
    ``trace_logger`` (``TraceLogger``)
        An object whose ``trace_event(event)`` gets a TracingEvent for each step that etcd's TLA+ specification knows;
        see ``trace``. Default None: no tracing, at no cost.
    ``random``
        The source of the election timeouts: an object whose ``randrange(n)`` gives 0 to n-1. It is asked once, with
        ``election_tick``, whenever the node becomes follower, candidate or leader, so that a run can be replayed. (Of a
        ``random.Random`` whose ``randrange`` is its own when the node is made, the same number is taken by a shorter
        way.)
        Default None: the operating system's randomness, from one object for all nodes. (Not in etcd.)
    """

    id: int = 0
    election_tick: int = 0
    heartbeat_tick: int = 0
    storage: Any = None
    applied: int = 0
    async_storage_writes: bool = False
    max_size_per_msg: int = 0
    max_committed_size_per_ready: int = 0
    max_uncommitted_entries_size: int = 0
    max_inflight_msgs: int = 0
    max_inflight_bytes: int = 0
    max_pending_reads: int = 0
    max_pending_msgs: int = 0
    check_quorum: bool = False
    pre_vote: bool = False
    read_only_option: ReadOnlyOption = ReadOnlyOption.SAFE
    logger: Any = None
    disable_proposal_forwarding: bool = False
    disable_conf_change_validation: bool = False
    step_down_on_removal: bool = False
    batch_append: bool = False
    trace_logger: Any = None
    random: Any = None

    def validate(self) -> None:
        """Raise ConfigError unless the Config can work (etcd's ``Config.validate``, in its order and with its texts).

        Values that etcd's types rule out, such as a text for an id, are looked for first.
        """
        self.validated()

    def validated(self) -> "Config":
        """A copy with the values in effect: every default filled in. ConfigError as for ``validate``."""
        given = replace(self)
        given._check_types()
        if given.id == k.NONE:
            raise ConfigError("cannot use none as id")
        if is_local_msg_target(given.id):
            raise ConfigError("cannot use local target as id")
        if given.heartbeat_tick <= 0:
            raise ConfigError("heartbeat tick must be greater than 0")
        if given.election_tick <= given.heartbeat_tick:
            raise ConfigError("election tick must be greater than heartbeat tick")
        if given.storage is None:
            raise ConfigError("storage cannot be nil")
        if given.max_uncommitted_entries_size == 0:
            given.max_uncommitted_entries_size = k.NO_LIMIT
        if given.max_committed_size_per_ready == 0:
            given.max_committed_size_per_ready = given.max_size_per_msg
        if given.max_inflight_msgs <= 0:
            raise ConfigError("max inflight messages must be greater than 0")
        if given.max_inflight_bytes == 0:
            given.max_inflight_bytes = k.NO_LIMIT
        elif given.max_inflight_bytes < given.max_size_per_msg:
            raise ConfigError("max inflight bytes must be >= max message size")
        if given.max_pending_reads == 0:
            given.max_pending_reads = k.NO_LIMIT
        if given.max_pending_msgs == 0:
            given.max_pending_msgs = k.NO_LIMIT
        if given.logger is None:
            given.logger = default_logger()
        if given.read_only_option == ReadOnlyOption.LEASE_BASED and not given.check_quorum:
            raise ConfigError("CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased")
        if given.random is None:
            given.random = SHARED
        return given

    def _check_types(self) -> None:
        """What Go's compiler would have refused. Leaves plain ints and ReadOnlyOption members."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is bool:
                if type(value) is not bool:
                    raise ConfigError(f"{field.name} must be a bool, not {type(value).__name__}")
            elif field.type is int and field.name not in _SIGNED:
                setattr(self, field.name, _unsigned(value, field.name))
        for name, limit in _SIGNED.items():
            setattr(self, name, _at_most(getattr(self, name), name, limit))
        option = self.read_only_option
        if isinstance(option, bool) or option not in list(ReadOnlyOption):
            raise ConfigError(f"read_only_option must be a ReadOnlyOption, not {option!r}")
        self.read_only_option = ReadOnlyOption(option)
        _must_have(self.storage, "storage", _STORAGE)
        _must_have(self.logger, "logger", _LOGGER)
        _must_have(self.trace_logger, "trace_logger", ("trace_event",))
        _must_have(self.random, "random", ("randrange",))


# etcd's signed fields: what is not positive has a text of its own there.
_SIGNED = {"election_tick": _TICKS_MAX, "heartbeat_tick": _TICKS_MAX, "max_inflight_msgs": _COUNT_MAX}


def _unsigned(value: Any, name: str) -> int:
    try:
        return u64(value, name)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None


def _at_most(value: Any, name: str, limit: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value <= 0:
        return int(value)
    number = _unsigned(value, name)
    if number > limit:
        raise ConfigError(f"{name} must be at most {limit}, not {number}")
    return number


def _must_have(given: Any, name: str, methods: tuple[str, ...]) -> None:
    if given is None:
        return
    missing = [each for each in methods if not callable(getattr(given, each, None))]
    if missing:
        raise ConfigError(f"{name} has no method {', '.join(missing)}: {type(given).__name__}")


@dataclass(frozen=True, slots=True)
class Peer:
    """A member to bootstrap with (etcd's ``raft.Peer``): its ``id``, and ``context``, bytes for the application.

    The context, such as an address, comes to all nodes with the configuration change that adds the peer. Raises
    TypeError or RangeError for values that are no id or no bytes.
    """

    id: int
    context: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", u64(self.id, "id"))
        object.__setattr__(self, "context", octets(self.context, "context"))
