"""The RPCs of Watch, Cluster, Maintenance and Auth, and the comparison of hashes, on members in virtual time."""

import asyncio
from io import BytesIO
from typing import Any

import pytest

from raftcy.errors import Corruption
from raftcy.etcd import schema
from raftcy.etcd.etcdmachine import EtcdMachine
from raftcy.etcd.hashcheck import suspects
from raftcy.etcd.refusals import Refused, refused
from raftcy.etcd.snapshotfile import BLOB_BYTES, StateInSnapshot, blobs, verify
from tests.support.etcdworld import EtcdWorld, FakeStream, call, followers_of, get, leader_of, open_stream, put
from tests.support.hosts import tuned
from tests.support.virtual import run_virtually


def watch(
    member: Any, key: bytes, end: bytes = b"", *, metadata: dict[str, str] | None = None, **fields: Any
) -> FakeStream:
    create = schema.WatchCreateRequest(key=key, range_end=end, **fields)
    return open_stream(member, "Watch/Watch", schema.WatchRequest(create_request=create), **(metadata or {}))


def test_a_watch_on_any_member_sees_what_is_written_through_any_other() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            streams = {id: watch(member, b"a", b"z") for id, member in members.items()}
            for id, stream in streams.items():
                created = await stream.next()
                assert created.created
                assert created.header.member_id == id
            for id, member in members.items():
                await call(member, "KV/Put", put(b"k%d" % id, b"v"))
            await call(members[1], "KV/DeleteRange", schema.DeleteRangeRequest(key=b"k1", range_end=b"k9"))
            for stream in streams.values():
                seen: list[Any] = []
                while len(seen) < 6:
                    seen += [(each.type, each.kv.key) for each in (await stream.next()).events]
                assert seen == [(0, b"k1"), (0, b"k2"), (0, b"k3"), (1, b"k1"), (1, b"k2"), (1, b"k3")]

    run_virtually(story())


def test_a_watch_from_the_past_replays_the_history_and_is_cancelled_if_it_is_compacted() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            one = members[1]
            for n in range(10):
                await call(one, "KV/Put", put(b"a", b"%d" % n))
            stream = watch(one, b"a", start_revision=2)
            assert (await stream.next()).created
            values = [each.kv.value for each in (await stream.next()).events]
            assert values == [b"%d" % n for n in range(10)]
            await call(one, "KV/Compact", schema.CompactionRequest(revision=8))
            stream = watch(one, b"a", start_revision=2)
            assert (await stream.next()).created
            answer = await stream.next()
            assert (answer.canceled, answer.compact_revision) == (True, 8)

    run_virtually(story())


def test_a_client_that_does_not_read_falls_behind_and_misses_nothing() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            one = members[1]
            stream = watch(one, b"a")
            await stream.next()
            stream.block()
            for n in range(30):
                await call(one, "KV/Put", put(b"a", b"%d" % n))
            assert len(stream.sent) == 1
            stream.unblock()
            values: list[bytes] = []
            while len(values) < 30:
                values += [each.kv.value for each in (await stream.next()).events]
            assert values == [b"%d" % n for n in range(30)]

    run_virtually(story())


def test_cancelling_and_progress() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            one = members[1]
            stream = watch(one, b"a")
            created = await stream.next()
            await call(one, "KV/Put", put(b"other"))
            stream.receiver.received(schema.WatchRequest(progress_request=schema.WatchProgressRequest()))
            progress = await stream.next()
            assert (progress.header.revision, len(progress.events)) == (2, 0)
            cancel = schema.WatchCancelRequest(watch_id=created.watch_id)
            stream.receiver.received(schema.WatchRequest(cancel_request=cancel))
            assert (await stream.next()).canceled
            stream.receiver.half_closed()
            stream.receiver.ended()
            assert len(one.watch) == 0

    run_virtually(story())


def test_progress_is_told_by_itself_to_who_wants_it() -> None:
    async def story() -> None:
        async with EtcdWorld(1, progress_interval_s=20.0).serving_etcd() as members:
            stream = watch(members[1], b"a", progress_notify=True)
            await stream.next()
            # The first is not told: a watch that is new knows where it is.
            answer = await stream.next()
            assert (len(answer.events), answer.header.revision) == (0, 1)
            assert asyncio.get_running_loop().time() > 15

    run_virtually(story())


def test_a_stream_that_requires_a_leader_ends_without_one_and_others_go_on() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            needs = watch(one, b"a", metadata={"hasleader": "true"})
            needs_not = watch(one, b"a")
            world.cut(one.host.id)
            assert await needs.ended() == (14, "etcdserver: no leader")
            assert needs_not.status is None
            world.heal()
            await call(one, "KV/Put", put(b"a"))
            assert (await needs_not.next()).created
            assert len((await needs_not.next()).events) == 1

    run_virtually(story())


def test_members_are_listed_with_what_they_have_published() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            for member in members.values():
                for linearizable in (True, False):
                    request = schema.MemberListRequest(linearizable=linearizable)
                    found = (await call(member, "Cluster/MemberList", request)).members
                    if linearizable:
                        assert [each.ID for each in found] == [1, 2, 3]
                        assert [each.name for each in found] == ["m1", "m2", "m3"]
                        assert [list(each.peerURLs) for each in found] == [[f"http://host{n}:7000"] for n in (1, 2, 3)]
                        assert [list(each.clientURLs) for each in found] == [[f"http://c{n}:2379"] for n in (1, 2, 3)]
                        assert not any(each.isLearner for each in found)

    run_virtually(story())


@pytest.mark.parametrize(
    ("name", "request_", "expected"),
    [
        ("Cluster/MemberPromote", schema.MemberPromoteRequest(ID=1), refused("MEMBER_NOT_LEARNER")),
        ("Cluster/MemberPromote", schema.MemberPromoteRequest(ID=4242), refused("MEMBER_NOT_FOUND")),
        ("Cluster/MemberRemove", schema.MemberRemoveRequest(ID=4242), refused("MEMBER_NOT_FOUND")),
        ("Cluster/MemberUpdate", schema.MemberUpdateRequest(ID=4242), refused("MEMBER_NOT_FOUND")),
        ("Auth/AuthEnable", schema.AuthEnableRequest(), refused("ROOT_USER_NOT_EXIST")),
        ("Auth/Authenticate", schema.AuthenticateRequest(name="a", password="b"), refused("AUTH_NOT_ENABLED")),
        ("Cluster/MemberRemove", schema.MemberRemoveRequest(ID=1), 12),
        ("Cluster/MemberUpdate", schema.MemberUpdateRequest(ID=1), 12),
        ("Cluster/MemberAdd", schema.MemberAddRequest(), 12),
        ("Auth/UserAdd", schema.AuthUserAddRequest(name="a"), 12),
    ],
    ids=lambda value: str(value)[:30].strip(),
)
def test_what_cannot_be_done_is_refused(name: str, request_: Any, expected: Any) -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            with pytest.raises(Refused) as caught:
                await call(members[1], name, request_)
            assert expected in (caught.value, caught.value.code)

    run_virtually(story())


def test_authentication_is_off() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            status = await call(members[1], "Auth/AuthStatus", schema.AuthStatusRequest())
            assert (status.enabled, status.authRevision) == (False, 1)
            assert (await call(members[1], "Auth/AuthDisable", schema.AuthDisableRequest())).header.member_id == 1

    run_virtually(story())


def test_status_has_the_fields_of_the_present_line() -> None:
    async def story() -> None:
        world = EtcdWorld(3, version="3.6.7")
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            await call(one, "KV/Put", put(b"a", bytes(1000)))
            status = await call(one, "Maintenance/Status", schema.StatusRequest())
            assert status.version == "3.6.7"
            assert status.storageVersion
            assert status.leader == leader_of(members).host.id
            assert status.raftTerm == one.replica.term
            assert status.raftIndex == status.raftAppliedIndex == one.replica.applied
            assert 1000 < status.dbSize == status.dbSizeInUse
            assert list(status.errors) == []
            assert not status.isLearner
            assert status.downgradeInfo.enabled is False
            assert one.health() == (True, "")
            world.cut(one.host.id)
            await asyncio.sleep(1)
            status = await call(one, "Maintenance/Status", schema.StatusRequest())
            assert (status.leader, list(status.errors)) == (0, ["etcdserver: no leader"])
            assert one.health() == (False, "RAFT NO LEADER")

    run_virtually(story())


def test_hashes_of_members_are_equal_and_change_with_the_state() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            seen = set()
            for n in range(3):
                await call(members[1], "KV/Put", put(b"a%d" % n, b"1"))
                found = set()
                for member in members.values():
                    await call(member, "KV/Range", get(b"a"))
                    answer = await call(member, "Maintenance/HashKV", schema.HashKVRequest())
                    found.add((answer.hash, answer.compact_revision, answer.hash_revision))
                    found.add((await call(member, "Maintenance/Hash", schema.HashRequest())).hash)
                assert len(found) == 2
                seen |= found
            assert len(seen) == 6
            with pytest.raises(Refused):
                await call(members[1], "Maintenance/HashKV", schema.HashKVRequest(revision=99))
            assert (await call(members[1], "Maintenance/Defragment", schema.DefragmentRequest())).header.revision == 4

    run_virtually(story())


def test_members_that_differ_raise_an_alarm_and_write_no_more() -> None:
    async def story() -> None:
        async with EtcdWorld(3, corrupt_check_s=5.0).serving_etcd() as members:
            leader, (one, two) = leader_of(members), followers_of(members)
            await call(one, "KV/Put", put(b"a", b"1"))
            await asyncio.sleep(11)
            assert leader.hashes.checks >= 1
            assert leader.machine.alarms == {}
            # A bit flips in the memory of one member.
            txn = two.machine.store.begin()
            txn.put(b"b", b"flipped")
            txn.end()
            await call(one, "KV/Put", put(b"c", b"1"))
            await asyncio.sleep(15)
            answer = await call(one, "Maintenance/Alarm", schema.AlarmRequest())
            assert [(each.memberID, each.alarm) for each in answer.alarms] == [(two.host.id, schema.CORRUPT)]
            with pytest.raises(Refused) as caught:
                await call(one, "KV/Put", put(b"a"))
            assert caught.value == refused("CORRUPT")
            assert one.health() == (False, "ALARM CORRUPT")
            request = schema.AlarmRequest(action=2, memberID=two.host.id, alarm=schema.CORRUPT)
            answer = await call(one, "Maintenance/Alarm", request)
            assert len(answer.alarms) == 1
            await call(one, "KV/Put", put(b"a"))

    run_virtually(story())


@pytest.mark.parametrize(
    ("hashes", "found"),
    [
        ({1: (5, 0), 2: (5, 0), 3: (5, 0)}, []),
        ({1: (5, 0), 2: (6, 0), 3: (5, 0)}, [2]),
        ({1: (5, 0), 2: (6, 0)}, [1, 2]),
        ({1: (5, 0), 2: (6, 0), 3: (7, 0)}, [1, 2, 3]),
        ({1: (5, 0), 2: (6, 9), 3: (5, 0)}, []),
        ({1: (5, 0)}, []),
        ({}, []),
    ],
    ids=str,
)
def test_a_majority_is_right(hashes: Any, found: list[int]) -> None:
    assert suspects(hashes) == found


def test_a_snapshot_has_etcdctls_form_and_restores_the_state() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            one = followers_of(members)[0]
            lease = await call(one, "Lease/LeaseGrant", schema.LeaseGrantRequest(TTL=30))
            for n in range(30):
                await call(one, "KV/Put", put(b"k%02d" % n, bytes(30_000), lease=lease.ID))
            await call(one, "KV/Compact", schema.CompactionRequest(revision=20))
            stream = open_stream(one, "Maintenance/Snapshot", schema.SnapshotRequest())
            stream.block(after=1)
            await call(one, "KV/Put", put(b"later"))
            await asyncio.sleep(0.1)
            assert len(stream.sent) == 1
            stream.unblock()
            assert await stream.ended() == (0, "")
            left = [each.remaining_bytes for each in stream.sent]
            assert left == sorted(left, reverse=True)
            assert left[-1] == 0
            assert max(len(each.blob) for each in stream.sent) <= BLOB_BYTES
            data = b"".join(each.blob for each in stream.sent)
            assert len(data) % 512 == 32
            assert len(stream.sent[-1].blob) == 32
            file = BytesIO(data)
            verify(file)
            machine = EtcdMachine()
            machine.restore(StateInSnapshot(file))
            assert machine.store.revision == 31
            assert machine.store.compacted == 20
            assert len(machine.leases.leases[lease.ID].keys) == 30
            assert set(machine.attributes) == {1, 2, 3}
            stream = open_stream(one, "Maintenance/Snapshot", schema.SnapshotRequest())
            await stream.next()
            stream.receiver.ended()

    run_virtually(story())


def test_a_snapshots_file_that_is_damaged_is_refused() -> None:
    data = b"".join(blobs([b"x" * 1000, b"", b"y" * 300_000]))
    verify(BytesIO(data))
    assert StateInSnapshot(BytesIO(data)).read() == b"x" * 1000 + b"y" * 300_000
    pieces = StateInSnapshot(BytesIO(data))
    assert pieces.read(999) == b"x" * 999
    assert pieces.read(2) == b"xy"
    wrong = [data[:-1], data[:-512], b"X" + data[1:], data[:700] + b"\1" + data[701:], bytes(512) + data[-32:], b""]
    for each in wrong:
        with pytest.raises(Corruption):
            verify(BytesIO(each))
    for each in (b"no snapshot", data[:500]):
        with pytest.raises(Corruption):
            StateInSnapshot(BytesIO(each)).read()


def test_a_learner_answers_status_serializable_ranges_and_snapshots_only() -> None:
    async def story() -> None:
        world = EtcdWorld(1)
        async with world.serving_etcd() as members:
            await call(members[1], "KV/Put", put(b"a", b"1"))
            host = world.host(9, join="host1:7000", learner=True, listen="host9:7000")
            async with host:
                learner = world.member(host)
                learner.start()
                try:
                    while not learner.core.is_learner or not learner.replica.applied:
                        await asyncio.sleep(0.05)
                    await asyncio.sleep(1)
                    status = await call(learner, "Maintenance/Status", schema.StatusRequest())
                    assert status.isLearner
                    found = await call(learner, "KV/Range", get(b"a", serializable=True))
                    assert found.kvs[0].value == b"1"
                    stream = open_stream(learner, "Maintenance/Snapshot", schema.SnapshotRequest())
                    assert await stream.ended() == (0, "")
                    for name, request in (
                        ("KV/Range", get(b"a")),
                        ("KV/Put", put(b"a")),
                        ("Lease/LeaseGrant", schema.LeaseGrantRequest(TTL=5)),
                        ("Cluster/MemberList", schema.MemberListRequest()),
                        ("Maintenance/HashKV", schema.HashKVRequest()),
                    ):
                        with pytest.raises(Refused) as caught:
                            await call(learner, name, request)
                        assert caught.value == refused("NOT_SUPPORTED_FOR_LEARNER")
                    with pytest.raises(Refused):
                        open_stream(learner, "Watch/Watch")
                    listed = await call(members[1], "Cluster/MemberList", schema.MemberListRequest(linearizable=True))
                    assert [each.isLearner for each in listed.members] == [False, True]
                finally:
                    await learner.close()

    run_virtually(story())


def test_a_follower_that_gets_a_snapshot_serves_its_state_and_its_watches_go_on() -> None:
    async def story() -> None:
        world = EtcdWorld(3, tuned(snapshot_entries=20, kept_entries=1))
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            other = leader_of(members)
            stream = watch(one, b"k", b"l")
            await stream.next()
            world.cut(one.host.id)
            for n in range(100):
                await call(other, "KV/Put", put(b"k%02d" % n, bytes(2000)))
            world.heal()
            found = await call(one, "KV/Range", get(b"k", range_end=b"l"))
            assert found.count == 100
            assert any(m.snapshot is not None for _, group, m in world.sent if group == one.replica.group)
            seen: list[Any] = []
            while len(seen) < 100:
                seen += [each.kv.key for each in (await stream.next()).events]
            assert seen == [b"k%02d" % n for n in range(100)]
            hashes = {
                (await call(each, "Maintenance/HashKV", schema.HashKVRequest())).hash for each in members.values()
            }
            assert len(hashes) == 1

    run_virtually(story())
