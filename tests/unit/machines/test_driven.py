"""Groups on the driver: members of one process, from the first entry to snapshots for those that were away."""

from types import ModuleType
from typing import Any

import pytest

from tests.support.machines import module

pytest.importorskip("msgspec")


class Members:
    """Three members of a Loopback, each with a GroupMachine around a machine of its own."""

    def __init__(self, build: ModuleType, make: Any, ids: tuple[int, ...] = (1, 2, 3)) -> None:
        self.build = build
        self.make = make
        self.loopback = build.Loopback()
        self.groups: dict[int, Any] = {}
        self.storages: dict[int, Any] = {}
        self.ids = ids
        for id in ids:
            self.join(id)
        self.loopback.find(1).node.campaign()
        self.loopback.drain()

    def join(self, id: int, storage: Any = None) -> Any:
        b = self.build
        if storage is None:
            storage = b.MemoryStorage()
            members = b.ConfState(voters=list(self.ids), auto_leave=False)
            first = module(b).GroupMachine(self.make())
            metadata = b.SnapshotMetadata(conf_state=members, index=1, term=1)
            state = b.HardState(term=1, vote=0, commit=1)
            storage.save(state, [], b.Snapshot(data=first.capture(), metadata=metadata))
        group = module(b).GroupMachine(self.make())
        snapshot = storage.snapshot()
        group.restore(snapshot)
        config = b.Config(
            id=id, election_tick=10, heartbeat_tick=1, storage=storage, max_inflight_msgs=16, max_size_per_msg=1 << 20
        )
        driver = self.loopback.add(b.RawNode(config), storage, group)
        group.members = lambda: driver.members
        self.groups[id], self.storages[id] = group, storage
        return driver

    def put(self, data: bytes) -> Any:
        """Propose to member 1, which leads; the answer there."""
        leader = self.loopback.find(1)
        assert leader.propose(data, tag="it")
        self.loopback.drain()
        (outcome,) = leader.take_outcomes()
        assert (outcome.what, outcome.tag) == ("applied", "it")
        return outcome.answer


def counter(build: ModuleType) -> Any:
    return module(build, "counter").Counter


def test_answers_come_to_the_proposer(build: ModuleType) -> None:
    """Refusals as values; the same state everywhere."""
    e, c = module(build, "envelope"), module(build, "counter")
    members = Members(build, counter(build))
    encode = members.groups[1].machine.encode
    assert members.put(encode(c.Add(5))) == 5
    refused = members.put(encode(c.SetTotal(9, 4)))
    assert (type(refused), refused.reason) == (build.CommandError, "changed")
    session = members.put(e.open_session(1000))
    for _ in range(3):
        assert members.put(e.session_command(session, 1, 0, encode(c.Add(1)))) == 6
    assert members.put(e.session_command(session + 1, 1, 0, encode(c.Add(1)))).reason == "expired"
    assert [group.machine.total for group in members.groups.values()] == [6, 6, 6]
    assert len({group.capture() for group in members.groups.values()}) == 1


def test_who_was_away_gets_sessions_by_snapshot(build: ModuleType) -> None:
    e, c = module(build, "envelope"), module(build, "counter")
    members = Members(build, counter(build))
    encode = members.groups[1].machine.encode
    away = members.loopback.remove(3)
    session = members.put(e.open_session(1000))
    for number in range(1, 20):
        members.put(e.session_command(session, number, 0, encode(c.Add(1))))
    for id in (1, 2):
        members.put(e.version_report(id, 1))
        assert members.loopback.find(id).make_snapshot(0) is not None
    assert away is not None
    members.join(3, members.storages[3])
    for _ in range(3):
        members.loopback.tick()
        members.loopback.drain()
    assert members.groups[3].capture() == members.groups[1].capture()
    assert members.groups[3].machine.total == 19
    assert members.put(e.session_command(session, 7, 0, encode(c.Add(1)))) == 7
    assert members.groups[3].machine.total == 19


def test_restarts_replay_sessions_and_versions(build: ModuleType) -> None:
    """From the newest snapshot, and the log behind it."""
    e, c = module(build, "envelope"), module(build, "counter")
    members = Members(build, counter(build))
    encode = members.groups[1].machine.encode
    session = members.put(e.open_session(1000))
    members.put(e.session_command(session, 1, 0, encode(c.Add(1))))
    members.loopback.find(2).make_snapshot(0)
    members.put(e.session_command(session, 2, 0, encode(c.Add(1))))
    members.loopback.remove(2)
    members.join(2, members.storages[2])
    for _ in range(3):
        members.loopback.tick()
        members.loopback.drain()
    assert members.put(e.session_command(session, 2, 0, encode(c.Add(1)))) == 2
    assert members.groups[2].capture() == members.groups[1].capture()


def test_the_version_rises_with_the_members(build: ModuleType) -> None:
    """By reports, and by the removal of a member that did not report."""
    e = module(build, "envelope")

    class Newer(counter(build)):  # type: ignore[misc]
        knows = 2

    members = Members(build, Newer)
    for id in (1, 2):
        assert members.put(members.groups[id].versions.report_due(id)) is None
    assert {group.version for group in members.groups.values()} == {1}
    leader = members.loopback.find(1)
    leader.propose_change(
        build.ConfChange(type=build.ConfChangeType.REMOVE_NODE, node_id=3),
    )
    members.loopback.drain()
    members.put(e.open_session(1000))
    assert [members.groups[id].version for id in (1, 2)] == [2, 2]


def test_an_older_program_stops_and_skips_nothing(build: ModuleType) -> None:
    """The others go on; it says what it needs, and is where it was once it is started anew."""
    c = module(build, "counter")
    newer = type("Newer", (counter(build),), {"knows": 2})
    members = Members(build, newer)
    encode = members.groups[1].machine.encode
    for id in (1, 2):
        members.put(members.groups[id].versions.report_due(id))
    # The third reports for a newer program, and is started with an older one before the version rises.
    late = members.groups[3].versions.report_due(3)
    members.loopback.remove(3)
    members.make = counter(build)
    members.join(3, members.storages[3])
    members.make = newer
    members.put(encode(c.Add(1)))
    leader = members.loopback.find(1)
    leader.propose(late)
    leader.propose(encode(c.Add(10)))
    with pytest.raises(build.MembersFailed, match="UpgradeNeeded: version 2 needs a newer program"):
        members.loopback.drain()
    assert isinstance(members.loopback.failures[3], build.UpgradeNeeded)
    assert members.groups[3].machine.total == 1
    assert [members.groups[id].machine.total for id in (1, 2)] == [11, 11]
    with pytest.raises(build.Stopped):
        members.loopback.find(3).run()
    # A newer program takes it from there.
    members.loopback.remove(3)
    members.join(3, members.storages[3])
    for _ in range(3):
        members.loopback.tick()
        members.loopback.drain()
    assert members.groups[3].capture() == members.groups[1].capture()


def test_a_failing_machine_stops_its_member_alone(build: ModuleType) -> None:
    c = module(build, "counter")
    members = Members(build, counter(build))
    encode = members.groups[1].machine.encode

    def broken(*_: Any) -> Any:
        raise OSError("no disk")

    members.groups[2].machine._set = broken
    leader = members.loopback.find(1)
    leader.propose(encode(c.Add(1)))
    with pytest.raises(
        build.MembersFailed, match=r"MachineFailed: the state machine failed at entry \d+, command .*add"
    ):
        members.loopback.drain()
    assert isinstance(members.loopback.failures[2], build.MachineFailed)
    assert [members.groups[id].machine.total for id in (1, 3)] == [1, 1]
