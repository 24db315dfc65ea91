"""Commands that create nodes and set their options."""

from collections.abc import Callable
from typing import Any

from ...core.config import Config, Peer
from ...wire import consts as k
from ...wire.enums import ReadOnlyOption
from ...wire.gotext import quote
from ...wire.messages import ConfState, Snapshot, SnapshotMetadata
from ..conversions import parse_bool, parse_int, parse_uint
from ..datadriven import Case, ScriptError, to_bytes
from ..environment import CommandError, InteractionEnv
from . import arguments

_STUB: dict[str, Any] = {
    "election_tick": 3,
    "heartbeat_tick": 1,
    "max_size_per_msg": k.NO_LIMIT,
    "max_inflight_msgs": 2**31 - 1,
}
_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "async-storage-writes": ("async_storage_writes", parse_bool),
    "checkquorum": ("check_quorum", parse_bool),
    "disable-conf-change-validation": ("disable_conf_change_validation", parse_bool),
    "inflight": ("max_inflight_msgs", parse_int),
    "max-committed-size-per-ready": ("max_committed_size_per_ready", parse_uint),
    "prevote": ("pre_vote", parse_bool),
    "step-down-on-removal": ("step_down_on_removal", parse_bool),
}
_READ_ONLY = {"safe": ReadOnlyOption.SAFE, "lease-based": ReadOnlyOption.LEASE_BASED}
_X_OPTIONS = {
    "max-size-per-msg": "max_size_per_msg",
    "max-inflight-bytes": "max_inflight_bytes",
    "max-uncommitted-size": "max_uncommitted_entries_size",
}


def add_nodes(env: InteractionEnv, case: Case) -> None:
    """``add-nodes N [voters=(ID,..)] [learners=(ID,..)] [index=I] [options]``: add N nodes."""
    count = arguments.number(case, 0)
    ids: dict[str, list[int]] = {"voters": [], "learners": []}
    index = 0
    options: dict[str, Any] = {}
    for key, value in case.values():
        if key in ids:
            ids[key].append(parse_uint(value))
        elif key == "index":
            index = options["applied"] = parse_uint(value)
        elif key == "read-only":
            options["read_only_option"] = _read_only(value)
        elif key == "content":
            raise ScriptError("content= cannot be given: nodes start with an empty state machine")
        elif key in _OPTIONS:
            name, parse = _OPTIONS[key]
            options[name] = parse(value)
    members = ConfState(auto_leave=False, **ids)
    snapshot = Snapshot(metadata=SnapshotMetadata(conf_state=members, index=index, term=0))
    env.add_nodes(count, Config(**(_STUB | options)), snapshot)


def set_options(env: InteractionEnv, case: Case) -> None:
    """``x-config [max-size-per-msg=N] [max-inflight-bytes=N] [max-uncommitted-size=N] [disable-proposal-forwarding=B]``

    Sets options of the nodes added after it. Options not named stay unchanged.
    """
    given = arguments.single_values(case)
    for argument in case.arguments:
        value = given.get(argument.key, "")
        if argument.key == "disable-proposal-forwarding":
            env.options["disable_proposal_forwarding"] = value == "true"
            continue
        try:
            number = parse_uint(value)
        except ValueError as error:
            raise CommandError(str(error)) from None
        if argument.key not in _X_OPTIONS:
            raise CommandError(f"unknown option {argument.key}")
        env.options[_X_OPTIONS[argument.key]] = number


def bootstrap(env: InteractionEnv, case: Case) -> None:
    """``x-bootstrap ID...``: bootstrap empty nodes with each other as peers."""
    nodes = arguments.extended_nodes(env, case, 0)
    peers = [Peer(node.id) for node in nodes]
    for node in nodes:
        node.raw.bootstrap(peers)


def _read_only(value: str) -> ReadOnlyOption:
    if value not in _READ_ONLY:
        raise CommandError(f"invalid read-only option {quote(to_bytes(value))}")
    return _READ_ONLY[value]
