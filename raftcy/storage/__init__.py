"""The log on disk: one for all groups of a host. ``docs/storage.md`` has the format.

Rules, each with what breaks without it:

1. One write at a time, and its sync before the next. Else a crash could tear two, and a hole would look like an end.
2. A group's share of a write is one record. Else a crash could leave a hard state without its entries.
3. A record is checked by place, chain and contents, and says up to where the log was synced. Else damage in the middle
   would be taken for a torn tail, and acknowledged entries would be cut off.
4. Only what a crash can leave is cut: a missing sector, or a missing end, of the last write.
5. What an opening reads it makes durable before it answers. Else a vote that is in the page cache only could be given
   twice.
6. The first error of a write or a sync ends the log. Else a sync that lies after one that failed would be believed.
7. Space is given back only once nothing that is durable needs it.

``SharedLog`` does it all over the six calls of ``Files``, without a clock, a thread or a platform. ``DiskLog`` puts it
into a folder, and ``open_group`` is that for a single group::

    with DiskLog("data", cluster=b"example") as log:
        storage = log.group(7)          # a LogStorage
        storage.save(hard_state, entries, None)
        log.sync()                      # one write and one sync for all groups
"""

from .bodies import Bodies, BodyWriter, Reference
from .directory import Directory
from .disk_log import DiskLog, open_group
from .files import Files
from .group import GroupLog
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
