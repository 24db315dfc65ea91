"""The deliberate faults, by subject; all of them in FAULTS, by name."""

from . import elections, joint, logs, on_disk, reads, replication, snapshots, stored
from .fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (elections, replication, logs, stored, snapshots, joint, reads, on_disk)
    for fault in module.FAULTS
}
