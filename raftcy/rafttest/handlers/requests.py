"""Commands that send a request to one node."""

from ...wire.changes import ConfChange, ConfChangeV2, conf_changes_from_string
from ...wire.enums import ConfChangeTransition
from ..conversions import parse_bool, parse_int, parse_uint
from ..datadriven import Case, ScriptError, to_bytes
from ..environment import CommandError, InteractionEnv
from . import arguments

_TRANSITIONS = {
    "auto": ConfChangeTransition.AUTO,
    "implicit": ConfChangeTransition.JOINT_IMPLICIT,
    "explicit": ConfChangeTransition.JOINT_EXPLICIT,
}


def campaign(env: InteractionEnv, case: Case) -> None:
    """``campaign ID``: start an election."""
    arguments.first_node(env, case).raw.campaign()


def tick_heartbeat(env: InteractionEnv, case: Case) -> None:
    """``tick-heartbeat ID``: tick a node for one heartbeat interval."""
    node = arguments.first_node(env, case)
    for _ in range(node.config.heartbeat_tick):
        node.raw.tick()


def tick_election(env: InteractionEnv, case: Case) -> None:
    """``tick-election ID``: tick a node for one election timeout, not randomized."""
    node = arguments.first_node(env, case)
    for _ in range(node.config.election_tick):
        node.raw.tick()


def set_randomized_election_timeout(env: InteractionEnv, case: Case) -> None:
    """``set-randomized-election-timeout ID timeout=N``: set it in ticks, until the node draws a new one."""
    timeout = parse_int(case.value("timeout"))
    if timeout == 0:
        raise ScriptError("timeout must not be 0")
    arguments.first_node(env, case).raw.set_randomized_election_timeout(timeout)


def propose(env: InteractionEnv, case: Case) -> None:
    """``propose ID DATA``: propose an entry."""
    node = arguments.first_node(env, case)
    if len(case.arguments) != 2 or case.arguments[1].values:
        raise ScriptError("expected exactly one key with no vals")
    node.raw.propose(to_bytes(case.arguments[1].key))


def propose_conf_change(env: InteractionEnv, case: Case) -> None:
    """``propose-conf-change ID [v1=BOOL] [transition=auto|implicit|explicit]``: the input is such as ``v3 l4 r5``."""
    node = arguments.first_node(env, case)
    node.raw.propose_conf_change(_conf_change(case))


def transfer_leadership(env: InteractionEnv, case: Case) -> None:
    """``transfer-leadership from=ID to=ID``: request a transfer of leadership."""
    source = env.node(parse_uint(case.value("from")))
    target = env.node(parse_uint(case.value("to")))
    source.raw.transfer_leader(target.id)


def forget_leader(env: InteractionEnv, case: Case) -> None:
    """``forget-leader ID``: make a follower forget its leader."""
    arguments.first_node(env, case).raw.forget_leader()


def report_unreachable(env: InteractionEnv, case: Case) -> None:
    """``report-unreachable ID OTHER``: report to a node that another is unreachable."""
    if len(case.plain()) != 2:
        raise CommandError("must specify exactly two node indexes: node on which to report, and reported node")
    node, other = arguments.nodes(env, case)
    node.raw.report_unreachable(other.id)


def _conf_change(case: Case) -> ConfChange | ConfChangeV2:
    v1 = False
    transition = ConfChangeTransition.AUTO
    try:
        for key, value in case.values():
            if key == "v1":
                v1 = parse_bool(value)
            elif key != "transition":
                raise CommandError(f"unknown command {key}")
            elif value not in _TRANSITIONS:
                raise CommandError(f"unknown transition {value}")
            else:
                transition = _TRANSITIONS[value]
        changes = conf_changes_from_string(case.input)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not v1:
        return ConfChangeV2(transition=transition, changes=changes)
    if len(changes) > 1 or transition != ConfChangeTransition.AUTO:
        raise CommandError("v1 conf change can only have one operation and no transition")
    if not changes:
        raise ScriptError("v1=true needs one operation")
    return ConfChange(type=changes[0].type, node_id=changes[0].node_id)
