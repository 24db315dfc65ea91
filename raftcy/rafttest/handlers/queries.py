"""Commands of this project for requests that etcd's environment has no commands for."""

from ...wire.enums import SnapshotStatus
from ..datadriven import Case, to_bytes
from ..environment import InteractionEnv
from . import arguments


def read_index(env: InteractionEnv, case: Case) -> None:
    """``x-read-index ID CONTEXT``: request a read index. The answer is in a later Ready."""
    node = arguments.extended_nodes(env, case, 1)[0]
    node.raw.read_index(to_bytes(arguments.text(case, 1)))


def report_snapshot(env: InteractionEnv, case: Case) -> None:
    """``x-report-snapshot ID OTHER ok=BOOL``: report to a node the outcome of sending a snapshot to another."""
    node, other = arguments.extended_nodes(env, case, 2)[:2]
    ok = arguments.single_values(case).get("ok") == "true"
    node.raw.report_snapshot(other.id, SnapshotStatus.FINISH if ok else SnapshotStatus.FAILURE)
