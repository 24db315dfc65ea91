"""Faults in elections: votes, terms, leases."""

from ..edit import Edit
from .fault import Fault

RAFT = "core/raft.py"
LOG = "core/log.py"
QUORUM = "core/quorum.py"

FAULTS = [
    Fault(
        "two_votes_in_a_term",
        "a node votes twice in one term",
        (Edit(RAFT, "Raft.can_vote", "self.vote == 0 and self.lead == 0", "self.lead == 0"),),
        ("camunda#5356", "canonical/raft#386"),
    ),
    Fault(
        "vote_forgotten_with_the_role",
        "a change of role within a term frees the vote",
        (
            Edit(
                RAFT,
                "Raft.reset",
                "if self.term != term:\n    self.term = term\n    self.vote = 0",
                "if self.term != term:\n    self.term = term\nself.vote = 0",
            ),
        ),
        ("camunda#5356",),
    ),
    Fault(
        "vote_cleared_by_an_append",
        "an append of the present term frees the vote",
        (Edit(RAFT, "Raft._step_follower", "self._handle_append(m)", "self.vote = 0\nself._handle_append(m)"),),
        ("nats-server#5314",),
    ),
    Fault(
        "logs_not_compared",
        "a voter does not look at the candidate's log",
        (
            Edit(
                RAFT,
                "Raft._step_vote",
                "self.can_vote(m) and self.log.is_up_to_date(m.index, m.log_term)",
                "self.can_vote(m)",
            ),
        ),
    ),
    Fault(
        "logs_compared_by_length",
        "a longer log of an older term gets a vote",
        (
            Edit(
                LOG,
                "RaftLog.is_up_to_date",
                "term > ours or (term == ours and index >= self._last)",
                "index >= self._last",
            ),
        ),
    ),
    Fault(
        "logs_compared_the_wrong_way",
        "a log of an older term gets a vote",
        (Edit(LOG, "RaftLog.is_up_to_date", "term > ours", "term < ours"),),
    ),
    Fault(
        "votes_not_reset",
        "votes of an earlier term count for a new campaign",
        (Edit(RAFT, "Raft.reset", "tracker.reset_votes()", ""),),
        profile="elections",
    ),
    Fault(
        "pre_votes_not_reset",
        "votes of an earlier campaign count for a new pre-vote",
        (Edit(RAFT, "Raft.become_pre_candidate", "self.tracker.reset_votes()", ""),),
        ("raft-rs#83",),
        unseen="the election after it counts votes from zero, and the next role forgets a refusal",
    ),
    Fault(
        "pre_vote_raises_the_term",
        "asking for pre-votes raises the term",
        (
            Edit(
                RAFT,
                "Raft.become_pre_candidate",
                "self.state = k.PRE_CANDIDATE",
                "self.term += 1\nself.vote = 0\nself.state = k.PRE_CANDIDATE",
            ),
        ),
        ("etcd#9333",),
    ),
    Fault(
        "pre_vote_not_asked",
        "a node campaigns without its configured pre-vote",
        (
            Edit(
                RAFT, "Raft._campaign_or_pre_campaign", "k.PRE_ELECTION if self.pre_vote else k.ELECTION", "k.ELECTION"
            ),
        ),
        ("etcd#9333",),
        unseen="elections without pre-vote are correct too, only more frequent",
    ),
    Fault(
        "lease_ignored",
        "a node votes although it has just heard from the leader",
        (Edit(RAFT, "Raft.ignores_within_lease", "in_lease and m.context != _TRANSFER_CONTEXT", "False"),),
        ("etcd#9333",),
    ),
    Fault(
        "stale_vote_counted",
        "an answer to a vote request of an older term counts in this one",
        (
            Edit(
                RAFT,
                "Raft.step",
                "term != 0 and term != self.term",
                "term != 0 and term != self.term and not (m._type == k.VOTE_RESP and term < self.term)",
            ),
        ),
        profile="elections",
    ),
    Fault(
        "vote_quorum_off_by_one",
        "half of the voters can elect a leader",
        (Edit(QUORUM, "MajorityConfig.tally", "yes >= needed", "yes >= needed - 1"),),
        ("canonical/raft#386",),
    ),
    Fault(
        "learner_campaigns",
        "a learner starts elections",
        (
            Edit(
                RAFT,
                "Raft.promotable",
                "pr is not None and not pr.is_learner and self.log.unstable.snapshot is None",
                "pr is not None and self.log.unstable.snapshot is None",
            ),
        ),
        ("redpanda#8495",),
        profile="membership",
    ),
    Fault(
        "candidate_ignores_pre_votes",
        "a candidate does not answer a pre-vote of its own term",
        (
            Edit(
                RAFT,
                "Raft.step",
                "kind = m._type",
                "kind = m._type\nif kind == k.PRE_VOTE and self.state == k.CANDIDATE:\n    return",
            ),
        ),
        ("rabbitmq/ra#442",),
        unseen="timeouts are random, so eventually the candidate's own turn comes",
    ),
    Fault(
        "pre_vote_refused_for_a_known_leader",
        "a node that knows a leader refuses pre-votes, even to that leader",
        (
            Edit(
                RAFT,
                "Raft.can_vote",
                "m._type == k.PRE_VOTE and m.term > self.term",
                "m._type == k.PRE_VOTE and m.term > self.term and self.lead == 0",
            ),
        ),
        ("hashicorp/raft#605",),
        unseen="a node that hears from no leader campaigns itself, and forgets the old one",
    ),
    Fault(
        "old_pre_vote_unanswered",
        "a pre-vote of an older term gets no answer",
        (Edit(RAFT, "Raft._step_lower_term", "kind == k.PRE_VOTE", "False"),),
        ("canonical/raft#279", "raft-rs#83"),
        unseen="when all members are up in the end, a refused heartbeat of the leader shows the term too",
    ),
    Fault(
        "old_leader_unanswered",
        "a leader of an older term gets no answer with the newer term",
        (
            Edit(
                RAFT,
                "Raft._step_lower_term",
                "(self.check_quorum or self.pre_vote) and (kind == k.HEARTBEAT or kind == k.APP)",
                "False",
            ),
        ),
        ("raft-rs#83",),
        profile="elections",
    ),
    Fault(
        "candidate_refuses_a_snapshot",
        "a candidate does not follow the leader of its term that sends it a snapshot",
        (
            Edit(
                RAFT,
                "Raft._step_candidate",
                "self.become_follower(m.term, m.from_)\nself._handle_snapshot(m)",
                "return\nself._handle_snapshot(m)",
            ),
        ),
        ("nebula#1769",),
        unseen="the leader's next heartbeat makes it a follower too",
    ),
    Fault(
        "candidate_takes_a_transfer",
        "a late transfer makes a candidate campaign again",
        (
            Edit(
                RAFT,
                "Raft._step_candidate",
                "if self._log.debug_on():\n"
                "    self._log.debug(\n"
                '        f"{self.id:x} [term {self.term} state {_STATE_NAMES[self.state]}] "\n'
                '        f"ignored MsgTimeoutNow from {m.from_:x}"\n'
                "    )",
                "self._hup(k.TRANSFER)\n"
                "if self._log.debug_on():\n"
                "    self._log.debug(\n"
                '        f"{self.id:x} [term {self.term} state {_STATE_NAMES[self.state]}] "\n'
                '        f"ignored MsgTimeoutNow from {m.from_:x}"\n'
                "    )",
            ),
        ),
        ("nats-server#5314",),
        unseen="it only causes one more election",
    ),
    Fault(
        "transfer_never_ends",
        "a leadership transfer that does not finish is never given up",
        (Edit(RAFT, "Raft._tick_heartbeat", "if self.state == k.LEADER:\n    self.lead_transferee = 0", "pass"),),
        profile="elections",
    ),
    Fault(
        "quorum_not_checked",
        "a leader stays in office although it hears from nobody",
        (Edit(RAFT, "Raft._check_quorum_active", "not self.tracker.quorum_active()", "False"),),
        ("etcd#15247",),
        unseen="a leader that hears from nobody commits nothing and confirms no read",
    ),
    Fault(
        "change_not_applied_before_a_campaign",
        "a node campaigns with a committed but unapplied membership change",
        (Edit(RAFT, "Raft._hup", "self._has_unapplied_change()", "False"),),
        ("etcd#7280",),
        profile="membership",
    ),
    Fault(
        "changes_looked_for_at_once",
        "a node reads all unapplied entries into memory before it campaigns",
        (Edit(RAFT, "Raft._has_unapplied_change", "log.max_applying_size", "k.NO_LIMIT"),),
        ("raft#32",),
        unseen="it shows only in the use of memory",
    ),
]
