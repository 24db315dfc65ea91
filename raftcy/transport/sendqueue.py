"""Keeps the messages that wait for one peer, and notes which written messages are unconfirmed. Does no I/O.

Messages leave in pieces: small messages are joined and a large one is cut, so that a connection holds little more than
one piece. A peer confirms by answering a ping: everything written before that ping has then arrived.
"""

from collections import deque
from typing import NamedTuple

from . import packets

__all__ = ["Lost", "SendQueue"]

_PIECE_BYTES = 1 << 18


class Lost(NamedTuple):
    """The losses of a broken connection, or of a failed attempt to connect."""

    messages: int
    """The messages that were never written."""
    snapshots: list[int]
    """The group of each MsgSnap that was not confirmed."""
    groups: list[int]
    """The groups of all messages that were not confirmed."""


class SendQueue:
    """Holds at most ``messages_max`` messages and ``bytes_max`` bytes. A message that waits alone may be larger."""

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._queue: deque[tuple[int, bytes, bool]] = deque()
        self._queued_bytes = 0
        # The unwritten rest of a large message, its size, its group, and whether it is a snapshot.
        self._rest: memoryview | None = None
        self._rest_size = 0
        self._rest_snapshot: int | None = None
        # Groups with messages written since the last ping, and groups with earlier messages that no pong has confirmed.
        self._groups: set[int] = set()
        self._unconfirmed: set[int] = set()
        # The snapshots that were written, each with the token whose pong confirms it.
        self._snapshots: deque[tuple[int, int]] = deque()
        self.token = 0
        """The token of the last ping. It goes up with each snapshot and each ping."""
        self.written_messages = 0
        self.written_bytes = 0
        """Counters of the messages taken away for writing; bytes are those of encoded messages."""

    def __len__(self) -> int:
        return len(self._queue) + (self._rest is not None)

    @property
    def queued_bytes(self) -> int:
        """The bytes of the waiting messages."""
        return self._queued_bytes

    @property
    def is_within_message(self) -> bool:
        """Whether only a part of the last message is written yet. Nothing else may be written before its end."""
        return self._rest is not None

    @property
    def is_unconfirmed(self) -> bool:
        """Whether the queue holds messages, or has given some away that no pong has confirmed."""
        return bool(self._queue or self._groups or self._unconfirmed)

    def put(self, group: int, data: bytes, snapshot: bool) -> bool:
        """Add an encoded message. Returns False, and changes nothing, if it has no room."""
        size = len(data)
        # The bytes of an empty queue are the rest of a large message, if any.
        if len(self._queue) >= self._messages_max or (
            self._queued_bytes and self._queued_bytes + size > self._bytes_max
        ):
            return False
        self._queue.append((group, data, snapshot))
        self._queued_bytes += size
        return True

    def next_piece(self) -> tuple[bytes | memoryview, bool] | None:
        """Take the next bytes to write. The flag says that a snapshot ends with them.

        After a snapshot, the caller must write a ping with ``next_token()``, whose pong confirms the snapshot.
        """
        if self._rest is not None:
            return self._next_of_rest()
        if not self._queue:
            return None
        parts: list[bytes] = []
        size, count = 0, 0
        snapshot = False
        while self._queue and size < _PIECE_BYTES and not snapshot:
            group, data, snapshot = self._queue[0]
            if len(data) > _PIECE_BYTES:
                if parts:
                    snapshot = False
                    break
                return self._begin_large()
            self._queue.popleft()
            self._groups.add(group)
            parts += packets.message_head(group, len(data)), data
            size += len(data)
            count += 1
            if snapshot:
                self._snapshots.append((self.token + 1, group))
        self._wrote(size, count)
        return b"".join(parts), snapshot

    def next_token(self) -> int:
        """Return the token of a ping that the caller writes now."""
        self.token += 1
        self._unconfirmed |= self._groups
        self._groups.clear()
        return self.token

    def confirm(self, token: int) -> list[int]:
        """Note a pong, and return the group of each snapshot that it confirms."""
        arrived = []
        while self._snapshots and self._snapshots[0][0] <= token:
            arrived.append(self._snapshots.popleft()[1])
        if token == self.token:
            self._unconfirmed.clear()
        return arrived

    def give_up(self) -> Lost:
        """Forget everything, and return the possible losses."""
        groups = sorted(self._groups | self._unconfirmed | {group for group, _, _ in self._queue})
        snapshots = [group for _, group in self._snapshots]
        if self._rest_snapshot is not None:
            snapshots.append(self._rest_snapshot)
        snapshots += [group for group, _, snapshot in self._queue if snapshot]
        lost = Lost(len(self), snapshots, groups)
        self._queue.clear()
        self._queued_bytes = 0
        self._rest = self._rest_snapshot = None
        self._snapshots.clear()
        self._groups.clear()
        self._unconfirmed.clear()
        return lost

    def _begin_large(self) -> tuple[bytes, bool]:
        group, data, snapshot = self._queue.popleft()
        self._groups.add(group)
        self._rest = memoryview(data)
        self._rest_size = len(data)
        self._rest_snapshot = group if snapshot else None
        return packets.message_head(group, len(data)), False

    def _next_of_rest(self) -> tuple[memoryview, bool]:
        rest = self._rest
        if rest is None:
            return memoryview(b""), False
        piece, rest = rest[:_PIECE_BYTES], rest[_PIECE_BYTES:]
        self._rest = rest if rest else None
        if rest:
            return piece, False
        snapshot = self._rest_snapshot is not None
        if self._rest_snapshot is not None:
            self._snapshots.append((self.token + 1, self._rest_snapshot))
            self._rest_snapshot = None
        self._wrote(self._rest_size, 1)
        return piece, snapshot

    def _wrote(self, size: int, count: int) -> None:
        self._queued_bytes -= size
        self.written_messages += count
        self.written_bytes += size
