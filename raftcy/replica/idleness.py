"""Whether a member has nothing to do, so that its group may sleep."""

from ..wire import consts as k
from .driver import Driver
from .ticking import Seat


def is_at_rest(driver: Driver) -> bool:
    """Whether the member's whole log is stored, committed and applied, and nothing waits in the node."""
    raft = driver.node.raft
    log = raft.log
    last = log.last_index()
    stored = log.unstable.count == 0 and log.unstable.snapshot is None
    done = log.committed == last and log.applied == last and driver.applied == last
    return bool(stored and done and driver.node.pending_work() == k.NOTHING)


def members_to_ask(driver: Driver) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the members that must agree before a leader sleeps, and all other voters; None if it must stay awake.

    The leader must have asked all of them for a whole check of its quorum. Those that have not answered are left out:
    a host that is down would otherwise keep all its groups awake. Any other must have the whole log. A joint
    configuration, a transfer of the leadership and reads keep a leader awake.
    """
    raft = driver.node.raft
    config = raft.tracker.config
    if raft.state != k.LEADER or raft.is_learner or not is_at_rest(driver):
        return None
    if raft.lead_transferee or raft.read_only.count or raft.read_only.pending:
        return None
    if len(config.voters.outgoing) or config.learners_next or driver.id not in config.voters.incoming:
        return None
    last = raft.log.last_index()
    asked = []
    for peer in raft.tracker.peers():
        if peer.id == driver.id or not peer.recent_active:
            continue
        if peer.match != last or peer.state != k.REPLICATE:
            return None
        asked.append(peer.id)
    return tuple(asked), tuple([id for id in config.voters.incoming if id != driver.id])


def fits(driver: Driver, leader: int, term: int, commit: int) -> bool:
    """Whether a leader's claim describes the state of this follower exactly (rule 2 of ``sleeping``)."""
    raft = driver.node.raft
    follows = raft.state == k.FOLLOWER and raft.lead == leader and raft.term == term
    return bool(follows and raft.log.last_index() == commit and is_at_rest(driver))


def resume_leader(seat: Seat) -> None:
    """Let a leader that wakes check its quorum an election timeout from now, by what it hears until then."""
    raft = seat.driver.node.raft
    raft.election_elapsed = 0
    for peer in raft.tracker.peers():
        if peer.id != seat.driver.id:
            peer.recent_active = False


def resume_follower(seat: Seat, ticks: int) -> None:
    """Let a follower that wakes go on as if it had last heard from its leader ``ticks`` ticks ago."""
    raft = seat.driver.node.raft
    raft.election_elapsed = ticks
    spread(seat.driver, seat.group, int(raft.lead))


def spread(driver: Driver, group: int, leader: int) -> None:
    """Give a member its turn in the next election of its group: one election timeout plus a part of another one.

    Thousands of groups may lose their leader at the same moment. Drawn at random, every tenth election would be split,
    and be held again a second later. So the voters take turns, which depend on the group: the loser of the order stands
    only if the one before it has not. Each host then stands in about as many groups as any other.
    """
    node = driver.node
    found = turn_of(driver, group, leader)
    if found is None:
        return
    turn, count = found
    ticks = int(node.raft.election_timeout)
    width = max(1, ticks // count)
    node.set_randomized_election_timeout(ticks + (turn * width + _mixed(group, 0) % width) % ticks)


def turn_of(driver: Driver, group: int, leader: int) -> tuple[int, int] | None:
    """Return a member's place in the order of its group's next election, from 0 on, and how many take turns.

    None if it has no turn, because it is no voter, or is the leader that is lost.
    """
    voters = [id for id in driver.node.raft.tracker.config.voters.incoming if id != leader]
    if driver.id not in voters:
        return None
    return sorted(voters, key=lambda id: (_mixed(group, id), id)).index(driver.id), len(voters)


def _mixed(group: int, id: int) -> int:
    mixed = (group * 0x9E3779B97F4A7C15 + id * 0xC2B2AE3D27D4EB4F) & (2**64 - 1)
    return (mixed ^ mixed >> 31) * 0xBF58476D1CE4E5B9 >> 20 & 0xFFFFFFFF
