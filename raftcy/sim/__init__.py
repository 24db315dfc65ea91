"""raftcy.sim: a cluster in one process, in virtual time, where one seed decides everything; and rules that it keeps."""

from .machine import Ledger, Machine
from .profiles import MIXED, PROFILES, Profile
from .runs import STEPS, Failure, Result, SimulationFailed, run

__all__ = ["MIXED", "PROFILES", "STEPS", "Failure", "Ledger", "Machine", "Profile", "Result", "SimulationFailed", "run"]
