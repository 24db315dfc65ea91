"""Runs a replay under pdb."""

import bdb
import os
import pdb

from .mismatch import ReplayDifference
from .recording import Recording
from .replay import Replay


def stop_before(path: str | os.PathLike[str], number: int | None, salvage: bool) -> int:
    """Replay up to record ``number``, by default the last one, and stop in pdb. Return the exit status.

    In pdb, ``node`` is the RawNode and ``record`` the next record, None at the end; ``s`` steps into its call.
    """
    replay = Replay(Recording.read(path, salvage=salvage))
    records = replay.recording.records
    replay.run(number if number is not None or not records else records[-1].number)
    try:
        _stop(replay)
    except bdb.BdbQuit:
        return 0
    except ReplayDifference as difference:
        if bdb.BdbQuit.__name__ not in difference.replayed:
            raise
        # Leaving pdb within a call ends that call with BdbQuit, which is not a difference.
    return 0


def _stop(replay: Replay) -> None:
    node, record = replay.node, replay.next
    pdb.set_trace(header=f"before record: {record}\nnode: {node}")
    if record is not None:
        replay.step()
