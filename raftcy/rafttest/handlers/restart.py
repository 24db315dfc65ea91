"""The command of this project that restarts a node."""

from dataclasses import replace

from ...core.rawnode import RawNode
from ...wire import consts as k
from ...wire.kinds import is_local_msg_target
from ...wire.messages import Message, Snapshot
from ..datadriven import Case
from ..environment import CommandError, EnvNode, InteractionEnv, empty_snapshot
from . import arguments


def restart(env: InteractionEnv, case: Case) -> None:
    """``x-restart ID``: recreate the node from its storage.

    Its state machine returns to the snapshot before the first stored entry. Messages in flight to it from itself or
    from its storage threads are lost.
    """
    old = arguments.extended_nodes(env, case, 1)[0]
    base = _base(old)
    storage = env.make_storage(old.id)
    if base.metadata.index > 0:
        storage.apply_snapshot(base)
    hard_state, _ = old.storage.initial_state()
    if hard_state is not None:
        storage.set_hard_state(hard_state)
    first, last = old.storage.first_index(), old.storage.last_index()
    if first <= last:
        storage.append(old.storage.entries(first, last + 1, k.NO_LIMIT))
    config = replace(old.config, applied=0, storage=storage)
    env.nodes[old.id - 1] = EnvNode(RawNode(config), storage, config, [base])
    env.take_messages(lambda m: m.to == old.id and _is_own(m))


def _base(node: EnvNode) -> Snapshot:
    """Return the snapshot that covers the entries before the first stored one."""
    index = node.storage.first_index() - 1
    if index == 0:
        return empty_snapshot()
    stored = getattr(node.storage, "stored_snapshot", node.storage.snapshot)
    for snapshot in [*reversed(node.history), stored()]:
        if snapshot.metadata.index == index:
            return snapshot
    raise CommandError(f"x-restart: no snapshot at index {index}")


def _is_own(m: Message) -> bool:
    return m.from_ == m.to or is_local_msg_target(m.from_)
