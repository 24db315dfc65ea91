"""Random histories of leases and promises, compared with the plainest form of the rules and with true time."""

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from raftcy.core.quorum import JointConfig, MajorityConfig
from raftcy.replica.lease import Lease
from raftcy.wire import consts as k
from raftcy.wire.messages import Message

TICK_US = 10_000
ELECTION_US = 60_000
TICKS = ELECTION_US // TICK_US


class Node:
    """As much of a node as a lease needs."""

    def __init__(self, id: int, voters: list[int], outgoing: list[int]) -> None:
        self.last = 0
        config = SimpleNamespace(voters=JointConfig(MajorityConfig(voters), MajorityConfig(outgoing)))
        self.raft: Any = SimpleNamespace(
            id=id,
            term=1,
            state=k.FOLLOWER,
            tracker=SimpleNamespace(config=config),
            log=SimpleNamespace(committed=7),
            read_only=SimpleNamespace(last_number=lambda: self.last),
            election_elapsed=0,
            randomized_election_timeout=2 * TICKS,
        )

    def read_index(self, context: bytes) -> None:
        self.last += 1

    def tick(self) -> None:
        pass


def attached(id: int = 1, voters: list[int] | None = None, outgoing: list[int] | None = None, **options: Any) -> Any:
    """A lease and its node."""
    options = {"election_us": ELECTION_US, "tick_us": TICK_US, "drift_ppm": 0} | options
    lease = Lease(**options)
    node = Node(id, voters or [1, 2, 3], outgoing or [])
    lease.attach(node, b"nonce")  # type: ignore[arg-type]
    return lease, node


def answer(from_: int, term: int, number: int, promise_us: int) -> Message:
    context = number.to_bytes(8, "little")
    return Message(type=k.HEARTBEAT_RESP, from_=from_, to=1, term=term, context=context, vote=promise_us)


class Plain:
    """The leader's side in its plainest form: all rounds and all answers, looked through again and again."""

    def __init__(self) -> None:
        # Term, number, clock and tick of each round; id, term and number of each answer with a promise.
        self.rounds: list[tuple[int, int, int, int]] = []
        self.answers: list[tuple[int, int, int]] = []
        self.handed_over: set[int] = set()

    def begin(self, term: int, number: int, now_us: int, tick: int) -> None:
        last = max([began_us for of, _, began_us, _ in self.rounds if of == term], default=0)
        if now_us >= last + TICK_US // 8:
            self.rounds.append((term, number, now_us, tick))

    def has(self, id: int, term: int, number: int, own: int) -> bool:
        return id == own or any((i, t) == (id, term) and n >= number for i, t, n in self.answers)

    def runs(self, node: Node, now_us: int, tick: int) -> bool:
        raft = node.raft
        if raft.state != k.LEADER or raft.term in self.handed_over:
            return False
        voters = raft.tracker.config.voters
        for term, number, began_us, began_tick in self.rounds:
            in_time = now_us < began_us + ELECTION_US - TICK_US and tick < began_tick + TICKS - 1
            if term != raft.term or not in_time:
                continue
            halves = [half for half in (voters.incoming.ids(), voters.outgoing.ids()) if half]
            counts = [sum(self.has(id, term, number, raft.id) for id in half) for half in halves]
            if all(2 * count > len(half) for count, half in zip(counts, halves, strict=True)):
                return True
        return False


HALVES = (([1, 2, 3], []), ([1, 2, 3, 4, 5], []), ([1, 2, 4], [1, 2, 3]), ([4, 5], [1, 2, 3]), ([2, 3], []))


@pytest.mark.parametrize("part", range(4))
def test_a_leader_reads_by_its_lease_when_the_plain_form_does(part: int) -> None:
    ran = 0
    for seed in range(part, 200, 4):
        random = Random(seed)
        lease, node = attached()
        plain = Plain()
        now_us, tick, changed = 1_000_000, 0, False
        lease.pass_time(now_us)
        for _ in range(200):
            what = random.randrange(16)
            raft = node.raft
            if what < 4 and raft.state == k.LEADER:
                now_us += TICK_US // 8
                lease.pass_time(now_us)
                if not plain.runs(node, now_us, tick):
                    lease.read(b"x")
                    plain.begin(raft.term, node.last, now_us, tick)
            elif what < 10 and node.last:
                id, term = random.randint(2, 5), raft.term - (random.random() < 0.1)
                number, promise_us = random.randint(1, node.last), ELECTION_US - (random.random() < 0.1)
                lease.heard(answer(id, term, number, promise_us))
                if raft.state == k.LEADER and promise_us == ELECTION_US and term == raft.term:
                    plain.answers += [(id, term, number)] if any(r[0] == term for r in plain.rounds) else []
            elif what < 12:
                now_us += random.randrange(ELECTION_US // 4)
            elif what == 12:
                # By itself it renews the lease if reads came lately.
                before = node.last
                lease.tick()
                tick += 1
                if node.last > before:
                    plain.begin(raft.term, node.last, lease._now_us, tick)
            elif what == 13 and random.random() < 0.3:
                incoming, outgoing = random.choice(HALVES)
                raft.tracker.config.voters = JointConfig(MajorityConfig(incoming), MajorityConfig(outgoing))
                changed = True
            elif what == 14 and random.random() < 0.5:
                raft.term += 1
                node.last = 0
                raft.state = random.choice((k.LEADER, k.LEADER, k.FOLLOWER))
                changed = False
            elif what == 15 and random.random() < 0.2:
                if random.random() < 0.5:
                    lease.leaving([Message(type=k.TIMEOUT_NOW, from_=1, to=2, term=raft.term)])
                    plain.handed_over.add(raft.term)
                else:
                    lease.pass_time(now_us)
                    now_us -= random.randrange(1, TICK_US)
                    lease.pass_time(now_us)
                    plain.rounds.clear()
            runs, expected = lease.is_running(now_us), plain.runs(node, now_us, tick)
            # A change of the members may cost a lease that would still be good.
            assert runs == expected or (changed and expected)
            ran += runs
    assert ran > 200


def elections(seed: int, drift: float, drift_ppm: int, jumps: bool = False) -> tuple[int, int]:
    """A leader and four voters in true time: steps with a lease, and steps with one after another was elected."""
    random = Random(seed)
    ids = [1, 2, 3, 4, 5]
    made = {id: attached(id, ids, drift_ppm=drift_ppm) for id in ids}
    # Mostly as bad as can be: the leader slow, and the others fast.
    rates = {id: 1 + drift * random.choice((-1 if id == 1 else 1, random.uniform(-1, 1))) for id in ids}
    shown = {id: random.randrange(10**9) for id in ids}
    ticks = {id: random.uniform(0, TICK_US) for id in ids}
    leader, node = made[1]
    node.raft.state = k.LEADER
    due: list[tuple[int, int, Any]] = []
    granted: set[int] = set()
    asked = with_lease = wrong = 0

    def later(now_us: int, what: Any) -> None:
        due.append((now_us + int(random.random() ** 3 * (40_000 if seed % 3 == 0 else 4_000)), len(due), what))

    def read(id: int, now_us: int) -> int:
        return shown[id] + int(now_us * rates[id])

    for now_us in range(0, 500_000, 1000):
        for id, (lease, _) in made.items():
            if jumps and id != 1 and random.random() < 0.01:
                shown[id] += random.randrange(10 * ELECTION_US)
            lease.pass_time(read(id, now_us))
            while ticks[id] <= now_us:
                ticks[id] += TICK_US / rates[id]
                lease.tick()
        with_lease += leader.is_running(read(1, now_us))
        wrong += len(granted) >= 3 and leader.is_running(read(1, now_us))
        if not granted and random.random() < 0.2 and now_us < 200_000 + seed % 7 * 10_000:
            leader.read(b"x")
            for id in ids[1:]:
                later(now_us, ("heartbeat", id, node.last))
        if now_us > 100_000 and not asked and random.random() < 0.3:
            asked = random.choice([0, *ids[1:]])
            if asked and not made[asked][0].no_campaign():
                granted.add(asked)
                for id in ids[1:]:
                    later(now_us, ("vote", id, 0))
            else:
                asked = 0
        if asked and random.random() < 0.1:
            for id in ids[1:]:
                later(now_us, ("vote", id, 0))
        ready = sorted(each for each in due if each[0] <= now_us)
        due = [each for each in due if each[0] > now_us]
        for _, _, (what, id, number) in ready:
            lease = made[id][0]
            if what == "heartbeat" and id not in granted:
                lease.heard(Message(type=k.HEARTBEAT, from_=1, to=id, term=1))
                later(now_us, ("answer", id, number))
            elif what == "answer":
                leader.heard(answer(id, 1, number, ELECTION_US))
            elif what == "vote" and not lease.objection(Message(type=k.VOTE, from_=asked, to=id, term=2)):
                granted.add(id)
    return with_lease, wrong


def test_nobody_is_elected_while_a_lease_runs() -> None:
    """Whatever the delays, with all clocks within the bound; voters' clocks may jump ahead besides."""
    for jumps in (False, True):
        found = [elections(seed, 0.2, 200_000, jumps) for seed in range(60)]
        assert sum(steps for steps, _ in found) > 1000
        assert sum(wrong for _, wrong in found) == 0


def test_clocks_beyond_the_bound_break_a_lease() -> None:
    """So the test above can fail: without the margin, or with clocks that drift further, it would."""
    for drift, drift_ppm in ((0.2, 0), (0.5, 200_000)):
        assert any(elections(seed, drift, drift_ppm)[1] for seed in range(150))
