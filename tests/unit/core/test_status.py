"""A node's status."""

import json
import pickle
import subprocess
import sys
from typing import Any

import pytest

import raftcy as active
from raftcy import (
    BasicStatus,
    Config,
    ConfState,
    HardState,
    MemoryStorage,
    Progress,
    RangeError,
    RawNode,
    Snapshot,
    SnapshotMetadata,
    SoftState,
    StateType,
    Status,
    TrackerConfig,
)
from raftcy.core.inflights import Inflights
from raftcy.core.quorum import JointConfig


def basic(cls: type = BasicStatus, **more: Any) -> Any:
    numbers = {"id": 26, "term": 2, "vote": 26, "commit": 3, "lead": 27, "applied": 1, "lead_transferee": 255}
    return cls(**{**numbers, "raft_state": StateType.LEADER, **more})


def progress(match: int, **fields: Any) -> Progress:
    pr = Progress(match, match + 1, Inflights(4, 0))
    for name, value in fields.items():
        setattr(pr, name, value)
    return pr


def whole() -> Any:
    config = TrackerConfig(JointConfig([26, 16], [16]), True, [2], [16])
    return basic(Status, config=config, progress={26: progress(3), 16: progress(1)})


def test_fields_and_defaults() -> None:
    status = Status()
    assert [getattr(status, name) for name in BasicStatus.__match_args__] == [0] * 8
    assert status.raft_state is StateType.FOLLOWER
    assert (status.config, status.progress) == (TrackerConfig(), {})
    assert basic().hard_state == HardState(term=2, vote=26, commit=3)
    assert basic().soft_state == SoftState(lead=27, raft_state=StateType.LEADER)
    match whole():
        case Status(26, 2, 26, 3, 27, StateType.LEADER, 1, 255, config, members):
            assert str(config) == "voters=(10 1a)&&(10) learners=(2) learners_next=(10) autoleave"
            assert list(members) == [16, 26]
        case _:
            pytest.fail("no match")


def test_json() -> None:
    """Ids in hexadecimal and as texts, numbers in decimal, peers by ascending id."""
    assert (
        str(whole())
        == whole().to_json()
        == (
            '{"id":"1a","term":2,"vote":"1a","commit":3,"lead":"1b","raftState":"StateLeader","applied":1,"progress":{'
            '"10":{"match":1,"next":2,"state":"StateProbe"},"1a":{"match":3,"next":4,"state":"StateProbe"}},'
            '"leadtransferee":"ff"}'
        )
    )
    assert str(Status(id=1)) == (
        '{"id":"1","term":0,"vote":"0","commit":0,"lead":"0","raftState":"StateFollower","applied":0,"progress":{},'
        '"leadtransferee":"0"}'
    )
    assert json.loads(whole().to_json())["progress"]["10"] == {"match": 1, "next": 2, "state": "StateProbe"}


def test_values() -> None:
    assert basic() == basic()
    assert hash(basic()) == hash(basic())
    assert basic() != basic(term=3)
    assert basic() != basic(Status)
    assert whole() == whole()
    assert whole() != basic(Status)
    with pytest.raises(TypeError, match="unhashable"):
        hash(whole())
    assert eval(repr(basic()), {"BasicStatus": BasicStatus, "StateType": StateType}) == basic()
    assert repr(whole()).startswith("Status(id=26, term=2, vote=26, commit=3, lead=27, raft_state=StateType.LEADER, ")


@pytest.mark.parametrize("status", [basic(), whole()], ids=["BasicStatus", "Status"])
def test_nothing_can_be_assigned(status: Any) -> None:
    for name in (*status.__match_args__, "hard_state", "other"):
        with pytest.raises(AttributeError):
            setattr(status, name, 1)
        with pytest.raises(AttributeError):
            delattr(status, name)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"id": -1}, RangeError, "id must be 0 to 2**64-1, not -1"),
        ({"commit": 1.0}, TypeError, "commit must be an int, not float"),
        ({"raft_state": "x"}, TypeError, "raft_state must be an int, not str"),
        ({"config": 3}, TypeError, "config must be of TrackerConfig, not int"),
        ({"progress": {1: 2}}, TypeError, "progress must be of Progress, not int"),
        ({"progress": {-1: Progress()}}, RangeError, "id must be 0 to 2**64-1, not -1"),
    ],
)
def test_fields_are_checked(fields: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        Status(**fields)
    assert str(caught.value) == text


def test_progress_is_copied() -> None:
    """Neither the node nor the caller can change the progress in a status."""
    pr = progress(3)
    given = {1: pr}
    status = Status(progress=given)
    pr.match = 9
    pr.inflights.add(1, 1)
    given[2] = pr
    assert {id: str(p) for id, p in status.progress.items()} == {1: "StateProbe match=3 next=4 inactive"}
    status.progress.clear()
    assert list(status.progress) == [1]
    assert Status(progress={1: Progress()}).progress[1].inflights is None


@pytest.mark.parametrize("status", [basic(), whole(), Status()], ids=["BasicStatus", "Status", "empty"])
def test_pickle(status: Any) -> None:
    again = pickle.loads(pickle.dumps(status))
    assert type(again) is type(status)
    assert again == status
    assert repr(again) == repr(status)


def test_pickles_of_the_other_build() -> None:
    """The pure build reads pickles of this build, and this build reads its pickles."""
    program = (
        "import pickle, sys; status = pickle.load(sys.stdin.buffer); import raftcy\n"
        "assert raftcy.BUILD == 'pure' and str(status.config).endswith('autoleave')\n"
        "sys.stdout.buffer.write(pickle.dumps(status))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(whole()),
        capture_output=True,
        timeout=60,
        env={"RAFTCY_PURE_PYTHON": "1", "PYTHONPATH": active.__path__[0] + "/.."},
    )
    assert done.stderr == b""
    assert pickle.loads(done.stdout) == whole()


def test_of_a_node() -> None:
    """Only a leader has its peers' progress in its status; later events do not change a status."""
    storage = MemoryStorage()
    members = ConfState(voters=[1], learners=[2])
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(index=5, term=1, conf_state=members)))
    node = RawNode(Config(id=1, election_tick=10, heartbeat_tick=1, storage=storage, max_inflight_msgs=8))
    before = node.status()
    assert (before.raft_state, before.commit, before.applied, before.progress) == (StateType.FOLLOWER, 5, 5, {})
    assert str(before.config) == "voters=(1) learners=(2)"
    node.campaign()
    rd = node.ready()
    storage.set_hard_state(rd.hard_state)
    storage.append(rd.entries)
    node.advance()
    status = node.status()
    assert (status.id, status.term, status.vote, status.lead, status.raft_state) == (1, 1, 1, 1, StateType.LEADER)
    assert {id: str(pr) for id, pr in status.progress.items()} == {
        1: "StateReplicate match=5 next=6",
        2: "StateProbe match=0 next=6 learner paused inactive",
    }
    assert node.basic_status() == BasicStatus(**{name: getattr(status, name) for name in BasicStatus.__match_args__})
    told = status.to_json()
    node.propose(b"x")
    assert status.to_json() == told
    assert before.term == 0
