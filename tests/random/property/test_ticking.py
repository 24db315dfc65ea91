"""The short ways of ``ticking`` change a node exactly as the messages do that they stand for."""

import random
from contextlib import suppress
from typing import Any

import pytest

from raftcy import Config, ConfState, Driver, MemoryStorage, Message, Snapshot, SnapshotMetadata
from raftcy.core.dump import dump
from raftcy.errors import Overloaded, ProposalDropped
from raftcy.replica.together import Together

IDS = (1, 2, 3)


class Owner:
    def is_idle(self) -> bool:
        return True


class Group:
    """One group whose members have hosts of their own. What is sent waits in ``queue``."""

    def __init__(self, seed: int, plain: bool, sleeps: bool) -> None:
        self.queue: list[tuple[bool, Message]] = []
        self.drivers: dict[int, Driver] = {}
        self.hosts: dict[int, Together] = {}
        self.seats: dict[int, Any] = {}
        for id in IDS:
            storage = MemoryStorage()
            members = ConfState(voters=list(IDS))
            storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=members, index=1, term=1)))
            config = Config(
                id=id,
                election_tick=5,
                heartbeat_tick=1 + seed % 2,
                storage=storage,
                max_size_per_msg=1 << 20,
                max_inflight_msgs=8,
                check_quorum=seed % 3 > 0,
                pre_vote=seed % 5 > 0,
                async_storage_writes=seed % 7 > 2,
                random=random.Random(f"{seed} {id}"),
            )
            driver = Driver.start(config, send=self.send, nonce=bytes(7) + bytes((id,)))
            self.drivers[id] = driver
            host = self.hosts[id] = Together(id, id, 5, self.send_beat, sleeps)
            self.seats[id] = host.add(7, driver, Owner(), plain)

    def send(self, messages: list[Message]) -> None:
        self.queue += [(False, m) for m in messages]

    def send_beat(self, m: Message) -> None:
        self.queue.append((True, m))

    def act(self, what: str, id: int, place: int) -> None:
        driver, host, seat = self.drivers[id], self.hosts[id], self.seats[id]
        if what == "tick":
            found = host.tick()
        elif what == "deliver" and self.queue:
            beat, m = self.queue.pop(place % len(self.queue))
            id = m.to
            driver, host, seat = self.drivers[id], self.hosts[id], self.seats[id]
            if not beat:
                host.rouse(seat)
                driver.step(m)
            else:
                found = host.receive(m)
                assert found.failed == []
                if found.due:
                    host.rouse(seat)
        elif what == "lose" and self.queue:
            self.queue.pop(place % len(self.queue))
        elif what in ("propose", "read"):
            host.rouse(seat)
            with suppress(ProposalDropped, Overloaded):
                driver.propose(b"x") if what == "propose" else driver.read()
        while driver.run():
            pass

    def state(self) -> Any:
        awake = [seat.place for seat in self.seats.values()]
        return [dump(driver.node) for driver in self.drivers.values()], [m.encode() for _, m in self.queue], awake


@pytest.mark.parametrize("seed", range(14))
def test_short_ways_are_equal(seed: int) -> None:
    draw = random.Random(seed)
    sleeps = seed % 4 == 0
    short, long = Group(seed, True, sleeps), Group(seed, False, sleeps)
    kinds = ["tick"] * 12 + ["deliver"] * 30 + ["lose"] * (seed % 4) + ["propose", "read"] * (seed % 3)
    for _ in range(400):
        what, id, place = draw.choice(kinds), draw.choice(IDS), draw.randrange(2 if draw.random() < 0.9 else 1000)
        short.act(what, id, place)
        long.act(what, id, place)
        assert short.state() == long.state()
    assert max(driver.node.raft.term for driver in short.drivers.values()) >= 1
