"""The messages of the API: etcd's names and numbers, in a pool that no other package disturbs."""

import subprocess
import sys

import pytest

from raftcy.etcd import schema

pytestmark = pytest.mark.once

# A package that registers etcd's names, as clients of etcd do: the same packages and messages, with fewer fields.
OTHER = """
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass

def register():
    for name, package, messages in [
        ("kv.proto", "mvccpb", ["KeyValue", "Event"]),
        ("auth.proto", "authpb", ["User", "Role"]),
        ("rpc.proto", "etcdserverpb", ["ResponseHeader", "RangeRequest", "PutRequest", "TxnRequest", "WatchResponse"]),
        ("raft_internal.proto", "etcdserverpb", ["InternalRaftRequest"]),
    ]:
        file = FileDescriptorProto(name=name, package=package, syntax="proto3")
        for each in messages:
            file.message_type.add(name=each).field.add(name="other", number=1, label=1, type=9)
        descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    return GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("mvccpb.KeyValue"))
"""
USE = """
assert schema.KeyValue(key=b"k", version=3).SerializeToString() == b"\\x0a\\x01k\\x20\\x03"
assert other(other="k").SerializeToString() == b"\\x0a\\x01k"
print("fine")
"""


@pytest.mark.parametrize(
    "order",
    ["other = register()\nfrom raftcy.etcd import schema\n", "from raftcy.etcd import schema\nother = register()\n"],
    ids=["before", "after"],
)
@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_another_package_may_have_the_same_names(order: str, implementation: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OTHER + order + USE],
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "fine\n", done.stderr


def test_two_packages_in_one_pool_would_not_do() -> None:
    """The test above would see a schema that is in the default pool."""
    twice = OTHER + "register()\nOTHER_NAMES = None\n" + OTHER.replace('"other", number=1', '"other", number=2')
    done = subprocess.run(
        [sys.executable, "-c", twice + "register()"],
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "TypeError" in done.stderr


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("RangeRequest", "key=1 range_end=2 limit=3 revision=4 serializable=7 max_create_revision=13"),
        ("Compare", "result=1 target=2 key=3 version=4 lease=8 range_end=64"),
        ("WatchResponse", "watch_id=2 created=3 canceled=4 compact_revision=5 cancel_reason=6 fragment=7 events=11"),
        ("InternalRaftRequest", "header=100 ID=1 put=4 txn=6 lease_revoke=9 auth_enable=1000 cluster_version_set=1300"),
        ("StatusResponse", "dbSize=3 raftAppliedIndex=7 isLearner=10 storageVersion=11 downgradeInfo=13"),
        ("ResponseHeader", "cluster_id=1 member_id=2 revision=3 raft_term=4"),
    ],
)
def test_fields_have_the_numbers_of_etcd(name: str, numbers: str) -> None:
    fields = getattr(schema, name).DESCRIPTOR.fields_by_name
    assert [f"{each.partition('=')[0]}={fields[each.partition('=')[0]].number}" for each in numbers.split()] == (
        numbers.split()
    )


def test_services_and_enums_are_there() -> None:
    calls = {
        each: len(schema.POOL.FindServiceByName(f"etcdserverpb.{each}").methods)
        for each in ("KV", "Watch", "Lease", "Cluster", "Maintenance", "Auth")
    }
    assert calls == {"KV": 6, "Watch": 1, "Lease": 5, "Cluster": 5, "Maintenance": 8, "Auth": 17}
    assert (schema.NOSPACE, schema.AlarmType.Name(2), schema.Event.DELETE) == (1, "CORRUPT", 1)
    assert schema.RangeRequest.SortTarget.Value("MOD") == 3


def test_readers_of_etcd_skip_the_term_of_a_revoke() -> None:
    """The one field that etcd does not have is out of the way of all numbers that it uses."""
    field = schema.InternalRaftRequest.DESCRIPTOR.fields_by_name["revoked_in_term"]
    assert field.number == max(each.number for each in schema.InternalRaftRequest.DESCRIPTOR.fields)
    request = schema.InternalRaftRequest(revoked_in_term=7)
    request.lease_revoke.ID = 5
    assert schema.InternalRaftRequest.FromString(request.SerializeToString()) == request
