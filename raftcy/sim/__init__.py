"""raftcy.sim: a cluster in one process and in virtual time, where one seed decides everything, and rules that it keeps.

``run(seed)`` runs one seed, ``check(machine)`` many with a state machine of one's own, ``shrink`` shortens a failure
and ``replay`` shows a run step by step. ``docs/simulation.md`` tells more.

From the ground up: ``clock``, ``chance``, ``machine``, ``network``, ``disk`` are the simulated world; ``profiles``,
``settings``, ``actions`` what is drawn from a seed; ``clients``, ``application``, ``member``, ``cluster``, ``operator``
what runs in it; ``checkers`` the rules; ``runs``, ``shrink``, ``report``, ``lockstep``, ``runner``, ``command`` what is
done with runs.
"""

from .check import check
from .machine import Ledger, Machine
from .profiles import MIXED, PROFILES, Profile
from .report import replay
from .runs import STEPS, Failure, Result, SimulationFailed, run
from .shrink import Shrunk, shrink

__all__ = [
    "MIXED",
    "PROFILES",
    "STEPS",
    "Failure",
    "Ledger",
    "Machine",
    "Profile",
    "Result",
    "Shrunk",
    "SimulationFailed",
    "check",
    "replay",
    "run",
    "shrink",
]
