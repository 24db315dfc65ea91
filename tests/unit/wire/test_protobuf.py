"""The encoding compared with protobuf's own library, and values converted to its messages."""

import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError as ProtobufError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from raftcy.wire import raft_pb2
from tests.support.naive_codec import SCHEMA
from tests.support.needs import ROOT
from tests.support.values import (
    KINDS,
    PARTS,
    class_of,
    decode,
    encode,
    field,
    known_enums,
    load,
    make,
    mutated,
    recipes,
)

OWN_NAMES = {"Type": "type", "Term": "term", "Index": "index", "Data": "data"}
OWN_NAMES |= {"from": "from_", "logTerm": "log_term", "rejectHint": "reject_hint"}


def protobuf_class(kind: str) -> Any:
    return getattr(raft_pb2, kind)


def make_protobuf(kind: str, recipe: dict[str, Any]) -> Any:
    """Like `make`, but a message of the generated module."""
    names = {OWN_NAMES.get(name, name): name for name, _ in SCHEMA[kind].values()}
    if kind != "Entry":
        names["type"] = "type"
    fields = {}
    for own, item in recipe.items():
        part = PARTS.get(kind, {}).get(own)
        if part and isinstance(item, list):
            fields[names[own]] = [make_protobuf(part, each) for each in item]
        else:
            fields[names[own]] = make_protobuf(part, item) if part else item
    return protobuf_class(kind)(**fields)


known = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), recipes(kind, enums=known_enums)))


@given(case=known)
def test_writes_what_protobuf_writes(build: ModuleType, case: tuple[str, dict[str, Any]]) -> None:
    kind, recipe = case
    value, message = make(build, kind, recipe), make_protobuf(kind, recipe)
    assert encode(build, kind, value) == message.SerializeToString(deterministic=True)
    assert decode(build, kind, message.SerializeToString()) == value
    assert value.to_protobuf() == message
    assert type(value).from_protobuf(message) == value


@settings(max_examples=400)
@given(case=mutated())
def test_reads_what_protobuf_reads(build: ModuleType, case: tuple[str, bytes]) -> None:
    """If protobuf knows every field; it accepts more long numbers and fewer long tags."""
    kind, data = case
    try:
        message = protobuf_class(kind).FromString(data)
    except ProtobufError:
        return
    written = message.SerializeToString(deterministic=True)
    message.DiscardUnknownFields()
    assume(message.SerializeToString(deterministic=True) == written)
    try:
        value = decode(build, kind, data)
    except load(build, "errors").DecodeError as error:
        assert error.text == "varint is longer than 64 bits"  # noqa: PT017
        return
    assert value.encode() == message.SerializeToString(deterministic=True)


@given(case=st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), recipes(kind))), unknown=st.booleans())
def test_there_and_back(build: ModuleType, case: tuple[str, dict[str, Any]], unknown: bool) -> None:
    """Presence, unknown fields and unnamed numbers survive."""
    kind, recipe = case
    value = make(build, kind, recipe)
    if unknown:
        value = decode(build, kind, value.encode() + b"\xf8\x01\x07\xfa\x01\x02ab\xfb\x01\x08\x01\xfc\x01")
    bridge = load(build, "wire.protobuf")
    message = bridge.to_protobuf(value)
    assert message.DESCRIPTOR.full_name == f"raftpb.{kind}"
    again = bridge.from_protobuf(message, type(value))
    assert (type(again), again, again.encode()) == (type(value), value, value.encode())


def test_presence_of_a_message(build: ModuleType) -> None:
    """Each field, present with its default, and absent."""
    for kind, fields in SCHEMA.items():
        cls = class_of(build, kind)
        for name, form in fields.values():
            own = OWN_NAMES.get(name, name)
            if form.startswith("*") or form == "numbers":
                continue
            assert not cls().to_protobuf().HasField(name)
            default = class_of(build, form)() if form in SCHEMA else {"bytes": b"", "bool": False}.get(form, 0)
            message = cls(**{own: default}).to_protobuf()
            assert message.HasField(name)
            assert cls.from_protobuf(message).has(own)


def test_message_of_another_module(build: ModuleType) -> None:
    """A message is recognized by its full name, whichever module it comes from."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(raft_pb2.DESCRIPTOR.serialized_pb)
    other = message_factory.GetMessageClass(pool.FindMessageTypeByName("raftpb.HardState"))
    hard_state = class_of(build, "HardState")
    assert other is not raft_pb2.HardState
    assert hard_state.from_protobuf(other(term=3, vote=0)).encode() == b"\x08\x03\x10\x00"


def test_wrong_types(build: ModuleType) -> None:
    bridge = load(build, "wire.protobuf")
    entry = class_of(build, "Entry")
    for wrong in (raft_pb2.Message(), raft_pb2.Entry, None, b"", entry()):
        with pytest.raises(TypeError, match=r"message must be a raftpb\.Entry"):
            entry.from_protobuf(wrong)
    with pytest.raises(TypeError, match="cls must be a wire type"):
        bridge.from_protobuf(raft_pb2.Entry(), int)
    for wrong in (5, None, raft_pb2.Entry(), load(build, "core.ready").SoftState()):
        with pytest.raises(TypeError, match="value must be of a wire type"):
            bridge.to_protobuf(wrong)


def test_schema() -> None:
    """The schema has the fields that the naive reader knows, and every member of the public enums."""
    kinds = {"number": 4, "bool": 8, "bytes": 12, "enum": 14, "numbers": 4}
    descriptor = raft_pb2.DESCRIPTOR
    assert (descriptor.package, descriptor.name) == ("raftpb", "raftcy/wire/raft.proto")
    assert set(descriptor.message_types_by_name) == set(SCHEMA)
    for kind, fields in SCHEMA.items():
        found = {f.number: f for f in descriptor.message_types_by_name[kind].fields}
        assert {number: f.name for number, f in found.items()} == {number: name for number, (name, _) in fields.items()}
        for number, (_, form) in fields.items():
            assert found[number].type == kinds.get(form, 11)
            assert found[number].has_presence == (form != "numbers" and not form.startswith("*"))
            if form.lstrip("*") in SCHEMA:
                assert found[number].message_type.name == form.lstrip("*")


def test_enums_of_the_schema(build: ModuleType) -> None:
    enums = load(build, "wire.enums")
    for name, schema in raft_pb2.DESCRIPTOR.enum_types_by_name.items():
        ours = {str(member): int(member) for member in getattr(enums, name)}
        assert ours == {value.name: value.number for value in schema.values}


def test_protobuf_is_not_loaded_before_it_is_needed(build: ModuleType) -> None:
    program = (
        "import sys, raftcy\n"
        "from raftcy import Message\n"
        "m = Message.decode(Message(term=1).encode())\n"
        "assert not [name for name in sys.modules if name.startswith('google')]\n"
        "m.to_protobuf()\n"
        "assert 'google.protobuf' in sys.modules\n"
    )
    environment = {**os.environ, "RAFTCY_PURE_PYTHON": "1" if build.BUILD == "pure" else "", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)


def test_the_newest_of_a_number_without_a_name(build: ModuleType) -> None:
    """protobuf keeps such a number as an unknown field; converted back, it is the field again."""
    entry = class_of(build, "Entry")
    message = raft_pb2.Entry.FromString(b"\x08\x63\x10\x05")
    assert not message.HasField("Type")
    assert (entry.from_protobuf(message).type, entry.from_protobuf(message).encode()) == (0x63, b"\x08\x63\x10\x05")
    nested = class_of(build, "Message").from_protobuf(raft_pb2.Message.FromString(field(7, b"\x08\x63")))
    assert nested.entries[0].type == 0x63
