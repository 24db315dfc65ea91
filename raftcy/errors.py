"""Every error that raftcy raises, in one tree.

::

    RaftError
    ├── ConfigError(ValueError)             a Config that cannot work
    ├── RangeError(ValueError, OverflowError)  a number outside its range; nothing was changed
    ├── BootstrapError                      bootstrapping without peers, or on a storage that holds something
    ├── ProposalDropped                     refused, certainly not in the log; .reason
    ├── Stopped                             the node was stopped, or it died; .cause
    ├── NotNow                              a message, or a read, that must wait; nothing was changed
    ├── MembersFailed                       members of groups that run together have died; .failures
    ├── StepError                           a message that the state machine must not see
    │   ├── StepLocalMessage                a message that a node only sends to itself came from elsewhere
    │   ├── StepPeerNotFound                a response from outside the configuration
    │   ├── MalformedMessage                a message that no correct peer sends; nothing was changed
    │   ├── Overloaded                      a limit on what waits is reached: as good as lost; nothing was changed
    │   └── LogLost                         a leader knows entries as stored here that are gone: the node is dead
    ├── StorageError
    │   ├── Compacted                       the entry was compacted away
    │   ├── Unavailable                     the entry is not there yet
    │   ├── SnapshotOutOfDate               an older snapshot than the one in the storage
    │   ├── SnapshotTemporarilyUnavailable  ask again later
    │   ├── Contradiction                   what is stored, or is to be stored, cannot all be true; nothing was changed
    │   ├── StorageFailed                   the storage raised anything else: the node is dead
    │   └── Corruption                      what was read is not what was written
    ├── ConfChangeError                     an invalid configuration change; the configuration is unchanged
    │   └── ConfChangeRefused               replaced by an empty entry at the proposal; .reason
    ├── DecodeError(ValueError)             bytes that are no message; .offset
    └── InvariantError(AssertionError)      a rule of ours was broken: the node is dead

What a caller did wrong or a peer sent wrong is reported before anything changes, and the node lives on. The
exceptions to that say so: after ``InvariantError``, ``LogLost``, ``StorageFailed``, and whatever is not raised on
purpose, every later call raises ``Stopped``.
"""

from typing import Any

__all__ = [
    "BootstrapError",
    "Compacted",
    "ConfChangeError",
    "ConfChangeRefused",
    "ConfigError",
    "Contradiction",
    "Corruption",
    "DecodeError",
    "InvariantError",
    "LogLost",
    "MalformedMessage",
    "MembersFailed",
    "NotNow",
    "Overloaded",
    "ProposalDropped",
    "RaftError",
    "RangeError",
    "SnapshotOutOfDate",
    "SnapshotTemporarilyUnavailable",
    "StepError",
    "StepLocalMessage",
    "StepPeerNotFound",
    "Stopped",
    "StorageError",
    "StorageFailed",
    "Unavailable",
]


class RaftError(Exception):
    """Root of all errors of this package."""


class ConfigError(RaftError, ValueError):
    """A Config that cannot work. The text is that of etcd's ``Config.validate`` where it has one."""


class RangeError(RaftError, ValueError, OverflowError):
    """A number does not fit its field (terms, indexes and ids are 0 to 2**64-1). Nothing was changed."""


class BootstrapError(RaftError):
    """No peers, one of id 0, or a storage that is not empty, to bootstrap with (etcd's ``RawNode.Bootstrap``)."""


class ProposalDropped(RaftError):
    """The proposal was refused and is certainly not in the log (etcd's ``ErrProposalDropped``).

    ``reason`` says why in a few words for humans; the text of the error is etcd's.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__("raft proposal dropped")
        self.reason = reason

    def __reduce__(self) -> tuple[type["ProposalDropped"], tuple[str]]:
        return type(self), (self.reason,)


class Stopped(RaftError):
    """The node was stopped, or it died (etcd's ``ErrStopped``).

    ``cause`` is the error that it died of, ``None`` after an ordinary stop.
    """

    def __init__(self, cause: BaseException | None = None) -> None:
        super().__init__("raft: stopped" if cause is None else f"raft: stopped ({cause})")
        self.cause = cause

    def __reduce__(self) -> tuple[type["Stopped"], tuple[BaseException | None]]:
        return type(self), (self.cause,)


class MembersFailed(RaftError):
    """Members of groups that run together have died; the others went on.

    ``failures`` has a ``(group, id, error)`` for each: the Loopback, the member's id, and what it died of. Each failure
    is raised once. ``__cause__`` is the first error.
    """

    def __init__(self, failures: list[tuple[Any, int, BaseException]]) -> None:
        lines = [f"member {id} of {group}: {type(error).__name__}: {error}" for group, id, error in failures]
        super().__init__("; ".join(lines))
        self.failures = failures


class StepError(RaftError):
    """A message that the state machine must not see."""


class StepLocalMessage(StepError):
    """A message that a node only sends to itself came from another one (etcd's ``ErrStepLocalMsg``)."""

    def __init__(self, text: str = "raft: cannot step raft local message") -> None:
        super().__init__(text)


class StepPeerNotFound(StepError):
    """A response from a node outside the configuration (etcd's ``ErrStepPeerNotFound``)."""

    def __init__(self, text: str = "raft: cannot step as peer not found") -> None:
        super().__init__(text)


class MalformedMessage(StepError):
    """A message that no correct peer sends. It was refused before anything changed; the node lives on."""


class Overloaded(StepError):
    """So much waits that a limit is reached: ``Config.max_pending_reads`` or ``max_pending_msgs``, or that of a Node on
    forwarded proposals.

    Nothing was changed. To the group this is a lost message, which it bears; a read may be asked for again.
    """


class NotNow(RaftError):
    """A message that must not be taken in now, or a read that must not be asked now; later it may be.

    Nothing was changed. To the group it is a lost message, which it bears.
    """


class LogLost(StepError):
    """A leader's heartbeat commits entries that this node has acknowledged but no longer has.

    The node is dead and must not come back under the same id: it may have voted, and have helped to commit, on the
    strength of entries that it has lost, so counting it again as the same member could elect a leader without
    committed entries. Remove the member from the configuration and add a new one with a fresh id.
    """


class StorageError(RaftError):
    """A storage cannot give or take what was asked."""


class Compacted(StorageError):
    """The entry was compacted away (etcd's ``ErrCompacted``)."""

    def __init__(self, text: str = "requested index is unavailable due to compaction") -> None:
        super().__init__(text)


class Unavailable(StorageError):
    """The entry is not there yet (etcd's ``ErrUnavailable``)."""

    def __init__(self, text: str = "requested entry at index is unavailable") -> None:
        super().__init__(text)


class SnapshotOutOfDate(StorageError):
    """The snapshot is not newer than the one in the storage (etcd's ``ErrSnapOutOfDate``)."""

    def __init__(self, text: str = "requested index is older than the existing snapshot") -> None:
        super().__init__(text)


class SnapshotTemporarilyUnavailable(StorageError):
    """The storage has no snapshot to give now; raft asks again later (etcd's ``ErrSnapshotTemporarilyUnavailable``)."""

    def __init__(self, text: str = "snapshot is temporarily unavailable") -> None:
        super().__init__(text)


class Contradiction(StorageError):
    """What a storage holds, or is asked to hold, cannot all be true. Nothing was changed.

    For example entries of a term that the hard state has not reached, or a snapshot without voters: a node that starts
    from such a storage breaks the rules or never gets a leader. The text says what contradicts what, and what to do.
    """


class StorageFailed(StorageError):
    """The storage raised an error that raft cannot work with; the node is dead. ``__cause__`` is that error."""


class Corruption(StorageError):
    """What was read is not what was written."""


class ConfChangeError(RaftError):
    """A configuration change that is invalid in the present configuration, which stays as it is."""


class ConfChangeRefused(ConfChangeError):
    """A proposed configuration change was replaced by an empty entry. ``reason`` is what etcd logs for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DecodeError(RaftError, ValueError):
    """Bytes that are no message. ``offset`` counts from the start of the outermost buffer."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text, offset)
        self.text = text
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.text} at offset {self.offset}"


class InvariantError(RaftError, AssertionError):
    """A rule of the state machine was broken: a defect here, in the storage, or in its use. The node is dead."""
