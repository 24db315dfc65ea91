"""Bodies of snapshots in memory, for transports without a log."""

import asyncio
from typing import Any

from raftcy.errors import Corruption, NotNow, RaftError
from raftcy.wire.enums import MessageType
from raftcy.wire.messages import Message, Snapshot, SnapshotMetadata

PIECE = 1000
_MARK = b"body:"


def announcing(name: str, to: int = 2, from_: int = 1, term: int = 1) -> Message:
    """A MsgSnap that refers to a body."""
    metadata = SnapshotMetadata(index=5, term=1)
    data = _MARK + name.encode()
    return Message(
        type=MessageType.MSG_SNAP, to=to, from_=from_, term=term, snapshot=Snapshot(data=data, metadata=metadata)
    )


def name_in(m: Message) -> str | None:
    """The name of the body to which a message refers."""
    data = b"" if m.snapshot is None else m.snapshot.data
    return data[len(_MARK) :].decode() if data.startswith(_MARK) else None


class Store:
    """A depot: ``bodies`` to send, what has ``arrived`` whole, and what is there of the others (``parts``)."""

    def __init__(self, **bodies: bytes) -> None:
        self.bodies = bodies
        self.arrived: dict[str, bytes] = {}
        self.parts: dict[str, bytearray] = {}
        self.begun: list[tuple[str, int]] = []
        """The streams that came: the body, and where each went on."""
        self.written = 0
        self.open_sources = 0
        self.most_sources = 0
        self.users: dict[str, Any] = {}
        # Called before each write of a piece; may raise, or wait.
        self.on_write: Any = None
        self.read_error: RaftError | None = None
        self.refuse: RaftError | None = None

    def source(self, group: int, m: Message) -> Any:
        name = name_in(m)
        if name is None:
            return None
        if name not in self.bodies:
            raise Corruption("the body is missing")
        self.open_sources += 1
        self.most_sources = max(self.most_sources, self.open_sources)
        return _Source(self, name)

    def sink(self, group: int, sender: int, m: Message) -> Any:
        name = name_in(m)
        if self.refuse is not None:
            raise self.refuse
        if name is None:
            raise NotNow("it refers to no body")
        return _Sink(self, name)


class _Source:
    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.body = store.bodies[name]
        self.size_bytes = len(self.body)
        self.key = name.encode()
        self.closed = False

    async def read(self, at: int) -> bytes:
        await asyncio.sleep(0)
        if self.store.read_error is not None:
            raise self.store.read_error
        return self.body[at : at + PIECE]

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.store.open_sources -= 1


class _Sink:
    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        store.users[name] = self

    async def begin(self) -> int:
        await asyncio.sleep(0)
        part = self.store.parts.setdefault(self.name, bytearray())
        self.store.begun.append((self.name, len(part)))
        return len(part)

    async def write(self, piece: bytes) -> None:
        if self.store.on_write is not None:
            found = self.store.on_write(self, piece)
            if found is not None:
                await found
        if self.store.users.get(self.name) is not self:
            raise NotNow("another stream brings it")
        self.store.parts[self.name] += piece
        self.store.written += len(piece)

    async def finish(self) -> None:
        await asyncio.sleep(0)
        self.store.arrived[self.name] = bytes(self.store.parts[self.name])

    def leave(self) -> None:
        if self.store.users.get(self.name) is self:
            del self.store.users[self.name]
