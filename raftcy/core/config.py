"""Config: the parameters of a node, with their defaults, and the check whether they fit together.

The user's object is never changed. ``Config.validated()`` returns a copy with the values in effect.
"""

import logging
from dataclasses import dataclass, fields, replace
from random import Random, SystemRandom
from typing import Any, Protocol

from .._random import SHARED
from ..errors import ConfigError, RangeError
from ..wire import consts as k
from ..wire.checks import octets, u64
from ..wire.enums import ReadOnlyOption
from ..wire.kinds import is_local_msg_target
from .awaitables import refuse_coroutine
from .logger import Logger, default_logger
from .storage import MemoryStorage, Storage
from .trace import TraceLogger

__all__ = ["Config", "Peer"]


class RandomSource(Protocol):
    """The protocol of ``Config.random``. A ``random.Random`` is one."""

    def randrange(self, bound: int, /) -> int:
        """Return a number from 0 to ``bound`` - 1, each with the same probability."""


_TICKS_MAX = 2**31 - 1
_COUNT_MAX = 2**63 - 1

# The methods that the user's objects must have.
_STORAGE = ("initial_state", "entries", "term", "first_index", "last_index", "snapshot")
_LOGGER = ("debug", "info", "warning", "error", "critical")
# Known to have them, as plain functions.
_PLAIN = (MemoryStorage, logging.Logger, Random, SystemRandom)


@dataclass(kw_only=True, slots=True)
class Config:
    """The parameters of one node (etcd's ``raft.Config``). All are keywords; ids, indexes and sizes are 0 to 2**64-1.

    ``id`` (``ID``)
        The node's id. Required: not 0, and neither 2**64-1 nor 2**64-2, which denote the storage threads. Never give
        an id to another node. A node that has lost its storage must return under a new id: under the old one it could
        vote a second time in a term, and elect a leader that lacks committed entries.
    ``election_tick`` (``ElectionTick``), in ticks
        A node that hears from no leader for this long campaigns, and a leader with ``check_quorum`` checks its quorum
        this often. Required: greater than ``heartbeat_tick``, at most 2**31-1; ten times ``heartbeat_tick`` is a good
        value. Each node actually waits for a random time of ``election_tick`` to 2 * ``election_tick`` - 1 ticks, drawn
        again at every change of role. Otherwise nodes could campaign together and split the vote again and again (paper
        5.2).
    ``heartbeat_tick`` (``HeartbeatTick``), in ticks
        A leader sends heartbeats this often. Required: at least 1.
    ``storage`` (``Storage``)
        The log and the hard state stored so far; see ``Storage``. Required.
    ``applied`` (``Applied``), an index
        The last entry that the application had applied before a restart. Entries up to it are not handed out again.
        Default 0: all committed entries after the snapshot are handed out. Starting raises InvariantError if it is
        beyond the stored commit index or before the snapshot. A commit index alone is not synced, so after a crash it
        may be behind what the application has applied: then set this to the commit index, and skip the entries that
        come again. ``Driver.start`` does so.
    ``async_storage_writes`` (``AsyncStorageWrites``)
        A Ready contains messages to storage threads, which say what to store and apply. The threads' responses replace
        ``advance``, which must not be called. Default False.
    ``max_size_per_msg`` (``MaxSizePerMsg``), in encoded bytes
        The limit on the entries of one append message. One entry is sent even if it is larger. Default 0: one entry per
        message. 2**64-1: no limit.
    ``max_committed_size_per_ready`` (``MaxCommittedSizePerReady``), in encoded bytes
        The limit on committed entries that are handed out and not yet acknowledged as applied, over all Readys. Default
        0: the value of ``max_size_per_msg``; if that is 0 as well, the first committed entry raises InvariantError.
    ``max_uncommitted_entries_size`` (``MaxUncommittedEntriesSize``), in bytes of payload
        The limit on entries that a leader has appended and not yet applied. It drops proposals that would exceed it, so
        that its log does not grow without bound while it has no quorum. A proposal of any size passes if nothing is
        pending, and an empty one always. Default 0: no limit.
    ``max_inflight_msgs`` (``MaxInflightMsgs``), a count
        The limit on append messages that are sent to a peer and not yet acknowledged. Required: 1 to 2**63-1.
    ``max_inflight_bytes`` (``MaxInflightBytes``), in bytes of payload
        The limit on the payload of these messages. Set it to at least bandwidth times round-trip time, or the leader
        waits for acknowledgements while the network is idle. Default 0: no limit. Otherwise at least
        ``max_size_per_msg``.
    ``max_pending_reads``, a count
        The limit on reads that wait on a leader for its first commit or for a quorum. Beyond it the leader raises
        Overloaded, for its own reads and for its peers'. Default 0: no limit, as in etcd; then the reads of peers can
        exhaust memory while no quorum answers. 10,000 is a good value. (Not in etcd.)
    ``max_pending_msgs``, a count
        The limit on messages and read states that wait for the next Ready, and on entries that are not stored yet.
        Beyond the first, a node raises Overloaded for messages of peers; beyond the second, for appends with entries,
        which the leader sends again. Default 0: no limit, as in etcd; then peers can exhaust memory while the
        application or its storage is slow. 10,000 is a good value; take more if appends hold thousands of entries. (Not
        in etcd.)
    ``check_quorum`` (``CheckQuorum``)
        A leader steps down if it does not hear from a quorum for an election timeout, and a node that hears from a
        leader does not vote (thesis 6.2, 4.2.3). Default False.
    ``pre_vote`` (``PreVote``)
        A node asks whether it could win an election before it raises its term. Otherwise a node that returns from a
        partition deposes a healthy leader by its higher term (thesis 9.6). Default False.
    ``read_only_option`` (``ReadOnlyOption``)
        How reads are made linearizable, a ReadOnlyOption. Default ``SAFE``; ``LEASE_BASED`` needs ``check_quorum``.
    ``logger`` (``Logger``)
        Any object with ``debug``, ``info``, ``warning``, ``error`` and ``critical``, each of which takes one finished
        text and must not raise. If it has ``isEnabledFor(level)``, with the numbers of the ``logging`` module, each
        call of the node asks at most once per level, and builds no text for a level that is off. Default None:
        ``logging.getLogger("raftcy")``.
    ``disable_proposal_forwarding`` (``DisableProposalForwarding``)
        A follower drops proposals instead of forwarding them to the leader. Default False.
    ``disable_conf_change_validation`` (``DisableConfChangeValidation``)
        A leader appends a proposed configuration change without checking it against the configuration in force, which
        may differ from the one in which the change is applied. Only for applications that serialize and verify changes
        themselves: applying an invalid change raises ConfChangeError. Default False.
    ``step_down_on_removal`` (``StepDownOnRemoval``)
        A leader that is removed or becomes a learner steps down when it applies that change. Default False.
    ``batch_append``
        A leader sends entries that are proposed between two Readys in one append message per peer, or as few as
        ``max_size_per_msg`` allows, instead of one per proposal. Nothing is sent later: all messages leave with the
        next Ready anyway. Default False, as in etcd's raft. (Not in etcd; raft-rs has it.)
    ``trace_logger`` (``TraceLogger``)
        An object whose ``trace_event(event)`` receives a TracingEvent for each step that etcd's TLA+ specification
        knows; see ``trace``. Default None: no tracing, at no cost.
    ``random``
        The source of election timeouts: an object whose ``randrange(n)`` returns 0 to n-1. The node calls it once, with
        ``election_tick``, whenever it becomes follower, candidate or leader, so a seeded source makes a run repeatable.
        (From a plain ``random.Random`` it draws the same number by ``getrandbits``, which is faster.) Default None: the
        operating system's randomness, through one object that all nodes share. (Not in etcd.)
    """

    id: int = 0
    election_tick: int = 0
    heartbeat_tick: int = 0
    storage: Storage | None = None
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
    logger: Logger | None = None
    disable_proposal_forwarding: bool = False
    disable_conf_change_validation: bool = False
    step_down_on_removal: bool = False
    batch_append: bool = False
    trace_logger: TraceLogger | None = None
    random: RandomSource | None = None

    def validate(self) -> None:
        """Raise ConfigError if the Config is invalid (etcd's ``Config.validate``, in its order and with its texts).

        Types come first: a value that etcd's types rule out, such as a string as an id, is reported before any other.
        """
        self.validated()

    def validated(self) -> "Config":
        """Return a copy with the values in effect, all defaults filled in. Raises ConfigError as ``validate`` does."""
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
        """Refuse values that Go's compiler would refuse, and convert the others to int and ReadOnlyOption."""
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


# The fields that are signed in etcd, with their limits here. A value that is not positive gets etcd's error text.
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
    if type(given) not in _PLAIN:
        for each in methods:
            refuse_coroutine(given, each)


@dataclass(frozen=True, slots=True)
class Peer:
    """A member to bootstrap a group with (etcd's ``raft.Peer``): its ``id``, and ``context`` for the application.

    The configuration change that adds the peer carries the context, such as an address, to all nodes. Raises TypeError
    or RangeError if ``id`` is not a number from 0 to 2**64-1, and TypeError if ``context`` is not bytes.
    """

    id: int
    context: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", u64(self.id, "id"))
        if is_local_msg_target(self.id):
            raise RangeError(f"id must be at most 2**64-3, not {self.id}: messages to it are for a storage thread")
        object.__setattr__(self, "context", octets(self.context, "context"))
