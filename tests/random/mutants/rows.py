"""Bugs that other implementations of Raft really had, and what becomes of each here.

A row has the issues that report the bug, the first of which is its name; the level of test that finds such a bug; and
the failure. The table does not say what catches a bug: tests name bugs in their docstrings, and faults in their `rows`.
"""

from typing import NamedTuple

LEVELS = {
    "U": "a test of one node or of a few",
    "S": "the simulator",
    "W": "crashes and faults of a log on disk",
    "P": "real processes",
}

# Tests of real processes, in which some of the bugs would show too.
HISTORIES = "system/replica/test_histories.py"
ROUNDS = "system/replica/test_rounds.py"


class Row(NamedTuple):
    """A bug. `cannot` is why it cannot occur here. `processes` are tests of real processes that run into its causes."""

    issues: str
    levels: str
    failure: str
    cannot: str = ""
    processes: str = ""

    @property
    def name(self) -> str:
        """The first issue."""
        return self.issues.split(", ")[0]


ROWS = [
    Row(
        "etcd#20418, etcd#21399, raft#397",
        "S U",
        "A read is repeated with its old context; a late answer to the first round confirms it, so it is stale.",
    ),
    Row(
        "etcd#7331, etcd#7332",
        "U",
        "A new leader answers reads before it has committed its empty entry.",
    ),
    Row(
        "redisraft#18, redisraft#19, redisraft#22",
        "P",
        "After a full restart, reads miss entries, because no leader appends an empty entry.",
        processes=ROUNDS,
    ),
    Row(
        "tikv#9208, tikv#9239",
        "S",
        "After a transfer a leader checks one index and answers with another, so a read is stale.",
    ),
    Row(
        "tikv#964",
        "P",
        "A paused leader keeps answering reads by its lease.",
        processes=HISTORIES,
    ),
    Row(
        "etcd#14370",
        "W",
        "A single-voter group acknowledges before its log is synced, and loses the write in a crash.",
    ),
    Row(
        "PySyncObj#84, PySyncObj#98, PySyncObj#202",
        "S",
        "Term and vote are not stored; after a full restart, committed entries are overwritten.",
    ),
    Row(
        "PySyncObj#197",
        "W",
        "After a power cut the stored commit index is beyond the log, and the node hangs at the start.",
    ),
    Row(
        "PySyncObj#169, logcabin#44",
        "U S",
        "A leader commits entries of older terms by counting copies.",
    ),
    Row(
        "tikv#8381, nodedb#161, cornerstone#65",
        "W",
        "A node sends a vote that it never stored: two leaders in one term.",
    ),
    Row(
        "camunda#5356, camunda#1068, akka-raft#47, akka-raft#56",
        "S U",
        "A node votes twice in a term, or forgets its vote when its role changes.",
    ),
    Row(
        "canonical/raft#386",
        "S P",
        "Two leaders in one term, and stale reads from one of them.",
        processes=HISTORIES,
    ),
    Row(
        "canonical/raft#279, canonical/raft#280, databend#20085",
        "S",
        "With pre-vote, a node with an old term can never join a quorum again.",
    ),
    Row(
        "hashicorp/raft#605, hashicorp/raft#606",
        "S",
        "Nodes that still follow a former leader refuse its pre-vote, so a majority stays without a leader.",
    ),
    Row(
        "raft-rs#83, raft-rs#84, tikv#3270, etcd#9586",
        "U S",
        "Pre-vote and check-quorum block each other; votes are not reset for a pre-vote.",
    ),
    Row(
        "rabbitmq/ra#442, rabbitmq/ra#439",
        "S",
        "A candidate ignores pre-votes, so a living majority never elects a leader.",
    ),
    Row(
        "etcd#9333, etcd#8499",
        "S",
        "A member that returns with a higher term deposes a working leader.",
    ),
    Row(
        "etcd#7280",
        "U",
        "A change is applied late, and a candidate counts the former quorum.",
    ),
    Row(
        "etcd#12136, etcd#12359, etcd#12582",
        "U",
        "A joint configuration is never left after its leader steps down, or is left twice, which kills the node.",
    ),
    Row(
        "etcd#5230, etcd#4903",
        "W",
        "A torn record in a preallocated file fails its checksum, and a majority cannot start.",
    ),
    Row(
        "etcd#6515",
        "W",
        "Sectors of zeros within the last records cannot be repaired.",
    ),
    Row(
        "etcd#14098",
        "W",
        "Unsynced data is lost, the rest reads as a record that is too long, and the node never starts.",
    ),
    Row(
        "etcd#14025, etcd#14114",
        "W",
        "An entry is written that is too long to be read back.",
    ),
    Row(
        "etcd#10219, etcd#8935",
        "W",
        "The commit index is stored before its snapshot; if the disk is full between the two, the node is lost.",
    ),
    Row(
        "etcd#22442, etcd#22443",
        "W",
        "Reading the log back revives overwritten entries behind a snapshot, and the node votes by them.",
    ),
    Row(
        "cockroach#3728, cockroach#3611",
        "W",
        "The parts of a Ready are written separately; after a crash between them the node does not start.",
    ),
    Row(
        "etcd#8455",
        "W",
        "The hard state is written before the entries that it commits; a crash between them cannot be repaired.",
    ),
    Row(
        "etcd#1763",
        "U",
        "An old snapshot cuts off matching entries.",
    ),
    Row(
        "etcd#10166, etcd#16220, etcd#13509",
        "P",
        "A partly lost log ends the process at every start, with a commit index out of range.",
    ),
    Row(
        "cockroach#63302, cockroach#61990",
        "S",
        "A cache keeps entries that were cut off, and replicas differ.",
    ),
    Row(
        "cockroach#31689, etcd#10199",
        "U",
        "The count of uncommitted bytes leaks, until every proposal is dropped.",
    ),
    Row(
        "raft#54",
        "U",
        "The count of bytes in flight leaks, until nothing is sent.",
    ),
    Row(
        "raft#32, cockroach#104483, etcd#9887",
        "U",
        "All unapplied entries are read into memory at once for an election or at the start.",
    ),
    Row(
        "raft#31",
        "U",
        "With a full window, an append goes out after a compacted entry, with term 0, and kills the follower.",
    ),
    Row(
        "raft#149",
        "U S",
        "A peer's next index is not above its match.",
    ),
    Row(
        "dragonboat#94",
        "U",
        "A snapshot makes a non-voting member a voter.",
    ),
    Row(
        "etcd#10864",
        "U",
        "A voter ignores a snapshot in which it is a learner, and stays cut off.",
    ),
    Row(
        "etcd#21178, etcd#10254",
        "P",
        "A member that returns with an empty directory dies of a commit index out of range.",
    ),
    Row(
        "redisraft#14",
        "P",
        "Followers apply nothing, so a change of leader loses everything.",
        processes=ROUNDS,
    ),
    Row(
        "redisraft#13",
        "P",
        "A forwarded proposal is applied again and again.",
    ),
    Row(
        "tikv#14162, tikv#7475, tikv#10352",
        "U",
        "A member of a group that was destroyed is made again, or lives on where a host was away.",
    ),
    Row(
        "rethinkdb#6038",
        "U",
        "A server with many groups starts; all elections begin at once, time out, and begin again without an end.",
    ),
    Row(
        "tikv#16368, tikv#7386",
        "U",
        "A message does not wake a member that sleeps, so its group stays without a leader.",
    ),
    Row(
        "redisraft#17, redisraft#44, redisraft#52",
        "S P",
        "Partitions during membership changes cause lost updates and two leaders.",
        processes=HISTORIES,
    ),
    Row(
        "redisraft#43, redisraft#53, redisraft#654",
        "W",
        "A node does not start: the log does not continue the snapshot, or a crash left half a snapshot.",
    ),
    Row(
        "NuRaft#185",
        "W",
        "The newest snapshot is damaged, and the node falls back behind committed entries.",
    ),
    Row(
        "ClickHouse#102629",
        "S",
        "The durable index is not lowered when the log is cut, so entries are acknowledged too early.",
    ),
    Row(
        "ClickHouse#84434, ClickHouse#75197",
        "W",
        "Writes still go to a file that was rolled back, or behind a broken record.",
    ),
    Row(
        "redpanda#16105, redpanda#2937, redpanda#29849",
        "S",
        "A flush overlaps with a cut and an append, and more entries count as flushed than are.",
    ),
    Row(
        "redpanda#8495",
        "U",
        "A learner asks for votes.",
    ),
    Row(
        "hashicorp/raft#395",
        "W",
        "The newest snapshots are deleted first, because they are sorted by a term that was reset.",
    ),
    Row(
        "hashicorp/raft-wal#31",
        "W",
        "Cutting the log leaves a segment without its index, and the node does not start.",
    ),
    Row(
        "dqlite#309, lxd#6226, etcd#3591, etcd#4220",
        "W",
        "A full disk leaves files that keep the node from ever starting again.",
    ),
    Row(
        "nats-server#2549, unistore#567",
        "W",
        "Repair cuts at the wrong index, or mistakes damage in an older segment for the end of the log.",
    ),
    Row(
        "raft-engine#142, raft-engine#315, tikv#14743",
        "W",
        "Rewriting the log loses parts of it.",
    ),
    Row(
        "willemt/raft#118",
        "S",
        "An append from the very beginning arrives again after a compaction, and its entries are appended again.",
    ),
    Row(
        "nebula#1769",
        "S",
        "A candidate endlessly refuses the snapshot that it needs.",
    ),
    Row(
        "nebula#3415",
        "W",
        "A candidate does not store its own vote.",
    ),
    Row(
        "nats-server#5314, nats-server#7297",
        "U S",
        "An append of the present term frees the vote; a node that no longer follows obeys a transfer.",
    ),
    Row(
        "async-raft#62",
        "U S",
        "Joint consensus asks the wrong quorum.",
    ),
    Row(
        "etcd#18055, etcd#20271",
        "S",
        "Two snapshots in quick succession kill the node that gets them.",
    ),
    Row(
        "etcd#15247",
        "P",
        "A leader whose disk hangs keeps acting as leader.",
    ),
    # Of etcd's leases.
    Row(
        "etcd#12528",
        "U",
        "A leader that was deposed revokes a lease that its successor has given full time again.",
    ),
    Row(
        "etcd#21671, patroni#3407",
        "S U",
        "A renewal at a member that has just lost the leadership fails, and the lease's holder takes it for lost.",
    ),
    # Of etcd's store and watches.
    Row(
        "etcd#18089, etcd#19179",
        "U",
        "A watch from the compacted revision on misses the delete that happened at that revision.",
    ),
    Row(
        "etcd#22376",
        "U",
        "A key that is deleted and written again in the compacted revision loses its value.",
    ),
    Row(
        "etcd#8311",
        "U",
        "The hash of a store changes while a compaction frees its space, so that equal members seem to differ.",
    ),
    Row(
        "etcd#15919",
        "U",
        "A compacted revision has another hash after a restart, so that equal members seem to differ.",
    ),
    Row(
        "etcd#17318",
        "U",
        "The alarm for space cannot be taken back, though there is space again.",
    ),
    Row(
        "etcd#9353",
        "U",
        "A page of another site writes through a browser, by a POST that browsers send without asking.",
    ),
    Row(
        "etcd#9372",
        "U",
        "A page whose name leads to the server reads and writes through a browser.",
    ),
    Row(
        "etcd#8237",
        "U",
        "Of several requests in one body, the gateway takes the first.",
    ),
    Row(
        "etcd#19509",
        "U",
        "A body that is no request ends the server, or leaves its stream hanging.",
    ),
    Row(
        "etcd#15220",
        "U",
        "The news of a watch's progress overtakes events that were before it.",
    ),
    Row(
        "etcd#17507",
        "U",
        "A watch that had nothing to catch up with never hears of its progress.",
    ),
    Row(
        "etcd#8411, etcd#9086",
        "U",
        "After a snapshot from the leader, a member sends its watchers nothing any more.",
    ),
    Row(
        "etcd#20221",
        "U",
        "A watch of the future gets older events or news of progress, after a snapshot from the leader.",
    ),
    Row(
        "etcd#17529",
        "U",
        "Watches of one stream starve behind a slow client, and lose events instead of being cancelled.",
    ),
    # The situations of docs/faults.md, which other people's reports have led to.
    Row(
        "faults#A",
        "U",
        "The parts of a Ready are written one by one; after a crash between two of them no node starts.",
    ),
    Row(
        "faults#B, dragonboat#381, dragonboat#191",
        "U",
        "A member goes on after an error of its storage, and votes twice in a term.",
    ),
    Row(
        "faults#C",
        "U",
        "Where thousands of groups share a loop, one member's failure stops all behind it.",
    ),
    Row(
        "faults#F, linkerd2#13023, RayforceDB#589",
        "U P",
        "A network swallows packets and heals, and a connection that was open stays dead for as long again; no report.",
    ),
    Row(
        "faults#G",
        "U",
        "Connections of peers that vanished without a word take up every place, and nobody else gets through.",
    ),
    Row(
        "faults#H",
        "U",
        "Calls of the transport overlap: the older address wins, and tasks and sockets outlive the close.",
    ),
    Row(
        "faults#I",
        "U",
        "An address without an encoding ends the task that sends, in silence, and messages pile up.",
    ),
    Row(
        "faults#J",
        "U",
        "A receiver refuses one forwarded proposal, and none is ever delivered again.",
    ),
    Row(
        "faults#K",
        "U",
        "Nobody reports what became of a snapshot, and its sender waits for good.",
    ),
    Row(
        "faults#P, qdrant#1172",
        "U",
        "What was applied is durable, the commit index is not: the node does not start, and nobody says why.",
    ),
    Row(
        "faults#Q, tikv#4680",
        "U",
        "A leader that is handing its leadership over answers reads by its lease: stale.",
    ),
    Row(
        "faults#W",
        "P",
        "Workers outlive the command that started them, or delay its end.",
    ),
    Row(
        "faults#X1",
        "U",
        "The context of a read is used again after a restart; a late answer of before is taken for the new one: stale.",
    ),
    Row(
        "faults#X2",
        "U",
        "A snapshot, or an entry, is too large for any message, and nobody notices until a follower needs it.",
    ),
    Row(
        "faults#X3",
        "P",
        "An example hangs without a word when the application has a bug.",
        cannot="the programs of the documents are run, with such a bug, too, by `meta/test_docs.py`",
    ),
    Row(
        "faults#X4",
        "U",
        "A test suite for storages passes storages that store nothing.",
    ),
    Row(
        "faults#X5",
        "U",
        "A storage takes parts that contradict each other, and a later start finds no voters, no state or no vote.",
    ),
    Row(
        "faults#X6",
        "U",
        "A snapshot that its receiver refuses is sent again and again, as fast as the network goes.",
    ),
    Row(
        "faults#D",
        "U",
        "None or a wrong kind where compiled code has a typed argument, in lists and answers too, ends the process.",
    ),
    Row(
        "faults#E",
        "U",
        "A method of an object whose `__init__` failed or did not run ends the process.",
    ),
    Row(
        "faults#Y1",
        "U",
        "Doubled, reversed or foreign entries of a storage are handed out as committed.",
    ),
    Row(
        "faults#L",
        "U",
        "A panic of a native library while waiting proposals are stepped leaves the others waiting.",
    ),
    Row(
        "faults#Y2",
        "U",
        "A coroutine that was closed, not cancelled, swallows the wake-up of all later ones.",
    ),
    Row(
        "faults#N",
        "U",
        "Imported again after its modules left `sys.modules`: no Config is a Config, no error is caught by its name.",
    ),
    Row(
        "faults#O, cython#1606, cloudpickle#186",
        "U",
        "A copy of a living node shares its state, or is half a node; and differs by build.",
    ),
    Row(
        "faults#T",
        "U",
        "A member has the id of a storage thread: a heartbeat to it is taken for a write, and a vote is lost.",
    ),
    Row(
        "faults#U",
        "U",
        "An `async def save` is called, never awaited, and acknowledged.",
    ),
    Row(
        "faults#Y3",
        "U",
        "A snapshot of term 0, or of a lower term than committed entries before it, is taken.",
    ),
    Row(
        "faults#Y4",
        "U",
        "An error at the start, or later, says neither what caused it nor what to do.",
    ),
]
