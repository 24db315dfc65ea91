"""What a driver hands to whoever runs it: what to store, what to send, and what to apply."""

from ..core.ready import SoftState
from ..wire.messages import Entry, HardState, Message, Snapshot
from ..wire.whole import keep_whole


class Write:
    """What to store as one: after a crash all of it is there, or nothing.

    ``hard_state`` and ``snapshot`` are None, and ``entries`` empty, where nothing of the kind changed. Entries replace
    what the log has from the first one's index on. A snapshot replaces the whole log. With ``sync`` the write, and all
    writes before it, must be durable before it is acknowledged by ``Driver.stored``; without it, it holds nothing but
    a new commit index, which a crash may take back.
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
        self.hard_state = hard_state
        self.entries = entries
        self.snapshot = snapshot
        self.sync = sync
        # To be sent once it is stored, and what the node is told then.
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
    """What to apply, in order: ``snapshot`` to restore first if it is not None, then the committed ``entries``.

    Configuration changes among the entries go to ``Driver.change``, all others to the machine.
    """

    __slots__ = ("_responses", "entries", "snapshot")
    snapshot: Snapshot | None
    entries: list[Entry]
    _responses: list[Message]

    def __init__(self, snapshot: Snapshot | None, entries: list[Entry], responses: list[Message]) -> None:
        self.snapshot = snapshot
        self.entries = entries
        self._responses = responses

    def __repr__(self) -> str:
        restored = "" if self.snapshot is None else f"snapshot {self.snapshot.metadata.index}, "
        return f"<Batch {restored}{len(self.entries)} entries>"


class Work:
    """What a node has to say: ``write`` to store, None if nothing changed; ``messages`` to send at once.

    ``soft_state`` is set when the leader or the role changed.
    """

    __slots__ = ("messages", "soft_state", "write")
    write: Write | None
    messages: list[Message]
    soft_state: SoftState | None

    def __init__(self, write: Write | None, messages: list[Message], soft_state: SoftState | None) -> None:
        self.write = write
        self.messages = messages
        self.soft_state = soft_state


for _each in (Write, Batch, Work):
    keep_whole(_each)
