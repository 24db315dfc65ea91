"""Inspects, verifies and exports a log that nobody has open, and changes nothing."""

import base64
from collections.abc import Iterator
from typing import Any

from ..errors import Corruption, WrongDirectory
from ..wire.enums import EntryType
from ..wire.messages import ConfState, Entry, Snapshot
from . import passport
from .bodies import Bodies, reference_of
from .files import Files
from .group_log import GroupLog, Host
from .layout import FORMAT, Head, segment_name
from .opening import Found, read_log
from .rebuild import check_begun, replay

_READ_AT_ONCE = 1 << 20


class OfflineLog:
    """A log in its present state. Raises Corruption, NewerFormat, and WrongDirectory for a folder without a log."""

    def __init__(self, files: Files) -> None:
        found = passport.read(files)
        if found is None:
            raise WrongDirectory("the directory is empty")
        self.passport = found
        self.files = files
        self.groups: dict[int, GroupLog] = {}
        self.records: dict[str, int] = {}
        self._host = Host(files, found.identity, _nothing, _nothing)
        self.found: Found = read_log(files, found.identity, self._record)
        check_begun(self.groups, self.found)

    def _record(self, number: int, offset: int, head: Head, body: bytes) -> None:
        name = segment_name(number)
        self.records[name] = self.records.get(name, 0) + 1
        replay(self.groups, lambda id: GroupLog(id, self._host, _nothing), number, offset, head, body)

    def describe(self) -> dict[str, Any]:
        """Return a description of the log and its groups as plain data."""
        sizes = self.files.names()
        return {
            "format": FORMAT,
            "identity": self.passport.identity.hex(),
            "cluster": self.passport.cluster.hex(),
            "segments": [
                {"file": name, "size": sizes[name], "records": count} for name, count in sorted(self.records.items())
            ],
            "end": {"file": segment_name(self.found.last), "offset": self.found.offset} if self.found.last else None,
            "closed": self.found.marked,
            "torn": None if self.found.cut is None else self.found.cut._asdict(),
            "groups": [_described(self.groups[id]) for id in sorted(self.groups)],
        }

    def damage(self) -> Iterator[Corruption]:
        """Read every entry and every snapshot's body, and yield all damage. Opening has verified the records."""
        for _, group in sorted(self.groups.items()):
            try:
                for e in self.entries(group, group.floor + 1):
                    e.encode()
            except Corruption as error:
                yield error
            bodies = Bodies(self.files, group.id)
            for snapshot in (group.newest, group.older):
                if snapshot is not None and reference_of(snapshot.data) is not None:
                    try:
                        bodies.verify(snapshot)
                    except Corruption as error:
                        yield error

    def export(self, group: GroupLog) -> Iterator[dict[str, Any]]:
        """Yield a group as rows of plain data: first a description, then its entries."""
        yield _described(group)
        for e in self.entries(group, group.first_index()):
            yield {
                "index": e.index,
                "term": e.term,
                "type": e.type.name if isinstance(e.type, EntryType) else int(e.type),
                "data": base64.b64encode(e.data).decode() if e.has("data") else None,
            }

    def entries(self, group: GroupLog, first: int) -> Iterator[Entry]:
        """Yield the entries of a group from an index on."""
        last = group.last_index()
        while first <= last:
            some = group.places.read(self.files, self.passport.identity, group.id, first, last + 1, _READ_AT_ONCE)
            yield from some
            first += len(some)


def _nothing(*arguments: Any) -> None:
    """Ignore changes: a log that is only read has none."""


def _described(group: GroupLog) -> dict[str, Any]:
    state, _ = group.initial_state()
    return {
        "group": group.id,
        "hard_state": None if state is None else {"term": state.term, "vote": state.vote, "commit": state.commit},
        "first_index": group.first_index(),
        "last_index": group.last_index(),
        "last_term": group.term(group.last_index()),
        "retained_after": group.floor,
        "snapshots": [_snapshot(each) for each in (group.newest, group.older) if each is not None],
    }


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    metadata, reference = snapshot.metadata, reference_of(snapshot.data)
    return {
        "index": metadata.index,
        "term": metadata.term,
        "members": _members(metadata.conf_state),
        "bytes": len(snapshot.data) if reference is None else reference.size,
        "file": None if reference is None else reference.name,
    }


def _members(members: ConfState) -> dict[str, Any]:
    return {
        "voters": list(members.voters),
        "learners": list(members.learners),
        "voters_outgoing": list(members.voters_outgoing),
        "learners_next": list(members.learners_next),
        "auto_leave": members.auto_leave,
    }
