"""Faults in linearizable reads."""

from ..edit import Edit
from .fault import Fault

RAFT = "core/raft.py"
QUORUM = "core/quorum.py"
READ_ONLY = "core/readonly.py"

FAULTS = [
    Fault(
        "read_not_confirmed",
        "a leader answers a read without confirming that it still leads",
        (Edit(RAFT, "Raft._begin_read", "read_only.safe()", "False"),),
        ("canonical/raft#386",),
        profile="reads",
    ),
    Fault(
        "read_before_the_first_commit",
        "a new leader answers reads before it has committed an entry of its term",
        (Edit(RAFT, "Raft._leader_read", "not self._committed_in_term()", "False"),),
        ("etcd#7331",),
        profile="reads",
    ),
    Fault(
        "read_by_the_last_entry",
        "a new leader checks the term of its last entry instead of its last committed one",
        (Edit(RAFT, "Raft._committed_in_term", "self.log.term_or_zero(self.log.committed)", "self.log.last_term()"),),
        ("tikv#9208",),
        profile="reads",
    ),
    Fault(
        "no_empty_entry",
        "a new leader appends no entry of its term",
        (Edit(RAFT, "Raft.become_leader", "not self._append_entries([empty], True)", "False"),),
        ("redisraft#18",),
    ),
    Fault(
        "reads_kept_with_the_role",
        "a deposed leader answers its old reads when it leads again",
        (Edit(RAFT, "Raft.reset", "self.read_only.reset()", ""),),
        ("etcd#20418",),
        profile="reads",
    ),
    Fault(
        "old_answer_confirms_a_new_read",
        "an answer to an older heartbeat confirms a read that came after it",
        (Edit(RAFT, "Raft._heartbeat_answered", "read_number(m.context)", "read_only.last_number()"),),
        ("etcd#20418",),
        profile="reads",
    ),
    Fault(
        "read_acks_not_reset",
        "acknowledgements of reads from an earlier term count in this one",
        (Edit(READ_ONLY, "ReadOnly.reset", "self.acks = _NO_ACKS", 'self.acks = getattr(self, "acks", _NO_ACKS)'),),
        profile="reads",
    ),
    Fault(
        "joint_read_by_one_half",
        "a read in a joint configuration needs only the incoming voters",
        (Edit(QUORUM, "JointConfig.acknowledged", "len(self.outgoing._ids) == 0", "True"),),
        ("async-raft#62",),
        profile="membership",
    ),
    Fault(
        "read_answered_with_what_is_applied",
        "a read is answered with the leader's applied index",
        (
            Edit(
                RAFT,
                "Raft._begin_read",
                "read_only.add_request(self.log.committed, m)",
                "read_only.add_request(self.log.applied, m)",
            ),
        ),
        ("tikv#9208",),
        profile="reads",
    ),
]
