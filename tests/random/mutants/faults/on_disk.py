"""Faults of the log on disk: the rule of the tail, what an opening does, snapshots' files, space that is given back."""

from ..edit import Edit
from .fault import Fault

TAIL = "storage/tail.py"
OPENING = "storage/opening.py"
LAYOUT = "storage/layout.py"
BODIES = "storage/bodies.py"
GROUP = "storage/group_log.py"
LOG = "storage/shared_log.py"
WRITING = "storage/writing.py"
PLACES = "storage/places.py"
RECLAIM = "storage/reclaim.py"
APPLYING = "replica/applying.py"
SNAPSHOTS = "replica/snapshots.py"
UNSEEN = "the simulator's disk has no files"

FAULTS = [
    Fault(
        "torn_end_is_damage",
        "a record whose end is missing is damage, so that a crash within a write ends the log",
        (Edit(TAIL, "objection", "end < last", "False", nth=2),),
        ("etcd#5230",),
        unseen=UNSEEN,
    ),
    Fault(
        "missing_sector_is_damage",
        "a record that lacks a sector is damage, so that a power cut within a write ends the log",
        (Edit(TAIL, "_lacks_sector", "block[lo - at : hi - at] == _ZEROS[: hi - lo]", "False"),),
        ("etcd#6515",),
        unseen=UNSEEN,
    ),
    Fault(
        "damage_is_a_torn_tail",
        "any damage of the last commit is taken for a torn tail",
        (Edit(OPENING, "_Reading.judge", "raise damaged(why, name, offset)", ""),),
        ("nats-server#2549",),
        unseen=UNSEEN,
    ),
    Fault(
        "damage_in_the_middle_is_an_end",
        "a missing sector in the middle of the log is taken for its end",
        (
            Edit(
                OPENING,
                "_Reading.judge",
                "self.check_behind(number, offset, content)",
                "",
            ),
            Edit(
                OPENING,
                "_Reading.check_header",
                "self.last and (header.ended != self.end.offset or header.chain != self.end.chain)",
                "False",
            ),
        ),
        ("nats-server#2549",),
        unseen=UNSEEN,
    ),
    Fault(
        "zeros_are_written_as_they_are",
        "an entry of zeros reads like missing sectors, and a bit that turns beside them like a torn tail",
        (Edit(LAYOUT, "pack_record", "_ZEROS in body", "False"),),
        ("etcd#6515",),
        unseen=UNSEEN,
    ),
    Fault(
        "opening_believes_the_page_cache",
        "what an opening has read is not written once more",
        (Edit(OPENING, "make_durable", "files.write(name, at, block)", ""),),
        ("etcd#14098",),
        unseen=UNSEEN,
    ),
    Fault(
        "torn_tail_is_left",
        "a torn tail is cut off in memory only",
        (Edit(OPENING, "make_durable", "_write_zeros(files, name, found.cut.offset, found.cut.size)", "pass"),),
        ("ClickHouse#84434",),
        unseen=UNSEEN,
    ),
    Fault(
        "overwritten_entries_come_back",
        "the index keeps the places of entries that were overwritten",
        (Edit(PLACES, "Places.put", "items.pop()", "break"),),
        ("etcd#22442",),
        unseen=UNSEEN,
    ),
    Fault(
        "full_disk_is_ignored",
        "a write that has failed is acknowledged, and the next one goes behind what it has left",
        (Edit(WRITING, "Batch.run", "self.error = error", "", nth=1),),
        ("dqlite#309",),
        unseen=UNSEEN,
    ),
    Fault(
        "opening_does_not_sync",
        "what an opening has read is not on disk when it answers",
        (Edit(OPENING, "make_durable", "files.sync(name)", ""),),
        ("etcd#14098",),
        unseen=UNSEEN,
    ),
    Fault(
        "folder_of_a_segment_not_synced",
        "a power cut takes a segment back whose records were acknowledged",
        (Edit(WRITING, "Batch.run", "files.sync(FOLDER)", ""),),
        ("hashicorp/raft-wal#31",),
        unseen=UNSEEN,
    ),
    Fault(
        "segment_freed_too_early",
        "a segment is removed though a group that is being moved still rests on it",
        (
            Edit(
                RECLAIM,
                "Reclaim.landed",
                "any(group.begun and group.rests <= self.first for group in [*groups.values(), *leaving])",
                "False",
            ),
            Edit(RECLAIM, "Reclaim.move", "self._left and moved < _MOVED_AT_ONCE", "self._left and self._left.pop()"),
        ),
        ("raft-engine#142",),
        unseen=UNSEEN,
    ),
    Fault(
        "body_not_synced",
        "the body of a snapshot has its name before it is on disk",
        (Edit(BODIES, "BodyWriter.finish", "self._files.sync(self._aside)", ""),),
        ("redisraft#43", "etcd#10219"),
        unseen=UNSEEN,
    ),
    Fault(
        "name_of_a_body_not_synced",
        "a power cut takes the name of a snapshot's body back, to which the log refers",
        (Edit(BODIES, "BodyWriter.finish", "self._files.sync(FOLDER)", ""),),
        ("redisraft#43",),
        unseen=UNSEEN,
    ),
    Fault(
        "older_snapshot_whatever_is_lost",
        "in place of a damaged snapshot the older one is used, whether or not the log continues it",
        (Edit(GROUP, "GroupLog.keep_bodies", "why", "False", nth=1),),
        ("NuRaft#185",),
        unseen=UNSEEN,
    ),
    Fault(
        "newest_snapshot_removed",
        "of three snapshots the newer ones go",
        (Edit(GROUP, "GroupLog._needless", "[self.older]", "[self.newest]"),),
        ("hashicorp/raft#395",),
        unseen=UNSEEN,
    ),
    Fault(
        "any_body_of_that_name",
        "a body is not held against the checksum in the log",
        (Edit(BODIES, "BodyReader.next", "self._checksum != self._reference.checksum", "False"),),
        ("NuRaft#185",),
        unseen=UNSEEN,
    ),
    Fault(
        "damaged_piece_handed_on",
        "a damaged piece of a snapshot reaches the machine before anybody notices",
        (Edit(BODIES, "BodyReader.next", "data[: _PIECE.size] != _PIECE.pack(due, self._checksum)", "False"),),
        ("NuRaft#185",),
        unseen=UNSEEN,
    ),
    Fault(
        "announced_body_not_compared",
        "a body that arrives is not held against the reference that announced it",
        (Edit(BODIES, "BodyWriter.finish", "self._wanted is not None and reference != self._wanted", "False"),),
        ("NuRaft#185",),
        unseen=UNSEEN,
    ),
    Fault(
        "body_missing_unseen",
        "the log takes a reference to a body that is not there",
        (Edit(BODIES, "Bodies.check", "reference is not None and not self.has(reference)", "False"),),
        ("redisraft#43",),
        unseen=UNSEEN,
    ),
    Fault(
        "arriving_into_the_same_file",
        "a snapshot that arrives is written into the file of one that is made",
        (Edit(BODIES, "BodyWriter.__init__", "wanted is None", "True"),),
        ("redisraft#43",),
        unseen=UNSEEN,
    ),
    Fault(
        "machine_ahead_of_the_log",
        "a machine on disk takes over a snapshot that a power cut may take from the log",
        (
            Edit(APPLYING, "Applying.restore", "self._staged.is_unsynced", "False"),
            Edit(APPLYING, "Applying.run", "self._staged.is_unsynced", "False"),
        ),
        ("redisraft#43",),
        unseen=UNSEEN,
    ),
    Fault(
        "every_state_in_a_message",
        "a state of any size goes into the log and into one message",
        (Edit(SNAPSHOTS, "", "INLINE_BYTES = 64 << 10", "INLINE_BYTES = 1 << 40"),),
        ("faults#X2",),
        unseen=UNSEEN,
    ),
    Fault(
        "older_kept_behind_a_gap",
        "the snapshot before a received one stays the older one, though no entries lead on from it",
        (
            Edit(
                GROUP,
                "GroupLog._begin_with",
                "self.newest, self.older = snapshot, None",
                "self.newest, self.older = snapshot, self.newest",
            ),
        ),
        ("redisraft#43",),
        unseen=UNSEEN,
    ),
]
