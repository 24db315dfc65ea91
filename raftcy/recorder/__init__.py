"""A flight recorder: all that enters a RawNode, kept in a file or in a ring, and replayed exactly.

::

    from raftcy.recorder import FileSink, Recorder, Ring

    recorder = Recorder(Ring(8 << 20, save_to="node-1.rec"))
    node = recorder.make_raw(config)    # instead of RawNode(config)

The node is a RawNode, which the recorder observes. Each call that can change the state is one record: what was given,
what the storage and the random source answered meanwhile, and what came of it. A ring keeps the newest records, and
saves them when the node dies. ``python -m raftcy replay FILE`` runs a recording again, on either build, and says where
it differs if it does; ``Replay`` does the same for a program. docs/recorder.md has more.

Neither the core nor the drivers import this. A node without an observer only sees that it has none.
"""

from .compare import first_difference
from .mismatch import DamagedRecording, RecordingError, ReplayDifference, UnknownVersion
from .recorder import Recorder
from .recording import Recording
from .replay import Replay
from .ring import Ring
from .sinks import FileSink, Sink

__all__ = [
    "DamagedRecording",
    "FileSink",
    "Recorder",
    "Recording",
    "RecordingError",
    "Replay",
    "ReplayDifference",
    "Ring",
    "Sink",
    "UnknownVersion",
    "first_difference",
]
