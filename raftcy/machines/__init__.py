"""State machines of groups: what a user writes, and what sessions, the group's time and versions need around it.

Nothing here has a clock, a disk or a network. ``statemachine`` has the class that a user derives from, ``group`` the
machine that a driver is given, ``envelope`` the bytes of a group's log entries. `docs/machines.md` shows how to write
one.
"""

from ..errors import CommandError, MachineFailed, SessionExpired, UpgradeNeeded
from .duties import Duties, Duty
from .elapsed import Timekeeper, deadline
from .group import GroupCapture, GroupMachine
from .sessionclient import SessionClient
from .statemachine import Capture, Command, OnDiskMachine, Pieces, Readable, StateMachine, Writable

__all__ = [
    "Capture",
    "Command",
    "CommandError",
    "Duties",
    "Duty",
    "GroupCapture",
    "GroupMachine",
    "MachineFailed",
    "OnDiskMachine",
    "Pieces",
    "Readable",
    "SessionClient",
    "SessionExpired",
    "StateMachine",
    "Timekeeper",
    "UpgradeNeeded",
    "Writable",
    "deadline",
]
