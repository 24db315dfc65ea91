"""Faults around the state machine: in the driver and in what writes, carries and runs beside it."""

from ..edit import Edit
from .fault import Fault

ADMITTED = "replica/admitted.py"
CORE_LEASE = "replica/corelease.py"
DELIVERY = "replica/delivering.py"
DRIVER = "replica/driver.py"
LOOPBACK = "replica/loopback.py"
PUMP = "replica/pump.py"
OFFERS = "replica/offers.py"
LOG_STORAGE = "core/log_storage.py"
SINGLE = "core/single_calls.py"
STORAGE = "core/storage.py"
NOT_SIMULATED = "the simulator's members have a storage of their own, which keeps to the contract"
NO_RULE = "it breaks no rule of Raft: what goes wrong is how long it takes, or what is said of it"
NO_SHELL = "the simulator runs its members itself"
ONE_LEASE = "where leases are simulated, nobody hands leadership over"

FAULTS = [
    Fault(
        "hard_state_written_first",
        "by single calls the hard state is written before the entries that it commits",
        (
            Edit(
                SINGLE,
                "SingleCalls.save",
                """if new:
    refuse_awaitable(self._storage.append(new), "append")
if hard_state is not None:
    refuse_awaitable(self._storage.set_hard_state(hard_state), "set_hard_state")""",
                """if hard_state is not None:
    refuse_awaitable(self._storage.set_hard_state(hard_state), "set_hard_state")
if new:
    refuse_awaitable(self._storage.append(new), "append")""",
            ),
        ),
        ("faults#A",),
        unseen=NOT_SIMULATED,
    ),
    Fault(
        "snapshot_by_single_calls",
        "a snapshot that comes to a storage of single calls is passed over in silence",
        (Edit(SINGLE, "SingleCalls.save", "snapshot is not None", "False"),),
        ("faults#A",),
        unseen=NOT_SIMULATED,
    ),
    Fault(
        "save_in_parts_inherited",
        "a storage that writes each part through inherits a save that is not atomic",
        (Edit(LOG_STORAGE, "writable_log", "_must_not_inherit(storage)", ""),),
        ("faults#A",),
        unseen=NOT_SIMULATED,
    ),
    Fault(
        "goes_on_after_a_failed_round",
        "a member goes on after its storage or its machine has raised",
        (Edit(DRIVER, "Driver.run", "self.fail(error)\nraise", "raise"),),
        ("faults#B",),
        unseen=NO_SHELL,
    ),
    Fault(
        "goes_on_after_a_failed_write",
        "a member whose shell stores by itself goes on after its storage has raised",
        (Edit(DRIVER, "Driver.store", "self.fail(error)\nraise", "raise"),),
        ("faults#B",),
        unseen=NO_SHELL,
    ),
    Fault(
        "one_failure_stops_all",
        "a member that dies is raised at once, and no group behind it runs",
        (Edit(LOOPBACK, "Loopback._drain", "self._died(driver, error)", "raise"),),
        ("faults#C",),
        unseen=NO_SHELL,
    ),
    Fault(
        "refused_snapshot_not_reported",
        "what became of a snapshot that a member took or refused is not reported to its sender",
        (Edit(DRIVER, "Driver._step_each", "self._carrier._ended(m, refused is None and self._took(m))", "pass"),),
        ("faults#K",),
        unseen=NO_SHELL,
    ),
    Fault(
        "snapshot_behind_the_end_not_reported",
        "a snapshot behind the message that kills its receiver is lost without a report",
        (Edit(DRIVER, "Driver._step_each", "self._carrier._ended(m, False)", "pass"),),
        ("faults#K",),
        unseen=NO_SHELL,
    ),
    Fault(
        "lost_snapshot_not_reported",
        "a snapshot in the inbox of a member that is replaced or dies is lost without a report",
        (Edit(LOOPBACK, "Loopback._lost", "self._ended(m, False)", "pass"),),
        ("faults#K",),
        unseen=NO_SHELL,
    ),
    Fault(
        "snapshot_to_nobody_not_reported",
        "a snapshot to a member that is not there is lost without a report",
        (Edit(LOOPBACK, "Loopback._post", "self._ended(m, False)", "pass"),),
        ("faults#K",),
        unseen=NO_SHELL,
    ),
    Fault(
        "applied_index_forgotten",
        "a start goes by the snapshot, whatever Config.applied says that the machine has",
        (Edit(DRIVER, "Driver.start", "config.applied", "0"),),
        ("faults#P",),
        unseen=NO_SHELL,
    ),
    Fault(
        "machine_handed_what_it_has",
        "a machine that keeps its state is handed entries again",
        (Edit(DELIVERY, "Delivery._hand", "first.index <= self._machine_applied", "False"),),
        ("faults#P",),
        unseen="the simulator's application is restored from its own checkpoint",
    ),
    Fault(
        "machine_beyond_the_log",
        "a member whose log has lost what its machine has applied starts",
        (Edit(ADMITTED, "checked_applied", "checked > last", "False"),),
        ("faults#P",),
        unseen="the simulator's disks lose nothing that was synced",
    ),
    Fault(
        "no_word_on_the_applied_index",
        "the error for an applied index beyond the commit index does not say what to do",
        (Edit("core/raft.py", "Raft._take_applied", "self.log.applied_to(index, 0)", "pass"),),
        ("faults#P",),
        unseen=NO_RULE,
    ),
    Fault(
        "lease_read_after_the_order",
        "a leader reads by its lease after it has sent MsgTimeoutNow",
        (Edit(CORE_LEASE, "CoreLease.objection", "self._handed_over == raft.term", "False"),),
        ("faults#Q",),
        unseen=ONE_LEASE,
    ),
    Fault(
        "late_lease_read_answered",
        "a read that had waited is answered by the lease after MsgTimeoutNow was sent",
        (Edit(CORE_LEASE, "CoreLease.is_late", "return late", "return False"),),
        ("faults#Q",),
        unseen=ONE_LEASE,
    ),
    Fault(
        "late_lease_answer_sent",
        "a follower's read that had waited is answered by the lease after MsgTimeoutNow was sent",
        (Edit(CORE_LEASE, "CoreLease.leaving", "handed == 0", "True"),),
        ("faults#Q",),
        unseen=ONE_LEASE,
    ),
    Fault(
        "worker_outlives_the_run",
        "an interrupted run waits for what its workers are doing",
        (Edit("sim/workers.py", "spread", "worker.process.kill()", "pass"),),
        ("faults#W",),
        unseen=NO_RULE,
    ),
    Fault(
        "sigterm_ends_nothing_but_the_parent",
        "SIGTERM ends the process at once, and nothing is printed",
        (Edit("sim/workers.py", "terminable", "signal.signal(signal.SIGTERM, _terminate)", "signal.SIG_DFL"),),
        ("faults#W",),
        unseen=NO_RULE,
    ),
    Fault(
        "worker_does_not_watch_its_parent",
        "a worker goes on when its parent is gone",
        (Edit("sim/workers.py", "_work", "threading.Thread(target=_end_with_parent, daemon=True).start()", ""),),
        ("faults#W",),
        unseen=NO_RULE,
    ),
    Fault(
        "context_without_a_number",
        "two reads of one start have one context",
        (Edit(DRIVER, "Driver.read", "self._reads += 1", ""),),
        ("faults#X1",),
        unseen="the simulator numbers its reads itself",
    ),
    Fault(
        "context_without_a_nonce",
        "the contexts of reads come again after a restart",
        (Edit(DRIVER, "Driver.read", 'nonce + self._reads.to_bytes(8, "big")', 'self._reads.to_bytes(8, "big")'),),
        ("faults#X1",),
        unseen="the simulator numbers its reads itself",
    ),
    Fault(
        "large_snapshot_made",
        "a snapshot is made that no message can carry",
        (Edit(DRIVER, "Driver.end_snapshot", "data is not None and len(data) > self._max_bytes", "False"),),
        ("faults#X2",),
        unseen=NO_RULE,
    ),
    Fault(
        "large_snapshot_offered",
        "a peer is sent a snapshot that no message can carry, again and again",
        (Edit(OFFERS, "Offers.objection", "self.too_large(len(snapshot.data))", "False"),),
        ("faults#X2",),
        unseen=NO_RULE,
    ),
    Fault(
        "large_proposal_appended",
        "a proposal becomes an entry that no message can carry",
        (Edit(DRIVER, "Driver.propose", "payload is not None and len(payload) > self._max_bytes", "False"),),
        ("faults#X2",),
        unseen=NO_RULE,
    ),
    Fault(
        "suite_without_crashes",
        "the storage suite looks at a storage as it is in memory, not as a crash leaves it",
        (Edit("rafttest/storage_suite.py", "StorageSuite.synced", "self.crash(storage)", "storage"),),
        ("faults#X4",),
        unseen=NO_RULE,
    ),
    Fault(
        "snapshot_without_voters_made",
        "a snapshot is made of members that are not in any snapshot",
        (Edit(STORAGE, "MemoryStorage.create_snapshot", "not members.voters", "False"),),
        ("faults#X5",),
        unseen=NOT_SIMULATED,
    ),
    Fault(
        "compacted_beyond_the_snapshot",
        "a log is compacted beyond its newest snapshot",
        (Edit(LOG_STORAGE, "compact_log", "index > newest", "False"),),
        ("faults#X5",),
        unseen=NOT_SIMULATED,
    ),
    Fault(
        "node_starts_from_a_contradiction",
        "a Node starts from a LogStorage whose parts contradict each other",
        (Edit("node.py", "_checked", "check_start(config.storage, config.applied)", ""),),
        ("faults#X5",),
        unseen=NO_SHELL,
    ),
    Fault(
        "entries_of_an_unknown_term",
        "a node starts from entries of a term that the hard state does not have",
        (
            Edit(STORAGE, "check_hard_state", "term > state.term", "False"),
            Edit(STORAGE, "check_hard_state", "last > base or term > 1", "False"),
        ),
        ("faults#X5",),
        unseen=NOT_SIMULATED,
    ),
    Fault(
        "stranger_sent_its_snapshot",
        "a peer is sent a snapshot that does not name it, as fast as it refuses it",
        (Edit(OFFERS, "Offers.objection", "not _names(snapshot.metadata.conf_state, peer)", "False"),),
        ("faults#X6",),
        unseen="the simulator's machines can be captured, so that a new snapshot is made",
    ),
    Fault(
        "snapshot_again_at_once",
        "a peer that has not taken a snapshot is sent it again at once",
        (Edit(OFFERS, "Offers.must_wait", "match < index and tick < when + self._pause", "False"),),
        ("faults#X6",),
        unseen=NO_RULE,
    ),
]
