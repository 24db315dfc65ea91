"""The file that identifies a data directory: format version, identity, cluster.

The identity is drawn when the directory is made, and never changes. The checksums of all records begin with it, so a
file from another directory never fits. The cluster may become known later, and then never changes.
"""

import json
import re
import zlib
from dataclasses import dataclass, replace

from ..errors import NewerFormat, WrongDirectory
from .files import FOLDER, Files
from .layout import FORMAT
from .opening import damaged

NAME = "identity"
ASIDE = "identity.new"
IDENTITY_SIZE = 16
_TITLE = "raftcy data directory, format "


@dataclass(frozen=True)
class Passport:
    """The identity and the cluster of a directory. ``cluster`` is empty while it is unknown."""

    identity: bytes
    cluster: bytes = b""

    def encode(self) -> bytes:
        """The contents of the file."""
        body = f"{_TITLE}{FORMAT}\n" + json.dumps({"cluster": self.cluster.hex(), "identity": self.identity.hex()})
        return f"{body}\n{zlib.crc32(body.encode()):08x}\n".encode()


def decode(data: bytes) -> Passport:
    """Decode the file. Raises NewerFormat, WrongDirectory if raftcy did not write it, and Corruption for damage."""
    title, _, rest = data.partition(b"\n")
    version = title.removeprefix(_TITLE.encode())
    intact = data[-10:] == f"\n{zlib.crc32(data[:-10]):08x}\n".encode()
    if version != title and version.isdigit() and int(version) > FORMAT and intact:
        raise NewerFormat(f"the directory has the format {int(version)}; this version of raftcy knows {FORMAT}")
    if not intact:
        if version == title and re.fullmatch(rb"\n[0-9a-f]{8}\n", data[-10:]) is None:
            raise WrongDirectory(f"the file {NAME} was not written by raftcy")
        raise damaged("the checksum of the file does not fit", NAME, 0)
    fields = json.loads(rest[:-10])
    return Passport(bytes.fromhex(fields["identity"]), bytes.fromhex(fields["cluster"]))


def read(files: Files) -> Passport | None:
    """Read the passport of a directory, None if the directory is empty."""
    names = files.names()
    if NAME in names:
        return decode(files.read(NAME, 0, names[NAME] + 1))
    left = sorted(name for name in names if name not in (ASIDE, "lock"))
    if left:
        raise WrongDirectory(f"the directory has files, such as {left[0]}, and none that says whose they are")
    return None


def write(files: Files, passport: Passport) -> None:
    """Store a passport: write it aside, sync, rename, sync the folder. A crash leaves the old one or the new one."""
    files.remove(ASIDE)
    files.write(ASIDE, 0, passport.encode())
    files.sync(ASIDE)
    files.rename(ASIDE, NAME)
    files.sync(FOLDER)


def claim(files: Files, cluster: bytes, fresh: bytes) -> Passport:
    """Return the passport of a directory. An empty directory gets a new one with the identity ``fresh``.

    ``cluster`` is the caller's cluster, empty if it is unknown. Raises WrongDirectory if the directory has another one.
    """
    passport = read(files)
    if passport is None:
        passport = Passport(fresh, cluster)
        write(files, passport)
    elif cluster and not passport.cluster:
        passport = replace(passport, cluster=cluster)
        write(files, passport)
    elif cluster and passport.cluster != cluster:
        raise WrongDirectory(
            f"the directory belongs to the cluster {passport.cluster.hex()}, and not to {cluster.hex()}"
        )
    return passport
