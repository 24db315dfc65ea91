"""The replicated machine: entries of the log applied to store and leases, and its snapshots."""

from io import BytesIO
from typing import Any

import pytest

from raftcy.errors import CommandError, Corruption, MachineFailed, UpgradeNeeded
from raftcy.etcd import schema
from raftcy.etcd.etcdmachine import Attributes, EtcdMachine, only_request, refused_by
from raftcy.etcd.kvcalls import COMPACTION, DELETE_RANGE, PUT, TXN, entry_of
from raftcy.etcd.refusals import refused
from raftcy.machines import Command, GroupMachine
from raftcy.wire.messages import Entry


class Applied:
    """A machine, and the entries that it was given."""

    def __init__(self) -> None:
        self.machine = EtcdMachine()
        self.index = 0

    def __call__(self, request: Any, term: int = 3, **fields: Any) -> Any:
        data = request if isinstance(request, bytes) else schema.InternalRaftRequest(**request).SerializeToString()
        self.index += 1
        (answer,) = self.machine.apply([Command(self.index, term, data, 0, 0)])
        return answer


def put(key: bytes, value: bytes = b"", **fields: Any) -> bytes:
    return entry_of(PUT, schema.PutRequest(key=key, value=value, **fields))


def captured(machine: EtcdMachine) -> bytes:
    file = BytesIO()
    machine.capture().write(file)
    return file.getvalue()


def filled() -> Applied:
    apply = Applied()
    apply({"lease_grant": schema.LeaseGrantRequest(ID=7, TTL=30)})
    apply({"lease_grant": schema.LeaseGrantRequest(ID=8, TTL=40)})
    for n in range(50):
        apply(put(b"k%02d" % n, b"v" * n, lease=7 if n % 3 else 0))
    apply(entry_of(DELETE_RANGE, schema.DeleteRangeRequest(key=b"k10", range_end=b"k20")))
    apply(entry_of(COMPACTION, schema.CompactionRequest(revision=30)))
    attributes = schema.Attributes(name="one", client_urls=["http://a", "http://b"])
    apply({"cluster_member_attr_set": schema.ClusterMemberAttrSetRequest(member_ID=1, member_attributes=attributes)})
    return apply


def test_entries_are_etcds_requests() -> None:
    entry = put(b"a", b"1", lease=5)
    request = schema.InternalRaftRequest.FromString(entry)
    assert (request.put.key, request.put.value, request.put.lease) == (b"a", b"1", 5)
    assert [field.name for field, _ in request.ListFields()] == ["put"]
    for tag, name, message in (
        (TXN, "txn", schema.TxnRequest(success=[schema.RequestOp(request_put=schema.PutRequest(key=b"a"))])),
        (DELETE_RANGE, "delete_range", schema.DeleteRangeRequest(key=b"a")),
        (COMPACTION, "compaction", schema.CompactionRequest(revision=5)),
    ):
        assert getattr(schema.InternalRaftRequest.FromString(entry_of(tag, message)), name) == message


def test_only_an_entry_that_is_a_put_and_nothing_else_is_taken_for_one() -> None:
    for size in (0, 1, 100, 127, 128, 20_000, 3_000_000):
        entry = put(b"a", bytes(size))
        found = only_request(entry)
        assert found is not None
        assert schema.PutRequest.FromString(found).value == bytes(size)
    for other in (
        put(b"a") + put(b"b"),
        b"\x08\x05" + put(b"a"),
        put(b"a") + b"\x08\x05",
        put(b"a")[:-1],
        b"\x22",
        b"",
    ):
        assert only_request(other) is None
    assert only_request(b"\x22" + b"\xff" * 9) is None


def test_an_entry_with_an_id_or_a_header_is_the_same_put() -> None:
    one, two = Applied(), Applied()
    one(put(b"a", b"1"))
    header = schema.RequestHeader(ID=9, username="u")
    two({"ID": 9, "header": header, "put": schema.PutRequest(key=b"a", value=b"1")})
    assert captured(one.machine) == captured(two.machine)


@pytest.mark.parametrize(
    "request_",
    [
        {"auth_enable": schema.AuthEnableRequest()},
        {"range": schema.RangeRequest(key=b"a")},
        {"lease_checkpoint": schema.LeaseCheckpointRequest()},
        {"downgrade_info_set": schema.DowngradeInfoSetRequest()},
        b"\xf2\x80\x7d\x00",
        put(b"a") + b"\xf2\x80\x7d\x00",
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_request_of_an_unknown_type_stops_the_member(request_: Any) -> None:
    apply = Applied()
    with pytest.raises(UpgradeNeeded):
        apply(request_)
    data = request_ if isinstance(request_, bytes) else schema.InternalRaftRequest(**request_).SerializeToString()
    group = GroupMachine(EtcdMachine())
    with pytest.raises(UpgradeNeeded):
        group.apply([Entry(index=1, term=1, data=data)])


@pytest.mark.parametrize(
    "data", [b"\x08\x05", put(b"a") + entry_of(DELETE_RANGE, schema.DeleteRangeRequest(key=b"a")), b"\x22\x05ab", b"x"]
)
def test_what_is_no_request_is_refused_and_changes_nothing(data: bytes) -> None:
    apply = Applied()
    before = captured(apply.machine)
    answer = apply(data)
    assert isinstance(answer, CommandError)
    assert answer.reason == "malformed"
    assert captured(apply.machine) == before


def test_a_refusal_has_etcds_text_and_code_and_changes_nothing() -> None:
    apply = filled()
    before = captured(apply.machine)
    for request, name in (
        (put(b"a", lease=99), "LEASE_NOT_FOUND"),
        (put(b"nobody", ignore_value=True), "KEY_NOT_FOUND"),
        ({"lease_grant": schema.LeaseGrantRequest(ID=7, TTL=30)}, "LEASE_EXISTS"),
        ({"lease_grant": schema.LeaseGrantRequest(ID=0, TTL=30)}, "LEASE_NOT_FOUND"),
        ({"lease_grant": schema.LeaseGrantRequest(ID=9, TTL=9_000_000_001)}, "LEASE_TTL_TOO_LARGE"),
        ({"lease_revoke": schema.LeaseRevokeRequest(ID=99)}, "LEASE_NOT_FOUND"),
        ({"lease_revoke": schema.LeaseRevokeRequest(ID=7), "revoked_in_term": 2}, "LEADER_CHANGED"),
        ({"lease_revoke": schema.LeaseRevokeRequest(ID=7), "revoked_in_term": 4}, "LEADER_CHANGED"),
        (entry_of(COMPACTION, schema.CompactionRequest(revision=30)), "COMPACTED"),
        (entry_of(COMPACTION, schema.CompactionRequest(revision=99)), "FUTURE_REVISION"),
    ):
        answer = apply(request)
        assert isinstance(answer, CommandError)
        assert refused_by(answer) == refused(name)
        assert captured(apply.machine) == before


@pytest.mark.parametrize("term", [0, 3])
def test_a_revocation_deletes_all_keys_in_one_revision(term: int) -> None:
    apply = filled()
    revoked: list[int] = []
    apply.machine.on_revoked = revoked.append
    revision = apply.machine.store.revision
    answer = apply({"lease_revoke": schema.LeaseRevokeRequest(ID=7), "revoked_in_term": term})
    assert answer.revision == apply.machine.store.revision == revision + 1
    assert [each[2] for each in answer.events] == sorted(each[2] for each in answer.events)
    assert len(answer.events) == 26
    assert revoked == [7]
    assert not apply.machine.leases.exists(7)
    assert apply({"lease_revoke": schema.LeaseRevokeRequest(ID=8)}).revision == revision + 1, "no keys, no revision"


def test_a_key_moves_from_lease_to_lease() -> None:
    apply = filled()
    leases = apply.machine.leases.leases
    apply(put(b"k01", b"x", lease=8))
    assert b"k01" in leases[8].keys
    assert b"k01" not in leases[7].keys
    apply(put(b"k01", b"x"))
    assert b"k01" not in leases[8].keys
    apply(put(b"k02", b"x", ignore_lease=True))
    assert b"k02" in leases[7].keys


def test_a_capture_restores_everything_and_equal_states_give_equal_bytes() -> None:
    one = filled()
    data = captured(one.machine)
    two = Applied()
    two.machine.restore(BytesIO(data))
    assert captured(two.machine) == data
    assert two.machine.attributes == {1: Attributes("one", ("http://a", "http://b"))}
    for apply in (one, two):
        apply({"lease_revoke": schema.LeaseRevokeRequest(ID=7)})
        apply(put(b"z"))
    assert captured(one.machine) == captured(two.machine)


def test_a_capture_stays_as_it_was() -> None:
    apply = filled()
    before = captured(apply.machine)
    capture = apply.machine.capture()
    apply(put(b"later"))
    apply({"lease_grant": schema.LeaseGrantRequest(ID=9, TTL=30)})
    apply(entry_of(COMPACTION, schema.CompactionRequest(revision=52)))
    while apply.machine.store.work():
        pass
    file = BytesIO()
    capture.write(file)
    assert file.getvalue() == before


@pytest.mark.parametrize("cut", [0, 5, 16, 25, 60, -1])
def test_a_damaged_capture_is_refused(cut: int) -> None:
    data = captured(filled().machine)
    with pytest.raises(Corruption):
        EtcdMachine().restore(BytesIO(data[:cut]))
    with pytest.raises(Corruption):
        EtcdMachine().restore(BytesIO(b"another format\n" + data))


def test_while_members_differ_nothing_is_written() -> None:
    apply = filled()
    corrupt = {"memberID": 2, "alarm": schema.CORRUPT}
    apply({"alarm": schema.AlarmRequest(action=1, **corrupt)})
    before = captured(apply.machine)
    for request in (
        put(b"a"),
        {"lease_grant": schema.LeaseGrantRequest(ID=20, TTL=5)},
        {"put": schema.PutRequest(key=b"a")},
    ):
        assert refused_by(apply(request)) == refused("CORRUPT")
    assert captured(apply.machine) == before
    two = Applied()
    two.machine.restore(BytesIO(before))
    assert two.machine.is_corrupt
    apply({"alarm": schema.AlarmRequest(action=2, **corrupt)})
    assert apply(put(b"a")).revision > 0


def test_a_lease_with_many_keys_ends_in_steps_and_shows_at_once() -> None:
    apply = Applied()
    apply({"lease_grant": schema.LeaseGrantRequest(ID=7, TTL=30)})
    for n in range(6000):
        apply(put(b"%06d" % n, lease=7))
    machine = apply.machine
    revoke = schema.InternalRaftRequest(lease_revoke=schema.LeaseRevokeRequest(ID=7)).SerializeToString()
    steps = machine.steps([Command(10**6, 3, revoke, 0, 0), Command(10**6 + 1, 3, put(b"after"), 0, 0)])
    pauses = 0
    revision = machine.store.revision

    def look() -> Any:
        """Look at the store in each pause, and return the answers."""
        nonlocal pauses
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            pauses += 1
            assert machine.store.revision == revision
            assert machine.store.get(b"000000") is not None

    assert [each.revision for each in look()] == [revision + 1, revision + 2]
    assert pauses >= 5
    assert machine.store.get(b"000000") is None


def test_watchers_hear_of_each_revision_once_it_is_complete() -> None:
    heard: list[Any] = []
    apply = Applied()

    class Hub:
        def notify(self, events: Any) -> None:
            heard.append((apply.machine.store.revision, [each[2] for each in events]))

        def restored(self) -> None:
            heard.append("restored")

    apply.machine.hub = Hub()
    apply(put(b"a"))
    apply(
        {
            "txn": schema.TxnRequest(
                success=[schema.RequestOp(request_put=schema.PutRequest(key=key)) for key in (b"b", b"c")]
            )
        }
    )
    apply(entry_of(DELETE_RANGE, schema.DeleteRangeRequest(key=b"zz")))
    apply(entry_of(DELETE_RANGE, schema.DeleteRangeRequest(key=b"a", range_end=b"z")))
    assert heard == [(2, [b"a"]), (3, [b"b", b"c"]), (4, [b"a", b"b", b"c"])]
    apply.machine.restore(BytesIO(captured(apply.machine)))
    assert len(heard) == 3, "restoring runs on a thread"
    apply.machine.settle()
    apply.machine.settle()
    assert heard[3:] == ["restored"]


def test_any_other_error_names_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = filled()
    monkeypatch.setattr("raftcy.etcd.etcdmachine.apply_put", lambda store, request: 1 / 0)
    with pytest.raises(MachineFailed) as caught:
        apply(put(b"a"))
    assert caught.value.index == apply.index
