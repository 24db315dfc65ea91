"""Every error that raftcy raises, in one hierarchy.

::

    RaftError
    ├── ConfigError(ValueError)             an invalid Config
    ├── RangeError(ValueError, OverflowError)  a number is out of range
    ├── BootstrapError                      bootstrapping without peers, or on a storage that is not empty
    │   └── MembersDiffer                   members of a new cluster do not agree on who they are; .ours, .theirs
    ├── MemberError                         a change of members that cannot be, or is not done yet; .reason
    │   ├── MemberRefused                   the cluster refuses a place or a change of members
    │   │   └── MemberRemoved               this member was removed from its cluster, and stops
    │   └── ChangePending                   the change is wanted, and is not done within the time of the call
    ├── ProposalDropped                     the proposal was refused and is certainly not in the log; .reason
    ├── Rejected                            a command is not in the log and never will be; .reason
    ├── GroupDeleted                        the group was deleted; .name
    ├── CallFailed                          a request to another host has no reply; .peer
    ├── OutcomeUnknown                      nobody knows yet whether a command was applied; .token
    ├── Stopped                             the node was stopped, or it died; .cause
    ├── StepError                           the state machine refused a message
    │   ├── StepLocalMessage                a local message came from another node
    │   ├── StepPeerNotFound                a response came from outside the configuration
    │   ├── MalformedMessage                no correct peer sends this message
    │   ├── Overloaded                      a limit on waiting messages or reads is reached; treat it as lost
    │   └── LogLost                         entries that this node acknowledged are gone: the node is dead
    ├── MembersFailed                       members that run together have died, and the others went on; .failures
    ├── NotNow                              the node cannot accept the message or the read yet; treat it as lost
    ├── StorageError
    │   ├── Compacted                       the entry has been compacted away
    │   ├── Unavailable                     the entry is not in the log yet
    │   ├── SnapshotOutOfDate               the storage has a newer snapshot
    │   ├── SnapshotTemporarilyUnavailable  the storage has no snapshot now; raft asks again later
    │   ├── SnapshotTooLarge                no message could carry the snapshot, so it was not made; .size, .limit
    │   ├── Contradiction                   the parts of what is stored, or is to be stored, contradict each other
    │   ├── StorageFailed                   the storage raised any other error: the node is dead
    │   ├── Corruption                      the storage does not read back what was written; .file, .offset
    │   └── DirectoryRefused                a data directory must not be opened here
    │       ├── DirectoryInUse              another process, or another log of this one, has it open
    │       ├── WrongDirectory              it belongs to another cluster, or holds no log
    │       └── NewerFormat                 a newer version of raftcy has written it
    ├── ConfChangeError                     the configuration change is invalid; the configuration is unchanged
    │   └── ConfChangeRefused               the leader appended an empty entry instead of the change; .reason
    ├── CommandError                        a state machine's refusal of a command; .reason
    │   └── SessionExpired                  the command's session is not registered, or not any more; .session
    ├── UpgradeNeeded                       the group uses a newer version than this program knows: the member stops
    ├── MachineFailed                       a state machine raised an error: the member stops; .index, .command
    ├── TransportError                      a transport cannot do what it was asked to do
    │   ├── BadPeer(ValueError)             no peer can have this id or this address
    │   └── MessageTooLong                  a message fits into no frame; .messages
    ├── DecodeError(ValueError)             the bytes are not a valid message; .offset
    └── InvariantError(AssertionError)      an invariant of the state machine was violated: the node is dead

A mistake of a caller or a peer is reported before any state changes, and the node keeps running. The exceptions are
``InvariantError``, ``LogLost``, ``StorageFailed`` and every error that raftcy does not raise on purpose: they kill the
node, and every later call raises ``Stopped``.
"""

from typing import Any, Self

__all__ = [
    "BadPeer",
    "BootstrapError",
    "CallFailed",
    "ChangePending",
    "CommandError",
    "Compacted",
    "ConfChangeError",
    "ConfChangeRefused",
    "ConfigError",
    "Contradiction",
    "Corruption",
    "DecodeError",
    "DirectoryInUse",
    "DirectoryRefused",
    "GroupDeleted",
    "InvariantError",
    "LogLost",
    "MachineFailed",
    "MalformedMessage",
    "MemberError",
    "MemberRefused",
    "MemberRemoved",
    "MembersDiffer",
    "MembersFailed",
    "MessageTooLong",
    "NewerFormat",
    "NotNow",
    "OutcomeUnknown",
    "Overloaded",
    "ProposalDropped",
    "RaftError",
    "RangeError",
    "Rejected",
    "SessionExpired",
    "SnapshotOutOfDate",
    "SnapshotTemporarilyUnavailable",
    "SnapshotTooLarge",
    "StepError",
    "StepLocalMessage",
    "StepPeerNotFound",
    "Stopped",
    "StorageError",
    "StorageFailed",
    "TransportError",
    "Unavailable",
    "UpgradeNeeded",
    "WrongDirectory",
]


class RaftError(Exception):
    """Base class of all errors of this package.

    ``hint`` says what caused the error and what to do, where the text of the error is etcd's and does not; "" for none.
    It is no part of the text, of a traceback or of a log line: show it to whoever has to act.
    """

    hint: str = ""

    def hinted(self, hint: str) -> Self:
        """Set ``hint`` and return the error."""
        if hint:
            self.hint = hint
        return self


class ConfigError(RaftError, ValueError):
    """The Config is invalid. Where etcd's ``Config.validate`` has a text for it, the text is the same."""


class RangeError(RaftError, ValueError, OverflowError):
    """A number does not fit its field (terms, indexes and ids are 0 to 2**64-1). No state was changed."""


class BootstrapError(RaftError):
    """Cannot bootstrap: no peers, a peer with id 0, or a storage that is not empty (etcd's ``RawNode.Bootstrap``)."""


class MembersDiffer(BootstrapError):
    """Members of a new cluster do not agree on who they are, so that none of them may begin.

    ``ours`` is what this member was given or has confirmed, ``theirs`` what another one says; the text shows both.
    """

    def __init__(self, text: str, ours: Any = None, theirs: Any = None) -> None:
        super().__init__(text)
        self.ours = ours
        self.theirs = theirs

    def __reduce__(self) -> tuple[type["MembersDiffer"], tuple[str, Any, Any]]:
        return type(self), (self.args[0], self.ours, self.theirs)


class MemberError(RaftError):
    """A change of a cluster's members that cannot be, or is not done yet.

    ``text`` is for people, and ``reason`` a short word for programs, such as "removed", "identity" or "inactive".
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason

    def __reduce__(self) -> tuple[type["MemberError"], tuple[str, str]]:
        return type(self), (self.text, self.reason)


class MemberRefused(MemberError):
    """The cluster refuses a place for a host, or a change of its members. Nothing was changed.

    ``reason`` says why: "removed" (the id was removed, and is never taken again), "identity" (the id has another
    identity, or the directory another id), "version" (the program is too old), "unknown" (no such member), "known" (the
    id is taken), "replaced", "last" (no voter would be left), "inactive" (no majority would be active), "addresses",
    "full" or "malformed".
    """


class MemberRemoved(MemberRefused):
    """This member was removed from its cluster, and stops. Its id is never taken again.

    To use the machine again, start a host with an empty directory and a new id.
    """


class ChangePending(MemberError):
    """A change of members is wanted, and was not done within the time of the call. It is done when it can be.

    ``text`` says what it waits for. Ask again to wait on, or ask for another change.
    """


class ProposalDropped(RaftError):
    """The proposal was refused and is certainly not in the log (etcd's ``ErrProposalDropped``).

    ``reason`` says why, in a few words for people, and ``hint`` when to propose again. The text of the error is etcd's.
    """

    def __init__(self, reason: str = "", hint: str = "") -> None:
        super().__init__("raft proposal dropped")
        self.reason = reason
        self.hinted(hint)

    def __reduce__(self) -> tuple[type["ProposalDropped"], tuple[str, str]]:
        return type(self), (self.reason, self.hint)


class Rejected(RaftError):
    """A command is not in the log and certainly never will be: it may be proposed again without harm.

    ``reason`` is one of the texts of ``raftcy.RejectReason``; ``detail`` says more, for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"rejected: {reason}" if not detail else f"rejected: {reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["Rejected"], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


class GroupDeleted(RaftError):
    """A group was deleted, with its data on all hosts. Its name, ``name``, is never used again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the group {name!r} was deleted, and its name is not used again")
        self.name = name

    def __reduce__(self) -> tuple[type["GroupDeleted"], tuple[str]]:
        return type(self), (self.name,)


class CallFailed(RaftError):
    """A request to another host has no reply. Whether it came there is not known, unless the text says so.

    ``peer`` is the host that was asked.
    """

    def __init__(self, peer: int, text: str) -> None:
        super().__init__(f"no reply from {peer}: {text}")
        self.peer = peer
        self.text = text

    def __reduce__(self) -> tuple[type["CallFailed"], tuple[int, str]]:
        return type(self), (self.peer, self.text)


class OutcomeUnknown(RaftError):
    """Nobody knows yet whether a command was, or will be, applied: proposing it again may apply it twice.

    ``token`` is for ``Replica.outcome``, which says later what became of it. ``why`` is what ended the wait.
    """

    def __init__(self, token: Any, why: str = "") -> None:
        super().__init__(f"the outcome is not known: {why}" if why else "the outcome is not known")
        self.token = token
        self.why = why

    def __reduce__(self) -> tuple[type["OutcomeUnknown"], tuple[Any, str]]:
        return type(self), (self.token, self.why)


class Stopped(RaftError):
    """The node was stopped, or it died (etcd's ``ErrStopped``).

    ``cause`` is the error that killed it, or None after an ordinary stop.
    """

    def __init__(self, cause: BaseException | None = None) -> None:
        super().__init__("raft: stopped" if cause is None else f"raft: stopped ({cause})")
        self.cause = cause
        self.hinted(getattr(cause, "hint", ""))

    def __reduce__(self) -> tuple[type["Stopped"], tuple[BaseException | None]]:
        return type(self), (self.cause,)


class MembersFailed(RaftError):
    """Members of groups that run together have died; the others went on.

    ``failures`` has a ``(group, id, error)`` for each: the Loopback, the member's id, and the error that killed it.
    Each failure is raised once. ``__cause__`` is the first error.
    """

    def __init__(self, failures: list[tuple[Any, int, BaseException]]) -> None:
        lines = [f"member {id} of {group}: {type(error).__name__}: {error}" for group, id, error in failures]
        super().__init__("; ".join(lines))
        self.failures = failures


class StepError(RaftError):
    """The state machine refused a message."""


class StepLocalMessage(StepError):
    """A local message, which a node sends only to itself, came from another node (etcd's ``ErrStepLocalMsg``)."""

    def __init__(self, text: str = "raft: cannot step raft local message") -> None:
        super().__init__(text)


class StepPeerNotFound(StepError):
    """A response came from a node outside the configuration (etcd's ``ErrStepPeerNotFound``)."""

    def __init__(self, text: str = "raft: cannot step as peer not found") -> None:
        super().__init__(text)


class MalformedMessage(StepError):
    """No correct peer sends this message. It was refused before any state changed; the node keeps running."""


class Overloaded(StepError):
    """A limit is reached: ``Config.max_pending_reads`` or ``max_pending_msgs``, or a Node's on forwarded proposals.

    No state was changed. For the group this is the same as a lost message, which raft tolerates. Ask for a read again.
    """


class NotNow(RaftError):
    """The node cannot accept this message, or start this read, yet. It may later.

    No state was changed. For the group this is the same as a lost message, which raft tolerates.
    """


class LogLost(StepError):
    """A leader's heartbeat commits entries that this node acknowledged but no longer has.

    The node is dead and must not return under the same id. It voted, and helped to commit, with entries that it has
    lost; if it counted as the same member again, the group could elect a leader that lacks committed entries. Remove
    the member from the configuration and add a new one with a fresh id.
    """


class StorageError(RaftError):
    """A storage cannot answer a request."""


class Compacted(StorageError):
    """The entry has been compacted away (etcd's ``ErrCompacted``)."""

    def __init__(self, text: str = "requested index is unavailable due to compaction") -> None:
        super().__init__(text)


class Unavailable(StorageError):
    """The entry is not in the log yet (etcd's ``ErrUnavailable``)."""

    def __init__(self, text: str = "requested entry at index is unavailable") -> None:
        super().__init__(text)


class SnapshotOutOfDate(StorageError):
    """The storage has a snapshot that is as new or newer (etcd's ``ErrSnapOutOfDate``)."""

    def __init__(self, text: str = "requested index is older than the existing snapshot") -> None:
        super().__init__(text)


class SnapshotTemporarilyUnavailable(StorageError):
    """The storage has no snapshot now; raft asks again later (etcd's ``ErrSnapshotTemporarilyUnavailable``)."""

    def __init__(self, text: str = "snapshot is temporarily unavailable") -> None:
        super().__init__(text)


class SnapshotTooLarge(StorageError):
    """A snapshot was not made: no message could carry its data, of ``size`` bytes, to a peer. Nothing was changed.

    ``limit`` is the most bytes that it may have. Keep the state elsewhere, and give the snapshot a reference to it.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the snapshot was not made: its {size} bytes do not fit into a message, which may have {limit}. "
            "Keep the state elsewhere, and give the snapshot a reference to it"
        )
        self.size = size
        self.limit = limit

    def __reduce__(self) -> tuple[type["SnapshotTooLarge"], tuple[int, int]]:
        return type(self), (self.size, self.limit)


class Contradiction(StorageError):
    """What a storage holds, or is asked to hold, cannot all be true. Nothing was changed.

    For example entries of a term that the hard state has not reached, or a snapshot without voters: a node that starts
    from such a storage breaks the rules or never gets a leader. The text says what contradicts what, and what to do.
    """


class StorageFailed(StorageError):
    """The storage raised an error that raft cannot handle; the node is dead. ``__cause__`` is that error."""


class Corruption(StorageError):
    """The storage does not read back what was written to it. Nothing was changed.

    ``file`` and ``offset`` say where, "" and -1 where that means nothing.
    """

    def __init__(self, text: str = "", file: str = "", offset: int = -1) -> None:
        super().__init__(text, file, offset)
        self.text = text
        self.file = file
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.file}, offset {self.offset}: {self.text}" if self.file else self.text


class DirectoryRefused(StorageError):
    """A data directory must not be opened here. Nothing in it was changed."""


class DirectoryInUse(DirectoryRefused):
    """Another process, or another log of this process, has the directory open."""


class WrongDirectory(DirectoryRefused):
    """The directory belongs to another cluster, or has files and none that say whose it is."""


class NewerFormat(DirectoryRefused):
    """A newer version of raftcy has written the directory. Open it with that version."""


class ConfChangeError(RaftError):
    """The configuration change is invalid in the current configuration, which stays unchanged."""


class ConfChangeRefused(ConfChangeError):
    """The leader appended an empty entry instead of the proposed change. ``reason`` is what etcd logs in this case."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CommandError(RaftError):
    """A state machine refuses a command: it is in the log, and it has changed nothing.

    Every member refuses it alike, because the refusal is the command's answer. ``text`` is for people, and ``reason`` a
    short word for programs, such as "held" or "malformed"; "" if the machine gives none. Two of equal text and reason
    are equal.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason

    def __reduce__(self) -> tuple[type["CommandError"], tuple[Any, ...]]:
        return type(self), (self.text, self.reason)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.__reduce__())


class SessionExpired(CommandError):
    """The command names a session that is not registered, or has expired. It was not applied, and never will be.

    ``session`` is its id. Whether earlier commands of the session were applied cannot be known any more.
    """

    def __init__(self, session: int) -> None:
        super().__init__(f"session {session} is not registered, or has expired", "expired")
        self.session = session

    def __reduce__(self) -> tuple[type["SessionExpired"], tuple[Any, ...]]:
        return type(self), (self.session,)


class UpgradeNeeded(RaftError):
    """The group uses a newer version, of commands or of snapshots, than this program knows.

    The member stops before the first entry that it does not understand, and skips nothing. ``needed`` is the version
    that it met, ``known`` the newest one that it knows. Start it again with a newer program, on the same data.
    """

    def __init__(self, what: str, needed: int, known: int) -> None:
        super().__init__(f"{what} {needed} needs a newer program: this one knows versions up to {known}")
        self.what = what
        self.needed = needed
        self.known = known

    def __reduce__(self) -> tuple[type["UpgradeNeeded"], tuple[str, int, int]]:
        return type(self), (self.what, self.needed, self.known)


class MachineFailed(RaftError):
    """A state machine raised an error, not a refusal; the member stops. ``__cause__`` is that error.

    ``index`` is the entry that was being applied, 0 for a snapshot. If the machine takes many entries in one call, it
    is the first of them, and ``last`` is the last one. ``command`` is the data of the first one.
    """

    def __init__(self, index: int, last: int, command: bytes, error: str) -> None:
        if index == 0:
            at = "with a snapshot"
        elif index == last:
            shown = repr(command[:64]) + ("..." if len(command) > 64 else "")
            at = f"at entry {index}, command {shown}"
        else:
            at = f"within entries {index} to {last}"
        super().__init__(f"the state machine failed {at}: {error}")
        self.index = index
        self.last = last
        self.command = command
        self.error = error

    def __reduce__(self) -> tuple[type["MachineFailed"], tuple[int, int, bytes, str]]:
        return type(self), (self.index, self.last, self.command, self.error)


class TransportError(RaftError):
    """A transport cannot do what it was asked to do, such as listen twice or serve after ``close``. Nothing changed."""


class BadPeer(TransportError, ValueError):
    """No peer can have this id or this address: the node's own id, a storage thread's, a name without an encoding."""


class MessageTooLong(TransportError):
    """Messages fit into no frame. They were dropped and reported as lost; the others of the same call were sent.

    ``messages`` has them. For a MsgSnap, the failure was reported as well: the leader goes on without it.
    """

    def __init__(self, text: str, messages: Any = ()) -> None:
        super().__init__(text)
        self.messages: tuple[Any, ...] = tuple(messages)

    def __reduce__(self) -> tuple[type["MessageTooLong"], tuple[str, Any]]:
        return type(self), (self.args[0], self.messages)


class DecodeError(RaftError, ValueError):
    """The bytes are not a valid message. ``offset`` is where, counted from the start of the outermost buffer."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text, offset)
        self.text = text
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.text} at offset {self.offset}"


class InvariantError(RaftError, AssertionError):
    """An invariant of the state machine was violated: a bug in raftcy, in the storage, or in the application.

    The node is dead.
    """
