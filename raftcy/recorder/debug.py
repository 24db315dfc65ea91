"""A replay under pdb."""

import os
import pdb

from .recording import Recording
from .replay import Replay


def stop_before(path: str | os.PathLike[str], number: int | None) -> int:
    """Replay up to the record of this number, by default the last one, and stop in pdb; returns the exit status.

    There ``node`` is the RawNode and ``record`` what comes next; ``s`` steps into it.
    """
    replay = Replay(Recording.read(path))
    records = replay.recording.records
    replay.run(number if number is not None or not records else records[-1].number)
    node, record = replay.node, replay.next
    pdb.set_trace(header=f"before record: {record}\nnode: {node}")  # noqa: T100 (what was asked for)
    replay.step()
    return 0
