"""A host with many groups begins few elections at once, and lets each member have its turn."""

import asyncio
from typing import Any

import pytest

from raftcy.errors import RaftError
from raftcy.machines import StateMachine
from raftcy.replica import candidacies as subject
from raftcy.replica.candidacies import COUNTS_TICKS, ELECTIONS_AT_ONCE, ELECTIONS_LEAST, RESERVE_TICKS, Elections
from raftcy.replica.host import Host
from raftcy.wire import consts as k
from tests.support.hosts import Ledger, World, leader_of
from tests.support.virtual import run_story

ELECTION_S = 0.1


class Raft:
    state = k.FOLLOWER
    election_elapsed = 9
    randomized_election_timeout = 10

    def promotable(self) -> bool:
        return True


class Seat:
    """A member that is due."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.raft = Raft()
        self.place = number
        self.driver = self
        self.failure: RaftError | None = None
        self.is_first = True


@pytest.fixture(autouse=True)
def judged_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled build takes only its own seats."""

    def is_due(seat: Any) -> bool:
        return bool(seat.raft.state == k.FOLLOWER)

    monkeypatch.setattr(subject, "is_due", is_due)
    monkeypatch.setattr(subject, "_is_first", lambda seat: seat.is_first)


def standing(elections: Elections, held: list[Any]) -> list[int]:
    """Pass a tick in which these are held back; who may begin, and begins."""
    elections.tick()
    found: list[Any] = elections.admit([], held)
    for seat in found:
        seat.raft.state = k.PRE_CANDIDATE
    return [seat.number for seat in found]


def test_few_members_begin_at_once() -> None:
    """catches: rethinkdb#6038"""
    elections: Any = Elections()
    assert elections.tick() == ELECTIONS_AT_ONCE
    begun: Any = [Seat(n) for n in range(ELECTIONS_AT_ONCE - 2)]
    for seat in begun:
        seat.raft.state = k.PRE_CANDIDATE
    assert elections.admit(begun, []) == []
    assert elections.tick() == 2
    held: Any = [Seat(n) for n in range(5)]
    assert elections.admit([], held) == held[:2]
    for seat in held[:2]:
        seat.raft.state = k.CANDIDATE
    # Whoever is decided makes room, for those that came first.
    begun[0].raft.state = k.LEADER
    begun[1].raft.state = k.FOLLOWER
    assert elections.tick() == 0, "while somebody waits, nobody passes"
    assert standing(elections, [*held[2:], Seat(9)]) == [2, 3]


def test_what_cannot_be_decided_keeps_nobody_waiting_for_good() -> None:
    """catches: rethinkdb#6038"""
    elections: Any = Elections()
    elections.tick()
    hopeless: Any = [Seat(n) for n in range(ELECTIONS_AT_ONCE)]
    for seat in hopeless:
        seat.raft.state = k.CANDIDATE
    elections.admit(hopeless, [])
    late = Seat(1000)
    found = [standing(elections, [late]) for _ in range(COUNTS_TICKS + 1)]
    assert found == [[]] * COUNTS_TICKS + [[1000]]


def test_late_ticks_lower_the_limit() -> None:
    """catches: rethinkdb#6038"""
    elections: Any = Elections()
    assert [elections.tick(late=True) for _ in range(6)] == [50, 25, 12, 6, ELECTIONS_LEAST, ELECTIONS_LEAST]
    assert [elections.tick() for _ in range(3)] == [8, 12, 16]
    for _ in range(50):
        elections.tick()
    assert elections.tick() == ELECTIONS_AT_ONCE


def test_reserves_wait_for_the_first_of_their_groups() -> None:
    """These may wait at other hosts; if both stood at once, neither would be elected.

    catches: rethinkdb#6038
    """
    elections: Any = Elections()
    elections.tick()
    busy: Any = [Seat(n) for n in range(ELECTIONS_AT_ONCE)]
    for seat in busy:
        seat.raft.state = k.CANDIDATE
    elections.admit(busy, [])
    reserves: Any = [Seat(n) for n in range(3)]
    for seat in reserves:
        seat.is_first = False
    assert standing(elections, [*reserves, Seat(7)]) == []
    for seat in busy:
        seat.raft.state = k.LEADER
    assert standing(elections, []) == [7]
    found = [standing(elections, []) for _ in range(RESERVE_TICKS)]
    assert found == [[]] * (RESERVE_TICKS - 1) + [[0, 1, 2]]


def test_who_hears_of_a_leader_meanwhile_does_not_stand() -> None:
    elections: Any = Elections()
    elections.tick()
    first: Any = [Seat(n) for n in range(ELECTIONS_AT_ONCE)]
    for seat in first:
        seat.raft.state = k.CANDIDATE
    elections.admit(first, [])
    waits = [Seat(n) for n in range(4)]
    assert standing(elections, waits) == []
    waits[0].raft.state = k.LEADER
    waits[1].place = -1
    waits[2].failure = RaftError("dead")
    for seat in first:
        seat.raft.state = k.FOLLOWER
    assert standing(elections, []) == [3]
    assert elections.tick() == ELECTIONS_AT_ONCE - 1, "the others are forgotten"


async def serve(hosts: dict[int, Host], count: int) -> dict[int, list[Any]]:
    return {id: [host.replica(f"group {n}", Ledger()) for n in range(count)] for id, host in hosts.items()}


async def led(replicas: dict[int, list[Any]], dead: int = 0) -> None:
    async with asyncio.timeout(100 * ELECTION_S):
        while any(each.leader in (None, dead) for some in replicas.values() for each in some):
            await asyncio.sleep(0.001)


def test_all_groups_of_a_dead_host_get_leaders(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two elections at a time, forty groups take longer, and none is elected twice.

    catches: rethinkdb#6038
    """
    monkeypatch.undo()
    monkeypatch.setattr(subject, "ELECTIONS_AT_ONCE", 2)
    most = 0

    async def story() -> None:
        nonlocal most
        world = World()
        async with world.running() as hosts:
            replicas = await serve(hosts, 40)
            await led(replicas)
            await asyncio.sleep(20 * ELECTION_S)
            terms = [each.term for each in replicas[2]]
            was_led = [each.is_leader for each in replicas[1]]
            world.crash(hosts.pop(1))
            del replicas[1]
            ending = asyncio.ensure_future(led(replicas, dead=1))
            while not ending.done():
                for some in replicas.values():
                    stands = sum(1 for each in some if int(each.role) in (k.CANDIDATE, k.PRE_CANDIDATE))
                    most = max(most, stands)
                await asyncio.sleep(0.0005)
            await ending
            assert [each.term for each in replicas[2]] == [term + led for term, led in zip(terms, was_led, strict=True)]
            assert await leader_of({id: some[0] for id, some in replicas.items()}).propose(b"x") == 1

    run_story(story())
    assert most == 2


def test_groups_without_a_majority_keep_no_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their members stand again and again; the one group with a majority still gets its leader."""
    monkeypatch.undo()
    monkeypatch.setattr(subject, "ELECTIONS_AT_ONCE", 2)

    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            lonely = [hosts[1].replica(f"lonely {n}", Ledger()) for n in range(30)]
            await asyncio.sleep(10 * ELECTION_S)
            assert {each.leader for each in lonely} == {None}
            both = {id: hosts[id].replica("both", StateMachine()) for id in (1, 2)}
            async with asyncio.timeout(60 * ELECTION_S):
                await asyncio.gather(*[each.wait_for_leader() for each in both.values()])

    run_story(story())
