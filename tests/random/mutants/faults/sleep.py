"""Faults of many groups: groups that sleep too soon, members that sleep on, and too many elections at once."""

from ..edit import Edit
from .fault import Fault

ELECTIONS = "replica/candidacies.py"
IDLENESS = "replica/idleness.py"
REGISTRAR = "replica/registrar.py"
REPLICA = "replica/replica.py"
SLEEPING = "replica/sleeping.py"
TICKING = "replica/ticking.py"
TOGETHER = "replica/together.py"
NO_CHANGES = "the simulator's groups that sleep change no members"
FEW_GROUPS = "the simulator's hosts have few groups"
STORM = ("rethinkdb#6038",)
MESSAGES = ("tikv#16368",)

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
    Fault(
        "messages_wake_nobody",
        "a member that sleeps takes a message, and sleeps on",
        (Edit(REPLICA, "Replica.receive", "self._host.woken(self)", ""),),
        MESSAGES,
        unseen="the simulator's members that sleep have no hosts",
    ),
    Fault(
        "woken_without_ticks",
        "a member that wakes withdraws what it has claimed, and takes no ticks",
        (Edit(TOGETHER, "Together.rouse", "self._wake(seat, 0)", ""),),
        MESSAGES,
        unseen="its messages go on, and the groups of the simulator get new ones all the time",
    ),
    Fault(
        "unsettled_group_sleeps",
        "a group sleeps although its members are to change",
        (
            Edit(REPLICA, "Replica.is_idle", "not self.is_settled", "False"),
            Edit(REGISTRAR, "Registrar._lead", "replica.is_asleep and not replica.is_settled", "False"),
        ),
        MESSAGES,
        unseen=NO_CHANGES,
    ),
    Fault(
        "learner_waits_for_a_sleeping_leader",
        "a learner that comes back waits for its leader, which sleeps without it",
        (Edit(REPLICA, "Replica._miss_leader", "self._host.look(self)", ""),),
        MESSAGES,
        unseen="in the simulator, somebody else wakes the leader",
    ),
    Fault(
        "all_elections_at_once",
        "a host begins an election for each group whose time has come",
        (Edit(TICKING, "_tick", "found.room > 0", "True"),),
        STORM,
        unseen=FEW_GROUPS,
    ),
    Fault(
        "as_many_elections_when_ticks_are_late",
        "a host with too much to do begins as many elections as any other",
        (Edit(ELECTIONS, "Elections.tick", "max(ELECTIONS_LEAST, self._limit // 2)", "self._limit"),),
        STORM,
        unseen=FEW_GROUPS,
    ),
    Fault(
        "reserves_do_not_wait",
        "members in reserve begin elections while the first of their groups wait at other hosts",
        (Edit(ELECTIONS, "Elections.admit", "self._calm_ticks >= RESERVE_TICKS", "True"),),
        STORM,
        unseen=FEW_GROUPS,
    ),
    Fault(
        "undecided_elections_keep_others_waiting",
        "an election that cannot be decided counts for good",
        (Edit(ELECTIONS, "Elections.tick", "undecided and ticks < COUNTS_TICKS", "undecided"),),
        STORM,
        unseen=FEW_GROUPS,
    ),
    Fault(
        "later_members_pass_those_that_wait",
        "a member that becomes due begins an election although others wait for theirs",
        (
            Edit(
                ELECTIONS,
                "Elections.tick",
                "0 if self._first or self._reserve else max(0, self._limit - len(self._begun))",
                "max(0, self._limit - len(self._begun))",
            ),
        ),
        STORM,
        unseen=FEW_GROUPS,
    ),
]
