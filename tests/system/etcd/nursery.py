"""Members of an etcd cluster as processes; see ``tests.support.nursery``.

    python -m tests.system.etcd.nursery LOGS < lines

``start NAME FLAG …`` starts one member, which runs the command as it is installed.
"""

import sys
from pathlib import Path

import raftcy.etcd.gateway
import raftcy.etcd.serving  # noqa: F401
from raftcy.etcd.launch import main as launch
from tests.support.nursery import fork, obey

if __name__ == "__main__":
    logs = Path(sys.argv[1])
    obey(lambda words: {words[0]: fork(logs / f"{words[0]}.log", lambda: launch(words[1:]))})
