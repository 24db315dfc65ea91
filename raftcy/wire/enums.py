"""The enums of the public API. Their numbers are those on the wire, from ``consts.py``."""

from enum import IntEnum

from . import consts as k

__all__ = [
    "ConfChangeTransition",
    "ConfChangeType",
    "EntryType",
    "MessageType",
    "ProgressState",
    "ProgressType",
    "ReadOnlyOption",
    "SnapshotStatus",
    "StateType",
    "VoteResult",
]


class MessageType(IntEnum):
    """What a Message is for (etcd's ``raftpb.MessageType``). ``str()`` gives etcd's name, e.g. ``MsgApp``."""

    MSG_HUP = k.HUP
    MSG_BEAT = k.BEAT
    MSG_PROP = k.PROP
    MSG_APP = k.APP
    MSG_APP_RESP = k.APP_RESP
    MSG_VOTE = k.VOTE
    MSG_VOTE_RESP = k.VOTE_RESP
    MSG_SNAP = k.SNAP
    MSG_HEARTBEAT = k.HEARTBEAT
    MSG_HEARTBEAT_RESP = k.HEARTBEAT_RESP
    MSG_UNREACHABLE = k.UNREACHABLE
    MSG_SNAP_STATUS = k.SNAP_STATUS
    MSG_CHECK_QUORUM = k.CHECK_QUORUM
    MSG_TRANSFER_LEADER = k.TRANSFER_LEADER
    MSG_TIMEOUT_NOW = k.TIMEOUT_NOW
    MSG_READ_INDEX = k.READ_INDEX
    MSG_READ_INDEX_RESP = k.READ_INDEX_RESP
    MSG_PRE_VOTE = k.PRE_VOTE
    MSG_PRE_VOTE_RESP = k.PRE_VOTE_RESP
    MSG_STORAGE_APPEND = k.STORAGE_APPEND
    MSG_STORAGE_APPEND_RESP = k.STORAGE_APPEND_RESP
    MSG_STORAGE_APPLY = k.STORAGE_APPLY
    MSG_STORAGE_APPLY_RESP = k.STORAGE_APPLY_RESP
    MSG_FORGET_LEADER = k.FORGET_LEADER

    def __str__(self) -> str:
        return _camel(self.name)


class EntryType(IntEnum):
    """What an Entry's data holds (etcd's ``raftpb.EntryType``): the application's bytes, or an encoded change."""

    NORMAL = k.NORMAL
    CONF_CHANGE = k.CONF_CHANGE
    CONF_CHANGE_V2 = k.CONF_CHANGE_V2

    def __str__(self) -> str:
        return "Entry" + _camel(self.name)


class StateType(IntEnum):
    """A node's role (etcd's ``raft.StateType``)."""

    FOLLOWER = k.FOLLOWER
    CANDIDATE = k.CANDIDATE
    LEADER = k.LEADER
    PRE_CANDIDATE = k.PRE_CANDIDATE

    def __str__(self) -> str:
        return "State" + _camel(self.name)


class ProgressState(IntEnum):
    """How a leader replicates to a peer (etcd's ``tracker.StateType``): probing, streaming, or with a snapshot."""

    PROBE = k.PROBE
    REPLICATE = k.REPLICATE
    SNAPSHOT = k.SNAPSHOT

    def __str__(self) -> str:
        return "State" + _camel(self.name)


class ProgressType(IntEnum):
    """Whether a peer votes (etcd's ``raft.ProgressType``); the second argument of a ``with_progress`` visitor."""

    PEER = 0
    LEARNER = 1


class ReadOnlyOption(IntEnum):
    """How reads are made linearizable (etcd's ``raft.ReadOnlyOption``, thesis 6.4).

    ``SAFE`` has a quorum confirm the leader before a read is answered. ``LEASE_BASED`` trusts the leader's lease and
    needs ``check_quorum``; if clocks drift without bound, a deposed leader may answer from stale state.
    """

    SAFE = k.READ_ONLY_SAFE
    LEASE_BASED = k.READ_ONLY_LEASE_BASED


class SnapshotStatus(IntEnum):
    """The outcome of sending a snapshot, for ``report_snapshot`` (etcd's ``raft.SnapshotStatus``)."""

    FINISH = 1
    FAILURE = 2


class ConfChangeType(IntEnum):
    """What a configuration change does to a node (etcd's ``raftpb.ConfChangeType``)."""

    ADD_NODE = k.ADD_NODE
    REMOVE_NODE = k.REMOVE_NODE
    UPDATE_NODE = k.UPDATE_NODE
    ADD_LEARNER_NODE = k.ADD_LEARNER_NODE

    def __str__(self) -> str:
        return "ConfChange" + _camel(self.name)


class ConfChangeTransition(IntEnum):
    """How a ConfChangeV2 passes through a joint configuration (etcd's ``raftpb.ConfChangeTransition``).

    ``AUTO`` makes a simple change if one suffices and otherwise acts as ``JOINT_IMPLICIT``. ``JOINT_IMPLICIT`` enters
    a joint configuration that the leader leaves automatically. ``JOINT_EXPLICIT`` enters one that lasts until the
    application proposes an empty ConfChangeV2.
    """

    AUTO = k.AUTO
    JOINT_IMPLICIT = k.JOINT_IMPLICIT
    JOINT_EXPLICIT = k.JOINT_EXPLICIT

    def __str__(self) -> str:
        return "ConfChangeTransition" + _camel(self.name)


class VoteResult(IntEnum):
    """The outcome of counting votes (etcd's ``quorum.VoteResult``)."""

    PENDING = k.VOTE_PENDING
    LOST = k.VOTE_LOST
    WON = k.VOTE_WON

    def __str__(self) -> str:
        return "Vote" + _camel(self.name)


def _camel(name: str) -> str:
    """etcd's spelling of a member: ``MSG_APP_RESP`` is ``MsgAppResp``."""
    return "".join(part.capitalize() for part in name.split("_"))
