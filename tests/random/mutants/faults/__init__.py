"""The deliberate faults by subject, and all of them by name in FAULTS."""

from . import borders, driven, elections, joint, logs, machines, reads, replication, snapshots, stored
from .fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (elections, replication, logs, stored, snapshots, joint, reads, driven, borders, machines)
    for fault in module.FAULTS
}
