"""Commands that deliver messages, and ``stabilize``, which continues until no work is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ...core.describe import describe_message
from ...errors import DecodeError, InvariantError, RaftError
from ...wire.enums import MessageType
from ...wire.kinds import is_local_msg_target
from ...wire.messages import Message
from ..conversions import parse_uint
from ..datadriven import Case, ScriptError
from ..environment import CommandError, EnvNode, InteractionEnv
from . import arguments, inspect
from .storage_work import do_append_work, do_apply_work, handle_ready

_TYPES = {str(kind): kind for kind in MessageType}
_MOST_ROUNDS = 10_000


def deliver_msgs(env: InteractionEnv, case: Case) -> None:
    """``deliver-msgs [ID...] [drop=(ID,..)] [type=TYPE]``: deliver or drop the messages to these nodes."""
    order: list[tuple[int, bool]] = []
    kind = None
    for argument in case.arguments:
        if not argument.values:
            order.append((parse_uint(argument.key), False))
        for value in argument.values:
            if argument.key == "drop":
                id = parse_uint(value)
                if any(id == other for other, _ in order):
                    raise ScriptError(f"can't both deliver and drop msgs to {id}")
                order.append((id, True))
            elif argument.key == "type":
                kind = _message_type(value)
    count = 0
    for id, drop in order:
        taken = env.take_messages(_wanted(id, kind, drop))
        count += len(taken)
        if drop:
            for m in taken:
                env.output.line(f"dropped: {describe_message(m)}")
        else:
            deliver(env, taken)
    if count == 0:
        env.output.line("no messages")


def deliver(env: InteractionEnv, messages: list[Message]) -> None:
    """Print each message and step it into its recipient. Errors are printed."""
    for m in messages:
        env.output.line(describe_message(m))
        try:
            _step(env.node(m.to), m)
        except InvariantError:
            raise
        except RaftError as error:
            env.output.line(str(error))


def _step(node: EnvNode, m: Message) -> None:
    """Step a message as etcd's raft would.

    Scripts may start the nodes of one cluster from snapshots at different indexes. A leader can then get a MsgAppResp
    for entries that it never had. RawNode refuses it, but etcd's raft accepts it, and so does the state machine.
    """
    raft = node.raw.raft
    known = m.from_ in raft.tracker.progress
    if m.type == MessageType.MSG_APP_RESP and known and not m.reject and m.index > raft.log.last_index():
        raft.step(m)
    else:
        node.raw.step(m)


def send_snapshot(env: InteractionEnv, case: Case) -> None:
    """``send-snapshot FROM TO``: send the newest snapshot of one node to another, without being asked."""
    nodes = arguments.nodes(env, case)
    if len(nodes) != 2:
        raise ScriptError("send-snapshot needs two nodes")
    source, target = nodes
    m = Message(
        type=MessageType.MSG_SNAP,
        to=target.id,
        from_=source.id,
        term=source.raw.basic_status().term,
        snapshot=source.storage.snapshot(),
    )
    env.send([m])
    env.output.write(describe_message(m))


def stabilize(env: InteractionEnv, case: Case) -> None:
    """``stabilize [ID...] [log-level=LEVEL]``: do the work of these nodes, by default of all, until none is left."""
    nodes = arguments.nodes(env, case) or list(env.nodes)
    level = env.output.level
    try:
        for key, value in case.values():
            if key == "log-level":
                inspect.set_level(env, value)
        for _ in range(_MOST_ROUNDS):
            if not _round(env, nodes):
                return
        raise ScriptError(f"the nodes still have work after {_MOST_ROUNDS} rounds")
    finally:
        env.output.level = level


def _round(env: InteractionEnv, nodes: list[EnvNode]) -> bool:
    """Do each kind of work for all nodes, one kind after the other. Returns whether there was any."""
    busy = False
    for node in nodes:
        if node.raw.has_ready():
            busy = True
            with _headed(env, node, "handling Ready"):
                handle_ready(env, node)
    for node in nodes:
        if taken := env.take_messages(_wanted(node.id, None, False)):
            busy = True
            with _headed(env, node, "receiving messages"):
                deliver(env, taken)
    for node in nodes:
        if node.append_work:
            busy = True
            env.output.line(f"> {node.id} processing append thread")
        while node.append_work:
            with env.output.indented():
                do_append_work(env, node)
    for node in nodes:
        if node.apply_work:
            busy = True
            env.output.line(f"> {node.id} processing apply thread")
        while node.apply_work:
            # The reference silently continues after such an error.
            with env.output.indented(), suppress(CommandError, DecodeError):
                do_apply_work(env, node)
    return busy


@contextmanager
def _headed(env: InteractionEnv, node: EnvNode, title: str) -> Iterator[None]:
    env.output.line(f"> {node.id} {title}")
    with env.output.indented():
        yield


def _message_type(name: str) -> MessageType:
    if name not in _TYPES:
        raise ScriptError(f"unknown message type {name}")
    return _TYPES[name]


def _wanted(to: int, kind: MessageType | None, drop: bool) -> Callable[[Message], bool]:
    """Select the messages to a node. Messages from the node itself or its storage threads are never dropped."""

    def wanted(m: Message) -> bool:
        return m.to == to and (kind is None or m.type == kind) and not (drop and _stays_within(m))

    return wanted


def _stays_within(m: Message) -> bool:
    return m.from_ == m.to or is_local_msg_target(m.from_) or is_local_msg_target(m.to)
