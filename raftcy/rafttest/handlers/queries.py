"""This project's own commands for requests that etcd's environment has no command for."""

from ...wire.enums import SnapshotStatus
from ..datadriven import Case, to_bytes
from ..environment import InteractionEnv
from . import arguments


def read_index(env: InteractionEnv, case: Case) -> None:
    """``x-read-index ID CONTEXT``: what comes of it is in a Ready."""
    node = arguments.extended_nodes(env, case, 1)[0]
    node.raw.read_index(to_bytes(arguments.text(case, 1)))


def report_snapshot(env: InteractionEnv, case: Case) -> None:
    """``x-report-snapshot ID OTHER ok=BOOL``: tell a node how sending a snapshot to another one ended."""
    node, other = arguments.extended_nodes(env, case, 2)[:2]
    ok = arguments.single_values(case).get("ok") == "true"
    node.raw.report_snapshot(other.id, SnapshotStatus.FINISH if ok else SnapshotStatus.FAILURE)
