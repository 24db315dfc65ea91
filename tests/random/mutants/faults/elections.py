"""Faults in elections: votes, terms, leases."""

from ..tree import Edit
from .fault import Fault

RAFT = "core/raft.py"
LOG = "core/log.py"
QUORUM = "core/quorum.py"

FAULTS = [
    Fault(
        "two_votes_in_a_term",
        "a vote is given again in the same term",
        (Edit(RAFT, "or (self.vote == 0 and self.lead == 0)", "or self.lead == 0"),),
        ("camunda#5356", "canonical/raft#386"),
    ),
    Fault(
        "vote_forgotten_with_the_role",
        "a change of role within a term frees the vote",
        (
            Edit(
                RAFT,
                "            self.term = term\n            self.vote = 0\n",
                "            self.term = term\n        self.vote = 0\n",
            ),
        ),
        ("camunda#5356",),
    ),
    Fault(
        "vote_cleared_by_an_append",
        "an append of the present term frees the vote",
        (
            Edit(
                RAFT,
                "            self.lead = m.from_\n            self._handle_append(m)",
                "            self.lead = m.from_\n            self.vote = 0\n            self._handle_append(m)",
            ),
        ),
        ("nats-server#5314",),
    ),
    Fault(
        "logs_not_compared",
        "a vote is given whatever the candidate's log",
        (
            Edit(
                RAFT,
                "if self.can_vote(m) and self.log.is_up_to_date(m.index, m.log_term):\n            if",
                "if self.can_vote(m):\n            if",
            ),
        ),
    ),
    Fault(
        "logs_compared_by_length",
        "a vote is given to a longer log of an older term",
        (Edit(LOG, "return term > ours or (term == ours and index >= self._last)", "return index >= self._last"),),
    ),
    Fault(
        "logs_compared_the_wrong_way",
        "a vote is given to a log of an older term",
        (Edit(LOG, "return term > ours or (term", "return term < ours or (term"),),
    ),
    Fault(
        "votes_not_reset",
        "votes of an earlier term count for a new campaign",
        (Edit(RAFT, "        tracker.reset_votes()\n", ""),),
        profile="elections",
    ),
    Fault(
        "pre_votes_not_reset",
        "votes of an earlier campaign count for a new pre-vote",
        (Edit(RAFT, "        self.tracker.reset_votes()\n        self.lead = 0\n", "        self.lead = 0\n"),),
        ("raft-rs#83",),
        unseen="an election that comes out of it is counted afresh, and a refusal is forgotten with the next role",
    ),
    Fault(
        "pre_vote_raises_the_term",
        "asking for pre-votes begins a new term",
        (
            Edit(
                RAFT,
                "        self.lead = 0\n        self.state = k.PRE_CANDIDATE\n",
                "        self.lead = 0\n        self.term += 1\n        self.vote = 0\n"
                "        self.state = k.PRE_CANDIDATE\n",
            ),
        ),
        ("etcd#9333",),
    ),
    Fault(
        "pre_vote_not_asked",
        "a node campaigns without the pre-vote that it is configured for",
        (Edit(RAFT, "self._hup(k.PRE_ELECTION if self.pre_vote else k.ELECTION)", "self._hup(k.ELECTION)"),),
        ("etcd#9333",),
        unseen="elections without pre-vote are right as well, only more of them",
    ),
    Fault(
        "lease_ignored",
        "a vote is given although the leader was heard of just now",
        (Edit(RAFT, "return in_lease and m.context != _TRANSFER_CONTEXT", "return False"),),
        ("etcd#9333",),
    ),
    Fault(
        "stale_vote_counted",
        "an answer to a vote request of an older term counts in this one",
        (
            Edit(
                RAFT,
                "        if term != 0 and term != self.term:\n",
                "        if term != 0 and term != self.term and not (m._type == k.VOTE_RESP and term < self.term):\n",
            ),
        ),
        profile="elections",
    ),
    Fault(
        "vote_quorum_off_by_one",
        "half of the voters elect",
        (Edit(QUORUM, "if n == 0 or yes >= needed:", "if n == 0 or yes >= needed - 1:"),),
        ("canonical/raft#386",),
    ),
    Fault(
        "learner_campaigns",
        "a learner starts elections",
        (Edit(RAFT, "return pr is not None and not pr.is_learner and", "return pr is not None and"),),
        ("redpanda#8495",),
        profile="membership",
    ),
    Fault(
        "candidate_ignores_pre_votes",
        "who campaigns does not answer a pre-vote of its own term",
        (
            Edit(
                RAFT,
                "        if kind == k.VOTE or kind == k.PRE_VOTE:\n            self._step_vote(m)\n",
                "        if kind == k.PRE_VOTE and self.state == k.CANDIDATE:\n            return\n"
                "        if kind == k.VOTE or kind == k.PRE_VOTE:\n            self._step_vote(m)\n",
            ),
        ),
        ("rabbitmq/ra#442",),
        unseen="the others' timeouts are drawn by chance, so that the candidate's own turn comes in the end",
    ),
    Fault(
        "pre_vote_refused_for_a_known_leader",
        "a pre-vote is refused as long as a leader is known, even to that leader itself",
        (
            Edit(
                RAFT,
                "or (m._type == k.PRE_VOTE and m.term > self.term)\n",
                "or (m._type == k.PRE_VOTE and m.term > self.term and self.lead == 0)\n",
            ),
        ),
        ("hashicorp/raft#605",),
        unseen="a node that hears of no leader forgets it with its own campaign",
    ),
    Fault(
        "old_pre_vote_unanswered",
        "a pre-vote of an older term gets no answer",
        (
            Edit(
                RAFT,
                "        elif kind == k.PRE_VOTE:\n            # Before",
                "        elif False:\n            # Before",
            ),
        ),
        ("canonical/raft#279", "raft-rs#83"),
        unseen="with everybody up in the end, a refused heartbeat of the leader tells the term as well",
    ),
    Fault(
        "old_leader_unanswered",
        "a leader of an older term is not told that its time is over",
        (
            Edit(
                RAFT,
                "if (self.check_quorum or self.pre_vote) and (kind == k.HEARTBEAT or kind == k.APP):",
                "if False:",
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
                "        elif kind == k.SNAP:\n            self.become_follower(m.term, m.from_)\n",
                "        elif kind == k.SNAP:\n            return\n",
            ),
        ),
        ("nebula#1769",),
        unseen="the leader's next heartbeat makes a follower as well",
    ),
    Fault(
        "candidate_takes_a_transfer",
        "a transfer that comes late makes a candidate campaign again",
        (
            Edit(
                RAFT,
                "        elif kind == k.TIMEOUT_NOW:\n            if self._log.debug_on():",
                "        elif kind == k.TIMEOUT_NOW:\n            self._hup(k.TRANSFER)\n"
                "            if self._log.debug_on():",
            ),
        ),
        ("nats-server#5314",),
        unseen="it is one more election",
    ),
    Fault(
        "transfer_never_ends",
        "a transfer of leadership that does not come off is never given up",
        (
            Edit(
                RAFT,
                "            if self.state == k.LEADER:\n                self.lead_transferee = 0\n",
                "            pass\n",
            ),
        ),
        profile="elections",
    ),
    Fault(
        "quorum_not_checked",
        "a leader stays in office although it hears of nobody",
        (Edit(RAFT, "        if not self.tracker.quorum_active():\n", "        if False:\n"),),
        ("etcd#15247",),
        unseen="a leader that hears of nobody commits nothing and confirms no read",
    ),
    Fault(
        "change_not_applied_before_a_campaign",
        "a node campaigns with a committed change of the members that it has not applied",
        (Edit(RAFT, "        if self._has_unapplied_change():\n", "        if False:\n"),),
        ("etcd#7280",),
        profile="membership",
    ),
    Fault(
        "changes_looked_for_at_once",
        "all that is not applied is read into memory before a campaign",
        (
            Edit(
                RAFT, "has_unapplied_change(lo, hi, log.max_applying_size)", "has_unapplied_change(lo, hi, k.NO_LIMIT)"
            ),
        ),
        ("raft#32",),
        unseen="only memory tells",
    ),
]
