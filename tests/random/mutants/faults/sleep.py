"""Faults of sleep: groups that sleep too soon, and members that sleep on."""

from ..edit import Edit
from .fault import Fault

IDLENESS = "replica/idleness.py"
SLEEPING = "replica/sleeping.py"
TOGETHER = "replica/together.py"

FAULTS = [
    Fault(
        "sleeps_before_all_is_committed",
        "a member sleeps though the end of its log is not committed",
        (
            Edit(
                IDLENESS,
                "is_at_rest",
                "log.committed == last and log.applied == last and driver.applied == last",
                "True",
            ),
        ),
        profile="sleeping",
    ),
    Fault(
        "sleeps_though_it_lags",
        "a group sleeps though a member's log is shorter than the leader's",
        (
            Edit(IDLENESS, "members_to_ask", "peer.match != last or peer.state != k.REPLICATE", "False"),
            Edit(TOGETHER, "Together._agrees", "fits(seat.driver, leader, term, commit)", "True"),
        ),
        profile="sleeping",
    ),
    Fault(
        "sleeps_on_without_a_majority",
        "a leader sleeps on though the hosts of a majority are silent, and never steps down",
        (Edit(SLEEPING, "Sleeping._lose_follower", "not offer.has_majority()", "False"),),
        profile="sleeping",
    ),
    Fault(
        "silent_leader_not_missed",
        "followers sleep on though the leader's host is silent",
        (Edit(SLEEPING, "Sleeping.tick", "peer.unsure > self._patience", "False"),),
        profile="sleeping",
    ),
    Fault(
        "claim_outlives_sleep",
        "a leader that wakes does not withdraw what it has claimed",
        (Edit(TOGETHER, "Together.rouse", "self._sleeping.rouse(seat.group)", ""),),
        profile="sleeping",
    ),
    Fault(
        "digest_not_compared",
        "a host believes a beat though it has missed that a claim was withdrawn",
        (
            Edit(
                SLEEPING,
                "Sleeping._note_claims",
                "len(peer.claimed) == beat.count and peer.claimed_digest == beat.digest",
                "True",
            ),
        ),
        profile="sleeping",
    ),
]
