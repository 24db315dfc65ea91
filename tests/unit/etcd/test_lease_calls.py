"""The RPCs of the Lease service, and the leader's revocations, on members in virtual time."""

import asyncio
from typing import Any

import pytest

from raftcy.errors import DecodeError
from raftcy.etcd import leasequestions, schema
from raftcy.etcd.leasecalls import KEEPALIVES_MOST, LEASE_KIND
from raftcy.etcd.leasetable import LeaseTable
from raftcy.etcd.lessor import Lessor
from raftcy.etcd.refusals import Refused, refused
from raftcy.machines.plaindata import pack
from tests.support.etcdworld import (
    EtcdWorld,
    Members,
    call,
    followers_of,
    get,
    leader_of,
    on_members,
    open_stream,
    put,
)
from tests.support.hosts import tuned
from tests.support.virtual import run_virtually


async def grant(member: Any, ttl_s: int, id: int = 0) -> Any:
    return await call(member, "Lease/LeaseGrant", schema.LeaseGrantRequest(TTL=ttl_s, ID=id))


async def keys_of(member: Any) -> list[bytes]:
    found = await call(member, "KV/Range", get(b"\0", range_end=b"\0"))
    return [kv.key for kv in found.kvs]


async def ttl_of(member: Any, id: int, keys: bool = False) -> Any:
    return await call(member, "Lease/LeaseTimeToLive", schema.LeaseTimeToLiveRequest(ID=id, keys=keys))


async def renew(member: Any, id: int) -> int:
    """Renew a lease as a client does, and return the TTL of the answer."""
    stream = open_stream(member, "Lease/LeaseKeepAlive", schema.LeaseKeepAliveRequest(ID=id), half_close=True)
    answer = await stream.next()
    assert await stream.ended() == (0, "")
    assert answer.ID == id
    return int(answer.TTL)


@on_members(3)
async def test_a_lease_is_granted_asked_for_and_revoked_through_every_member(members: Members) -> None:
    for member in members.values():
        lease = await grant(member, 30)
        assert (lease.TTL, lease.error) == (30, "")
        assert 0 < lease.ID < 2**63
        for key in (b"b", b"a"):
            await call(member, "KV/Put", put(key, lease=lease.ID))
        found = await ttl_of(member, lease.ID, keys=True)
        assert found.TTL in (29, 30)
        assert (found.grantedTTL, list(found.keys)) == (30, [b"a", b"b"])
        assert (await ttl_of(member, lease.ID)).keys == []
        listed = await call(member, "Lease/LeaseLeases", schema.LeaseLeasesRequest())
        assert [each.ID for each in listed.leases] == [lease.ID]
        revision = member.machine.store.revision
        await call(member, "Lease/LeaseRevoke", schema.LeaseRevokeRequest(ID=lease.ID))
        assert await keys_of(member) == []
        assert member.machine.store.revision == revision + 1, "all keys in one revision"
        assert (await ttl_of(member, lease.ID)).TTL == -1
        assert await renew(member, lease.ID) == 0


@on_members(1, tuned(election_ms=1000, tick_ms=100))
async def test_a_lease_gets_at_least_more_than_an_election_timeout(members: Members) -> None:
    assert (await grant(members[1], 1)).TTL == 2
    assert (await grant(members[1], -5)).TTL == 2
    assert (await grant(members[1], 3)).TTL == 3


@on_members(3)
async def test_refusals_are_etcds(members: Members) -> None:
    one = followers_of(members)[0]
    lease = await grant(one, 30, 77)
    assert lease.ID == 77
    for request, text in (
        (("Lease/LeaseGrant", schema.LeaseGrantRequest(TTL=30, ID=77)), "LEASE_EXISTS"),
        (("Lease/LeaseGrant", schema.LeaseGrantRequest(TTL=9_000_000_001)), "LEASE_TTL_TOO_LARGE"),
        (("Lease/LeaseRevoke", schema.LeaseRevokeRequest(ID=78)), "LEASE_NOT_FOUND"),
    ):
        with pytest.raises(Refused) as caught:
            await call(one, *request)
        assert caught.value == refused(text)


@on_members(3)
async def test_a_lease_that_is_not_renewed_ends_on_all_members_in_one_revision(members: Members) -> None:
    one = followers_of(members)[0]
    lease = await grant(one, 5)
    for key in (b"a", b"b"):
        await call(one, "KV/Put", put(key, lease=lease.ID))
    revision = one.machine.store.revision
    await asyncio.sleep(4.7)
    assert await keys_of(one) == [b"a", b"b"], "not early"
    await asyncio.sleep(1)
    for member in members.values():
        assert await keys_of(member) == []
        assert member.machine.store.revision == revision + 1
        assert len(member.machine.leases) == 0


@on_members(3)
async def test_a_lease_that_is_renewed_through_any_member_goes_on(members: Members) -> None:
    lease = await grant(members[1], 5)
    await call(members[1], "KV/Put", put(b"a", lease=lease.ID))
    for _ in range(4):
        for member in members.values():
            await asyncio.sleep(3)
            assert await renew(member, lease.ID) == 5
    assert await keys_of(members[2]) == [b"a"]
    await asyncio.sleep(6)
    assert await keys_of(members[2]) == []


@on_members(3)
async def test_a_new_leader_gives_full_time_again(members: Members) -> None:
    old = leader_of(members)
    lease = await grant(old, 5)
    await asyncio.sleep(4)
    await old.replica.transfer()
    one = leader_of(members)
    assert one is not old
    found = await ttl_of(old, lease.ID)
    assert found.TTL >= 4
    await asyncio.sleep(4)
    assert (await ttl_of(one, lease.ID)).TTL >= 0, "the former leader would have revoked it"
    await asyncio.sleep(2)
    assert (await ttl_of(one, lease.ID)).TTL == -1


def test_a_leader_that_is_cut_off_neither_renews_nor_revokes() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            old = leader_of(members)
            one = followers_of(members)[0]
            lease = await grant(old, 5)
            await call(old, "KV/Put", put(b"a", lease=lease.ID))
            await asyncio.sleep(4.9)
            world.cut(old.host.id)
            asked = asyncio.ensure_future(renew(old, lease.ID))
            await asyncio.sleep(0.05)
            assert old.replica.is_leader, "it does not know yet"
            while not any(member.replica.is_leader for member in members.values() if member is not old):
                await asyncio.sleep(0.01)
            for _ in range(3):
                await asyncio.sleep(3)
                assert await renew(one, lease.ID) == 5
            assert not asked.done() or asked.exception() is not None, "nobody has confirmed that it led"
            world.heal()
            await asyncio.sleep(1)
            for member in members.values():
                assert await keys_of(member) == [b"a"]
            asked.cancel()

    run_virtually(story())


def test_a_revocation_of_another_term_changes_nothing() -> None:
    """catches: etcd#12528"""

    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            leader = leader_of(members)
            lease = await grant(leader, 30)
            for term in (leader.replica.term - 1, leader.replica.term + 1):
                entry = schema.InternalRaftRequest(
                    lease_revoke=schema.LeaseRevokeRequest(ID=lease.ID), revoked_in_term=term
                )
                with pytest.raises(Exception, match="leader changed"):
                    await leader.replica.propose(entry.SerializeToString())
            assert (await ttl_of(leader, lease.ID)).TTL > 0

    run_virtually(story())


def test_renewals_of_one_turn_are_forwarded_in_one_request_and_share_a_round() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            ids = [(await grant(one, 30)).ID for _ in range(100)]
            await asyncio.sleep(0.1)
            world.sent.clear()
            stream = open_stream(one, "Lease/LeaseKeepAlive", *[schema.LeaseKeepAliveRequest(ID=id) for id in ids])
            answers = [await stream.next() for _ in ids]
            assert sorted(each.ID for each in answers) == sorted(ids)
            assert {each.TTL for each in answers} == {30}
            requests = [m for id, group, m in world.sent if id == one.host.id and m.commit == LEASE_KIND and group == 0]
            assert len(requests) == 1
            stream.receiver.ended()

    run_virtually(story())


def test_renewals_go_to_the_next_leader_when_one_is_lost() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            old = leader_of(members)
            one = followers_of(members)[0]
            lease = await grant(one, 30)
            world.cut(old.host.id)
            assert await renew(one, lease.ID) == 30
            assert leader_of({id: each for id, each in members.items() if each is not old}) is not old

    run_virtually(story())


def test_a_renewal_of_a_lease_that_is_over_waits_until_it_is_revoked() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            leader = leader_of(members)
            others = [each.host.id for each in followers_of(members)]
            lease = await grant(leader, 1)
            await call(leader, "KV/Put", put(b"a", lease=lease.ID))
            left_s = leader.lease.lessor.remaining_s(lease.ID, asyncio.get_running_loop().time())
            await asyncio.sleep(left_s - 0.001)
            asked = [asyncio.ensure_future(renew(each, lease.ID)) for each in members.values()]
            world.cut(*others)
            await asyncio.sleep(0.02)
            world.heal()
            assert set(await asyncio.gather(*asked)) <= {0, 1}
            for each in members.values():
                if await renew(each, lease.ID) == 0:
                    assert await keys_of(each) == []

    run_virtually(story())


def test_a_stream_of_renewals_is_paused_when_many_wait_and_bounded() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            lease = await grant(one, 30)
            world.cut(one.host.id)
            stream = open_stream(one, "Lease/LeaseKeepAlive")
            for _ in range(KEEPALIVES_MOST - 1):
                stream.receiver.received(schema.LeaseKeepAliveRequest(ID=lease.ID))
            assert not stream.is_paused
            stream.receiver.received(schema.LeaseKeepAliveRequest(ID=lease.ID))
            assert stream.is_paused
            world.heal()
            answers = [await stream.next() for _ in range(KEEPALIVES_MOST)]
            assert {each.TTL for each in answers} == {30}
            assert not stream.is_paused
            stream.block()
            stream.receiver.received(schema.LeaseKeepAliveRequest(ID=lease.ID))
            assert stream.is_paused
            stream.unblock()
            assert not stream.is_paused
            stream.receiver.ended()
            await asyncio.sleep(0.01)
            assert len(one.lease.desk.waiting) == 0

    run_virtually(story())


def test_a_stream_of_renewals_ends_with_etcds_text_if_nobody_can_answer() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            lease = await grant(one, 30)
            world.cut(one.host.id)
            await asyncio.sleep(1)
            stream = open_stream(one, "Lease/LeaseKeepAlive", schema.LeaseKeepAliveRequest(ID=lease.ID))
            assert await stream.ended() == (14, "etcdserver: request timed out")
            stream.receiver.ended()
            await asyncio.sleep(0.01)
            assert len(one.lease.desk.waiting) == 0
            with pytest.raises(Refused) as caught:
                await ttl_of(one, lease.ID)
            assert caught.value == refused("TIMEOUT")

    run_virtually(story())


@on_members(3)
async def test_many_leases_that_end_at_once_are_revoked_in_batches(members: Members) -> None:
    one = followers_of(members)[0]
    for at in range(0, 600, 100):
        await asyncio.gather(*[grant(one, 2, at + n + 1) for n in range(100)])
    for n in range(0, 600, 50):
        await call(one, "KV/Put", put(b"k%d" % n, lease=n + 1))
    await asyncio.sleep(6)
    for member in members.values():
        assert await keys_of(member) == []
        assert len(member.machine.leases) == 0


def test_what_is_confirmed_in_another_term_is_asked_again() -> None:
    """catches: etcd#21671"""
    table = LeaseTable()
    lessor = Lessor(table, extend_s=1.0)
    table.grant(5, 30)
    term = 3
    barriers: list[Any] = []
    replies: list[Any] = []
    desk = leasequestions.Desk(lessor, table, lambda: term, barriers.append, lambda: 0.0, lambda: None)
    for change in (0, 4, 3):
        term = 3
        lessor.promote(3, 0.0)
        desk.ask(leasequestions.RENEW, 5, False, replies.append)
        term = change
        if change:
            lessor.promote(change, 0.0)
        else:
            lessor.demote()
        barriers.pop().set_result(None)
    statuses = [each.status for each in replies]
    assert statuses == [leasequestions.ASK_AGAIN, leasequestions.ASK_AGAIN, leasequestions.FOUND]
    assert not desk.waiting


@on_members(3)
async def test_only_members_that_lead_answer_the_questions_of_others(members: Members) -> None:
    one, two = followers_of(members)
    data = pack([(leasequestions.RENEW, 5, False)])
    found = leasequestions.decode_replies(await one.host.request(two.host.id, LEASE_KIND, data), 1)
    assert found[0].status == leasequestions.ASK_AGAIN
    with pytest.raises(Exception, match="no question"):
        await one.host.request(two.host.id, LEASE_KIND, pack([(9, 5, False)]))


def short(value: Any) -> str:
    return repr(value)[:20]


@pytest.mark.parametrize(
    "value",
    [5, [(1, 2)], [(1, "x", False)], [(1, 2, 3)], [(7, 2, True)], [(1, 2, True)] * 513],
    ids=short,
)
def test_malformed_questions_are_refused(value: Any) -> None:
    with pytest.raises(DecodeError):
        leasequestions.decode_questions(pack(value))


def short(value: Any) -> str:
    return repr(value)[:20]


@pytest.mark.parametrize("value", [5, [], [(1,)], [(9, 0, 0, [])], [(0, "x", 0, [])], [(0, 1, 1, 5)]], ids=short)
def test_malformed_replies_are_refused(value: Any) -> None:
    with pytest.raises(DecodeError):
        leasequestions.decode_replies(pack(value), 1)
