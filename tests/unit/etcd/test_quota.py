"""The bound of the store's size: who is refused, who is not, and how it ends, on members in virtual time."""

from io import BytesIO
from typing import Any

import pytest

from raftcy.etcd import schema
from raftcy.etcd.api import EtcdMember
from raftcy.etcd.configuration import configure
from raftcy.etcd.etcdmachine import EtcdMachine
from raftcy.etcd.flags import FlagError, parse
from raftcy.etcd.quota import BASE_BYTES, DEFAULT_QUOTA_BYTES, cost_of_put, cost_of_txn
from raftcy.etcd.refusals import Refused, refused
from raftcy.machines import Command
from tests.support.etcdworld import EtcdWorld, call, followers_of, get, leader_of, put
from tests.support.virtual import run_virtually

pytestmark = pytest.mark.once

QUOTA_BYTES = BASE_BYTES + 10_000
VALUE = bytes(1000)


def putting(key: bytes = b"t") -> Any:
    return schema.RequestOp(request_put=put(key, b"1"))


def deleting(key: bytes) -> Any:
    return schema.RequestOp(request_delete_range=schema.DeleteRangeRequest(key=key))


def command(request: Any, index: int) -> Command:
    return Command(index=index, term=1, data=request.SerializeToString(), time_ms=0, session=0)


async def filled(member: EtcdMember) -> int:
    """Put until it is refused; how many puts were not."""
    count = 0
    try:
        while count < 100:
            await call(member, "KV/Put", put(b"%03d" % count, VALUE))
            count += 1
    except Refused as error:
        if error != refused("NO_SPACE"):
            raise
    return count


async def refused_with_no_space(member: EtcdMember, name: str, request: Any) -> None:
    with pytest.raises(Refused) as caught:
        await call(member, name, request)
    assert (caught.value.code, caught.value.text) == (8, "etcdserver: mvcc: database space exceeded")


@pytest.mark.parametrize("leads", [True, False])
def test_a_full_member_stops_what_takes_space_on_all_members(leads: bool) -> None:
    async def story() -> None:
        async with EtcdWorld(3, quota_bytes=QUOTA_BYTES).serving_etcd() as members:
            one = leader_of(members) if leads else followers_of(members)[0]
            assert await filled(one) == 9
            for member in members.values():
                answer = await call(member, "Maintenance/Alarm", schema.AlarmRequest())
                assert [(each.memberID, each.alarm) for each in answer.alarms] == [(one.host.id, schema.NOSPACE)]
                assert member.health() == (False, "ALARM NOSPACE")
                status = await call(member, "Maintenance/Status", schema.StatusRequest())
                assert [each for each in status.errors if "NOSPACE" in each]
                await refused_with_no_space(member, "KV/Put", put(b"a"))
                await refused_with_no_space(member, "KV/Txn", schema.TxnRequest(success=[putting()]))
                await refused_with_no_space(member, "KV/Txn", schema.TxnRequest(failure=[putting()]))
                nested = schema.RequestOp(request_txn=schema.TxnRequest(failure=[putting()]))
                await refused_with_no_space(member, "KV/Txn", schema.TxnRequest(success=[nested]))
                await refused_with_no_space(member, "Lease/LeaseGrant", schema.LeaseGrantRequest(TTL=60))
            found = await call(one, "KV/Range", get(b"\0", range_end=b"\0", count_only=True))
            assert found.count == 9

    run_virtually(story())


def test_space_is_made_and_the_alarm_taken_back() -> None:
    """catches: etcd#17318"""

    async def story() -> None:
        async with EtcdWorld(3, quota_bytes=QUOTA_BYTES).serving_etcd() as members:
            one, two = followers_of(members)
            lease = await call(one, "Lease/LeaseGrant", schema.LeaseGrantRequest(TTL=600))
            await filled(one)
            await call(two, "KV/DeleteRange", schema.DeleteRangeRequest(key=b"000"))
            await call(two, "KV/Txn", schema.TxnRequest(success=[deleting(b"001"), deleting(b"002")]))
            await call(two, "Lease/LeaseRevoke", schema.LeaseRevokeRequest(ID=lease.ID))
            revision = (await call(one, "KV/Range", get(b"003"))).header.revision
            await call(one, "KV/Compact", schema.CompactionRequest(revision=revision, physical=True))
            # There is space again, but the alarm stands.
            await refused_with_no_space(one, "KV/Put", put(b"a"))
            alarm = schema.AlarmRequest(action=2, memberID=one.host.id, alarm=schema.NOSPACE)
            assert len((await call(two, "Maintenance/Alarm", alarm)).alarms) == 1
            await call(one, "KV/Put", put(b"a"))
            await call(two, "KV/Put", put(b"a"))
            assert one.health() == (True, "")
            # Without space, the alarm comes back with the next put, and not before.
            await filled(one)
            await call(two, "Maintenance/Alarm", alarm)
            answer = await call(two, "Maintenance/Alarm", schema.AlarmRequest(alarm=schema.NOSPACE))
            assert not answer.alarms
            await refused_with_no_space(one, "KV/Put", put(b"b", VALUE))
            answer = await call(two, "Maintenance/Alarm", schema.AlarmRequest(alarm=schema.NOSPACE))
            assert len(answer.alarms) == 1

    run_virtually(story())


def test_members_may_have_different_bounds() -> None:
    async def story() -> None:
        async with EtcdWorld(3, quota_bytes=-1).serving_etcd() as members:
            one, two = followers_of(members)
            for number in range(20):
                await call(one, "KV/Put", put(b"%d" % number, VALUE))
            object.__setattr__(two.core.options, "quota_bytes", QUOTA_BYTES)
            await refused_with_no_space(two, "KV/Put", put(b"a"))
            await refused_with_no_space(one, "KV/Put", put(b"a"))
            await refused_with_no_space(leader_of(members), "KV/Put", put(b"a"))

    run_virtually(story())


def test_an_alarm_survives_a_snapshot() -> None:
    machine = EtcdMachine()
    alarm = schema.AlarmRequest(action=1, memberID=5, alarm=schema.NOSPACE)
    entries = [
        schema.InternalRaftRequest(alarm=alarm),
        schema.InternalRaftRequest(put=put(b"a")),
        schema.InternalRaftRequest(txn=schema.TxnRequest(success=[putting()])),
        schema.InternalRaftRequest(lease_grant=schema.LeaseGrantRequest(ID=1, TTL=5)),
        schema.InternalRaftRequest(txn=schema.TxnRequest(success=[deleting(b"a")])),
    ]
    commands = [command(each, n + 1) for n, each in enumerate(entries)]
    answers = machine.apply(commands)
    assert [str(each) for each in answers[1:4]] == ["etcdserver: mvcc: database space exceeded"] * 3
    assert answers[4].revision == 1
    other = EtcdMachine()
    other.restore(BytesIO(b"".join(machine.capture())))
    assert other.is_full
    assert [str(each) for each in other.apply(commands[1:2])] == ["etcdserver: mvcc: database space exceeded"]
    end = schema.InternalRaftRequest(alarm=schema.AlarmRequest(action=2, memberID=5, alarm=schema.NOSPACE))
    other.apply([command(end, 6)])
    assert other.apply(commands[1:2])[0].revision == 2


def test_costs_are_etcds() -> None:
    assert cost_of_put(put(b"abc", b"12345")) == 256 + 8
    dear = schema.RequestOp(request_put=put(b"a", bytes(100)))
    nested = schema.RequestOp(request_txn=schema.TxnRequest(success=[dear, dear]))
    assert cost_of_txn(schema.TxnRequest(success=[putting()], failure=[nested, deleting(b"a")])) == 2 * 357
    assert cost_of_txn(schema.TxnRequest(success=[deleting(b"a")])) == 0


@pytest.mark.parametrize(
    ("text", "bytes_"), [("0", DEFAULT_QUOTA_BYTES), ("-1", -1), ("-77", -77), ("1", 1), ("17179869184", 16 << 30)]
)
def test_what_the_flag_means(text: str, bytes_: int) -> None:
    assert configure(parse([f"--quota-backend-bytes={text}"]).values).quota_bytes == bytes_
    assert configure(parse(["--quota-backend-bytes", text]).values).quota_bytes == bytes_


@pytest.mark.parametrize("text", ["", "-", "--1", "-+1", "1.5", "x"])
def test_a_flag_that_is_no_number(text: str) -> None:
    with pytest.raises(FlagError):
        parse([f"--quota-backend-bytes={text}"])
