"""Faults of sleep: groups that sleep too soon, and members that sleep on."""

from ..edit import Edit
from .fault import Fault

IDLENESS = "replica/idleness.py"
SLEEPING = "replica/sleeping.py"
TOGETHER = "replica/together.py"

FAULTS = [
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
        "silent_follower_not_missed",
        "a leader sleeps on though the hosts that had agreed are silent",
        (Edit(SLEEPING, "Sleeping.tick", "peer.silent > self._patience", "False"),),
        profile="sleeping",
    ),
    Fault(
        "sleeps_without_its_leader",
        "a follower sleeps under the claim of a leader that it does not know",
        (Edit(IDLENESS, "fits", "raft.lead == leader", "True"),),
        profile="sleeping",
    ),
]
