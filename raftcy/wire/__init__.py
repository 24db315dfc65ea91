"""Values and their bytes: what nodes send and store, its encoding, and the bridge to protobuf's messages.

This room is what etcd's ``raftpb`` is: it lies under the state machine, and knows nothing of it.
"""

from . import changes, codec, messages, protobuf

changes.install(codec, protobuf)
messages.install(codec, protobuf)
