"""``raftcy etcd`` and ``raftcy-etcd``: answers what needs no server, and starts one or restores a snapshot.

This module imports nothing that the extra ``raftcy[etcd]`` installs, so the command always answers: with the version,
with its flags, or with what to install.
"""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from .. import BUILD, __version__
from .flags import FLAGS, FlagError, parse
from .identity import ETCD_VERSION

EXTRA = "raftcy[etcd]"
RESTORE = "restore"
_USAGE = """Usage:

  raftcy-etcd [flags]
    Start a member of an etcd v3 cluster. The flags are etcd's; docs/etcd.md says which are taken.

  raftcy-etcd --version
    Show the version of the API, and that of raftcy.

  raftcy-etcd --config-file FILE
    Take the configuration from a YAML file; flags and variables of the environment are ignored then.

  raftcy-etcd restore --help
    Make the first member of a new cluster from a snapshot that etcdctl has stored.

Flags, each also as a variable such as ETCD_DATA_DIR:
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a server with etcd's flags, or ``restore``, and return the exit status.

    0 after an ordinary end, 1 after a failure, 2 for flags that cannot be used or without the extra. After SIGINT or
    SIGTERM the process ends by that signal, as etcd does.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        if given[:1] == [RESTORE]:
            from .restoring import run as restore

            return restore(given[1:])
        parsed = parse(given)
        if shown := _shown(parsed.special):
            sys.stdout.write(shown)
            return 0
        if find_spec("aiohttp") is None:
            # It is imported later.
            raise ModuleNotFoundError(name="aiohttp")
        from .serving import run

        return run(parsed, given)
    except FlagError as error:
        sys.stderr.write(f"raftcy-etcd: {error}\n")
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "raftcy"):
            raise
        sys.stderr.write(f"raftcy-etcd: {error.name} is not installed: install {EXTRA}\n")
        return 2


def _shown(special: dict[str, object]) -> str:
    """Return what --help or --version shows, an empty text without them."""
    if special.get("help") or special.get("h"):
        effective = [name for name, flag in FLAGS.items() if not flag.refusal and not flag.is_inert]
        return _USAGE + "".join(f"  --{name}\n" for name in effective)
    if special.get("version"):
        platform = f"{sys.platform}/{os.uname().machine}" if hasattr(os, "uname") else sys.platform
        return (
            f"etcd Version: {ETCD_VERSION}\nraftcy Version: {__version__}, {BUILD} build\n"
            f"Python Version: {sys.version.split()[0]}\nOS/Arch: {platform}\n"
        )
    return ""


if __name__ == "__main__":
    sys.exit(main())
