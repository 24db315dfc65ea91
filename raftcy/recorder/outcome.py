"""Encodes the outcome of a call in few bytes: enough to notice that a replay differs, and to show where.

Of a Ready it keeps numbers and a checksum over the contents. Configurations, errors and refusals are kept in full.
"""

import struct
from typing import Any, NamedTuple
from zlib import crc32

from ..core.ready import Ready
from ..wire.messages import ConfState, Entry
from .pack import pack, unpack
from .records import SIZE

NOTHING = b""
_READY, _MEMBERS, _ERROR, _REFUSED = b"\1", b"\2", b"\3", b"\4"


class Numbers(NamedTuple):
    """A Ready in numbers, which are 0 for absent parts. ``flags`` has four bits, from the lowest one:

    soft state, hard state and snapshot are present, and ``must_sync`` is set.
    """

    flags: int
    lead: int
    role: int
    term: int
    vote: int
    commit: int
    snapshot_index: int
    first_entry: int
    last_entry: int
    first_committed: int
    last_committed: int
    entries: int
    committed_entries: int
    messages: int
    read_states: int
    crc: int


_NUMBERS = struct.Struct("<BQiQQQQQQQQIIIII")
_numbers: Any = struct.Struct("<BBQiQQQQQQQQIIIII").pack


def ready_outcome(rd: Ready) -> bytes:
    """Encode a Ready as the outcome of a call."""
    parts: list[bytes] = []
    flags, lead, role, term, vote, commit, index = (8 if rd.must_sync else 0), 0, 0, 0, 0, 0, 0
    first_entry, last_entry, entries = _add_entries(parts, rd._entries)
    first_committed, last_committed, committed = _add_entries(parts, rd._committed_entries)
    messages, reads = 0, 0
    sent = rd._messages
    if sent is not None:
        messages = len(sent)
        for m in sent:
            parts.append(m.encode())
    if rd.soft_state is not None:
        flags, lead, role = flags | 1, rd.soft_state.lead, int(rd.soft_state.raft_state)
    hard = rd.hard_state
    if hard is not None:
        flags, term, vote, commit = flags | 2, hard.term, hard.vote, hard.commit
    if rd.snapshot is not None:
        flags, index = flags | 4, rd.snapshot.metadata.index
        parts.append(rd.snapshot.encode())
    if rd._read_states is not None:
        reads = len(rd._read_states)
        for s in rd._read_states:
            parts += (SIZE.pack(len(s.request_ctx)), s.request_ctx, s.index.to_bytes(8, "little"))
    return _numbers(  # type: ignore[no-any-return]
        1,  # _READY
        flags,
        lead,
        role,
        term,
        vote,
        commit,
        index,
        first_entry,
        last_entry,
        first_committed,
        last_committed,
        entries,
        committed,
        messages,
        reads,
        crc32(b"".join(parts)),
    )


def _add_entries(parts: list[bytes], entries: list[Entry] | None) -> tuple[int, int, int]:
    """Add encoded entries to ``parts``. Return the first and the last index, and the number of entries."""
    if entries is None:
        return 0, 0, 0
    for e in entries:
        parts.append(e.encode())
    return entries[0].index, entries[-1].index, len(entries)


def members_outcome(members: ConfState) -> bytes:
    """Encode the members after a configuration change as the outcome of a call."""
    return _MEMBERS + members.encode()


def error_outcome(error: BaseException) -> bytes:
    """Encode an error as the outcome of a call."""
    return _ERROR + pack([type(error).__name__, str(error), getattr(error, "reason", None)])


def refused_outcome(refused: list[tuple[int, Any]]) -> bytes:
    """Encode the messages that ``step_many`` refused; no bytes if it refused none."""
    if not refused:
        return NOTHING
    return _REFUSED + pack([[place, type(error).__name__, str(error)] for place, error in refused])


def outcome_text(outcome: bytes) -> str:
    """Format an outcome for people. Raises ValueError, struct.error or DecodeError if the bytes are not an outcome."""
    kind, body = outcome[:1], outcome[1:]
    if kind == NOTHING:
        return "returned"
    if kind == _READY:
        return _ready_text(body)
    if kind == _MEMBERS:
        return f"members {ConfState.decode(body)!r}"
    if kind == _ERROR:
        name, text, reason = unpack(body)
        return f"raised {name}: {text}" + (f" ({reason})" if reason else "")
    if kind == _REFUSED:
        return "refused " + "; ".join(f"message {place}: {name}: {text}" for place, name, text in unpack(body))
    raise ValueError(f"an outcome of kind {kind!r}")


def _ready_text(body: bytes) -> str:
    try:
        n = Numbers._make(_NUMBERS.unpack(body))
    except struct.error as error:
        raise ValueError(f"not a Ready: {error}") from None
    parts = []
    if n.flags & 1:
        parts.append(f"lead {n.lead} role {n.role}")
    if n.flags & 2:
        parts.append(f"term {n.term} vote {n.vote} commit {n.commit}")
    if n.flags & 4:
        parts.append(f"snapshot {n.snapshot_index}")
    if n.entries:
        parts.append(f"entries {n.first_entry} to {n.last_entry}")
    if n.committed_entries:
        parts.append(f"committed {n.first_committed} to {n.last_committed}")
    parts += [f"{count} {name}" for count, name in ((n.messages, "messages"), (n.read_states, "read states")) if count]
    if n.flags & 8:
        parts.append("must sync")
    return f"Ready: {', '.join(parts) or 'nothing'} (crc {n.crc:08x})"
