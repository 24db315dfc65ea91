"""``raftcy etcd`` and ``raftcy-etcd``: says what to install if the libraries of the server are missing, and starts it.

This module imports nothing that the extra ``raftcy[etcd]`` installs, so the command always answers.
"""

import sys
from collections.abc import Sequence

EXTRA = "raftcy[etcd]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a server with etcd's flags, or ``restore``, and return the exit status.

    0 after an ordinary end, 1 after a failure, 2 for flags that cannot be used or without the extra. After SIGINT or
    SIGTERM the process ends by that signal, as etcd does.
    """
    given = sys.argv[1:] if argv is None else argv
    try:
        if given[:1] == ["restore"]:
            from .restoring import run

            given = given[1:]
        else:
            from .serving import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "raftcy"):
            raise
        sys.stderr.write(f"raftcy-etcd: {error.name} is not installed: install {EXTRA}\n")
        return 2
    return run(given)


if __name__ == "__main__":
    sys.exit(main())
