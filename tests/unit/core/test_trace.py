"""A node's events for a trace logger, by examples; test_trace_reference compares whole traces with the reference's."""

import dataclasses
import io
import json
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from raftcy import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeType,
    ConfChangeV2,
    Config,
    ConfState,
    Driver,
    Entry,
    MemoryStorage,
    Message,
    MessageType,
    Progress,
    RawNode,
    Snapshot,
    SnapshotMetadata,
    StateType,
    TrackerConfig,
)
from raftcy.core import trace
from raftcy.core.quorum import JointConfig
from raftcy.core.trace import NdjsonTraceLogger, TracingEvent, TracingMessage, TracingState

M = MessageType


class Notes:
    def __init__(self) -> None:
        self.events: list[TracingEvent] = []

    def trace_event(self, event: TracingEvent) -> None:
        self.events.append(event)

    def names(self) -> list[str]:
        return [event.name for event in self.events]


def node(**fields: Any) -> Any:
    """An object with the attributes that the functions read from a Raft."""
    config = TrackerConfig(JointConfig([1, 2, 26], [1]))
    tracker = SimpleNamespace(config=config, progress={26: Progress(7, 9)})
    log = SimpleNamespace(committed=6, last_index=lambda: 8)
    state = {"id": 26, "term": 3, "vote": 2, "state": StateType.LEADER, "log": log, "tracker": tracker}
    return SimpleNamespace(**{**state, "trace_logger": Notes(), **fields})


STATE = '"nid":"26","state":{"term":3,"vote":"2","commit":6},"role":"StateLeader","log":8,"conf":[["1","2","26"],["1"]]'


def told(call: Any, *arguments: Any, **fields: Any) -> list[str]:
    r = node(**fields)
    call(r, *arguments)
    return [event.to_json() for event in r.trace_logger.events]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (trace.init_state, "InitState"),
        (trace.become_follower, "BecomeFollower"),
        (trace.become_candidate, "BecomeCandidate"),
        (trace.become_leader, "BecomeLeader"),
        (trace.commit, "Commit"),
        (trace.ready, "Ready"),
    ],
)
def test_steps_without_more(call: Any, name: str) -> None:
    assert told(call) == [f'{{"name":"{name}",{STATE}}}']


def test_replicate_tells_normal_entries() -> None:
    """One event each; configuration changes have their own events."""
    entries = [Entry(), Entry(type=1), Entry(type=0, data=b"x"), Entry(type=2), Entry(type=9)]
    assert told(trace.replicate, entries) == [f'{{"name":"Replicate",{STATE}}}'] * 2


def change(*steps: tuple[Any, int]) -> ConfChangeV2:
    return ConfChangeV2(changes=[ConfChangeSingle(type=kind, node_id=id) for kind, id in steps])


def test_change_conf() -> None:
    every = change(*[(kind, 20 + kind) for kind in ConfChangeType], (9, 5))
    steps = (
        '{"nid":"20","action":"AddNewServer"},{"nid":"21","action":"RemoveServer"},{"nid":"23","action":"AddLearner"}'
    )
    assert told(trace.change_conf, every) == [
        f'{{"name":"ChangeConf",{STATE},"prop":{{"cc":{{"changes":[{steps}]}}}}}}'
    ]
    one = ConfChange(node_id=2**64 - 1)
    (text,) = told(trace.change_conf, one)
    assert json.loads(text)["prop"] == {"cc": {"changes": [{"nid": str(2**64 - 1), "action": "AddNewServer"}]}}


def test_a_change_of_nobody_is_not_an_event() -> None:
    assert told(trace.change_conf, change()) == []
    assert told(trace.change_conf, change((ConfChangeType.UPDATE_NODE, 1))) == []


def test_apply_conf_change_tells_the_new_voters() -> None:
    """The event has the voters of the incoming half; an empty configuration is an empty list."""
    config = TrackerConfig(JointConfig([10, 9], [1]), True, [4])
    assert told(trace.apply_conf_change, config) == [
        f'{{"name":"ApplyConfChange",{STATE},"prop":{{"cc":{{"newconf":["9","10"]}}}}}}'
    ]
    assert told(trace.apply_conf_change, TrackerConfig()) == [
        f'{{"name":"ApplyConfChange",{STATE},"prop":{{"cc":{{}}}}}}'
    ]


TRACED = {
    M.MSG_APP: "AppendEntriesRequest",
    M.MSG_HEARTBEAT: "AppendEntriesRequest",
    M.MSG_SNAP: "AppendEntriesRequest",
    M.MSG_APP_RESP: "AppendEntriesResponse",
    M.MSG_HEARTBEAT_RESP: "AppendEntriesResponse",
    M.MSG_VOTE: "RequestVoteRequest",
    M.MSG_VOTE_RESP: "RequestVoteResponse",
}


@pytest.mark.parametrize("kind", [*M, 99, -1])
def test_messages_that_are_traced(kind: Any) -> None:
    for verb, call in (("Send", trace.send_message), ("Receive", trace.receive_message)):
        names = [json.loads(text)["name"] for text in told(call, Message(type=kind))]
        assert names == ([verb + TRACED[kind]] if kind in TRACED else [])


def test_a_message() -> None:
    m = Message(
        type=M.MSG_APP_RESP,
        to=1,
        from_=26,
        term=2**64 - 1,
        log_term=4,
        index=5,
        entries=[Entry(), Entry()],
        commit=7,
        reject=True,
        reject_hint=9,
        vote=8,
        context=b"x",
        responses=[Message()],
    )
    fields = (
        '"type":"MsgAppResp","term":18446744073709551615,"from":"26","to":"1","entries":2,"logTerm":4,"index":5,'
        '"commit":7,"vote":"8","reject":true,"rejectHint":9'
    )
    assert told(trace.receive_message, m) == [f'{{"name":"ReceiveAppendEntriesResponse",{STATE},"msg":{{{fields}}}}}']


def test_a_snapshot_counts_as_its_entries() -> None:
    sent = Snapshot(metadata=SnapshotMetadata(index=40, term=2))
    (text,) = told(trace.send_message, Message(type=M.MSG_SNAP, index=3, log_term=4, snapshot=sent))
    told_of = json.loads(text)["msg"]
    assert (told_of["entries"], told_of["index"], told_of["logTerm"]) == (40, 0, 0)
    (text,) = told(trace.receive_message, Message(type=M.MSG_SNAP))
    assert json.loads(text)["msg"]["entries"] == 0


def test_an_append_tells_the_senders_progress() -> None:
    """If the sender is a member; and only for appends."""
    for m, properties in (
        (Message(type=M.MSG_APP, from_=26), {"match": 7, "next": 9}),
        (Message(type=M.MSG_APP, from_=25), None),
        (Message(type=M.MSG_HEARTBEAT, from_=26), None),
    ):
        (text,) = told(trace.send_message, m)
        assert json.loads(text).get("prop") == properties
        (text,) = told(trace.receive_message, m)
        assert "prop" not in json.loads(text)


def test_roles_are_told_by_name() -> None:
    roles = [json.loads(told(trace.ready, state=int(role))[0])["role"] for role in StateType]
    assert roles == ["StateFollower", "StateCandidate", "StateLeader", "StatePreCandidate"]


def test_events_are_values() -> None:
    state = TracingState(1, "2", 3)
    message = TracingMessage("MsgApp", 1, "2", "3", 0, 0, 0, 0, "0", False, 0)
    event = TracingEvent("Ready", "1", state, "StateLeader", 4, (("1",), ()), message, {"b": 1, "a": 2})
    assert pickle.loads(pickle.dumps(event)) == event
    assert event.to_json().endswith('"prop":{"a":2,"b":1}}')
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.name = "Commit"  # type: ignore[misc]


def start(**fields: Any) -> tuple[RawNode, MemoryStorage, Notes]:
    notes = Notes()
    storage = MemoryStorage()
    members = ConfState(voters=[1])
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=members, index=3, term=1)))
    config = Config(
        id=1,
        election_tick=10,
        heartbeat_tick=1,
        storage=storage,
        max_size_per_msg=2**20,
        max_inflight_msgs=8,
        trace_logger=notes,
        **fields,
    )
    return RawNode(config), storage, notes


def settle(raw: RawNode, storage: MemoryStorage) -> None:
    driver = Driver(raw, storage)
    while driver.run():
        pass


def test_a_nodes_life() -> None:
    raw, storage, notes = start()
    assert notes.names() == ["InitState", "ApplyConfChange", "BecomeFollower"]
    assert notes.events[0].conf == ((), ())
    assert notes.events[1].properties == {"cc": {"newconf": ("1",)}}
    notes.events.clear()
    raw.campaign()
    settle(raw, storage)
    assert notes.names() == [
        "BecomeCandidate",
        "SendRequestVoteResponse",
        "Ready",
        "ReceiveRequestVoteResponse",
        "BecomeLeader",
        "Replicate",
        "SendAppendEntriesResponse",
        "Ready",
        "ReceiveAppendEntriesResponse",
        "Commit",
        "Ready",
    ]
    assert notes.events[-1].state == TracingState(1, "1", 4)
    notes.events.clear()
    raw.propose_conf_change(change((ConfChangeType.ADD_LEARNER_NODE, 2)))
    settle(raw, storage)
    names = notes.names()
    assert names[:3] == ["ChangeConf", "SendAppendEntriesResponse", "Ready"]
    assert "Replicate" not in names
    assert names.count("ApplyConfChange") == 1


def test_a_trace_changes_nothing() -> None:
    """A node behaves the same with and without a trace logger."""

    def run(raw: RawNode, storage: MemoryStorage) -> Any:
        raw.campaign()
        settle(raw, storage)
        raw.propose(b"x")
        settle(raw, storage)
        return str(raw.status()), storage.entries(4, storage.last_index() + 1, 2**64 - 1)

    traced, storage, _ = start()
    plain_storage = MemoryStorage()
    plain_storage.apply_snapshot(storage.snapshot())
    plain = RawNode(
        Config(
            id=1, election_tick=10, heartbeat_tick=1, storage=plain_storage, max_size_per_msg=2**20, max_inflight_msgs=8
        )
    )
    assert run(traced, storage) == run(plain, plain_storage)


def test_lines() -> None:
    """One line per event, each written as text in one call."""

    class File(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

    file = File()
    logger = NdjsonTraceLogger(file)
    r = node(trace_logger=logger)
    trace.ready(r)
    trace.commit(r)
    assert file.getvalue() == (
        f'{{"tag":"trace","event":{{"name":"Ready",{STATE}}}}}\n{{"tag":"trace","event":{{"name":"Commit",{STATE}}}}}\n'
    )
    assert file.writes == 2
