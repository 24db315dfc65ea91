"""Faults of the etcd service: leases and their leader, questions to the leader, reads, snapshots and watches.

The simulator finds them in its profile "etcd".
"""

from ..edit import Edit
from .fault import Fault

CALLS = "etcd/leasecalls.py"
KV = "etcd/kvcalls.py"
LESSOR = "etcd/lessor.py"
MACHINE = "etcd/etcdmachine.py"
OUTCOMES = "etcd/outcomes.py"
QUESTIONS = "etcd/leasequestions.py"
TABLE = "etcd/leasetable.py"

FAULTS = [
    # -- leases
    Fault(
        "new_leader_gives_no_full_time",
        "a new leader takes all leases for over",
        (Edit(LESSOR, "Lessor._begin", "now_s + lease.ttl_s + extend_s", "now_s"),),
        profile="etcd",
    ),
    Fault(
        "leader_counts_on_from_its_earlier_term",
        "a leader that comes back goes on with the ends of leases of its earlier leadership",
        (
            Edit(LESSOR, "Lessor.promote", "self._begin(now_s)", "self._ends_s or self._begin(now_s)"),
            Edit(LESSOR, "Lessor.demote", "self._ends_s.clear()", ""),
            Edit(LESSOR, "Lessor.demote", "self._heap.clear()", ""),
        ),
        profile="etcd",
    ),
    Fault(
        "renewed_without_confirmation",
        "a leader renews leases without confirming that it still leads",
        (Edit(QUESTIONS, "Desk.place", "self._barrier(question)", "question.set_result(None)"),),
        profile="etcd",
    ),
    Fault(
        "revocation_of_any_term",
        "what a deposed leader has found to be over is revoked in a later term",
        (
            Edit(
                CALLS,
                "LeaseCalls._revoke_due",
                "self._core.replica.propose_many(entries, only_in_term=term)",
                "self._core.replica.propose_many(entries)",
            ),
            Edit(MACHINE, "EtcdMachine._lease_revoke", "outer.revoked_in_term not in (0, command.term)", "False"),
        ),
        ("etcd#12528",),
        unseen="a revocation leaves, and the leadership changes, within the same few milliseconds",
    ),
    Fault(
        "renewal_from_half_the_time",
        "a renewal gives half of the time that it promises",
        (Edit(LESSOR, "Lessor.renew", "max(end_s, now_s + ttl_s)", "max(end_s, now_s + ttl_s / 2)"),),
        profile="etcd",
    ),
    Fault(
        "key_stays_with_its_former_lease",
        "a key that is put with another lease is deleted with the former one too",
        (Edit(TABLE, "LeaseTable.detach", "lease.keys.discard(key)", ""),),
        profile="etcd",
    ),
    # -- questions to the leader
    Fault(
        "lost_reply_is_not_found",
        "a lease is said to be gone if the leader does not answer",
        (Edit(CALLS, "LeaseCalls._send", "again = Reply(ASK_AGAIN)", "again = Reply(NOT_FOUND)"),),
        profile="etcd",
    ),
    Fault(
        "follower_says_not_found",
        "a member that does not lead says that a lease is gone, in place of sending the question back",
        (Edit(QUESTIONS, "Desk.place", "Reply(ASK_AGAIN)", "Reply(NOT_FOUND)"),),
        profile="etcd",
    ),
    Fault(
        "replies_in_the_wrong_order",
        "the replies to the questions of one request are exchanged",
        (
            Edit(
                CALLS,
                "LeaseCalls._send",
                "zip(questions, replies, strict=True)",
                "zip(questions, reversed(replies), strict=True)",
            ),
        ),
        profile="etcd",
    ),
    Fault(
        "deposed_leader_says_not_found",
        "a leader that was deposed while it confirmed its leadership says that the lease is gone",
        (Edit(QUESTIONS, "Desk.confirmed", "Reply(ASK_AGAIN)", "Reply(NOT_FOUND)", nth=1),),
        ("etcd#21671",),
        profile="etcd",
    ),
    # -- proposals and reads
    Fault(
        "unknown_outcome_tried_again",
        "a command whose outcome is unknown is proposed a second time",
        (
            Edit(
                OUTCOMES,
                "is_worth_retrying",
                "isinstance(error, Rejected) and error.reason in _AGAIN",
                "isinstance(error, OutcomeUnknown)",
            ),
        ),
        profile="etcd",
    ),
    Fault(
        "read_without_a_barrier",
        "a linearizable read is answered from this member's state as it is",
        (
            Edit(
                KV,
                "KvCalls.range",
                "return core.after_barrier(lambda answer: self._range(request, answer))",
                "return core.now(lambda answer: self._range(request, answer))",
            ),
        ),
        profile="etcd",
    ),
    # -- snapshots and watches
    Fault(
        "leases_not_in_snapshots",
        "a snapshot has no leases",
        (Edit(MACHINE, "EtcdMachine.capture", "sorted(leases)", "[]"),),
        profile="etcd",
    ),
    Fault(
        "watches_not_told_of_snapshots",
        "watches do not hear that a snapshot has replaced the store",
        (Edit(MACHINE, "EtcdMachine.restore", "self._is_new = True", "self._is_new = False"),),
        profile="etcd",
    ),
    Fault(
        "watches_hear_of_puts_only",
        "watches do not hear of transactions, deletes and ended leases",
        (Edit(MACHINE, "EtcdMachine._apply", "self.hub.notify(answer.events)", "pass"),),
        profile="etcd",
    ),
]
