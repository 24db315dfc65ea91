"""Which sender a message may have, by type; the same for etcd's names and for the core's own."""

from typing import Any

import pytest

from raftcy import (
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    Message,
    MessageType,
    is_local_msg,
    is_local_msg_target,
    is_response_msg,
    refuse_from_network,
)
from raftcy.wire import consts as k
from raftcy.wire.kinds import needs_no_gate
from raftcy.wire.origins import allowed_sender, from_storage_thread, is_local, is_response

M = MessageType
SENDERS = [0, 1, 2**64 - 3, LOCAL_APPLY_THREAD, LOCAL_APPEND_THREAD]


@pytest.mark.parametrize("kind", [*M, -1, 24, 2**31 - 1])
def test_the_core_asks_the_same(kind: int) -> None:
    assert is_local(kind) is is_local_msg(kind)
    assert is_response(kind) is is_response_msg(kind)


@pytest.mark.parametrize("number", [-(2**40), 2**40, 2**64, -1])
def test_numbers_that_no_message_carries(number: int) -> None:
    assert not is_local_msg(number)
    assert not is_response_msg(number)
    assert not is_local_msg_target(number)


@pytest.mark.parametrize("value", [None, 1, "MsgApp", [Message()]])
def test_no_message(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^m must be of Message, not "):
        refuse_from_network(value)


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("kind", M)
def test_what_needs_no_gate(kind: MessageType, sender: int) -> None:
    """The network's gate refuses such a message only if stepping it raises StepLocalMessage too."""
    m = Message(type=kind, from_=sender, to=1)
    assert from_storage_thread(m) is is_local_msg_target(sender)
    gated = {M.MSG_PROP, M.MSG_SNAP, M.MSG_FORGET_LEADER}
    assert needs_no_gate(m) is (kind not in gated and sender not in (LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD))
    if is_local_msg_target(sender):
        assert allowed_sender(kind, sender) == k.ANYBODY
    else:
        assert (allowed_sender(kind, sender) == k.ITSELF) is is_local_msg(kind)
        assert (allowed_sender(kind, sender) == k.MEMBER) is (is_response_msg(kind) and not is_local_msg(kind))
    if needs_no_gate(m):
        assert refuse_from_network(m) == ("a local message" if is_local_msg(kind) else None)
