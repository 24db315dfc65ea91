"""Members as processes that start in milliseconds: this process has imported the server, and forks them.

    python -m tests.system.etcd.nursery LOG < lines

It takes lines: ``start NAME FLAG …``, ``kill NAME …`` (SIGKILL), and answers each with a line once the members are
started, or dead: how the killed ones have ended, as wait() says it. The members run the command as it is installed.
"""

import gc
import os
import signal
import sys
from pathlib import Path

import raftcy.etcd.gateway
import raftcy.etcd.serving  # noqa: F401
from raftcy.etcd.launch import main as launch


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


def serve(folder: Path) -> None:
    """Obey until the input ends; then kill all that are left."""
    running: dict[str, int] = {}
    gc.freeze()
    try:
        while line := sys.stdin.readline():
            what, *words = line.split()
            ends = []
            if what == "start":
                running[words[0]] = start(folder, words[0], words[1:])
            else:
                for name in words:
                    os.kill(running[name], signal.SIGKILL)
                    ends.append(os.waitstatus_to_exitcode(os.waitpid(running.pop(name), 0)[1]))
            print(what, *ends, flush=True)
    finally:
        for child in running.values():
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
