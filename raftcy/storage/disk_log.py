"""A log in a folder, with a thread for what nobody waits for: the blocking shell around ``SharedLog``.

It knows no event loop. A program without one calls ``sync``, or that of a group. One with a loop takes the sync apart:
``log.prepare``, ``Batch.run`` in the loop or on a thread, as ``pace`` says, and ``log.finish``.
"""

import os
import queue
import threading
import time
from secrets import token_bytes
from types import TracebackType
from typing import Any

from .directory import Directory
from .group import GroupLog
from .opening import Progress
from .pace import Pace
from .shared_log import MEMORY_SIZE, SEGMENT_SIZE, SharedLog
from .writing import Batch, Chore


class DiskLog:
    """The log in the folder ``path``, which is made if it is not there. A context manager.

    ``cluster`` is the id of the cluster, empty if it is not known yet. ``segment_size`` is in bytes, and
    ``memory_size`` how many bytes of entries are kept in memory for all groups together. ``sync`` is "auto", "loop" or
    "thread": see ``Pace``. ``progress`` is called with the bytes that are read and the bytes to read.

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
        """Make durable what all groups have staged. Raises StorageFailed; the log is dead then."""
        self.log.sync()

    def finish(self, batch: Batch) -> None:
        """``SharedLog.finish``, noting how long the batch took."""
        self.pace.took(batch.seconds)
        self.log.finish(batch)

    def tend(self) -> None:
        """Hand chores to the helper thread, and take note of those that it has done. Never waits.

        Called after each batch. Raises StorageFailed if a chore has failed; the log is dead then.
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
        """Wait for the helper thread, sync what is staged, write a mark, and give the folder up. May be called twice.

        Raises StorageFailed if that fails now; not if the log has failed before.
        """
        try:
            if self._helper is not None:
                self._due.put(None)
                self._helper.join()
                self._helper = None
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
    """The log of one group in a folder of its own: a LogStorage whose ``close`` closes the folder.

    ``options`` are those of DiskLog, and so are the errors.
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
