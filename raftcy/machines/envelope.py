"""The bytes of a group's log entries: commands of the state machine, and entries of sessions, time and versions.

The log holds a command of the state machine unchanged, so people can read the log, and nothing is copied. Every other
entry begins with the byte 0xC1 (`MARK`), which begins neither a UTF-8 text nor a MessagePack value, and a byte for the
kind:

::

    kind  what              fields
    0     plain command     data               only where data is empty or itself begins with MARK
    1     session opened    timeout_ms
    2     session command   session number acknowledged data
    3     acknowledgement   session acknowledged
    4     session closed    session
    5     time passed       term elapsed_ms
    6     version report    member version

Fields are numbers as in `packing`; data goes to the end. An entry has exactly one encoding. The fields of a kind never
change; an entry with other fields gets a new kind. An unknown kind comes from a newer program, and stops the member
with `UpgradeNeeded`. If the member skipped it, its state would differ from the members that know the kind.
"""

from typing import NamedTuple

from ..errors import DecodeError, UpgradeNeeded
from ..wire.checks import octets
from .packing import Reader, number

MARK = 0xC1
PLAIN, OPENED, COMMAND, ACKNOWLEDGED, CLOSED, TIME, REPORT = range(7)

TIMEOUT_LEAST_MS = 100
TIMEOUT_MOST_MS = 7 * 24 * 3600 * 1000
ADVANCE_MOST_MS = 1000
"""The most milliseconds that one entry adds to the group's time. Every deadline is later by as much: see `elapsed`."""
VERSION_MOST = 2**31 - 1

_HEADS = [bytes((MARK, kind)) for kind in range(7)]


class Plain(NamedTuple):
    """A command without a session."""

    data: bytes


class Opened(NamedTuple):
    """A client asks for a session that expires after ``timeout_ms`` of the group's time without a sign of life."""

    timeout_ms: int


class SessionCommand(NamedTuple):
    """Command ``number`` of a session. The client has the answers of all numbers up to ``acknowledged``."""

    session: int
    number: int
    acknowledged: int
    data: bytes


class Acknowledged(NamedTuple):
    """A client is alive, and has the answers of all numbers up to ``acknowledged``."""

    session: int
    acknowledged: int


class Closed(NamedTuple):
    """A session ends, because its client does not need it any more."""

    session: int


class TimePassed(NamedTuple):
    """The leader of ``term`` has counted ``elapsed_ms`` since its last count."""

    term: int
    elapsed_ms: int


class VersionReport(NamedTuple):
    """A member's program knows all versions up to ``version``."""

    member: int
    version: int


Content = Plain | Opened | SessionCommand | Acknowledged | Closed | TimePassed | VersionReport


def plain(data: bytes) -> bytes:
    """Return the entry of a command without a session; it is ``data`` itself in nearly all cases."""
    data = octets(data, "data")
    return _HEADS[PLAIN] + data if not data or data[0] == MARK else data


def open_session(timeout_ms: int) -> bytes:
    """Return the entry that opens a session. Its answer is the session's id.

    ``timeout_ms`` is `TIMEOUT_LEAST_MS` to `TIMEOUT_MOST_MS`; ValueError for anything else.
    """
    if not TIMEOUT_LEAST_MS <= timeout_ms <= TIMEOUT_MOST_MS:
        raise ValueError(f"timeout_ms must be {TIMEOUT_LEAST_MS} to {TIMEOUT_MOST_MS}, not {timeout_ms}")
    return _HEADS[OPENED] + number(timeout_ms)


def session_command(session: int, place: int, acknowledged: int, data: bytes) -> bytes:
    """Return the entry of command number ``place`` of a session, from 1 on. ``acknowledged`` must be below ``place``.

    ValueError if it is not, because the client would acknowledge an answer that it asks for.
    """
    if not 0 <= acknowledged < place:
        raise ValueError(f"command {place} cannot acknowledge the numbers up to {acknowledged}")
    head = _HEADS[COMMAND] + number(session) + number(place) + number(acknowledged)
    return head + octets(data, "data")


def acknowledge(session: int, acknowledged: int) -> bytes:
    """Return the entry that keeps a session alive, and says that its client has the answers up to ``acknowledged``."""
    return _HEADS[ACKNOWLEDGED] + number(session) + number(acknowledged)


def close_session(session: int) -> bytes:
    """Return the entry that ends a session."""
    return _HEADS[CLOSED] + number(session)


def time_passed(term: int, elapsed_ms: int) -> bytes:
    """Return the entry with which the leader of ``term`` adds 1 to `ADVANCE_MOST_MS` milliseconds; else ValueError."""
    if not 1 <= elapsed_ms <= ADVANCE_MOST_MS:
        raise ValueError(f"elapsed_ms must be 1 to {ADVANCE_MOST_MS}, not {elapsed_ms}")
    return _HEADS[TIME] + number(term) + number(elapsed_ms)


def version_report(member: int, version: int) -> bytes:
    """Return the entry that reports up to which version a member's program knows all; ValueError below version 1."""
    if not 1 <= version <= VERSION_MOST:
        raise ValueError(f"version must be 1 to {VERSION_MOST}, not {version}")
    return _HEADS[REPORT] + number(member) + number(version)


def decode(data: bytes) -> Content:
    """Decode the bytes of an entry.

    Raises DecodeError with the offset for bytes that no function here makes, and UpgradeNeeded for an unknown kind.
    """
    if not data:
        raise DecodeError("an entry is empty", 0)
    if data[0] != MARK:
        return Plain(data)
    if len(data) < 2:
        raise DecodeError("the kind is cut off", 1)
    kind = data[1]
    if kind == COMMAND:
        return _command(data)
    reader = Reader(data, 2)
    content: Content
    if kind == PLAIN:
        content = Plain(reader.rest())
        if content.data and content.data[0] != MARK:
            raise DecodeError("a command has a mark that it does not need", 2)
        return content
    if kind == OPENED:
        content = Opened(reader.number(TIMEOUT_LEAST_MS, TIMEOUT_MOST_MS))
    elif kind == ACKNOWLEDGED:
        content = Acknowledged(reader.number(), reader.number())
    elif kind == CLOSED:
        content = Closed(reader.number())
    elif kind == TIME:
        content = TimePassed(reader.number(), reader.number(1, ADVANCE_MOST_MS))
    elif kind == REPORT:
        content = VersionReport(reader.number(1), reader.number(1, VERSION_MOST))
    else:
        raise UpgradeNeeded("entry kind", kind, REPORT)
    reader.end()
    return content


def _command(data: bytes) -> SessionCommand:
    reader = Reader(data, 2)
    session = reader.number()
    place = reader.number(1)
    return SessionCommand(session, place, reader.number(0, place - 1), reader.rest())
