"""Members of an etcd cluster as processes; see ``tests.support.nursery``.

    python -m tests.system.etcd.nursery LOGS < lines

``start NAME FLAG …`` starts one member, which runs the command as it is installed.
"""

import os
import sys
from pathlib import Path

import raftcy.etcd.gateway
import raftcy.etcd.serving  # noqa: F401
from raftcy.etcd.launch import main as launch
from tests.support.nursery import obey


def start(folder: Path, name: str, flags: list[str]) -> int:
    """Fork a member. Its output goes to a file with its name."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        os.setsid()
        log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, target)
        status = launch(flags)
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    logs = Path(sys.argv[1])
    obey(lambda words: {words[0]: start(logs, words[0], words[1:])})
