"""The commands of scripts, each a function ``(env, case)``.

``COMMANDS`` are the commands of etcd's interaction environment. ``EXTENDED`` adds commands of this project, whose names
start with ``x-``. To add more, use ``COMMANDS | {"name": function}``.
"""

from ..environment import Command
from . import delivery, inspect, nodes, queries, requests, restart, storage_work

__all__ = ["COMMANDS", "EXTENDED"]

COMMANDS: dict[str, Command] = {
    "_breakpoint": inspect.breakpoint_here,
    "add-nodes": nodes.add_nodes,
    "campaign": requests.campaign,
    "compact": storage_work.compact,
    "deliver-msgs": delivery.deliver_msgs,
    "forget-leader": requests.forget_leader,
    "log-level": inspect.log_level,
    "process-append-thread": storage_work.process_append_thread,
    "process-apply-thread": storage_work.process_apply_thread,
    "process-ready": storage_work.process_ready,
    "propose": requests.propose,
    "propose-conf-change": requests.propose_conf_change,
    "raft-log": inspect.raft_log,
    "raft-state": inspect.raft_state,
    "report-unreachable": requests.report_unreachable,
    "send-snapshot": delivery.send_snapshot,
    "set-randomized-election-timeout": requests.set_randomized_election_timeout,
    "stabilize": delivery.stabilize,
    "status": inspect.status,
    "tick-election": requests.tick_election,
    "tick-heartbeat": requests.tick_heartbeat,
    "transfer-leadership": requests.transfer_leadership,
}

EXTENDED: dict[str, Command] = COMMANDS | {
    "x-bootstrap": nodes.bootstrap,
    "x-config": nodes.set_options,
    "x-read-index": queries.read_index,
    "x-report-snapshot": queries.report_snapshot,
    "x-restart": restart.restart,
}
