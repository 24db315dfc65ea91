"""A log in a folder, with a helper thread for chores: the blocking shell around ``SharedLog``.

It works without an event loop: the program calls ``sync``, of the log or of a group. A program with an event loop calls
the three parts of a sync instead: ``log.prepare``, ``Batch.run`` in the loop or on a thread, as ``pace`` says, and
``log.finish``.
"""

import os
import queue
import threading
import time
from secrets import token_bytes
from types import TracebackType
from typing import Any

from .directory import Directory
from .group_log import GroupLog
from .opening import Progress
from .pace import Pace
from .shared_log import MEMORY_SIZE, SEGMENT_SIZE, SharedLog
from .writing import Batch, Chore


class DiskLog:
    """The log in the folder ``path``, which it makes if it does not exist. A context manager.

    ``cluster`` is the id of the cluster, empty while it is unknown. ``segment_size`` is in bytes. ``memory_size`` is
    how many bytes of entries all groups together keep in memory. ``sync`` is "auto", "loop" or "thread": see ``Pace``.
    While the log opens, it calls ``progress`` with the bytes read so far and the bytes to read.

    Raises DirectoryInUse, WrongDirectory, NewerFormat, Corruption, and StorageFailed if the folder cannot be read or
    written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        cluster: bytes = b"",
        segment_size: int = SEGMENT_SIZE,
        memory_size: int = MEMORY_SIZE,
        sync: str = "auto",
        progress: Progress | None = None,
    ) -> None:
        self.pace = Pace(sync)
        self._directory = Directory(path)
        try:
            self.log = SharedLog(
                self._directory,
                cluster=cluster,
                segment_size=segment_size,
                memory_size=memory_size,
                progress=progress,
                clock=time.monotonic,
                draw=token_bytes,
            )
        except BaseException:
            self._directory.close()
            raise
        self.log.landed = self.tend
        self._helper: threading.Thread | None = None
        self._due: queue.SimpleQueue[Chore | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Chore] = queue.SimpleQueue()

    def group(self, id: int, *, bodies: bool = False) -> GroupLog:
        """The log of a group: see ``SharedLog.group``."""
        return self.log.group(id, bodies=bodies)

    def sync(self) -> None:
        """Make everything durable that groups have staged. Raises StorageFailed if that fails; the log is dead then."""
        self.log.sync()

    def finish(self, batch: Batch) -> None:
        """Call ``SharedLog.finish``, and note how long the batch took."""
        self.pace.took(batch.seconds)
        self.log.finish(batch)

    def tend(self) -> None:
        """Hand chores to the helper thread, and note the chores that it has done. Never waits.

        The log calls it after each batch. Raises StorageFailed if a chore has failed; the log is dead then.
        """
        self._take_done()
        for chore in self.log.chores():
            if self._helper is None:
                self._helper = threading.Thread(target=self._help, name="raftcy-storage", daemon=True)
                self._helper.start()
            self._due.put(chore)

    def _take_done(self) -> None:
        while not self._done.empty():
            self.log.chore_done(self._done.get_nowait())

    def _help(self) -> None:
        while (chore := self._due.get()) is not None:
            chore.run()
            self._done.put(chore)

    def close(self) -> None:
        """Wait for the helper thread, sync staged changes, write a mark, and release the folder. May be called twice.

        Raises StorageFailed if this fails, but not if the log had failed before.
        """
        try:
            if self._helper is not None:
                self._due.put(None)
                self._helper.join()
                self._helper = None
                if self.log.failure is None:
                    self._take_done()
            self.log.landed = None
            self.log.close()
        finally:
            self.log.abandon()
            self._directory.close()

    def __enter__(self) -> "DiskLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<DiskLog {str(self._directory.path)!r}, {self.log!r}>"


def open_group(path: str | os.PathLike[str], id: int = 0, *, bodies: bool = False, **options: Any) -> GroupLog:
    """Open a folder for a single group, and return its log: a LogStorage whose ``close`` closes the folder.

    ``options`` and errors are the same as for DiskLog.
    """
    opened = DiskLog(path, **options)
    try:
        group = opened.group(id, bodies=bodies)
    except BaseException:
        opened.log.abandon()
        opened.close()
        raise
    group.close_with(opened.close)
    return group
