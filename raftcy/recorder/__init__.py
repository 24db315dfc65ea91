"""A flight recorder: keeps everything that enters a RawNode in a file or a ring, and replays it exactly.

::

    from raftcy.recorder import FileSink, Recorder, Ring

    recorder = Recorder(Ring(8 << 20, save_to="node-1.rec"))
    node = recorder.make_raw(config)    # instead of RawNode(config)

The recorder observes an ordinary RawNode. Each call that can change the node's state becomes one record: its argument,
the answers of the storage and the random source during the call, and its outcome. A ring keeps the newest records and
saves them when the node dies. ``python -m raftcy replay FILE`` runs a recording again, on either build, and reports the
first difference; a program does the same with ``Replay``. docs/recorder.md has more.

Neither the core nor the drivers import this package. A node without an observer only tests a flag at each call.
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
