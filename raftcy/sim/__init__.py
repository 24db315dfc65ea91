"""raftcy.sim: a cluster in one process and in virtual time, where one seed decides everything, and rules that it keeps.

``run(seed)`` runs one seed, ``check(machine)`` many with a state machine of one's own, ``shrink`` shortens a failure
and ``replay`` shows a run step by step. ``docs/simulation.md`` tells more.

From the ground up, each importing only from those before it:

- ``clock``, ``streams``, ``machine``, ``links``, ``disk``, ``application``: the simulated world.
- ``profiles``, ``settings``, ``schedule``: what is drawn from a seed.
- ``seen``, ``operation``, ``checkers``: the rules, and what they see of members and clients.
- ``coverage``, ``clients``, ``world``, ``member``, ``cluster``: what runs in the world.
- ``actions``, ``operator``: what the schedule does to a cluster, and what brings it to rest after the last fault.
- ``result``, ``runs``, ``lockstep``: a run in one build or in both, and its result.
- ``shrink``, ``stepwise``, ``capture``, ``check``, ``runner``: what can be done with runs.
- ``command_line``, ``pytest_plugin``: how people get at all that.
"""

from .check import check
from .machine import Ledger, Machine
from .profiles import MIXED, PROFILES, Profile
from .result import STEPS, Failure, Result, SimulationFailed
from .runs import run
from .shrink import Shrunk, shrink
from .stepwise import replay

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
