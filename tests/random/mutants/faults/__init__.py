"""The deliberate faults by subject, and all of them by name in FAULTS."""

from . import (
    borders,
    connections,
    driven,
    durable,
    elections,
    etcd,
    etcd_fronts,
    etcd_store,
    hosted,
    joint,
    leases,
    logs,
    machines,
    members,
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
    leases,
    machines,
    driven,
    borders,
    on_disk,
    connections,
    sleep,
    members,
    hosted,
    etcd,
    etcd_fronts,
    etcd_store,
    durable,
)
FAULTS: dict[str, Fault] = {fault.name: fault for module in MODULES for fault in module.FAULTS}
