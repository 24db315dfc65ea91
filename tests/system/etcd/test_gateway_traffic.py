"""The gateway beside recordings of etcd's: the traffic of Patroni, and refused requests."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.needs import needs_shared

from .gateway_errors import CASES, ask
from .members import running
from .replay import Replay, read

pytestmark = pytest.mark.once

HERE = Path(__file__).parent
OWN_TEXT = {
    "no JSON", "half a JSON", "an array", "a key that is a number", "a key that is no base64",
    "a lease that is no number",
}  # fmt: skip
"""Cases whose text is a parser's, in Go."""
OTHER_VALUES = ("cluster_id", "member_id", "raft_term")


@pytest.mark.parametrize("count", [1, 3])
def test_patronis_traffic(tmp_path: Path, count: int) -> None:
    """All that two Patroni nodes sent from their first start to a failover, with the same answers as etcd's."""
    (recording,) = sorted(needs_shared("etcd", "patroni").glob("traffic-*.jsonl"))
    with running(tmp_path, count) as members:
        replay = Replay(members.endpoints[-1], read(recording))
        replay.run()
    assert replay.faults == []
    assert replay.passed > 200


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    with running(tmp_path_factory.mktemp("etcd")) as members:
        return ask(members.endpoints[0])


def recorded(version: str) -> dict[str, dict[str, Any]]:
    lines = (HERE / f"gateway-errors-{version}.jsonl").read_text().splitlines()
    return {row["case"]: row for row in map(json.loads, lines)}


def values(text: str) -> list[Any]:
    """The JSON values of an answer without what differs in each run; the text itself if it is no JSON."""
    try:
        found = [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return [text]
    for each in found:
        for name in OTHER_VALUES:
            each.get("result", each).get("header", {}).pop(name, None)
    return found


@pytest.mark.parametrize("case", CASES)
def test_status_and_fields_are_those_of_3_7(answers: dict[str, dict[str, Any]], case: str) -> None:
    wanted = recorded("3.7")[case]
    found = answers[case]
    assert found["status"] == wanted["status"]
    ours, theirs = values(found["text"]), values(wanted["text"])
    for each in (*ours, *theirs):
        if isinstance(each, dict) and "message" in each:
            # Both names, so that clients of all versions find the text.
            assert each.pop("error", each["message"]) == each["message"]
            if case in OWN_TEXT:
                assert each.pop("message")
    assert ours == theirs


@pytest.mark.parametrize("case", CASES)
def test_clients_of_3_4_find_the_fields_that_they_read(answers: dict[str, dict[str, Any]], case: str) -> None:
    before = recorded("3.4")[case]
    if before["status"] < 400 or not before["text"].startswith("{"):
        return
    theirs, ours = json.loads(before["text"]), json.loads(answers[case]["text"])
    assert set(theirs) <= set(ours)
    assert ours["code"] == theirs["code"]


def test_a_recording_has_every_case() -> None:
    assert [set(recorded(version)) for version in ("3.4", "3.7")] == [set(CASES)] * 2


def test_a_difference_is_found(tmp_path: Path) -> None:
    """A recording that says something else than the member does not pass."""
    (recording,) = sorted(needs_shared("etcd", "patroni").glob("traffic-*.jsonl"))
    text = recording.read_text()
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(text.replace('\\"TTL\\":\\"20\\"', '\\"TTL\\":20', 1))
    assert wrong.read_text() != text
    with running(tmp_path) as members:
        replay = Replay(members.endpoints[0], read(wrong))
        replay.run()
    assert len(replay.faults) == 1
