"""The quick mapping of JSON beside protobuf's own, for messages of all types and for objects that are not right."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from raftcy.etcd import jsonmap, schema
from raftcy.etcd.refusals import Refused

pytestmark = pytest.mark.once

_KINDS = [
    *(schema.PutRequest, schema.RangeRequest, schema.DeleteRangeRequest, schema.TxnRequest, schema.CompactionRequest),
    *(schema.PutResponse, schema.RangeResponse, schema.DeleteRangeResponse, schema.TxnResponse, schema.WatchRequest),
    *(schema.WatchResponse, schema.LeaseGrantRequest, schema.LeaseLeasesResponse, schema.LeaseTimeToLiveResponse),
    *(schema.MemberListResponse, schema.StatusResponse, schema.AlarmRequest, schema.AlarmResponse),
    *(schema.SnapshotResponse, schema.HashKVResponse, schema.InternalRaftRequest),
]
_NUMBERS = {
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=5),
    FieldDescriptor.TYPE_STRING: st.text(max_size=5),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
}
_WRONG = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.0,
        1.5,
        2**64,
        "",
        "1",
        "01",
        "-1",
        "+1",
        " 1",
        "1_0",
        "x",
        "Zg==",
        "Zg",
        "Zh==",
        "Zm9v===",
        "_-8=",
    ]
    + ["Zm9v====", "Zg==Zg==", "=", "====", "ZgZ\n", "\ud800", "DELETE", [], ["Zg=="], [None], {}, {"key": "Zg=="}]
)


@st.composite
def _message(draw: Any, kind: Any, depth: int = 3) -> Any:
    made = kind()
    for field in kind.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        count = draw(st.integers(0, 2)) if field.is_repeated else 1
        values = [_value(draw, field, depth) for _ in range(count)]
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for value in values:
                if field.is_repeated:
                    getattr(made, field.name).append(value)
                elif depth:
                    getattr(made, field.name).CopyFrom(value)
        elif field.is_repeated:
            getattr(made, field.name).extend(values)
        else:
            setattr(made, field.name, values[0])
    return made


def _value(draw: Any, field: Any, depth: int) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        below = field.message_type._concrete_class
        return draw(_message(below, depth - 1)) if depth else below()
    if field.type == FieldDescriptor.TYPE_ENUM:
        return draw(st.sampled_from([0, 1, 2, 3, 77]))
    return draw(_NUMBERS[field.type])


def by_protobuf(kind: Any, fields: dict[str, Any]) -> Any:
    """What the slow way makes of an object: a message, or the text of the refusal."""
    try:
        jsonmap._check_bytes(kind.DESCRIPTOR, fields, jsonmap.DEPTH_MAX)
        return json_format.ParseDict(fields, kind(), ignore_unknown_fields=True)
    except Refused as error:
        return error.text
    except SystemError:
        return "a name is not Unicode"
    except (ValueError, TypeError, json_format.Error) as error:
        return str(error)


def by_us(kind: Any, fields: dict[str, Any]) -> Any:
    try:
        return jsonmap.decode(kind, json.dumps(fields).encode())
    except Refused as error:
        return error.text


@given(st.data())
def test_messages_are_encoded_and_decoded_as_by_protobuf(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(_KINDS))
    message = data.draw(_message(kind))
    fields = json_format.MessageToDict(message, preserving_proto_field_name=data.draw(st.just(True)))
    assert json.loads(jsonmap.encode(message)) == fields
    assert jsonmap.encode(message) == json.dumps(fields, separators=(",", ":")).encode()
    for names in (True, False):
        fields = json_format.MessageToDict(message, preserving_proto_field_name=names)
        assert by_us(kind, fields) == by_protobuf(kind, fields)


@given(st.data())
def test_objects_that_are_not_plain_are_decoded_and_refused_as_by_protobuf(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(_KINDS))
    fields = json_format.MessageToDict(data.draw(_message(kind)), preserving_proto_field_name=True)
    names = [name for field in kind.DESCRIPTOR.fields for name in (field.name, field.json_name)]
    for name in data.draw(st.lists(st.sampled_from([*names, "unknown", "[extension]"]), min_size=1, max_size=3)):
        fields[name] = data.draw(_WRONG)
    assert by_us(kind, fields) == by_protobuf(kind, fields)
