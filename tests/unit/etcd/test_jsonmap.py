"""Messages as JSON: etcd's form of answers, and what requests may and may not be."""

import base64
import json

import pytest

from raftcy.etcd import jsonmap, schema
from raftcy.etcd.refusals import Refused


def b(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decode(kind: type, **fields: object) -> object:
    return jsonmap.decode(kind, json.dumps(fields).encode())


def test_answers_have_names_of_the_schema_strings_for_64_bits_and_no_defaults() -> None:
    answer = schema.RangeResponse(
        header=schema.ResponseHeader(cluster_id=2**64 - 1, member_id=7, revision=0, raft_term=3),
        kvs=[schema.KeyValue(key=b"k", value=b"\xff\xfe", create_revision=2, mod_revision=2, version=1)],
        count=1,
    )
    assert json.loads(jsonmap.encode(answer)) == {
        "header": {"cluster_id": "18446744073709551615", "member_id": "7", "raft_term": "3"},
        "kvs": [{"key": "aw==", "create_revision": "2", "mod_revision": "2", "version": "1", "value": "//4="}],
        "count": "1",
    }


def test_an_event_of_a_put_has_no_type_and_one_of_a_delete_has_its_name() -> None:
    answer = schema.WatchResponse(events=[schema.Event(), schema.Event(type="DELETE")])
    assert json.loads(jsonmap.encode(answer)) == {"events": [{}, {"type": "DELETE"}]}


def test_a_line_has_one_result() -> None:
    line = jsonmap.encode_line(schema.LeaseKeepAliveResponse(ID=5, TTL=20))
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"result": {"ID": "5", "TTL": "20"}}


@pytest.mark.parametrize("number", [5, "5", 5.0])
def test_numbers_may_be_texts(number: object) -> None:
    assert decode(schema.LeaseGrantRequest, TTL=number).TTL == 5


@pytest.mark.parametrize("target", ["CREATE", 1])
def test_enums_have_names_or_numbers(target: object) -> None:
    found = decode(schema.Compare, target=target, create_revision="0", key=b("k"))
    assert found.target == schema.Compare.CREATE
    assert found.WhichOneof("target_union") == "create_revision"


def test_both_names_of_a_field_are_read_and_unknown_fields_are_not() -> None:
    assert decode(schema.RangeRequest, rangeEnd=b("x"), nothing=5).range_end == b"x"
    assert decode(schema.RangeRequest, range_end=b("x")).range_end == b"x"


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b"null {}"[5:]])
def test_an_empty_body_is_an_empty_message(body: bytes) -> None:
    assert jsonmap.decode(schema.PutRequest, body) == schema.PutRequest()


def test_what_follows_the_first_message_is_not_read() -> None:
    assert jsonmap.decode(schema.PutRequest, b'{"lease":"3"} nonsense').lease == 3


@pytest.mark.parametrize("key", ["Zm9v", "Zm9\nv", "Zm9v\n", "__-_", "//+/", "Zg==", "Zg", ""])
def test_bytes_are_base64(key: str) -> None:
    standard = key.replace("\n", "").replace("-", "+").replace("_", "/").rstrip("=")
    wanted = base64.b64decode(standard + "=" * (-len(standard) % 4))
    assert decode(schema.PutRequest, key=key).key == wanted


@pytest.mark.parametrize("key", ["foo!", "foo bar", "Zm9v=Zm9v", "Zm9vY", "_-+/", "Zm9v===", "ключ"])
def test_other_bytes_are_refused(key: str) -> None:
    """protobuf's decoder skips what is not base64, and would store another key."""
    with pytest.raises(Refused, match="base64") as found:
        decode(schema.PutRequest, key=key)
    assert found.value.code == 3


@pytest.mark.parametrize("name", ["request_put", "requestPut"])
def test_bytes_deep_in_a_request_are_checked(name: str) -> None:
    with pytest.raises(Refused, match="base64"):
        decode(schema.TxnRequest, success=[{"request_txn": {"failure": [{name: {"key": "no!"}}]}}])


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"5", b'"x"', b"true", b"null", b"{", b"nonsense", b"\xff\xfe{}", b'{"key":5}', b'{"lease":"x"}',
        b'{"lease":1e400}', b'{"lease":99999999999999999999}', b'{"prev_kv":"yes"}', b'{"key":["a"]}', b'{"key":{}}',
        b'{"lease":NaN}', b'{"lease":' + b"[" * 100_000, b'{"x":' * 100_000,
    ],
    ids=range(18),
)  # fmt: skip
def test_a_body_that_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as found:
        jsonmap.decode(schema.PutRequest, body)
    assert found.value.code == 3
    assert found.value.text


def test_transactions_that_are_nested_too_deeply_are_refused() -> None:
    fields: dict[str, object] = {}
    for _ in range(60):
        fields = {"success": [{"request_txn": fields}]}
    with pytest.raises(Refused, match="deep"):
        decode(schema.TxnRequest, **fields)


# -- several messages --------------------------------------------------------------------------------------------------

BODIES = [
    [],
    [b'{"a":1}'],
    [b'{"a":"}"}', b'{"b":"\\"}{"}', b'{"c":{"d":["]",{}]}}', b"{}"],
    [b'{"x":"\\\\"}', b'{"y":"\\u007d"}'],
]


@pytest.mark.parametrize("bodies", BODIES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("between", [b"", b" \r\n"])
def test_objects_are_found_however_the_body_is_cut(bodies: list[bytes], size: int, between: bytes) -> None:
    body = between + between.join(bodies) + between
    splitter = jsonmap.Splitter(1000)
    found = []
    for start in range(0, len(body), size):
        found += splitter.feed(body[start : start + size])
    splitter.finish()
    assert [each.strip() for each in found] == bodies


def test_a_body_may_come_byte_by_byte() -> None:
    body = b'{"key":"' + b"A" * 20_000 + b'"}'
    splitter = jsonmap.Splitter(1 << 20)
    found = []
    for each in body:
        found += splitter.feed(bytes([each]))
    assert found == [body]


@pytest.mark.parametrize("body", [b"[{}]", b"5", b'"x"', b'{"a":1} x'])
def test_anything_but_objects_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        list(jsonmap.Splitter(1000).feed(body))


def test_a_body_that_breaks_off_is_refused() -> None:
    splitter = jsonmap.Splitter(1000)
    assert list(splitter.feed(b'{"a":')) == []
    with pytest.raises(Refused, match="EOF"):
        splitter.finish()


def test_a_long_or_deep_object_is_refused_before_it_ends() -> None:
    with pytest.raises(Refused, match="too large"):
        list(jsonmap.Splitter(100).feed(b'{"a":"' + b"x" * 200))
    with pytest.raises(Refused, match="deep"):
        list(jsonmap.Splitter(10_000).feed(b'{"a":' * 200))


def test_half_of_a_surrogate_pair_is_no_field_and_no_message() -> None:
    """protobuf's mapping raises SystemError where such a text stands in the place of a message."""
    with pytest.raises(Refused) as found:
        jsonmap.decode(schema.PutResponse, b'{"header":"\\ud800"}')
    assert found.value.code == 3
    assert jsonmap.decode(schema.PutResponse, b'{"\\ud800":1}') == schema.PutResponse()
