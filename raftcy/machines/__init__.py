"""State machines of groups: the application's machine, with sessions, the group's time and versions around it.

This room uses no clock, disk or network. ``statemachine`` has the base class of the application's machine, ``group``
the machine that a driver gets, and ``envelope`` the bytes of a group's log entries. `docs/machines.md` shows how to
write a machine.
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
