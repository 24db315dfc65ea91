"""raftcy.sim: a deterministic simulator. One seed decides everything that a cluster meets; checkers verify its rules.

The cluster runs in one process and in virtual time. ``run(seed)`` runs one seed, ``check(machine)`` runs many with your
state machine, ``shrink`` shortens a failure, and ``replay`` shows a run step by step. See ``docs/simulation.md``.

The modules from the bottom up; each imports only from those before it:

- ``clock``, ``streams``, ``subject``, ``links``, ``disk``, ``application``: the simulated world.
- ``profiles``, ``settings``, ``schedule``: everything drawn from a seed.
- ``seen``, ``operation``, ``checkers``: the rules, and the view of members and clients that the checkers get.
- ``coverage``, ``clients``, ``world``, ``member``, ``cluster``: everything that runs in the simulated world.
- ``actions``, ``operator``: what the schedule does to a cluster, and what settles it after the last fault.
- ``hosts``: whole hosts in place of members, with what is simulated around them.
- ``result``, ``course``, ``runs``, ``lockstep``: runs one build or both, and returns the result.
- ``shrink``, ``stepwise``, ``capture``, ``check``, ``runner``: tools that work on runs.
- ``command_line``, ``pytest_plugin``: the user interfaces.
"""

from .check import check
from .profiles import MIXED, PROFILES, Profile
from .result import STEPS, Failure, Result, SimulationFailed
from .runs import run
from .shrink import Shrunk, shrink
from .stepwise import replay
from .subject import Ledger, Machine

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
