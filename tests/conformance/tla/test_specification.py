"""TLC accepts the traces of raftcy as runs of etcd's TLA+ specification, and refuses traces that were tampered with.

These are the traces that TLC checks soonest. ``make tla`` checks all of them.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.support.needs import missing, needs_go, needs_java, needs_tool
from tools.tla.__main__ import EVENTS_MAX
from tools.tla.check import Verdict, check
from tools.tla.parts import Missing, find
from tools.tla.stories import STORIES, TAMPERED, commit_raised, conflict, vote_removed

pytestmark = pytest.mark.once

SHORT = ("elections", "snapshot")
SHORT_TAMPERED = ("vote response removed",)


@pytest.fixture(scope="module")
def verdicts() -> Iterator[dict[str, "Future[Verdict]"]]:
    """The verdict on each trace; two checks run at a time."""
    needs_java()
    needs_go()
    needs_tool("mvn")
    try:
        parts = find()
    except Missing as error:
        missing(str(error))
    with ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(check, parts, story())
            for name, story in (STORIES | TAMPERED).items()
            if name in SHORT + SHORT_TAMPERED
        }


@pytest.mark.parametrize("name", SHORT)
def test_a_run_is_accepted(verdicts: dict[str, "Future[Verdict]"], name: str) -> None:
    verdict = verdicts[name].result()
    assert verdict.accepted, f"{name}: {verdict}"


@pytest.mark.parametrize("name", SHORT_TAMPERED)
def test_a_tampered_trace_is_refused(verdicts: dict[str, "Future[Verdict]"], name: str) -> None:
    """TLC stops at the tampered place: not at once, which would mean a broken check, and not at the end."""
    verdict = verdicts[name].result()
    assert not verdict.accepted
    assert 5 < verdict.percent < 95
    assert verdict.error is None


@pytest.mark.parametrize("name", STORIES)
def test_stories_are_short_and_always_the_same(name: str) -> None:
    events = STORIES[name]()
    assert 50 < len(events) <= EVENTS_MAX
    assert events == STORIES[name]()


def names(story: str) -> list[str]:
    return [event["name"] for event in STORIES[story]()]


def test_stories_tell_what_they_say() -> None:
    assert names("elections").count("BecomeCandidate") == 4
    assert names("elections").count("BecomeLeader") == 2
    refused = [event for event in conflict() if event.get("msg", {}).get("reject")]
    assert [event["nid"] for event in refused if event["name"] == "SendAppendEntriesResponse"] == ["1"]
    assert names("membership change").count("ChangeConf") == 4
    kinds = [event["msg"]["type"] for event in STORIES["snapshot"]() if "msg" in event]
    assert "MsgSnap" in kinds
    assert names("leader change under load").count("BecomeLeader") == 3


def test_tampered_traces_differ_in_one_place() -> None:
    whole = conflict()
    raised = commit_raised()
    (place,) = [n for n, (one, other) in enumerate(zip(whole, raised, strict=True)) if one != other]
    assert raised[place]["state"]["commit"] == whole[place]["state"]["commit"] + 1
    removed = vote_removed()
    assert len(removed) == len(whole) - 1
    assert next(event for event in whole if event not in removed)["name"] == "ReceiveRequestVoteResponse"
