"""The log on disk: one for all groups of a host. ``docs/storage.md`` has the format.

Rules, and what breaks without each:

1. The log syncs each write before it begins the next. Otherwise a crash could tear two writes, and a hole in the first
   would look like the end of the log.
2. A group's share of a write is one record. Otherwise a crash could leave a hard state without its entries.
3. Checksums tie a record to its place, its predecessor and its contents, and it says up to where the log was synced.
   Otherwise damage in the middle would look like a torn tail, and acknowledged entries would be cut off.
4. An opening cuts off only what a crash can leave: a missing sector, or a missing end, of the last write. Otherwise it
   would cut off damaged records that were acknowledged.
5. An opening makes everything that it reads durable before it answers. Otherwise a node could repeat a vote that only
   the page cache holds, lose it in a power cut, and vote again for another candidate.
6. The first error of a write or a sync ends the log. After a failed sync, a second one succeeds without having written
   the data, so the log must not believe it.
7. The log removes a file only when no durable state needs it. Otherwise a crash could leave a group without a part of
   its entries, or without its snapshot.

``SharedLog`` does all of this with the six calls of ``Files``, without a clock, a thread or a platform. ``DiskLog``
runs it in a folder, and ``open_group`` opens a folder for a single group::

    with DiskLog("data", cluster=b"example") as log:
        storage = log.group(7)          # a LogStorage
        storage.save(hard_state, entries, None)
        log.sync()                      # one write and one sync for all groups
"""

from .bodies import Bodies, BodyWriter, Reference
from .directory import Directory
from .disk_log import DiskLog, open_group
from .files import Files
from .group_log import GroupLog
from .pace import Pace
from .shared_log import Counters, SharedLog
from .writing import Batch, Chore

__all__ = [
    "Batch",
    "Bodies",
    "BodyWriter",
    "Chore",
    "Counters",
    "Directory",
    "DiskLog",
    "Files",
    "GroupLog",
    "Pace",
    "Reference",
    "SharedLog",
    "open_group",
]
