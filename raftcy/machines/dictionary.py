"""A ready machine: texts and their values, with revisions, so that a change can require that nothing else changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from ..errors import CommandError, Corruption
from .statemachine import Command, Pieces, Readable
from .typed import TypedMachine, applies, pack, unpack

_PIECE_ITEMS = 512
_SIZE_BYTES = 4


class Value(NamedTuple):
    """A value, and its revision: the index of the entry that set it. A later value has a higher one."""

    data: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """Set ``key`` to ``data``. The answer is the new revision.

    With a ``revision``, it applies only if the key has this revision now; 0 means that the key must not exist.
    """

    key: str
    data: bytes
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove ``key``; with a ``revision``, only if the key has this one. The answer is whether the key existed."""

    key: str
    revision: int | None = None


class Dictionary(TypedMachine):
    """Values by their keys. It refuses a command with another revision than the key's with the reason "changed".

    Read it with `get` and `keys`; for a linearizable answer, call the replica's ``read`` first.
    """

    def __init__(self) -> None:
        self._items: dict[str, Value] = {}

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> Value | None:
        """Return the value of a key, None if the key does not exist."""
        return self._items.get(key)

    def keys(self) -> Iterator[str]:
        """Return an iterator over the keys. Do not use it across an ``await``, because the state may change."""
        return iter(self._items)

    @applies(Put, name="put")
    def _put(self, command: Put, at: Command) -> int | CommandError:
        if command.revision is not None and (refused := self._changed(command.key, command.revision)):
            return refused
        self._items[command.key] = Value(command.data, at.index)
        return at.index

    @applies(Delete, name="delete")
    def _delete(self, command: Delete, at: Command) -> bool | CommandError:
        if command.revision is not None and (refused := self._changed(command.key, command.revision)):
            return refused
        return self._items.pop(command.key, None) is not None

    def _changed(self, key: str, revision: int) -> CommandError | None:
        found = self._items.get(key)
        present = 0 if found is None else found.revision
        return (
            None if present == revision else CommandError(f"{key!r} has revision {present}, not {revision}", "changed")
        )

    def capture(self) -> Pieces:
        """The items, in pieces."""
        return Pieces(_pieces(self._items.copy()))

    def restore(self, file: Readable) -> None:
        """Replace the items by the items of a capture. Raises Corruption for bytes that are not a capture."""
        items: dict[str, Value] = {}
        while head := file.read(_SIZE_BYTES):
            size = int.from_bytes(head, "little")
            piece = file.read(size)
            if len(head) < _SIZE_BYTES or len(piece) < size:
                raise Corruption("the items of a dictionary are cut off")
            items.update({key: Value(data, at) for key, data, at in unpack(piece, list[tuple[str, bytes, int]])})
        self._items = items


def _pieces(items: dict[str, Value]) -> Iterator[bytes]:
    # In the order in which the keys were added, which is the same on all members and survives a restore.
    rest = iter(items.items())
    while some := [(key, value.data, value.revision) for key, value in islice(rest, _PIECE_ITEMS)]:
        data = pack(some)
        yield len(data).to_bytes(_SIZE_BYTES, "little") + data
