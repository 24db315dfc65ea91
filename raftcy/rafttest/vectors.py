"""Checks wire vectors: encodings with their meaning.

A file of vectors holds one JSON object per line:

- ``kind``: the message type.
- ``case``: what the vector tests.
- ``hex``: the encoding.
- ``fields``: exactly the present fields, by the names of the schema. Unknown fields of a message are joined, in
  hexadecimal, under the name ``unknown``.
- ``reencode``: the encoding of these fields, if it differs from ``hex``.
- ``error``: true if ``hex`` must be refused.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DecodeError
from ..wire import changes, messages

__all__ = ["build", "fields_of", "run_file", "run_vector"]


class _Kind(NamedTuple):
    """A message type: its class, and its fields as (name in the schema, name here, type of a submessage)."""

    cls: Any
    fields: tuple[tuple[str, str, str], ...]


def _kind(cls: Any, *names: str, **special: tuple[str, str]) -> _Kind:
    """``special`` holds (name here, type of a submessage) for fields whose names differ or that are submessages."""
    return _Kind(cls, tuple((name, *special.get(name, (name, ""))) for name in names))


_KINDS = {
    "Entry": _kind(
        messages.Entry,
        *("Type", "Term", "Index", "Data"),
        Type=("type", ""),
        Term=("term", ""),
        Index=("index", ""),
        Data=("data", ""),
    ),
    "HardState": _kind(messages.HardState, "term", "vote", "commit"),
    "ConfState": _kind(messages.ConfState, "voters", "learners", "voters_outgoing", "learners_next", "auto_leave"),
    "SnapshotMetadata": _kind(
        messages.SnapshotMetadata, "conf_state", "index", "term", conf_state=("conf_state", "ConfState")
    ),
    "Snapshot": _kind(messages.Snapshot, "data", "metadata", metadata=("metadata", "SnapshotMetadata")),
    "Message": _kind(
        messages.Message,
        *("type", "to", "from", "term", "logTerm", "index", "entries", "commit", "snapshot", "reject", "rejectHint"),
        *("context", "vote", "responses"),
        logTerm=("log_term", ""),
        entries=("entries", "Entry"),
        snapshot=("snapshot", "Snapshot"),
        rejectHint=("reject_hint", ""),
        responses=("responses", "Message"),
        **{"from": ("from_", "")},
    ),
    "ConfChange": _kind(changes.ConfChange, "id", "type", "node_id", "context"),
    "ConfChangeSingle": _kind(changes.ConfChangeSingle, "type", "node_id"),
    "ConfChangeV2": _kind(
        changes.ConfChangeV2, "transition", "changes", "context", changes=("changes", "ConfChangeSingle")
    ),
}


def run_file(path: str | Path) -> tuple[int, int, list[str]]:
    """Run a file of vectors; returns ``(passed, failed, differences)``. Raises OSError if it cannot be read."""
    passed = 0
    differences = []
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found = list(run_vector(json.loads(line)))
            except (KeyError, TypeError, ValueError) as error:
                found = [f"not a vector: {type(error).__name__}: {error}"]
            passed += not found
            if found:
                differences.append(f"{path}:{number}: " + "; ".join(found))
    return passed, len(differences), differences


def run_vector(vector: dict[str, Any]) -> Iterator[str]:
    """Decode, compare and re-encode a vector. Yields what is wrong with it, nothing if it passes."""
    name = f"{vector['kind']}, {vector['case']}"
    encoding = bytes.fromhex(vector["hex"])
    cls = _KINDS[vector["kind"]].cls
    try:
        value = cls.decode(encoding)
    except DecodeError as error:
        if not vector.get("error"):
            yield f"{name}: refused: {error}"
        elif not 0 <= error.offset <= len(encoding):
            yield f"{name}: refused at offset {error.offset} of {len(encoding)} bytes"
        return
    fields = fields_of(value)
    if vector.get("error"):
        yield f"{name}: not refused but read as {fields}"
        return
    if fields != vector["fields"]:
        yield f"{name}: read as {fields}, not {vector['fields']}"
    wanted = vector.get("reencode", vector["hex"])
    for source, written in (("value", value.encode()), ("fields", build(vector["kind"], vector["fields"]).encode())):
        if written.hex() != wanted:
            yield f"{name}: the {source} is written as {written.hex()}, not {wanted}"


def fields_of(value: Any) -> dict[str, Any]:
    """Return the present fields of a value as a vector has them: enums as numbers, bytes in hexadecimal."""
    kind = _KINDS[type(value).__name__]
    present = [(name, own) for name, own, _ in kind.fields if value.has(own)]
    fields = {name: _plain(getattr(value, own)) for name, own in present}
    # Unknown fields are written last, so they are what follows the encoding of the known fields.
    known = kind.cls(**{own: getattr(value, own) for _, own in present}).encode()
    written = value.encode()
    if written != known:
        fields["unknown"] = written.removeprefix(known).hex()
    return fields


def build(kind: str, fields: dict[str, Any]) -> Any:
    """Build the value with exactly the fields of a vector."""
    cls, known = _KINDS[kind]
    values = {}
    for name, own, submessage in known:
        if name in fields:
            values[own] = _typed(fields[name], submessage)
    value = cls(**values)
    unknown = bytes.fromhex(fields.get("unknown", ""))
    return cls.decode(value.encode() + unknown) if unknown else value


def _plain(item: Any) -> Any:
    if isinstance(item, bytes):
        return item.hex()
    if isinstance(item, list):
        return [_plain(each) for each in item]
    if isinstance(item, int):
        return item if isinstance(item, bool) else int(item)
    return fields_of(item)


def _typed(item: Any, submessage: str) -> Any:
    if isinstance(item, list):
        return [_typed(each, submessage) for each in item]
    if submessage:
        return build(submessage, item)
    return bytes.fromhex(item) if isinstance(item, str) else item
