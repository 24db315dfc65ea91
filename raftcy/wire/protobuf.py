"""Converts values to messages of the generated protobuf module, and back.

For programs that already use protobuf; the core and the transport do not. Both directions go through the encoding, so
presence and unknown fields survive. protobuf keeps an unknown enum number as an unknown field; converting back restores
it.

No other module imports protobuf, and this one only on first use.
"""

from functools import cache
from typing import Any

from . import changes, codec, messages

__all__ = ["from_protobuf", "to_protobuf"]

_CODECS: dict[type, tuple[Any, Any]] = {
    messages.Entry: (codec.encode_entry, codec.decode_entry),
    messages.HardState: (codec.encode_hard_state, codec.decode_hard_state),
    messages.ConfState: (codec.encode_conf_state, codec.decode_conf_state),
    messages.SnapshotMetadata: (codec.encode_snapshot_metadata, codec.decode_snapshot_metadata),
    messages.Snapshot: (codec.encode_snapshot, codec.decode_snapshot),
    messages.Message: (codec.encode_message, codec.decode_message),
    changes.ConfChange: (codec.encode_conf_change, codec.decode_conf_change),
    changes.ConfChangeSingle: (codec.encode_conf_change_single, codec.decode_conf_change_single),
    changes.ConfChangeV2: (codec.encode_conf_change_v2, codec.decode_conf_change_v2),
}


def to_protobuf(value: Any) -> Any:
    """Convert ``value`` to a message of ``raft_pb2``. Raises TypeError if it is not of a wire type."""
    cls = type(value)
    if cls not in _CODECS:
        raise TypeError(f"value must be of a wire type, not {cls.__name__}")
    return _message_class(cls.__name__).FromString(_CODECS[cls][0](value))


def from_protobuf(message: Any, cls: type) -> Any:
    """Convert ``message`` to a value of class ``cls``.

    ``message`` may come from any module generated from etcd's schema, since it is recognised by its full name, such as
    ``raftpb.Entry``. Raises TypeError if it has another name, or if ``cls`` is not a wire type.
    """
    if cls not in _CODECS:
        raise TypeError(f"cls must be a wire type, not {cls!r}")
    descriptor = getattr(message, "DESCRIPTOR", None)
    if isinstance(message, type) or getattr(descriptor, "full_name", None) != f"raftpb.{cls.__name__}":
        raise TypeError(f"message must be a raftpb.{cls.__name__}, not {type(message).__name__}")
    return _CODECS[cls][1](message.SerializePartialToString())


@cache
def _message_class(name: str) -> Any:
    from . import raft_pb2

    return getattr(raft_pb2, name)
