"""The bodies of snapshots that a host sends and receives: files of its log, read and written on a thread.

Rules:

- A body that is being sent is pinned: it is not removed while newer snapshots are made, so a slow stream still ends.
- What has arrived of a body stays when its connection breaks, and the next stream with the same reference goes on
  there. A stream with another reference begins anew, and so ends an older one. What nobody continues is removed after
  a while.
- A body that has arrived, and that the group then did not take, is removed when the next one comes or the group ends.
"""

import asyncio
from functools import partial
from typing import Any, Protocol

from ..errors import Contradiction, Corruption, NotNow, RaftError, Stopped
from ..storage.bodies import PIECE, Bodies, BodyReader, BodyWriter, Reference
from ..wire.messages import Message, Snapshot
from .aside import Aside, run_aside

IDLE_S = 60.0
"""How long a part of a body is kept, in seconds, while no stream continues it."""
_READ_PIECES = 4


class Served(Protocol):
    """A group whose snapshots are sent and received."""

    def bodies(self) -> Bodies:
        """The bodies of the group."""

    def newest(self) -> Snapshot:
        """The newest snapshot of the group."""

    def refers_to(self, reference: Reference) -> bool:
        """Whether the group needs this body, or may still come to need it."""

    def body_damaged(self, reference: Reference, error: Corruption) -> None:
        """A body that was to be sent is damaged."""


class Pins(Protocol):
    """The part of a log that keeps bodies from being removed."""

    def pin(self, name: str) -> None:
        """Keep a body."""

    def unpin(self, name: str) -> None:
        """Take back one ``pin``."""


class Depot:
    """The bodies of all groups of a host, for its transport. All calls come from the event loop's thread."""

    def __init__(self, pins: Pins, aside: Aside) -> None:
        self._loop = asyncio.get_running_loop()
        self.pins = pins
        self.aside = aside
        self._groups: dict[int, Served] = {}
        self._partials: dict[int, _Partial] = {}

    def serve(self, group: int, served: Served) -> None:
        """Send and receive the snapshots of a group from now on."""
        self._groups[group] = served

    def leave(self, group: int) -> None:
        """Send and receive nothing more for a group, and remove what has arrived and is not needed."""
        part = self._partials.get(group)
        if part is not None:
            self.drop(group, part)
        self._groups.pop(group, None)

    def serves(self, group: int, served: Served) -> bool:
        """Whether a group is still served by this object."""
        return self._groups.get(group) is served

    def tick(self) -> None:
        """Remove the parts of bodies that no stream has continued for a while."""
        if not self._partials:
            return
        before = self._loop.time() - IDLE_S
        for group, part in list(self._partials.items()):
            if part.user is None and not part.done and part.left_at < before:
                self.drop(group, part)

    # -- sending -------------------------------------------------------------------------------------------------

    def source(self, group: int, m: Message) -> "_Source | None":
        """See transport.depots."""
        served = self._groups.get(group)
        if served is None or m.snapshot is None:
            return None
        bodies = served.bodies()
        reference = bodies.reference(m.snapshot)
        if reference is None:
            return None
        if not bodies.has(reference):
            missing = Corruption("the body of a snapshot is missing, or has another size", reference.name, 0)
            served.body_damaged(reference, missing)
            raise missing
        return _Source(self, group, served, reference)

    # -- receiving -----------------------------------------------------------------------------------------------

    def sink(self, group: int, sender: int, m: Message) -> "_Sink":
        """See transport.depots."""
        served = self._groups.get(group)
        if served is None or m.snapshot is None:
            raise NotNow("the group is not served here")
        reference = served.bodies().reference(m.snapshot)
        if reference is None:
            raise Contradiction("the message carries the state itself, and no reference to a body")
        before = self._partials.get(group)
        if before is None or before.reference != reference:
            if before is not None:
                if before.user is not None and before.reference.index > reference.index:
                    raise NotNow(f"a newer snapshot, {before.reference.index}, is on its way")
                self.drop(group, before)
            before = self._partials[group] = _Partial(served, reference)
            # The group refuses a snapshot that it does not need, and answers how far it is; the body is not needed.
            before.done = reference.index <= served.newest().metadata.index
        return _Sink(self, group, before)

    def drop(self, group: int, part: "_Partial") -> None:
        """Forget a part that nobody continues, or a whole body, and remove it unless the group needs it."""
        if self._partials.get(group) is not part:
            return
        del self._partials[group]
        part.user = None
        served, reference = part.served, part.reference
        if not part.done:
            self.aside.submit(part.abort, _ignore)
        elif not served.refers_to(reference):
            self.aside.submit(lambda: served.bodies().remove(reference), _ignore)

    def holds(self, group: int, part: "_Partial") -> bool:
        """Whether a part is still wanted."""
        return self._partials.get(group) is part


def _ignore(result: Any, failure: BaseException | None) -> None:
    """Do nothing: the next opening removes what could not be removed now."""


class _Source:
    """A body to be sent."""

    def __init__(self, depot: Depot, group: int, served: Served, reference: Reference) -> None:
        self.size_bytes = reference.size
        self.key = reference.encode()
        self._depot = depot
        self._group = group
        self._served = served
        self._reference = reference
        self._reader: BodyReader | None = None
        self._at = -1
        self._closed = False
        depot.pins.pin(reference.name)

    async def read(self, at: int) -> bytes:
        """See transport.depots."""
        if self._closed or not self._depot.serves(self._group, self._served):
            raise Stopped(None)
        try:
            found: bytes = await run_aside(self._depot.aside, partial(self._read, at))
        except Corruption as error:
            if not self._closed:
                self._served.body_damaged(self._reference, error)
            raise
        return found

    def _read(self, at: int) -> bytes:
        reader = self._reader
        if reader is None or at != self._at:
            reader = self._reader = BodyReader(self._served.bodies().files, self._reference, at)
        pieces = []
        for _ in range(_READ_PIECES):
            piece = reader.next()
            pieces.append(piece)
            if len(piece) < PIECE:
                break
        found = b"".join(pieces)
        self._at = at + len(found)
        if self._at == self._reference.size:
            # The end is verified too: the peer could not tell which piece is the wrong one.
            while reader.next():
                pass
        return found

    def close(self) -> None:
        """See transport.depots."""
        if not self._closed:
            self._closed = True
            self._depot.pins.unpin(self._reference.name)


class _Partial:
    """A body of which a part has arrived, or all of it (``done``)."""

    def __init__(self, served: Served, reference: Reference) -> None:
        self.served = served
        self.reference = reference
        self.writer: BodyWriter | None = None
        self.done = False
        self.user: _Sink | None = None
        self.left_at = 0.0

    def begin(self) -> int:
        """Return how much has arrived. For the thread."""
        if self.done:
            return self.reference.size
        if self.writer is None:
            self.writer = self.served.bodies().receive(self.reference)
        return self.writer.size

    def write(self, piece: bytes) -> None:
        """Append a piece. For the thread. Raises Corruption if the body becomes longer than was announced."""
        if self.writer is None or self.writer.size + len(piece) > self.reference.size:
            raise Corruption(f"more of the snapshot {self.reference.index} comes than was announced")
        self.writer.write(piece)

    def finish(self) -> None:
        """Make the whole body durable. For the thread, since a cancelled wait must not hide that it is done."""
        if not self.done and self.writer is not None:
            self.writer.finish()
            self.done = True

    def abort(self) -> None:
        """Remove what has arrived. For the thread."""
        if self.writer is not None:
            self.writer.abort()


class _Sink:
    """The use of a part by one stream."""

    def __init__(self, depot: Depot, group: int, part: _Partial) -> None:
        self._loop = asyncio.get_running_loop()
        self._depot = depot
        self._group = group
        self._part = part
        part.user = self

    async def begin(self) -> int:
        """See transport.depots."""
        count: int = await self._run(self._part.begin)
        return count

    async def write(self, piece: bytes) -> None:
        """See transport.depots."""
        await self._run(partial(self._part.write, piece))

    async def finish(self) -> None:
        """See transport.depots."""
        await self._run(self._part.finish)

    async def _run(self, act: Any) -> Any:
        if self._part.user is not self or not self._depot.holds(self._group, self._part):
            raise NotNow("another stream brings this snapshot, or a newer one")
        try:
            return await run_aside(self._depot.aside, act)
        except RaftError:
            # What has arrived is damaged, or the disk does not take it.
            self._depot.drop(self._group, self._part)
            raise

    def leave(self) -> None:
        """See transport.depots."""
        if self._part.user is self:
            self._part.user = None
            self._part.left_at = self._loop.time()
