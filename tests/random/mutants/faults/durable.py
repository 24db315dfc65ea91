"""Faults of what makes a host durable: answers before the sync, disks that hang, members that lost theirs."""

from ..edit import Edit
from .fault import Fault

STAGED = "replica/staged.py"
STAGES = "replica/stages.py"
HANDING = "replica/handing.py"
LAYOUT = "storage/layout.py"
GROUP = "storage/group_log.py"
UNSEEN = "the simulator has no hosts"

FAULTS = [
    Fault(
        "writes_acknowledged_before_their_sync",
        "a member says that a write is durable as soon as it is staged",
        (Edit(STAGED, "Staged.add", "self._must_last(write)", "self._must_last(write) and False"),),
        ("etcd#14370",),
        unseen=UNSEEN,
    ),
    Fault(
        "votes_are_not_synced",
        "a new term and a vote alone cause no sync",
        (
            Edit(
                STAGED,
                "Staged._must_last",
                "changed or len(write.entries) > 0 or write.snapshot is not None",
                "len(write.entries) > 0 or write.snapshot is not None",
            ),
        ),
        ("nebula#3415", "tikv#8381"),
        unseen=UNSEEN,
    ),
    Fault(
        "parts_of_a_save_are_believed",
        "a record of which only a part is on disk is applied as far as it goes",
        (Edit(LAYOUT, "body_of", "zlib.crc32(body) != head.body_checksum", "False"),),
        ("cockroach#3728", "etcd#8455", "PySyncObj#197"),
        unseen=UNSEEN,
    ),
    Fault(
        "more_is_staged_than_can_be_read",
        "a group may stage more between two syncs than a reader of records accepts",
        (Edit(GROUP, "GroupLog._check_size", 'staged + entries + len(data or b"") > SHARE_MAX', "False"),),
        ("etcd#14025",),
        unseen=UNSEEN,
    ),
    Fault(
        "older_snapshot_restored_last",
        "of two snapshots that one sync makes durable, the older one is restored after the newer one",
        (Edit(STAGES, "Stages.end_write", "waiting is not None and waiting is not self.running", "False"),),
        ("etcd#18055",),
        unseen="its storage takes one write at a time",
    ),
    Fault(
        "leader_keeps_its_leadership_while_its_disk_hangs",
        "a leader whose disk does not answer goes on as if nothing were wrong",
        (Edit("replica/replica.py", "Replica._watch_disk", "waits > election_s and self.is_leader", "False"),),
        ("etcd#15247",),
        unseen=UNSEEN,
    ),
    Fault(
        "request_forwarded_twice",
        "commands go to the leader in two requests",
        (
            Edit(
                HANDING,
                "Handing._forward",
                "self._host.ask(leader, FORWARD, self._group, data, reply)",
                "for _ in range(2):\n    self._host.ask(leader, FORWARD, self._group, data, reply)",
            ),
        ),
        ("redisraft#13",),
        unseen=UNSEEN,
    ),
    Fault(
        "wiped_member_takes_part_again",
        "a member with an empty directory takes over the table in which it has another identity, whoever refuses it",
        (
            Edit(
                "replica/bootstrap.py",
                "Bootstrap._take_stored",
                "own is None or own.identity != self._identities[self._id]",
                "own is None",
            ),
            Edit(
                "replica/host.py",
                "Host._start",
                "next((each for each in table.members if each.identity == self.identity), None)",
                "table.find(self.id)",
            ),
            Edit("replica/host.py", "Host._refused", "refusal.reason == Reason.IDENTITY", "False"),
        ),
        ("etcd#21178",),
        unseen=UNSEEN,
    ),
]
