"""raftcy: the Raft consensus algorithm for Python, after etcd's raft.

This module exports the whole public API under etcd's names, written as PEP 8 asks. Start with ``start_node`` for
asyncio, or with ``RawNode`` to write the loop yourself. ``BUILD`` is the build that runs, "compiled" or "pure"; both
behave the same.
"""

import sys
from typing import TYPE_CHECKING, Any

from ._build import BUILD, keep
from .core.config import Config, Peer
from .core.describe import (
    describe_conf_change,
    describe_conf_state,
    describe_entries,
    describe_entry,
    describe_hard_state,
    describe_message,
    describe_ready,
    describe_snapshot,
    describe_soft_state,
)
from .core.hardstate import is_empty_hard_state, is_empty_snap, is_hard_state_equal, must_sync
from .core.log_storage import LogStorage, check_log_storage, compact_log, save_ready
from .core.progress import Progress
from .core.rawnode import RawNode
from .core.ready import ReadState, Ready, SoftState
from .core.status import BasicStatus, Status
from .core.storage import MemoryStorage, Storage
from .core.trace import NdjsonTraceLogger, TraceLogger, TracingEvent, TracingMessage, TracingState
from .core.tracker import TrackerConfig
from .errors import (
    BadPeer,
    BootstrapError,
    CallFailed,
    ChangePending,
    CommandError,
    Compacted,
    ConfChangeError,
    ConfChangeRefused,
    ConfigError,
    Contradiction,
    Corruption,
    DecodeError,
    DirectoryInUse,
    DirectoryRefused,
    GroupDeleted,
    InvariantError,
    LogLost,
    MachineFailed,
    MalformedMessage,
    MemberError,
    MemberRefused,
    MemberRemoved,
    MembersDiffer,
    MembersFailed,
    MessageTooLong,
    NewerFormat,
    NotNow,
    OutcomeUnknown,
    Overloaded,
    ProposalDropped,
    RaftError,
    RangeError,
    Rejected,
    SessionExpired,
    SnapshotOutOfDate,
    SnapshotTemporarilyUnavailable,
    SnapshotTooLarge,
    StepError,
    StepLocalMessage,
    StepPeerNotFound,
    Stopped,
    StorageError,
    StorageFailed,
    TransportError,
    Unavailable,
    UpgradeNeeded,
    WrongDirectory,
)
from .node import Node, restart_node, start_node
from .replica.asked import Outcome
from .replica.driver import Driver
from .replica.loopback import Loopback, drain_all, tick_all, tick_groups
from .replica.machine import StateMachine
from .replica.work import Batch, Work, Write
from .wire.changes import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeV2,
    conf_changes_from_string,
    conf_changes_to_string,
    decode_change,
)
from .wire.enums import (
    ConfChangeTransition,
    ConfChangeType,
    EntryType,
    MessageType,
    ProgressState,
    ProgressType,
    ReadOnlyOption,
    SnapshotStatus,
    StateType,
    VoteResult,
)
from .wire.kinds import is_local_msg, is_local_msg_target, is_response_msg, refuse_from_network
from .wire.messages import ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata

if TYPE_CHECKING:
    from .replica.host import Host
    from .replica.replica import Replica
    from .replica.tokens import RejectReason
    from .replica.tuning import Tuning

__all__ = [
    "BUILD",
    "LOCAL_APPEND_THREAD",
    "LOCAL_APPLY_THREAD",
    "NONE",
    "NO_LIMIT",
    "BadPeer",
    "BasicStatus",
    "Batch",
    "BootstrapError",
    "CallFailed",
    "ChangePending",
    "CommandError",
    "Compacted",
    "ConfChange",
    "ConfChangeError",
    "ConfChangeRefused",
    "ConfChangeSingle",
    "ConfChangeTransition",
    "ConfChangeType",
    "ConfChangeV2",
    "ConfState",
    "Config",
    "ConfigError",
    "Contradiction",
    "Corruption",
    "DecodeError",
    "DirectoryInUse",
    "DirectoryRefused",
    "Driver",
    "Entry",
    "EntryType",
    "GroupDeleted",
    "HardState",
    "Host",
    "InvariantError",
    "LogLost",
    "LogStorage",
    "Loopback",
    "MachineFailed",
    "MalformedMessage",
    "MemberError",
    "MemberRefused",
    "MemberRemoved",
    "MembersDiffer",
    "MembersFailed",
    "MemoryStorage",
    "Message",
    "MessageTooLong",
    "MessageType",
    "NdjsonTraceLogger",
    "NewerFormat",
    "Node",
    "NotNow",
    "Outcome",
    "OutcomeUnknown",
    "Overloaded",
    "Peer",
    "Progress",
    "ProgressState",
    "ProgressType",
    "ProposalDropped",
    "RaftError",
    "RangeError",
    "RawNode",
    "ReadOnlyOption",
    "ReadState",
    "Ready",
    "RejectReason",
    "Rejected",
    "Replica",
    "SessionExpired",
    "Snapshot",
    "SnapshotMetadata",
    "SnapshotOutOfDate",
    "SnapshotStatus",
    "SnapshotTemporarilyUnavailable",
    "SnapshotTooLarge",
    "SoftState",
    "StateMachine",
    "StateType",
    "Status",
    "StepError",
    "StepLocalMessage",
    "StepPeerNotFound",
    "Stopped",
    "Storage",
    "StorageError",
    "StorageFailed",
    "TraceLogger",
    "TracingEvent",
    "TracingMessage",
    "TracingState",
    "TrackerConfig",
    "TransportError",
    "Tuning",
    "Unavailable",
    "UpgradeNeeded",
    "VoteResult",
    "Work",
    "Write",
    "WrongDirectory",
    "__version__",
    "check_log_storage",
    "compact_log",
    "conf_changes_from_string",
    "conf_changes_to_string",
    "decode_change",
    "describe_conf_change",
    "describe_conf_state",
    "describe_entries",
    "describe_entry",
    "describe_hard_state",
    "describe_message",
    "describe_ready",
    "describe_snapshot",
    "describe_soft_state",
    "drain_all",
    "is_empty_hard_state",
    "is_empty_snap",
    "is_hard_state_equal",
    "is_local_msg",
    "is_local_msg_target",
    "is_response_msg",
    "must_sync",
    "refuse_from_network",
    "restart_node",
    "save_ready",
    "start_node",
    "tick_all",
    "tick_groups",
]

NONE = 0
LOCAL_APPEND_THREAD = 2**64 - 1
LOCAL_APPLY_THREAD = 2**64 - 2
NO_LIMIT = 2**64 - 1

__version__ = "0.1.0"

_HOSTS = ("Host", "RejectReason", "Replica", "Tuning")


def __getattr__(name: str) -> Any:
    """The hosts are imported when they are used: they need sockets, files and TLS, which the rest does not."""
    if name not in _HOSTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import replica

    return getattr(replica, name)


keep(sys.modules[__name__])
