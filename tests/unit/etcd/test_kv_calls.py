"""The RPCs of the KV service, called directly on members in virtual time."""

import asyncio
from typing import Any

import pytest

from raftcy.etcd import schema
from raftcy.etcd.refusals import Refused, refused
from tests.support.etcdworld import EtcdWorld, call, followers_of, get, leader_of, open_stream, put
from tests.support.hosts import tuned
from tests.support.virtual import run_virtually


def test_a_put_is_read_back_from_every_member() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            for id, member in members.items():
                answer = await call(member, "KV/Put", put(b"k%d" % id, b"v"))
                assert answer.header.member_id == id
                assert answer.header.cluster_id == member.host.cluster
                assert answer.header.raft_term == member.replica.term
                assert answer.header.revision == id + 1
                for other in members.values():
                    found = await call(other, "KV/Range", get(b"k%d" % id))
                    assert [kv.value for kv in found.kvs] == [b"v"]
                    assert found.count == 1
                    assert found.header.revision == id + 1

    run_virtually(story())


def test_previous_values_deletes_and_transactions() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            one = followers_of(members)[0]
            await call(one, "KV/Put", put(b"a", b"1"))
            answer = await call(one, "KV/Put", put(b"a", b"2", prev_kv=True))
            assert answer.prev_kv.value == b"1"
            txn = schema.TxnRequest(
                compare=[schema.Compare(key=b"a", target=schema.Compare.VALUE, value=b"2")],
                success=[
                    schema.RequestOp(request_put=put(b"b", b"3")),
                    schema.RequestOp(request_range=get(b"b")),
                ],
            )
            answer = await call(one, "KV/Txn", txn)
            assert answer.succeeded
            assert answer.responses[1].response_range.kvs[0].value == b"3"
            answer = await call(
                one, "KV/DeleteRange", schema.DeleteRangeRequest(key=b"a", range_end=b"z", prev_kv=True)
            )
            assert answer.deleted == 2
            assert [kv.key for kv in answer.prev_kvs] == [b"a", b"b"]
            answer = await call(one, "KV/DeleteRange", schema.DeleteRangeRequest(key=b"a"))
            assert (answer.deleted, answer.header.revision) == (0, 5)

    run_virtually(story())


def test_a_transaction_that_only_reads_is_not_in_the_log() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            one = followers_of(members)[0]
            await call(one, "KV/Put", put(b"a", b"1"))
            commit = one.replica.commit
            txn = schema.TxnRequest(success=[schema.RequestOp(request_range=get(b"a"))])
            answer = await call(one, "KV/Txn", txn)
            assert answer.responses[0].response_range.kvs[0].value == b"1"
            assert one.replica.commit == commit

    run_virtually(story())


DELETE_ALL = schema.DeleteRangeRequest(key=b"a", range_end=b"z", prev_kv=True)


async def refusal(member: Any, name: str, request: Any, **metadata: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await call(member, name, request, **metadata)
    return caught.value


def test_refusals_are_etcds() -> None:
    async def story() -> None:
        async with EtcdWorld(3, max_request_bytes=1000).serving_etcd() as members:
            for member in members.values():
                assert await refusal(member, "KV/Put", put(b"")) == refused("EMPTY_KEY")
                assert await refusal(member, "KV/Put", put(b"x", lease=42)) == refused("LEASE_NOT_FOUND")
                assert await refusal(member, "KV/Put", put(b"x", ignore_value=True)) == refused("KEY_NOT_FOUND")
                assert await refusal(member, "KV/Put", put(b"x", bytes(1000))) == refused("REQUEST_TOO_LARGE")
                assert await refusal(member, "KV/Range", get(b"x", revision=100)) == refused("FUTURE_REVISION")
                ops = [schema.RequestOp(request_range=get(b"x"))] * 129
                assert await refusal(member, "KV/Txn", schema.TxnRequest(success=ops)) == refused("TOO_MANY_OPS")
                compact = schema.CompactionRequest(revision=100)
                assert await refusal(member, "KV/Compact", compact) == refused("FUTURE_REVISION")

    run_virtually(story())


def test_compaction_refuses_older_revisions_on_all_members_and_frees_their_space() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            one = followers_of(members)[0]
            for n in range(50):
                await call(one, "KV/Put", put(b"a", b"%d" % n))
            before = one.machine.store.size
            answer = await call(one, "KV/Compact", schema.CompactionRequest(revision=50, physical=True))
            assert answer.header.revision == 51
            assert one.machine.store.size < before / 10, "the answer waits until the space is free"
            for member in members.values():
                await call(member, "KV/Range", get(b"a"))
                assert await refusal(member, "KV/Range", get(b"a", revision=49)) == refused("COMPACTED")
            assert await refusal(one, "KV/Compact", schema.CompactionRequest(revision=50)) == refused("COMPACTED")

    run_virtually(story())


def test_serializable_reads_go_on_without_a_leader_and_others_time_out() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            await call(one, "KV/Put", put(b"a", b"1"))
            world.cut(one.host.id)
            await asyncio.sleep(1)
            assert one.replica.leader is None
            found = await call(one, "KV/Range", get(b"a", serializable=True))
            assert found.kvs[0].value == b"1"
            assert await refusal(one, "KV/Range", get(b"a")) == refused("TIMEOUT")
            assert await refusal(one, "KV/Put", put(b"a", b"2")) == refused("TIMEOUT")
            assert await refusal(one, "KV/Range", get(b"a", serializable=True), hasleader="true") == refused(
                "NO_LEADER"
            )

    run_virtually(story())


def test_a_write_waits_for_the_next_leader_and_is_applied_once() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            old = leader_of(members)
            one, two = followers_of(members)
            await call(one, "KV/Put", put(b"a", b"1"))
            world.cut(old.host.id)
            while one.replica.leader is not None:
                await asyncio.sleep(0.0005)
            answer = await call(one, "KV/Put", put(b"a", b"2", prev_kv=True))
            assert answer.prev_kv.value == b"1"
            found = await call(two, "KV/Range", get(b"a"))
            assert found.kvs[0].version == 2
            world.heal()
            found = await call(old, "KV/Range", get(b"a"))
            assert found.kvs[0].version == 2

    run_virtually(story())


def test_what_may_have_happened_is_never_answered_as_if_it_had_not() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            asked = asyncio.ensure_future(call(one, "KV/Put", put(b"a", b"1")))
            await asyncio.sleep(0.0015)
            # The request has left, and the reply will not come.
            world.cut(one.host.id)
            with pytest.raises(Refused) as caught:
                await asked
            assert caught.value in (
                refused("TIMEOUT_CONNECTION_LOST"),
                refused("TIMEOUT"),
                refused("TIMEOUT_LEADER_FAILED"),
            )
            world.heal()
            found = await call(one, "KV/Range", get(b"a"))
            assert len(found.kvs) <= 1

    run_virtually(story())


def test_a_member_that_ends_refuses_what_waits_and_what_comes() -> None:
    async def story() -> None:
        world = EtcdWorld(3)
        async with world.serving_etcd() as members:
            one = followers_of(members)[0]
            world.cut(one.host.id)
            await asyncio.sleep(1)
            waiting = [asyncio.ensure_future(call(one, "KV/Put", put(b"a"))) for _ in range(3)]
            waiting += [asyncio.ensure_future(call(one, "KV/Range", get(b"a")))]
            await asyncio.sleep(0.1)
            one.replica.die(RuntimeError("gone"))
            for each in waiting:
                with pytest.raises(Refused) as caught:
                    await each
                assert caught.value == refused("STOPPED")
            assert await refusal(one, "KV/Range", get(b"a", serializable=True)) == refused("STOPPED")
            assert await refusal(one, "KV/Put", put(b"a")) == refused("STOPPED")
            assert one.health()[0] is False

    run_virtually(story())


def test_large_ranges_are_read_in_steps_at_one_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            one = members[1]
            ops = [schema.RequestOp(request_put=put(b"k%05d" % n, b"1")) for n in range(3000)]
            for at in range(0, 3000, 100):
                await call(one, "KV/Txn", schema.TxnRequest(success=ops[at : at + 100]))
            request = get(b"k", range_end=b"l")
            revision = one.machine.store.revision
            ticks = iter(range(10**9))
            monkeypatch.setattr("raftcy.replica.seams.Seams.stopwatch", lambda self: next(ticks) * 0.001)
            asked = asyncio.ensure_future(call(one, "KV/Range", request))
            while not one.core.slow._queue and not asked.done():
                await asyncio.sleep(0)
            assert not asked.done(), "the read pauses"
            await call(one, "KV/Put", put(b"k00000", b"2"))
            found = await asked
            assert found.count == len(found.kvs) == 3000
            assert {kv.value for kv in found.kvs} == {b"1"}
            assert found.header.revision == revision

    run_virtually(story())


def test_a_range_leaves_in_many_answers_as_fast_as_the_client_reads() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            one = members[1]
            for n in range(40):
                await call(one, "KV/Put", put(b"k%02d" % n, bytes(100_000)))
            for serializable in (True, False):
                stream = open_stream(one, "KV/RangeStream", get(b"k", range_end=b"l", serializable=serializable))
                stream.block(after=1)
                await asyncio.sleep(1)
                assert len(stream.sent) == 1
                stream.unblock()
                assert await stream.ended() == (0, "")
                answers = [each.range_response for each in stream.sent]
                assert len(answers) >= 4
                assert [kv.key for each in answers for kv in each.kvs] == [b"k%02d" % n for n in range(40)]
                assert answers[-1].header.revision == 41
                assert answers[-1].count == 40
            with pytest.raises(Refused):
                open_stream(one, "KV/RangeStream", get(b""))

    run_virtually(story())


def test_a_stream_of_a_range_by_value_is_sorted_even_without_an_order() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            one = members[1]
            for key, value in ((b"a", b"2"), (b"b", b"3"), (b"c", b"1")):
                await call(one, "KV/Put", put(key, value))
            request = get(b"a", range_end=b"z", sort_target=schema.RangeRequest.VALUE)
            stream = open_stream(one, "KV/RangeStream", request)
            assert await stream.ended() == (0, "")
            (answer,) = [each.range_response for each in stream.sent]
            assert [kv.key for kv in answer.kvs] == [b"c", b"a", b"b"]
            assert (answer.count, answer.header.revision) == (3, 4)

    run_virtually(story())


def test_unknown_fields_do_not_enter_the_log() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            one = members[1]
            request = schema.PutRequest.FromString(put(b"a", b"1").SerializeToString() + b"\xf8\x07\x05")
            await call(one, "KV/Put", request)
            log = one.replica._log
            data = log.entries(log.last_index(), log.last_index() + 1, 2**63)[-1].data
            assert b"\xf8\x07" not in data

    run_virtually(story())


def test_reads_by_the_leaders_lease_are_answered_at_once() -> None:
    async def story() -> None:
        async with EtcdWorld(3, tuned(lease_reads=True)).serving_etcd() as members:
            leader = leader_of(members)
            await call(leader, "KV/Put", put(b"a", b"1"))
            for _ in range(3):
                assert (await call(leader, "KV/Range", get(b"a"))).count == 1
                await asyncio.sleep(0.02)
            txn = schema.TxnRequest(success=[schema.RequestOp(request_range=get(b"a"))])
            assert (await call(leader, "KV/Txn", txn)).succeeded
            assert (await call(leader, "Maintenance/Alarm", schema.AlarmRequest())).header.revision == 2

    run_virtually(story())
