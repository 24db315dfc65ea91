"""Splits files into records: a record is a line with its line end; a line longer than 64 KiB becomes several records.

The records of a file, joined, are the file, byte for byte. So the digest of the replicated records is the file's
SHA-256, which other programs can compute too.
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
    """The demo cannot continue. The text tells its user why."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A file's number of records, how many of them are pieces cut from a longer line, its bytes, and its SHA-256."""

    records: int
    cut: int
    size: int
    digest: str


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a file. Raises DemoError if it cannot be read."""
    try:
        with path.open("rb") as file:
            while record := file.readline(MAX_RECORD_BYTES):
                yield record
    except OSError as error:
        raise DemoError(f"cannot read {path}: {error.strerror or error}") from error


def examine(path: Path) -> Summary:
    """Read a file once. Raises DemoError if it is unreadable, empty, not a regular file, or too large for memory."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise DemoError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise DemoError(f"cannot read {path}: it is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise DemoError(f"cannot read {path}: it is not a regular file, and the demo reads it twice")
    if status.st_size > MAX_FILE_BYTES:
        has, limit = status.st_size >> 20, MAX_FILE_BYTES >> 20
        raise DemoError(f"cannot replicate {path}: it has {has} MiB, and the nodes keep at most {limit} MiB in memory")
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
    """Write a file of distinct records: the table of Unicode characters that this Python knows.

    Each character with a name has one line: code point, name, category and properties. Raises DemoError if there are
    fewer than ``records``.
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
        raise DemoError(f"the table of characters has only {written} records, not {records}")


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
