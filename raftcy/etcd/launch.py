"""``raftcy etcd`` and ``raftcy-etcd``: says what to install if the libraries of the server are missing, and starts it.

This module imports nothing that the extra ``raftcy[etcd]`` installs, so the command always answers.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

EXTRA = "raftcy[etcd]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a server with etcd's flags, and return its exit status.

    0 after an ordinary end, 1 after a failure, 2 for flags that cannot be used or without the extra. After SIGINT or
    SIGTERM the process ends by that signal, as etcd does.
    """
    try:
        if find_spec("aiohttp") is None:
            raise ModuleNotFoundError(name="aiohttp")
        from .serving import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "raftcy"):
            raise
        sys.stderr.write(f"raftcy-etcd: {error.name} is not installed: install {EXTRA}\n")
        return 2
    return run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
