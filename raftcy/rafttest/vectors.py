"""Wire vectors: encodings together with what they mean, checked one by one.

A file of vectors holds one JSON object a line: ``kind``, the message type; ``case``, what it shows; ``hex``, the
encoding; ``fields``, what it says, by the schema's names and exactly what is present; ``reencode``, what is written for
these fields if it is not ``hex``; ``error``, true if ``hex`` must be refused. Unknown fields stand together, in
hexadecimal, under the name ``unknown`` of the message that they were read in.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DecodeError
from ..wire import changes, messages

__all__ = ["build", "fields_of", "run_file", "run_vector"]


class _Kind(NamedTuple):
    """A message type: its class, and its fields as (name in the schema, own name, type of a submessage)."""

    cls: Any
    fields: tuple[tuple[str, str, str], ...]


def _kind(cls: Any, *names: str, **special: tuple[str, str]) -> _Kind:
    """``special`` gives (own name, type of the submessage) where the schema's name is not the own one or it has one."""
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
    """``(passed, failed, differences)`` of the vectors of a file; OSError if it cannot be read."""
    passed = 0
    differences = []
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found = list(run_vector(json.loads(line)))
            except (KeyError, TypeError, ValueError) as error:
                found = [f"no vector: {type(error).__name__}: {error}"]
            passed += not found
            if found:
                differences.append(f"{path}:{number}: " + "; ".join(found))
    return passed, len(differences), differences


def run_vector(vector: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a vector, nothing if it passes: it is decoded, compared and encoded again."""
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
    """The present fields of a value as in a vector: enums as numbers, bytes in hexadecimal."""
    kind = _KINDS[type(value).__name__]
    present = [(name, own) for name, own, _ in kind.fields if value.has(own)]
    fields = {name: _plain(getattr(value, own)) for name, own in present}
    # Unknown fields are written last, so they are what the value has more than one made of its known fields.
    known = kind.cls(**{own: getattr(value, own) for _, own in present}).encode()
    written = value.encode()
    if written != known:
        fields["unknown"] = written.removeprefix(known).hex()
    return fields


def build(kind: str, fields: dict[str, Any]) -> Any:
    """The value that has exactly the fields of a vector."""
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
