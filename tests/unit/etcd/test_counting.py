"""What a member counts: operations, leases, events, and calls by their ends."""

import asyncio
from typing import Any

import pytest

from raftcy.etcd import schema
from raftcy.etcd.api import EtcdMember
from raftcy.etcd.counting import Handled, Operations
from raftcy.etcd.facts import MemberFacts, MemberNumbers
from raftcy.etcd.grpc_wire import framed
from raftcy.etcd.identity import VERSIONS
from raftcy.etcd.probes import Probes
from raftcy.etcd.refusals import Refused
from tests.support.etcdworld import EtcdWorld, call, get, leader_of, open_stream, put
from tests.support.grpc_talk import Echo, Talk
from tests.support.virtual import run_virtually

pytestmark = pytest.mark.once


def numbers_of(member: EtcdMember) -> MemberNumbers:
    return MemberNumbers(member, Probes(MemberFacts(member), VERSIONS, 5.0), -1)


def operation(**fields: Any) -> Any:
    return schema.RequestOp(**fields)


def test_operations_are_counted_on_every_member() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            leader = leader_of(members)
            watches = [
                open_stream(
                    leader,
                    "Watch/Watch",
                    schema.WatchRequest(create_request=schema.WatchCreateRequest(key=b"a", **extra)),
                )
                for extra in ({}, {}, {"start_revision": 1}, {"range_end": b"b", "start_revision": 1})
            ]
            for number in range(3):
                await call(leader, "KV/Put", put(b"a%d" % (number % 2)))
            await call(leader, "KV/Put", put(b"a"))
            await call(leader, "KV/DeleteRange", schema.DeleteRangeRequest(key=b"a"))
            await call(leader, "KV/Range", get(b"a0"))
            nested = schema.TxnRequest(
                success=[operation(request_put=put(b"a")), operation(request_range=get(b"a"))],
                failure=[operation(request_put=put(b"no"))],
            )
            txn = schema.TxnRequest(
                success=[
                    operation(request_delete_range=schema.DeleteRangeRequest(key=b"a0")),
                    operation(request_txn=nested),
                ]
            )
            await call(leader, "KV/Txn", txn)
            await call(leader, "KV/Txn", schema.TxnRequest(success=[operation(request_put=put(b"one"))]))
            two = schema.TxnRequest(success=[operation(request_put=put(key)) for key in (b"x", b"y")])
            await call(leader, "KV/Txn", two)
            only_reads = schema.TxnRequest(success=[operation(request_range=get(b"x"))] * 3)
            await call(leader, "KV/Txn", only_reads)
            with pytest.raises(Refused):
                await call(leader, "KV/Put", put(b"a", lease=77))
            await asyncio.sleep(1)
            for member in members.values():
                found = numbers_of(member).store_numbers().counts
                assert found["mvcc_put"] == 4 + 1 + 1 + 2
                assert found["mvcc_delete"] == 2
                assert found["mvcc_txn"] == 2 + (member is leader)
                assert found["mvcc_range"] == 1 + (4 if member is leader else 0)
                # The key a is put, deleted and put; a0 and a1 are three puts and a delete.
                assert found["debugging_mvcc_events"] == (3 * 3 + 7 if member is leader else 0)
                assert found["server_slow_apply"] == 0
            assert sum(len(each.events) for watch in watches for each in watch.sent) == 16

    run_virtually(story())


def test_leases_are_counted() -> None:
    async def story() -> None:
        async with EtcdWorld(3).serving_etcd() as members:
            leader = leader_of(members)
            for id in (1, 2, 3):
                await call(leader, "Lease/LeaseGrant", schema.LeaseGrantRequest(ID=id, TTL=10))
            keep = open_stream(leader, "Lease/LeaseKeepAlive", schema.LeaseKeepAliveRequest(ID=3))
            await keep.next()
            await call(leader, "Lease/LeaseRevoke", schema.LeaseRevokeRequest(ID=1))
            await asyncio.sleep(30)
            for member in members.values():
                found = numbers_of(member).store_numbers().counts
                assert found["debugging_lease_granted"] == 3
                assert found["debugging_lease_revoked"] == 3
                assert found["debugging_lease_renewed"] == (1 if member is leader else 0)
                assert found["debugging_server_lease_expired"] == (2 if member is leader else 0)

    run_virtually(story())


def test_a_slow_request_is_counted() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            member = members[1]
            now_s = 0.0

            def clock() -> float:
                nonlocal now_s
                now_s += 0.101
                return now_s

            await call(member, "KV/DeleteRange", schema.DeleteRangeRequest(key=b"a"))
            member.machine.clock = clock
            await call(member, "KV/DeleteRange", schema.DeleteRangeRequest(key=b"a"))
            assert numbers_of(member).store_numbers().counts["server_slow_apply"] == 1

    run_virtually(story())


def test_operations_of_transactions() -> None:
    counts = Operations()
    counts.ended([])
    counts.ended(["request_txn"])
    counts.ended(["request_range"])
    counts.ended(["request_put"])
    assert (counts.ranges, counts.puts, counts.deletes, counts.txns) == (1, 1, 0, 0)
    counts.ended(["request_txn", "request_put", "request_delete_range"])
    assert (counts.ranges, counts.puts, counts.deletes, counts.txns) == (1, 2, 1, 1)


def test_ends_have_the_names_of_gos_library() -> None:
    handled = Handled()
    for code in (0, 0, 1, 4, 14, 16, 99):
        handled.ended("/a.B/C", code)
    names = {"OK": 2, "Canceled": 1, "DeadlineExceeded": 1, "Unavailable": 1, "Unauthenticated": 1, "Code(99)": 1}
    assert handled.all() == {("/a.B/C", name): count for name, count in names.items()}


async def test_calls_of_grpc_are_counted_once_by_their_ends() -> None:
    echo = Echo()
    talk = Talk("h2", echo.methods)

    def refusing(request: Any, context: Any) -> Any:
        raise Refused(5, "no") if request.value == b"no" else KeyError("oh")

    talk.say(b"good")
    talk.say(b"good")
    echo.say = refusing
    talk.say(b"no")
    talk.say(b"fault")
    gone, late = talk.start("/test.Echo/Later"), talk.start("/test.Echo/Later", (b"grpc-timeout", b"1S"))
    for each in (gone, late):
        talk.send(each, framed(b""), end=True)
    talk.pump()
    talk.client.reset_stream(gone)
    talk.now_s += 2
    talk.shared.expire()
    talk.pump()
    for future in echo.futures:
        future.cancel()
    for number in range(4):
        talk.start("/test.Echo/Chat")
        talk.pump()
        if number == 0:
            echo.streams[0].stream.end()
            echo.streams[0].stream.end(2, "again")
        elif number == 1:
            echo.streams[1].stream.end(14, "away")
        elif number == 2:
            talk.client.reset_stream(talk.client.highest_outbound_stream_id)
    talk.pump()
    talk.say(b"", "/test.Echo/Nothing")
    await asyncio.sleep(0)
    assert talk.shared.handled.all() == {
        ("/test.Echo/Say", "OK"): 2,
        ("/test.Echo/Say", "NotFound"): 1,
        ("/test.Echo/Say", "Unknown"): 1,
        ("/test.Echo/Later", "Canceled"): 1,
        ("/test.Echo/Later", "DeadlineExceeded"): 1,
        ("/test.Echo/Chat", "OK"): 1,
        ("/test.Echo/Chat", "Unavailable"): 1,
        ("/test.Echo/Chat", "Canceled"): 1,
    }


def test_calls_of_all_fronts_are_added() -> None:
    async def story() -> None:
        async with EtcdWorld(1).serving_etcd() as members:
            numbers = numbers_of(members[1])
            numbers.fronts += [Handled(), Handled()]
            for front in numbers.fronts:
                front.ended("/etcdserverpb.KV/Put", 0)
                front.ended("/etcdserverpb.Watch/Watch", 1)
            numbers.fronts[0].ended("/etcdserverpb.Maintenance/Snapshot", 0)
            assert numbers.handled() == {
                ("unary", "/etcdserverpb.KV/Put", "OK"): 2,
                ("bidi_stream", "/etcdserverpb.Watch/Watch", "Canceled"): 2,
                ("server_stream", "/etcdserverpb.Maintenance/Snapshot", "OK"): 1,
            }

    run_virtually(story())
