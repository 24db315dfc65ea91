"""A cluster in one process, driven by scripts: RawNodes, their storages, and one list of messages in flight.

Owns the nodes, the messages between them, and the output buffer. The commands in ``handlers`` carry out the directives.
Nothing happens by itself: the passing of time, the delivery of messages and storage work are all directives.

To test an extension with scripts, give the environment additional commands and options::

    def crash(env, case):
        env.output.line(f"{env.node(parse_int(case.plain()[0])).id} is gone")

    env = InteractionEnv(COMMANDS | {"crash": crash}, on_config=set_my_options, storage=MyStorage)
    run_file(path, env.handle)
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..core.config import Config
from ..core.rawnode import RawNode
from ..core.storage import MemoryStorage, Storage
from ..errors import InvariantError, RaftError
from ..wire.messages import ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata
from .datadriven import Case, ScriptError
from .output import RedirectLogger

__all__ = [
    "Command",
    "CommandError",
    "EnvNode",
    "EnvStorage",
    "HistoryStorage",
    "InteractionEnv",
    "SnapshotSource",
    "empty_snapshot",
]


class CommandError(RaftError):
    """The environment refuses a directive. The text becomes part of the script's output."""


class EnvStorage(Storage, Protocol):
    """What the environment requires of a node's storage, in addition to what raft does."""

    def set_hard_state(self, st: HardState) -> None:
        """Store the hard state."""

    def append(self, entries: list[Entry]) -> None:
        """Append entries, replacing those at the same indexes and after them."""

    def apply_snapshot(self, snap: Snapshot) -> None:
        """Replace the log with a snapshot."""

    def compact(self, compact_index: int) -> None:
        """Discard the entries up to and including this index."""


SnapshotSource = Callable[[], Snapshot]
"""Returns the newest snapshot of a node's state machine. A storage calls it when raft asks for a snapshot."""


class HistoryStorage(MemoryStorage):
    """A MemoryStorage whose ``snapshot`` is the newest of the state machine, regardless of compaction."""

    def __init__(self, newest: SnapshotSource) -> None:
        super().__init__()
        self._newest = newest

    def snapshot(self) -> Snapshot:
        return self._newest()

    def stored_snapshot(self) -> Snapshot:
        """The snapshot last applied to the storage."""
        return super().snapshot()


@dataclass
class EnvNode:
    """One node: its RawNode, storage and Config, its pending storage work, and all snapshots of its state machine."""

    raw: RawNode
    storage: EnvStorage
    config: Config
    history: list[Snapshot]
    append_work: deque[Message] = field(default_factory=deque)
    apply_work: deque[Message] = field(default_factory=deque)

    @property
    def id(self) -> int:
        """The node's id."""
        return self.config.id


class InteractionEnv:
    """The state of one script.

    ``commands`` maps the name of each directive to its function; those of the kit are in ``handlers``. ``on_config``
    may set fields of a node's Config before the node is created, except ``id``, ``storage`` and ``logger``. ``storage``
    creates a node's storage, given a function that returns its newest snapshot; the default is HistoryStorage.

    ``nodes`` starts with id 1. ``messages`` holds the messages in flight, oldest first. ``options`` are fields of
    Config for nodes that are added later.
    """

    def __init__(
        self,
        commands: "Mapping[str, Command]",
        *,
        on_config: Callable[[Config], None] | None = None,
        storage: Callable[[SnapshotSource], EnvStorage] = HistoryStorage,
    ) -> None:
        self.commands = dict(commands)
        self.nodes: list[EnvNode] = []
        self.messages: list[Message] = []
        self.options: dict[str, Any] = {}
        self.output = RedirectLogger()
        self._on_config = on_config
        self._make_storage = storage

    def handle(self, case: Case) -> str:
        """Run one directive and return its output.

        An error of the library becomes output, except for InvariantError: no script should expect a bug.
        """
        self.output.take()
        command = self.commands.get(case.command, _unknown)
        try:
            command(self, case)
        except InvariantError:
            raise
        except RaftError as error:
            if self.output.quiet:
                return str(error)
            self.output.write(str(error))
        return self.output.take() or "ok"

    def node(self, id: int) -> EnvNode:
        """Return the node with that id. Raises ScriptError if there is none."""
        if not 1 <= id <= len(self.nodes):
            raise ScriptError(f"there is no node {id}")
        return self.nodes[id - 1]

    def add_nodes(self, count: int, config: Config, snapshot: Snapshot) -> None:
        """Add ``count`` nodes with the next ids, created from ``config`` and started from ``snapshot`` at term 1.

        If the snapshot has neither members nor an index, the nodes start empty. Otherwise an index below 2 raises
        CommandError.
        """
        meta = snapshot.metadata
        starts_empty = meta.index == 0 and meta.conf_state == ConfState()
        for _ in range(count):
            id = len(self.nodes) + 1
            storage = self.make_storage(id)
            if not starts_empty:
                if meta.index <= 1:
                    raise CommandError("index must be specified as > 1 due to bootstrap")
                snapshot = _at_term_1(snapshot)
                storage.apply_snapshot(snapshot)
            node_config = replace(config, id=id, storage=storage, **self.options)
            if self._on_config is not None:
                self._on_config(node_config)
                if node_config.id != id:
                    raise CommandError("OnConfig must not change the ID")
            node_config.logger = self.output
            self.nodes.append(EnvNode(RawNode(node_config), storage, node_config, [snapshot]))

    def make_storage(self, id: int) -> EnvStorage:
        """Create a storage whose snapshot is the newest in the history of node ``id``."""
        return self._make_storage(lambda: self.nodes[id - 1].history[-1])

    def send(self, messages: Iterable[Message]) -> None:
        """Add messages to those in flight."""
        self.messages += messages

    def take_messages(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """Remove the wanted messages from flight and return them. Both they and the rest keep their order."""
        taken: list[Message] = []
        left: list[Message] = []
        for m in self.messages:
            (taken if wanted(m) else left).append(m)
        self.messages = left
        return taken


Command = Callable[[InteractionEnv, Case], None]
"""Carries out one directive. Prints to ``env.output``; may raise CommandError or any error of the library."""


def empty_snapshot() -> Snapshot:
    """Return a snapshot of index 0 in which all metadata fields are present."""
    return Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(auto_leave=False), index=0, term=0))


def _at_term_1(snapshot: Snapshot) -> Snapshot:
    meta = snapshot.metadata
    return Snapshot(
        data=snapshot.data or None,
        metadata=SnapshotMetadata(conf_state=meta.conf_state, index=meta.index, term=1),
    )


def _unknown(env: InteractionEnv, case: Case) -> None:
    raise CommandError("unknown command")
