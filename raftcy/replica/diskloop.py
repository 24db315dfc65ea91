"""Syncs the log of a host in its event loop: all changes that groups stage during one sync share the next one.

Rules:

- A sync begins in the loop's next round, when the packets of this turn have left: whoever stages writes flushes them
  in the same turn, and uvloop writes at the end of its round. So the disk works while the packets travel.
- One sync is under way at a time. ``storage.pace`` decides whether it runs in the loop or beside it.
- The first error ends the log, and with it all groups: it calls ``failed``, once, and writes nothing more.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ..storage.pace import Pace
from ..storage.shared_log import SharedLog
from .aside import Aside
from .meters import SyncMeter


class Writer(Protocol):
    """A group that stages writes in the log."""

    def sync_begins(self) -> None:
        """The sync that begins now makes all staged writes durable."""

    def sync_ended(self) -> None:
        """The writes are durable."""


class DiskLoop:
    """Syncs a SharedLog. ``aside`` runs syncs, and ``chores`` all other work that may take long.

    ``failed`` is called with the first error, and ``flush`` after each sync, to write the answers that waited for it.
    ``slow`` is called with the seconds of each sync that was slow.
    """

    def __init__(
        self,
        log: SharedLog,
        pace: Pace,
        aside: Aside,
        chores: Aside,
        failed: Callable[[BaseException], object],
        flush: Callable[[], object],
        slow: Callable[[float], object] = lambda seconds: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._log = log
        self._pace = pace
        self._aside = aside
        self._chores = chores
        self._failed = failed
        self._flush = flush
        self._slow = slow
        self._waiting: dict[Writer, None] = {}
        self._flying: list[Writer] = []
        self._due = False
        self._scheduled: asyncio.Handle | None = None
        self._begun = 0.0
        self._idle: asyncio.Future[None] | None = None
        self._dead = False
        self.syncs = 0
        """How many syncs have ended."""
        self.meter = SyncMeter()

    @property
    def is_busy(self) -> bool:
        """Whether a sync is under way."""
        return self._begun > 0

    def waits_s(self) -> float:
        """How long the present sync has lasted, in seconds; 0 without one."""
        return self._loop.time() - self._begun if self._begun else 0.0

    def staged(self, writer: Writer, due: bool) -> None:
        """Note that a group has staged a write; ``due`` says whether a sync must begin for it."""
        self._waiting[writer] = None
        if due:
            self._due = True
            self._schedule()

    def _schedule(self) -> None:
        if self._scheduled is None and not self._begun and not self._dead:
            self._scheduled = self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = None
        if self._dead or self._begun:
            return
        self._due = False
        try:
            batch = self._log.prepare()
        except BaseException as error:
            self._fail(error)
            return
        self._flying, self._waiting = list(self._waiting), {}
        for writer in self._flying:
            writer.sync_begins()
        self._begun = self._loop.time() or 1e-9
        if batch is None:
            self._end(None)
        elif self._pace.on_thread(batch.written_bytes):
            self._aside.submit(batch.run, lambda _, failure: self._end(batch))
        else:
            batch.run()
            self._end(batch)

    def _end(self, batch: Any) -> None:
        self._begun = 0.0
        if self._dead:
            self._rest()
            return
        try:
            if batch is not None:
                self._log.finish(batch)
                self._pace.took(batch.seconds)
                self.syncs += 1
                if self.meter.add(batch.seconds, len(batch.data)):
                    self._slow(batch.seconds)
                self._tidy()
        except BaseException as error:
            self._fail(error)
            return
        flying, self._flying = self._flying, []
        for writer in flying:
            writer.sync_ended()
        self._flush()
        if self._due:
            self._schedule()
        self._rest()

    def _tidy(self) -> None:
        """Run the log's chores beside the loop: making a spare segment, removing files."""
        for chore in self._log.chores():
            self._chores.submit(chore.run, partial(self._tidied, chore))

    def _tidied(self, chore: Any, result: Any, failure: BaseException | None) -> None:
        if self._dead:
            return
        try:
            self._log.chore_done(chore)
            self._tidy()
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._dead:
            self.stop()
            self._failed(error)

    def stop(self) -> None:
        """Begin no more syncs and chores."""
        self._dead = True
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._rest()

    def _rest(self) -> None:
        """Let ``settle`` see whether it still has to wait."""
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def settle(self) -> None:
        """Wait until no sync is under way or due, and begin no more."""
        while self._begun or self._scheduled is not None:
            self._idle = self._loop.create_future()
            await self._idle
        # In the same turn: a sync that began before the caller goes on would still write when the log is closed.
        self.stop()
