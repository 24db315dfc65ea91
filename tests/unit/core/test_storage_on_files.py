"""The storage suite on files: it passes the correct storage, and finds each storage with one defect."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raftcy import HardState
from raftcy.rafttest.storage_suite import StorageSuite, failures
from tests.support import wrong_storages as wrong
from tests.support.file_storage import FileStorage, Noted
from tests.support.logs import run


class TestFileStorage(StorageSuite):
    """As a user writes it: only how to open the storage."""

    random_runs = 2

    def open(self, place: Path) -> Any:
        return FileStorage(place)


class Crashing(StorageSuite):
    """With every state that a crash or a power cut may leave."""

    kind: type[Noted] = Noted
    random_runs = 4

    def open(self, place: Path) -> Any:
        return self.kind(place)

    def crashes(self, storage: Any) -> Iterator[Path]:
        for files in storage.left:
            place = self.new_place()
            for name, data in files.items():
                (place / name).write_bytes(data)
            yield place


class TestNoted(Crashing):
    def power_cuts(self, storage: Any) -> Iterator[Path]:
        place = self.new_place()
        (place / "log").write_bytes(storage.on_disk)
        yield place


WRONG = {
    wrong.SavesNothing: "test_the_hard_state_comes_back",
    wrong.ForgetsHardState: "test_what_was_synced_survives",
    wrong.ForgetsHardStateAtOnce: "test_the_hard_state_comes_back",
    wrong.ForgetsSnapshot: "test_a_snapshot_replaces_the_log",
    wrong.ForgetsSnapshotAtOnce: "test_members_can_be_set_first",
    wrong.WritesInClose: "test_what_was_synced_survives",
    wrong.CutsNoTail: "test_entries_replace_what_follows",
    wrong.HardStateFirst: "test_a_save_is_whole_after_a_crash",
    wrong.ForgetsConfState: "test_a_snapshot_is_made_of_what_is_stored",
    wrong.LosesBaseTerm: "test_compaction_drops_a_prefix",
    wrong.CutsNoTorn: "test_a_save_is_whole_after_a_crash",
    wrong.ReplacesInPlace: "test_a_save_is_whole_after_a_crash",
    wrong.WritesBeforeItRefuses: "test_a_gap_is_refused",
    wrong.MakesWithoutVoters: "test_a_snapshot_without_voters_is_refused",
    wrong.ForgetsWhenClosed: "test_it_can_be_closed",
}
"""Storages, each with a test that finds it."""

NEEDS_CRASHES = {wrong.HardStateFirst, wrong.CutsNoTorn, wrong.ReplacesInPlace}
NO_HISTORY = {wrong.WritesBeforeItRefuses, wrong.MakesWithoutVoters}
"""Random histories make no call that has to be refused."""
NEEDS_POWER_CUTS = [wrong.SyncsNothing, wrong.ReplacesWithoutFlush]


def suite_of(made: type[Noted], of: type[StorageSuite]) -> StorageSuite:
    made_of: StorageSuite = type("Suite", (of,), {"kind": made, "open": lambda self, place: made(place)})()
    return made_of


def found(suite: StorageSuite, test: str) -> Exception | None:
    """The error that a test of a suite raises, None if it passes."""
    try:
        getattr(suite, test)()
    except Exception as error:
        return error
    finally:
        suite.teardown_method()
    return None


@pytest.mark.parametrize("kind", WRONG, ids=lambda kind: kind.__name__)
def test_what_is_wrong_is_found(kind: Any) -> None:
    """A specific test finds it, and so do random histories that can contain the mistake.

    catches: faults#X4
    """
    of = Crashing if kind in NEEDS_CRASHES else StorageSuite
    error = found(suite_of(kind, of), WRONG[kind])
    assert isinstance(error, Exception)
    assert str(error)
    assert (found(suite_of(kind, of), "test_random_histories") is None) == (kind in NO_HISTORY)


@pytest.mark.parametrize("kind", sorted(NEEDS_CRASHES, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_what_a_crash_within_a_call_leaves_needs_the_hook(kind: Any) -> None:
    suite = suite_of(kind, StorageSuite)
    suite.random_runs = 2
    assert failures(suite) == []


@pytest.mark.parametrize("kind", NEEDS_POWER_CUTS, ids=lambda kind: kind.__name__)
def test_whether_a_sync_reached_the_disk_needs_the_hook(kind: Any) -> None:
    for test in ("test_a_save_is_whole_after_a_crash", "test_random_histories"):
        assert "after a power cut" in str(found(suite_of(kind, TestNoted), test))
        suite = suite_of(kind, Crashing)
        suite.random_runs = 1
        assert found(suite, test) is None


def test_the_message_says_what_was_lost() -> None:
    error = found(suite_of(wrong.WritesInClose, StorageSuite), "test_what_was_synced_survives")
    assert "expected that it holds what was saved (hard_state: expected HardState(term=1, vote=3" in str(error)
    error = found(suite_of(wrong.HardStateFirst, Crashing), "test_a_save_is_whole_after_a_crash")
    told = "the storage differs from its state after any of 2 calls since the last sync; "
    assert str(error).startswith(f"after a crash within save(): {told}")


def test_what_was_opened_is_closed_and_removed() -> None:
    suite = suite_of(Noted, Crashing)
    storage = suite.make()
    other = suite.crash(storage)
    places = [each.path.parent for each in (storage, other)]
    assert places[0] != places[1]
    assert all(place.is_dir() for place in places)
    suite.teardown_method()
    assert not any(place.exists() for place in places)
    suite.teardown_method()


def test_a_storage_whose_file_has_failed_takes_nothing_more(tmp_path: Path) -> None:
    """The correct storage follows LogStorage's rule for errors."""
    storage = FileStorage(tmp_path)
    storage.save(HardState(term=1), run(1, 1), None)
    storage.close()
    for _ in range(2):
        with pytest.raises(OSError, match=r"Bad file descriptor|has failed"):
            storage.save(HardState(term=2), None, None)
    assert storage.initial_state()[0] == HardState(term=1)
