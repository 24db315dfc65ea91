"""``raftcy-etcd restore``: a new cluster from a snapshot that `etcdctl snapshot save` has stored.

Rules:

- The snapshot is verified before anything is written: its length, its SHA-256, and that its state can be read.
- The new cluster has another id than the one that the snapshot was taken from, so that members of the two never talk.
- All members begin with the same state, so their directories are made together, and then brought to their machines.
  They could not be made one by one: a directory holds the identities of all members.
- Revisions, histories and leases are those of the snapshot. Every lease gets its full time again.
"""

import argparse
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

from ..errors import StorageError
from ..machines import GroupMachine
from ..replica.registry import group_of
from ..replica.transplant import Kept, plant_all
from ..storage.directory import Directory
from .configuration import configure
from .etcdmachine import GROUP, EtcdMachine
from .flags import FlagError
from .snapshotfile import StateInSnapshot, verify

_INDEX, _TERM = 1, 1
_ABOUT = "Make the directories of a new cluster from a snapshot that `etcdctl snapshot save` has stored."


def run(argv: Sequence[str]) -> int:
    """Run the command: 0 once all directories are made, 1 if that fails, 2 for arguments that cannot be used."""
    parser = argparse.ArgumentParser(prog="raftcy-etcd restore", description=_ABOUT, allow_abbrev=False)
    parser.add_argument("file", type=Path, help="the snapshot")
    parser.add_argument("--to", type=Path, required=True, help="the folder in which NAME.etcd is made for each member")
    parser.add_argument(
        "--initial-cluster", required=True, metavar="NAME=URL,...", help="the members, as the server is given them"
    )
    parser.add_argument("--initial-cluster-token", default="etcd-cluster", help="as the server is given it")
    arguments = parser.parse_args(argv)
    try:
        return _restore(arguments)
    except FlagError as error:
        sys.stderr.write(f"raftcy-etcd restore: {error}\n")
        return 2
    except (OSError, StorageError) as error:
        named = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        sys.stderr.write(f"raftcy-etcd restore: {named}\n")
        return 1


def _restore(arguments: argparse.Namespace) -> int:
    name = arguments.initial_cluster.partition("=")[0]
    given = {
        "name": name,
        "initial-cluster": arguments.initial_cluster,
        "initial-cluster-token": arguments.initial_cluster_token,
    }
    members = arguments.initial_cluster.split(",")
    given["initial-advertise-peer-urls"] = ",".join(
        each.partition("=")[2] for each in members if each.partition("=")[0] == name
    )
    configuration = configure(given)
    state = read_state(arguments.file)

    def groups() -> Iterator[Kept]:
        yield Kept(GROUP, group_of(GROUP), _INDEX, _TERM, state, iter(()))

    with ExitStack() as stack:
        directories = {}
        for each, id in configuration.member_ids.items():
            directory = Directory(arguments.to / f"{each}.etcd")
            stack.callback(directory.close)
            directories[id] = (directory, tuple(url.authority for url in configuration.cluster[each]))
        cluster = plant_all(directories, groups, time.monotonic, secrets.token_bytes)
    for each in configuration.cluster:
        sys.stdout.write(f"{arguments.to / each}.etcd is the directory of {each} in the new cluster {cluster:016x}\n")
    return 0


def read_state(path: Path) -> bytes:
    """Return the state of a group from a snapshot's file, as a log keeps it. Raises Corruption and OSError."""
    with path.open("rb") as file:
        verify(file)
        machine = EtcdMachine()
        machine.restore(StateInSnapshot(file))
    # Where clients reach the members of the former cluster says nothing about those of the new one.
    machine.attributes.clear()
    machine.alarms.clear()
    state = BytesIO()
    GroupMachine(machine).capture_state().write(state)
    return state.getvalue()
