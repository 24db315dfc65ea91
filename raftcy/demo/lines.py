"""Files as records: each line is one, with its line end; a longer one than 64 KiB is cut into several.

So the records of any file put together are the file, byte for byte, and the digest of what was replicated can be
compared with that of the file, also by other programs: it is the file's SHA-256.
"""

import hashlib
import stat
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_RECORD_BYTES = 64 << 10
MAX_FILE_BYTES = 256 << 20


class DemoError(Exception):
    """Why the demo cannot go on, in words for its user."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file holds: its records, how many of these are cut off a longer line, its bytes, and its SHA-256."""

    records: int
    cut: int
    size: int
    digest: str


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file, in order. Raises DemoError if it cannot be read."""
    try:
        with path.open("rb") as file:
            while record := file.readline(MAX_RECORD_BYTES):
                yield record
    except OSError as error:
        raise DemoError(f"cannot read {path}: {error.strerror or error}") from error


def examine(path: Path) -> Summary:
    """Read a file once. Raises DemoError if it cannot be read, is empty, no file, or too large to hold in memory."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise DemoError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise DemoError(f"cannot read {path}: it is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise DemoError(f"cannot read {path}: it is no regular file, and the demo reads it twice")
    if status.st_size > MAX_FILE_BYTES:
        has, limit = status.st_size >> 20, MAX_FILE_BYTES >> 20
        raise DemoError(
            f"cannot replicate {path}: it has {has} MiB, and the nodes keep it in memory, up to {limit} MiB"
        )
    digest = hashlib.sha256()
    records = size = cut = 0
    for record in read_records(path):
        records += 1
        cut += len(record) == MAX_RECORD_BYTES and not record.endswith(b"\n")
        size += len(record)
        digest.update(record)
    if records == 0:
        raise DemoError(f"{path} is empty: there is nothing to replicate")
    return Summary(records, cut, size, digest.hexdigest())


def make_file(path: Path, records: int) -> None:
    """Write a file of records that all differ: the table of Unicode characters as this Python knows it.

    One line for each character that has a name: code point, name, category and properties. Raises DemoError if there
    are not so many.
    """
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for code in range(sys.maxunicode + 1):
            if written == records:
                return
            if name := unicodedata.name(chr(code), ""):
                file.write(_describe(code, name))
                written += 1
    if written < records:
        raise DemoError(f"the table of characters has {written} records, not {records}")


def _describe(code: int, name: str) -> str:
    character = chr(code)
    fields = [
        f"U+{code:04X}",
        name,
        unicodedata.category(character),
        unicodedata.bidirectional(character),
        str(unicodedata.combining(character)),
        unicodedata.decomposition(character),
        str(unicodedata.numeric(character, "")),
        unicodedata.east_asian_width(character),
    ]
    return ";".join(fields) + "\n"
