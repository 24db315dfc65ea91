"""The values that nodes send and store, their encoding, and conversion to and from protobuf messages.

This package corresponds to etcd's ``raftpb``. It lies below the state machine and never imports it.
"""

from . import changes, codec, messages, protobuf

changes.install(codec, protobuf)
messages.install(codec, protobuf)
