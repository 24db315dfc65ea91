"""Work, Write and Batch: what a driver asks its caller to send, to store and to apply."""

from ..core.ready import SoftState
from ..wire.checks import flag, instance
from ..wire.messages import Entry, HardState, Message, Snapshot
from ..wire.whole import has_one_owner, keep_whole


class Write:
    """A write to the storage, to be done as one: a crash must leave all of it or nothing.

    ``hard_state`` and ``snapshot`` are None, and ``entries`` is empty, if there is nothing of that kind to store. A
    snapshot replaces the whole log. Entries replace the log from their first index on. If ``sync`` is set, this write
    and all earlier ones must be durable before ``Driver.stored`` acknowledges it. Otherwise it only has a new commit
    index, which a crash may revert.
    """

    __slots__ = ("_messages", "_responses", "entries", "hard_state", "snapshot", "sync")
    hard_state: HardState | None
    entries: list[Entry]
    snapshot: Snapshot | None
    sync: bool
    _messages: list[Message]
    _responses: list[Message]

    def __init__(
        self, hard_state: HardState | None, entries: list[Entry], snapshot: Snapshot | None, sync: bool
    ) -> None:
        if hard_state is not None and type(hard_state) is not HardState:
            instance(hard_state, HardState, "hard_state")
        if type(entries) is not list:
            instance(entries, list, "entries")
        if snapshot is not None and type(snapshot) is not Snapshot:
            instance(snapshot, Snapshot, "snapshot")
        self.hard_state = hard_state
        self.entries = entries
        self.snapshot = snapshot
        self.sync = sync if sync is True or sync is False else flag(sync, "sync")
        # Messages to send once the write is stored, and responses to step then.
        self._messages = []
        self._responses = []

    def __repr__(self) -> str:
        parts = [f"{len(self.entries)} entries"]
        if self.hard_state is not None:
            parts.insert(0, repr(self.hard_state))
        if self.snapshot is not None:
            parts.append(f"snapshot {self.snapshot.metadata.index}")
        return f"<Write {', '.join(parts)}{', synced' if self.sync else ''}>"


class Batch:
    """Work for the state machine: restore ``snapshot`` if there is one, then apply the committed ``entries``.

    Pass configuration changes among the entries to ``Driver.change``, and other entries with data to the machine.
    """

    __slots__ = ("_responses", "entries", "snapshot")
    snapshot: Snapshot | None
    entries: list[Entry]
    _responses: list[Message]

    def __init__(self, snapshot: Snapshot | None, entries: list[Entry], responses: list[Message]) -> None:
        if snapshot is not None and type(snapshot) is not Snapshot:
            instance(snapshot, Snapshot, "snapshot")
        if type(entries) is not list or type(responses) is not list:
            instance(entries, list, "entries")
            instance(responses, list, "responses")
        self.snapshot = snapshot
        self.entries = entries
        self._responses = responses

    def __repr__(self) -> str:
        restored = "" if self.snapshot is None else f"snapshot {self.snapshot.metadata.index}, "
        return f"<Batch {restored}{len(self.entries)} entries>"


class Work:
    """The start of a round: ``messages`` to send at once, and a ``write`` to store, None if there is nothing to store.

    ``soft_state`` is a SoftState if the leader or the node's role has changed, else None.
    """

    __slots__ = ("messages", "soft_state", "write")
    write: Write | None
    messages: list[Message]
    soft_state: SoftState | None

    def __init__(self, write: Write | None, messages: list[Message], soft_state: SoftState | None) -> None:
        if write is not None and type(write) is not Write:
            instance(write, Write, "write")
        if type(messages) is not list:
            instance(messages, list, "messages")
        if soft_state is not None and type(soft_state) is not SoftState:
            instance(soft_state, SoftState, "soft_state")
        self.write = write
        self.messages = messages
        self.soft_state = soft_state


for _each in (Write, Batch, Work):
    keep_whole(_each)
    has_one_owner(_each)
