"""The group's version: it rises once every member has reported it, and nobody skips what it does not know."""

from types import ModuleType
from typing import Any

import pytest

from tests.support.machines import Applied, module, noted


def knowing(build: ModuleType, version: int) -> Any:
    machine = noted(build)()
    machine.knows = version
    return machine


def group_of(build: ModuleType, knows: int, voters: tuple[int, ...] = (1, 2, 3), **members: Any) -> Applied:
    group = Applied(build, knowing(build, knows), voters)
    group.members = build.ConfState(voters=list(voters), auto_leave=False, **members)
    return group


@pytest.fixture(name="e")
def envelopes(build: ModuleType) -> ModuleType:
    return module(build, "envelope")


def test_it_rises_when_the_last_has_reported(build: ModuleType, e: ModuleType) -> None:
    group = group_of(build, 3)
    for member, version in ((1, 3), (2, 2), (1, 3)):
        assert group.put(e.version_report(member, version)) is None
        assert (group.group.version, group.group.machine.version) == (1, 1)
    assert group.put(e.version_report(3, 3)) is None
    assert (group.group.version, group.group.machine.version) == (2, 2)
    group.put(e.version_report(2, 3))
    assert (group.group.version, group.group.machine.version) == (3, 3)


@pytest.mark.parametrize("where", ["learners", "learners_next", "voters_outgoing"])
def test_every_kind_of_member_counts(build: ModuleType, e: ModuleType, where: str) -> None:
    group = group_of(build, 2, (1, 2), **{where: [4]})
    for member in (1, 2):
        group.put(e.version_report(member, 2))
    assert group.group.version == 1
    group.put(e.version_report(4, 2))
    assert group.group.version == 2


def test_it_only_rises(build: ModuleType, e: ModuleType) -> None:
    """A report below it is refused, and what the member reported before stays."""
    group = group_of(build, 3)
    for member in (1, 2, 3):
        group.put(e.version_report(member, 2))
    refused = group.put(e.version_report(2, 1))
    text = "the group uses version 2, but this member's program knows versions up to 1"
    assert refused == build.CommandError(text, "version")
    assert (group.group.version, group.group.versions.reported(2)) == (2, 2)


def test_a_member_that_went_back_holds_it(build: ModuleType, e: ModuleType) -> None:
    """Before it has risen, an older program may be started again, and its report counts."""
    group = group_of(build, 3)
    for member, version in ((1, 3), (2, 3), (2, 1), (3, 3)):
        group.put(e.version_report(member, version))
    assert group.group.version == 1


def test_who_is_no_member_does_not_count(build: ModuleType, e: ModuleType) -> None:
    group = group_of(build, 2, (1,))
    assert group.put(e.version_report(9, 1)) == build.CommandError("9 is not a member", "not a member")
    group.put(e.version_report(1, 2))
    assert group.group.version == 2


def test_it_rises_when_the_last_that_held_it_is_removed(build: ModuleType, e: ModuleType) -> None:
    group = group_of(build, 2)
    for member in (1, 2):
        group.put(e.version_report(member, 2))
    group.members = build.ConfState(voters=[1, 2], auto_leave=False)
    assert group.group.version == 1
    group.put(b"next")
    assert group.group.version == 2


def test_a_member_that_joins_holds_it(build: ModuleType, e: ModuleType) -> None:
    """Until it has reported; what a removed one of that id had reported does not count."""
    group = group_of(build, 3, (1, 2))
    group.put(e.version_report(2, 3))
    group.members = build.ConfState(voters=[1], auto_leave=False)
    group.put(b"x")
    group.members = build.ConfState(voters=[1], learners=[2], auto_leave=False)
    group.put(e.version_report(1, 3))
    assert group.group.version == 1
    group.put(e.version_report(2, 3))
    assert group.group.version == 3


def test_an_older_joiner_is_refused(build: ModuleType, e: ModuleType) -> None:
    group = group_of(build, 2, (1,))
    group.put(e.version_report(1, 2))
    assert group.group.refuses_member(2) is None
    assert group.group.refuses_member(3) is None
    assert group.group.refuses_member(1).reason == "version"


def test_nothing_is_skipped(build: ModuleType, e: ModuleType) -> None:
    """An older program applies what comes before the group's rise, stops there, and says what it needs."""
    log = [b"a", *(e.version_report(member, 2) for member in (1, 2, 3)), b"b"]
    newer, older = group_of(build, 2), group_of(build, 1)
    for data in log:
        newer.put(data)
    entries = newer.log.entries
    with pytest.raises(build.UpgradeNeeded, match="version 2 needs a newer program: this one knows versions up to 1"):
        older.group.apply(entries)
    assert [data for _, data, _, _ in older.group.machine.given] == [b"a"]
    # Started anew on the same log, it stops in the same place.
    again = group_of(build, 1)
    again.group.apply(entries[:3])
    for _ in range(2):
        with pytest.raises(build.UpgradeNeeded):
            again.group.apply(entries[3:])


def test_an_unknown_kind_stops_before_it(build: ModuleType, e: ModuleType) -> None:
    group = group_of(build, 1)
    entries = [group.log.add(data) for data in (b"a", b"b", b"\xc1\x63new", b"c")]
    with pytest.raises(build.UpgradeNeeded, match="entry kind 99"):
        group.group.apply(entries)
    assert [data for _, data, _, _ in group.group.machine.given] == [b"a", b"b"]


def test_a_rise_by_a_removal_stops_an_older_program_too(build: ModuleType, e: ModuleType) -> None:
    group = group_of(build, 1)
    for member in (1, 2):
        group.put(e.version_report(member, 2))
    group.members = build.ConfState(voters=[1, 2], auto_leave=False)
    with pytest.raises(build.UpgradeNeeded):
        group.put(b"next")
    assert group.group.machine.given == []


def test_a_snapshot_of_a_later_version_is_not_taken(build: ModuleType, e: ModuleType) -> None:
    newer, older = group_of(build, 2, (1,)), group_of(build, 1, (1,))
    newer.put(e.version_report(1, 2))
    older.put(b"mine")
    data = newer.group.capture()
    snapshot = build.Snapshot(data=data, metadata=build.SnapshotMetadata(index=1, term=1))
    with pytest.raises(build.UpgradeNeeded):
        older.group.restore(snapshot)
    assert [data for _, data, _, _ in older.group.machine.given] == [b"mine"]


def test_what_a_member_has_to_report(build: ModuleType, e: ModuleType) -> None:
    group = group_of(build, 2)
    due = group.group.versions.report_due(1)
    assert e.decode(due) == e.VersionReport(1, 2)
    assert group.group.versions.report_due(1) == due, "it may have got lost"
    group.put(due)
    assert group.group.versions.report_due(1) is None
    group.put(e.version_report(1, 1))
    assert group.group.versions.report_due(1) == due, "this program knows more than the one before"


def test_what_a_program_knows_is_checked(build: ModuleType) -> None:
    for wrong in (0, -1, 2**31):
        with pytest.raises(ValueError, match="a program knows version 1 to"):
            module(build).GroupMachine(knowing(build, wrong))


def test_without_members_it_stays(build: ModuleType, e: ModuleType) -> None:
    group = module(build).GroupMachine(knowing(build, 2))
    entry = build.Entry(term=1, index=1, data=e.version_report(1, 2))
    assert group.apply([entry])[0].reason == "not a member"
    assert group.version == 1
