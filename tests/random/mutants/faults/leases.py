"""Faults in the reads by lease of the driver."""

from ..edit import Edit
from .fault import Fault

LEASE = "replica/lease.py"
PROMISE = "replica/promise.py"
DRIVER = "replica/driver.py"

FAULTS = [
    Fault(
        "lease_from_the_answer",
        "the lease runs from the answers to the heartbeats, not from their sending",
        (
            Edit(
                LEASE,
                "Lease.heard",
                "self._acks.raise_to(m.from_, read_number(m.context))",
                """self._acks.raise_to(m.from_, read_number(m.context))
now = self._now_us, self._tick
self._rounds = deque((r[0], *(now if r[0] == read_number(m.context) else r[1:])) for r in self._rounds)""",
            ),
        ),
        profile="drifting",
    ),
    Fault(
        "lease_without_an_end",
        "a leader that was cut off or stopped goes on to read by its lease",
        (
            Edit(LEASE, "Lease._runs", "now_us < began_us + self._length_us", "True"),
            Edit(LEASE, "Lease._runs", "self._tick < tick + self._length_ticks", "True"),
        ),
        ("tikv#964",),
        profile="drifting",
    ),
    Fault(
        "lease_after_the_handover",
        "the lease goes on after MsgTimeoutNow has left",
        (Edit(LEASE, "Lease.leaving", "self._handed_over = m.term", ""),),
        profile="drifting",
    ),
    Fault(
        "lease_without_a_margin",
        "the lease leaves no room for clocks that run at different rates",
        (
            Edit(
                LEASE,
                "Lease.__init__",
                "(election_us - tick_us) * (_PPM - drift_ppm) // (_PPM + drift_ppm)",
                "election_us - tick_us",
            ),
        ),
        profile="drifting",
    ),
    Fault(
        "lease_of_half_a_quorum",
        "a lease needs no quorum of the half of a joint configuration that is left",
        (
            Edit(
                LEASE,
                "Lease._runs",
                "raft.tracker.config.voters.acknowledged(self._acks)",
                "self._acks.majority(tuple(raft.tracker.config.voters.incoming.ids()))",
            ),
        ),
        profile="drifting",
    ),
    Fault(
        "vote_after_a_start",
        "a member votes at once after a start, whatever its earlier life has promised",
        (
            Edit(PROMISE, "Promise.__init__", "self._ticks_left = ticks", "self._ticks_left = 0"),
            Edit(PROMISE, "Promise.__init__", "self._until_us: int | None = None", "self._until_us: int | None = 0"),
        ),
        profile="drifting",
    ),
    Fault(
        "vote_after_a_heartbeat",
        "a member votes although it has answered a heartbeat, once it has forgotten the leader",
        (Edit(LEASE, "Lease.heard", "self._promise.renew(self._now_us)", ""),),
        profile="drifting",
    ),
    Fault(
        "promise_by_the_clock_alone",
        "a clock that jumps ahead ends a promise",
        (Edit(PROMISE, "Promise.holds", "self._ticks_left > 0", "False"),),
        profile="drifting",
    ),
]
