"""A disk fails or hangs at each of its calls in turn: the host ends or hands over, and nothing acknowledged is lost.

Each story counts the calls of one host's disk, and is told again with a fault at each of them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from raftcy.errors import CommandError, NotNow, OutcomeUnknown, Rejected, Stopped, StorageFailed
from raftcy.replica import Replica
from raftcy.replica.host import Host
from tests.support.cut_disk import CutDisk
from tests.support.failing_disk import KINDS, Fault, Hanging, failing
from tests.support.hosts import Ledger, World, agreed, ledger, tuned
from tests.support.virtual import VirtualLoop, caught, run_story

# The short form tries every so many-th call, another one for each kind.
STRIDE = 9


class Asked:
    """The commands of a story by their outcomes."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.rejected: list[str] = []
        self.count = 0

    async def propose(self, replica: Replica, many: int = 1) -> None:
        """Propose commands, and keep what is answered. Nobody may wait for an answer beyond its time."""
        names = [f"c{self.count + n}" for n in range(many)]
        self.count += many
        for name, found in zip(
            names, await replica.propose_many([name.encode() for name in names], timeout_s=1), strict=True
        ):
            if isinstance(found, int):
                self.applied.append(name)
            elif isinstance(found, Rejected):
                self.rejected.append(name)
            else:
                assert isinstance(found, OutcomeUnknown), found

    def hold(self, replica: Replica) -> None:
        """What was acknowledged is there, what was rejected is not, and nothing is there twice."""
        found = ledger(replica)
        assert len(set(found)) == len(found)
        assert set(self.applied) <= set(found)
        assert not set(self.rejected) & set(found)


async def life(replicas: dict[int, Replica], asked: Asked) -> None:
    """Commands, elections and snapshots: all kinds of writes."""
    for _ in range(2):
        for replica in replicas.values():
            await asked.propose(replica, 3)
        leader = next((replica for replica in replicas.values() if replica.is_leader), None)
        if leader is not None:
            with suppress(NotNow, Stopped, TimeoutError):
                await leader.transfer(timeout_s=1)
    await asked.propose(replicas[1], 2)


def new_world(sync: str) -> World:
    return World(3, tuned(sync=sync, snapshot_entries=6, kept_entries=2))


async def opened(world: World) -> tuple[dict[int, Host], dict[int, Replica]]:
    hosts = {id: world.host(id) for id in world.members}
    await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
    replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
    await agreed(replicas)
    return hosts, replicas


async def fails(sync: str, kind: str, at: int, leads: bool, left: Callable[[CutDisk], CutDisk]) -> bool:
    """Tell the story with a fault at the ``at``-th call of a disk; whether it came so far."""
    world = new_world(sync)
    faults = {id: Fault(0, kind) for id in world.members}
    disks = {id: failing(world, id, fault) for id, fault in faults.items()}
    hosts, replicas = await opened(world)
    asked = Asked()
    await asked.propose(replicas[1])
    victim = next(id for id, replica in replicas.items() if replica.is_leader is leads)
    fault, host, replica = faults[victim], hosts[victim], replicas[victim]
    fault.arm(at)
    await life(replicas, asked)
    if fault.has_failed:
        await has_ended(host, replica)
        assert fault.after == [], "nothing is retried, and nothing more is written"
        others = {id: each for id, each in replicas.items() if id != victim}
        async with asyncio.timeout(20):
            await asked.propose(await agreed(others), 2)
    await asyncio.gather(*[each.close() for each in hosts.values()])
    assert fault.after == []
    if fault.has_failed:
        assert isinstance(host.failure, StorageFailed)
    asked_again(world, disks, victim, left)
    hosts, replicas = await opened(world)
    for each in replicas.values():
        await each.read(timeout_s=5)
        asked.hold(each)
    count = len(asked.applied)
    for each in replicas.values():
        await asked.propose(each)
    assert len(asked.applied) == count + 3
    await asyncio.gather(*[each.close() for each in hosts.values()])
    return fault.has_failed


def asked_again(world: World, disks: dict[int, CutDisk], victim: int, left: Callable[[CutDisk], CutDisk]) -> None:
    """The disks as the next start finds them."""
    found: dict[int, Any] = world.disks
    for id, disk in disks.items():
        found[id] = left(disk) if id == victim else disk
        found[id].fault = None


async def has_ended(host: Host, replica: Replica) -> None:
    """Fail-stop: every call says so, with the cause."""
    for _ in range(100):
        # A chore may have failed, which is noticed a moment later.
        if host.failure is not None:
            break
        await asyncio.sleep(0.01)
    assert isinstance(host.failure, StorageFailed)
    assert isinstance(host.failure.__cause__, OSError)
    assert replica.failure is host.failure
    refused = await caught(replica.propose(b"late"))
    assert isinstance(refused, Rejected)
    for call in (replica.read(), replica.wait_for_leader(), replica.transfer()):
        assert isinstance(await caught(call), Stopped)
    with pytest.raises(Stopped):
        host.replica("another", Ledger())
    assert await caught(host.wait_closed()) is host.failure


KEPT = (CutDisk.killed, lambda disk: disk.after(()))


def every_call(sync: str, kind: str, leads: bool, step: int, first: int = 1) -> int:
    at = first
    while True:
        hit = False

        async def story(at: int = at) -> None:
            nonlocal hit
            hit = await fails(sync, kind, at, leads, KEPT[at % 2])

        run_story(story())
        if not hit:
            return at
        at += step


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sync", ["auto", "thread"])
def test_a_disk_that_fails_ends_its_host_and_loses_nothing(sync: str, kind: str, leads: bool) -> None:
    first = 1 + (2 * KINDS.index(kind) + 4 * (sync == "thread") + leads) % STRIDE
    assert every_call(sync, kind, leads, STRIDE, first) > 20


@pytest.mark.full
@pytest.mark.once
@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sync", ["auto", "thread"])
def test_a_disk_may_fail_at_every_call(sync: str, kind: str, leads: bool) -> None:
    assert every_call(sync, kind, leads, 1) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fails_at_the_first_start(kind: str) -> None:
    """The host does not open, and the next start does: the cluster begins with all three, or goes on."""

    async def story(at: int) -> bool:
        world = new_world("auto")
        fault = Fault(at, kind)
        disk = failing(world, 1, fault)
        hosts = {id: world.host(id) for id in world.members}
        starts = {id: asyncio.create_task(host.__aenter__()) for id, host in hosts.items()}
        await asyncio.wait([starts[1]], timeout=5)
        if not starts[1].done() or starts[1].exception() is None:
            await asyncio.gather(*starts.values())
            await asyncio.gather(*[host.close() for host in hosts.values()])
            return False
        error = starts[1].exception()
        assert isinstance(error, StorageFailed), error
        assert fault.after == []
        asked_again(world, {1: disk}, 1, KEPT[at % 2])
        hosts[1] = world.host(1)
        await hosts[1].__aenter__()
        await asyncio.gather(starts[2], starts[3])
        replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
        await agreed(replicas)
        assert await replicas[1].propose(b"x", timeout_s=1) == 1
        await asyncio.gather(*[host.close() for host in hosts.values()])
        return True

    at = 1
    while _told(story, at):
        at += 1
    assert at > 8


def _told(story: Callable[[int], Any], at: int) -> bool:
    found = False

    async def told() -> None:
        nonlocal found
        found = await story(at)

    run_story(told())
    return found


# -- disks that hang -------------------------------------------------------------------------------------------------

# In seconds: 2 and 60 election timeouts of these hosts, as 2 s and 60 s are with the defaults.
HANGS = (0.2, 6.0)


async def hangs(seconds: float, at: int, leads: bool) -> bool:
    """A disk beside the loop takes so long at its ``at``-th work; whether there was one."""
    world = new_world("thread")
    hosts, replicas = await opened(world)
    asked = Asked()
    await asked.propose(replicas[1])
    victim = next(id for id, replica in replicas.items() if replica.is_leader is leads)
    thread = Hanging(at, seconds)
    host: Any = hosts[victim]
    host._disk._aside = thread
    begun = asyncio.get_running_loop().time()
    await life(replicas, asked)
    hit = thread.stop()
    # A leader whose disk hangs has given way long before: the others go on.
    others = {id: each for id, each in replicas.items() if id != victim}
    if hit and begun + seconds > asyncio.get_running_loop().time() + 2:
        async with asyncio.timeout(2):
            await asked.propose(await agreed(others), 2)
    assert asyncio.get_running_loop().time() - begun < 20
    for replica in others.values():
        await replica.read(timeout_s=5)
        asked.hold(replica)
    await asyncio.sleep(max(0.0, begun + seconds + 1 - asyncio.get_running_loop().time()))
    await agreed(replicas)
    count = len(asked.applied)
    await asked.propose(replicas[victim], 2)
    assert len(asked.applied) == count + 2
    await replicas[victim].read()
    asked.hold(replicas[victim])
    assert [each.failure for each in hosts.values()] == [None] * 3
    await asyncio.gather(*[each.close() for each in hosts.values()])
    return hit


def every_hang(seconds: float, leads: bool, step: int) -> int:
    at = 1
    while True:
        hit = False

        async def story(at: int = at) -> None:
            nonlocal hit
            hit = await hangs(seconds, at, leads)

        run_story(story())
        if not hit:
            return at
        at += step


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("seconds", HANGS)
def test_a_disk_that_hangs_beside_the_loop(seconds: float, leads: bool) -> None:
    """At every sync: who leads gives way, the others go on, and it takes part again when its disk answers."""
    assert every_hang(seconds, leads, 4) > 5


def test_a_chore_that_hangs_stops_nobody() -> None:
    """Making the next segment takes a minute; a segment that is needed before is made by the write that needs it."""

    async def story() -> None:
        world = new_world("thread")
        hosts, replicas = await opened(world)
        leader = await agreed(replicas)
        thread = Hanging(1, HANGS[1])
        host: Any = hosts[leader.id]
        host._disk._chores = thread
        for number in range(100):
            await leader.propose(b"%d" % number * 1000, timeout_s=0.5)
        assert thread.count >= 1
        assert host._log.segments()[1] > 2
        assert leader.is_leader
        await asyncio.sleep(HANGS[1])
        await leader.propose(b"x")
        await asyncio.gather(*[each.close() for each in hosts.values()])
        assert [each.failure for each in hosts.values()] == [None] * 3

    run_story(story())


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("seconds", HANGS)
def test_a_disk_that_hangs_in_the_loop(seconds: float, leads: bool) -> None:
    """The whole process stands still, and all timers of it are late; after that, it syncs on a thread."""

    async def story(at: int) -> bool:
        world = new_world("auto")
        fault = Fault()
        disks = {id: failing(world, id, Fault()) for id in world.members}
        hosts, replicas = await opened(world)
        asked = Asked()
        await asked.propose(replicas[1])
        victim = next(id for id, replica in replicas.items() if replica.is_leader is leads)
        loop: Any = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)

        def hang(kind: str, name: str) -> None:
            fault.count += 1
            if fault.count == at:
                loop._jumping.now += seconds

        disks[victim].fault = hang
        await life(replicas, asked)
        hit = fault.count >= at
        disks[victim].fault = None
        # A leader may still step down, because nobody could answer it meanwhile.
        await asyncio.sleep(1)
        await agreed(replicas)
        count = len(asked.applied)
        for replica in replicas.values():
            await asked.propose(replica)
            await replica.read(timeout_s=5)
            asked.hold(replica)
        assert len(asked.applied) == count + 3
        assert [each.failure for each in hosts.values()] == [None] * 3
        await asyncio.gather(*[each.close() for each in hosts.values()])
        return hit

    at = 1
    while _told(story, at):
        at += 7
    assert at > 20


def test_a_refusal_of_the_machine_is_no_fault() -> None:
    """What ``Asked`` takes for granted: a Ledger answers numbers, or CommandError."""

    async def story() -> None:
        async with World(1).serving() as replicas:
            assert await replicas[1].propose_many([b"a", b"no"]) == [1, CommandError("no")]

    run_story(story())
