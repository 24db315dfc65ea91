"""The deliberate faults by subject, and all of them by name in FAULTS."""

from . import (
    borders,
    connections,
    driven,
    elections,
    joint,
    logs,
    machines,
    on_disk,
    reads,
    replication,
    sleep,
    snapshots,
    stored,
)
from .fault import Fault

MODULES = (
    elections,
    replication,
    logs,
    stored,
    snapshots,
    joint,
    reads,
    machines,
    driven,
    borders,
    on_disk,
    connections,
    sleep,
)
FAULTS: dict[str, Fault] = {fault.name: fault for module in MODULES for fault in module.FAULTS}
