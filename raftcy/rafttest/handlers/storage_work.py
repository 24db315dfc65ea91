"""Commands that do a node's storage work: all that a Ready asks for at once, or the work of its storage threads.

The state machine of every node appends each applied entry's data to its state.
"""

from collections.abc import Callable

from ...core.describe import describe_message, describe_ready
from ...core.hardstate import is_empty_hard_state
from ...errors import ConfChangeError
from ...wire.changes import decode_change
from ...wire.enums import EntryType, MessageType
from ...wire.kinds import is_local_msg_target
from ...wire.messages import ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata
from ..conversions import parse_uint
from ..datadriven import Case
from ..environment import CommandError, EnvNode, InteractionEnv
from . import arguments, inspect


def process_ready(env: InteractionEnv, case: Case) -> None:
    """``process-ready ID...``: take the node's Ready, store, apply, send, and advance."""
    _each(env, case, "handling Ready", handle_ready)


def process_append_thread(env: InteractionEnv, case: Case) -> None:
    """``process-append-thread ID...``: do the oldest append work of a node with asynchronous storage writes."""
    _each(env, case, "processing append thread", do_append_work)


def process_apply_thread(env: InteractionEnv, case: Case) -> None:
    """``process-apply-thread ID...``: do the oldest apply work of a node with asynchronous storage writes."""
    _each(env, case, "processing apply thread", do_apply_work)


def compact(env: InteractionEnv, case: Case) -> None:
    """``compact ID INDEX``: discard the node's stored entries up to the index, and print the rest."""
    node = arguments.first_node(env, case)
    try:
        index = parse_uint(arguments.text(case, 1))
    except ValueError as error:
        raise CommandError(str(error)) from None
    node.storage.compact(index)
    inspect.print_log(env, node)


# A loop of its own: the script says when each step is done, and its text has them in etcd's order.
def handle_ready(env: InteractionEnv, node: EnvNode) -> None:
    """Take the node's Ready, print it, and either do its work or queue it for the node's storage threads."""
    rd = node.raw.ready()
    env.output.write(describe_ready(rd))
    if not node.config.async_storage_writes:
        _append(node, rd.hard_state, rd.entries, rd.snapshot)
        _apply(env, node, rd.committed_entries)
        env.send(rd.messages)
        node.raw.advance(rd)
        return
    for m in rd.messages:
        if not is_local_msg_target(m.to):
            env.send([m])
        elif m.type == MessageType.MSG_STORAGE_APPEND:
            node.append_work.append(m)
        else:
            node.apply_work.append(m)


def do_append_work(env: InteractionEnv, node: EnvNode) -> None:
    """Do the oldest append work of the node, and send its responses."""
    if not node.append_work:
        env.output.write("no append work to perform")
        return
    m = node.append_work.popleft()
    _print_work(env, m)
    _append(node, m.hard_state(), m.entries, m.snapshot)
    _respond(env, m)


def do_apply_work(env: InteractionEnv, node: EnvNode) -> None:
    """Do the oldest apply work of the node, and send its responses."""
    if not node.apply_work:
        env.output.write("no apply work to perform")
        return
    m = node.apply_work.popleft()
    _print_work(env, m)
    _apply(env, node, m.entries)
    _respond(env, m)


def _each(env: InteractionEnv, case: Case, title: str, action: Callable[[InteractionEnv, EnvNode], None]) -> None:
    """Run ``action`` for each node named; with a heading and indented if there are several."""
    nodes = arguments.nodes(env, case)
    if len(nodes) == 1:
        action(env, nodes[0])
        return
    for node in nodes:
        env.output.line(f"> {node.id} {title}")
        with env.output.indented():
            action(env, node)


def _print_work(env: InteractionEnv, m: Message) -> None:
    fields = {name: getattr(m, name) for name in m.__match_args__ if name != "responses" and m.has(name)}
    env.output.line(f"Processing:\n{describe_message(Message(**fields))}")


def _respond(env: InteractionEnv, m: Message) -> None:
    responses = m.responses
    env.output.write("Responses:\n")
    for response in responses:
        env.output.line(describe_message(response))
    env.send(responses)


def _append(node: EnvNode, hard_state: HardState | None, entries: list[Entry], snapshot: Snapshot | None) -> None:
    if hard_state is not None and not is_empty_hard_state(hard_state):
        node.storage.set_hard_state(hard_state)
    if snapshot is None or snapshot.metadata.index == 0:
        node.storage.append(entries)
        return
    if entries:
        raise CommandError("can't apply snapshot and entries at the same time")
    node.storage.apply_snapshot(snapshot)


def _apply(env: InteractionEnv, node: EnvNode, entries: list[Entry]) -> None:
    for entry in entries:
        newest = node.history[-1]
        payload, members = entry.data, None
        if entry.type in (EntryType.CONF_CHANGE, EntryType.CONF_CHANGE_V2):
            payload, members = _apply_conf_change(env, node, entry)
        meta = SnapshotMetadata(
            conf_state=newest.metadata.conf_state if members is None else members, index=entry.index, term=entry.term
        )
        node.history.append(Snapshot(data=newest.data + payload or None, metadata=meta))


def _apply_conf_change(env: InteractionEnv, node: EnvNode, entry: Entry) -> tuple[bytes, ConfState | None]:
    """Apply a change. Returns its context and the new configuration. An invalid change is printed and has no effect."""
    change = decode_change(entry)
    try:
        return change.context, node.raw.apply_conf_change(change)
    except ConfChangeError as error:
        env.output.line(str(error))
        return b"", None
