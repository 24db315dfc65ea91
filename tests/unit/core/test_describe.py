"""The texts for people and scripts, character by character."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftcy import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    ReadState,
    Ready,
    Snapshot,
    SnapshotMetadata,
    SoftState,
    StateType,
    describe_conf_change,
    describe_conf_state,
    describe_entries,
    describe_entry,
    describe_hard_state,
    describe_message,
    describe_ready,
    describe_snapshot,
    describe_soft_state,
)
from raftcy.core.describe import quote

ADD, LEARN, REMOVE, UPDATE = (
    ConfChangeType.ADD_NODE,
    ConfChangeType.ADD_LEARNER_NODE,
    ConfChangeType.REMOVE_NODE,
    ConfChangeType.UPDATE_NODE,
)
MEMBERS = ConfState(voters=[3, 1, 2], learners=[9], voters_outgoing=[1, 2**64 - 1], learners_next=[2], auto_leave=True)
SNAPSHOT = Snapshot(data=b"not shown", metadata=SnapshotMetadata(index=12, term=1, conf_state=ConfState(voters=[1, 2])))
EXPLICIT = "transition:ConfChangeTransitionJointExplicit"
SNAPSHOT_TEXT = "Index:12 Term:1 ConfState:Voters:[1 2] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false"


def v2(*steps: tuple[Any, int], **more: Any) -> ConfChangeV2:
    return ConfChangeV2(changes=[ConfChangeSingle(type=kind, node_id=id) for kind, id in steps], **more)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (HardState(), "Term:0 Commit:0"),
        (HardState(term=1, vote=0, commit=2), "Term:1 Commit:2"),
        (HardState(term=2**64 - 1, vote=17, commit=0), "Term:18446744073709551615 Vote:17 Commit:0"),
    ],
)
def test_hard_state(state: HardState, text: str) -> None:
    assert describe_hard_state(state) == text


def test_soft_state() -> None:
    assert describe_soft_state(SoftState()) == "Lead:0 State:StateFollower"
    assert (
        describe_soft_state(SoftState(lead=17, raft_state=StateType.PRE_CANDIDATE)) == "Lead:17 State:StatePreCandidate"
    )


def test_conf_state() -> None:
    assert describe_conf_state(ConfState()) == (
        "Voters:[] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false"
    )
    assert describe_conf_state(MEMBERS) == (
        "Voters:[3 1 2] VotersOutgoing:[1 18446744073709551615] Learners:[9] LearnersNext:[2] AutoLeave:true"
    )


def test_snapshot() -> None:
    assert describe_snapshot(SNAPSHOT) == SNAPSHOT_TEXT
    assert describe_snapshot(Snapshot()) == f"Index:0 Term:0 ConfState:{describe_conf_state(ConfState())}"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", '""'),
        (b"plain text", '"plain text"'),
        (b'say "hi" \\ bye', r'"say \"hi\" \\ bye"'),
        (b"'`", '"\'`"'),
        (b"\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        (b"\x00\x01\x1f\x7f", r'"\x00\x01\x1f\x7f"'),
        ("Grüße, 世界 ☃ 😀".encode(), '"Grüße, 世界 ☃ 😀"'),
        ("\u0080\u009f\u00a0\u00ad\u2028\u3000\ufeff".encode(), r'"\u0080\u009f\u00a0\u00ad\u2028\u3000\ufeff"'),
        ("e\u0301 \ufffd".encode(), '"e\u0301 \ufffd"'),
        ("\U000e0001\U0010ffff\ue000".encode(), r'"\U000e0001\U0010ffff\ue000"'),
        (b"\xff\x80\xc0", r'"\xff\x80\xc0"'),
        (b"\xed\xa0\x80", r'"\xed\xa0\x80"'),
        (b"\xc0\xaf\xf4\x90\x80\x80", r'"\xc0\xaf\xf4\x90\x80\x80"'),
        (b"\xe2\x82A\xf0\x9f\x98", r'"\xe2\x82A\xf0\x9f\x98"'),
    ],
)
def test_quote(data: bytes, text: str) -> None:
    assert quote(data) == text


@given(st.one_of(st.binary(max_size=30), st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace"))))
def test_quoted_text_can_be_read_back(data: bytes) -> None:
    text = quote(data)
    assert text[0] == text[-1] == '"'
    assert text.isprintable()
    read = bytearray()
    rest = text[1:-1]
    while rest:
        if rest[0] != "\\":
            read += rest[0].encode()
            rest = rest[1:]
        elif (size := {"x": 4, "u": 6, "U": 10}.get(rest[1])) is not None:
            code = int(rest[2:size], 16)
            read += bytes([code]) if rest[1] == "x" else chr(code).encode()
            rest = rest[size:]
        else:
            read += b'\a\b\f\n\r\t\v\\"'['abfnrtv\\"'.index(rest[1])].to_bytes(1, "big")
            rest = rest[2:]
    assert bytes(read) == data


@pytest.mark.parametrize(
    ("e", "text"),
    [
        (Entry(), '0/0 EntryNormal ""'),
        (Entry(term=1, index=11, data=b"a"), '1/11 EntryNormal "a"'),
        (Entry(type=1, term=1, index=2, data=ConfChange(node_id=3).encode()), "1/2 EntryConfChange v3"),
        (Entry(type=1, term=1, index=2), "1/2 EntryConfChange v0"),
        (Entry(type=1, data=ConfChange(type=7, node_id=3).encode()), "0/0 EntryConfChange unknown3"),
        (Entry(type=2, data=v2((ADD, 3), (REMOVE, 1)).encode()), "0/0 EntryConfChangeV2 v3 r1"),
        (Entry(type=2, data=v2((LEARN, 2**64 - 1), (UPDATE, 0)).encode()), f"0/0 EntryConfChangeV2 l{2**64 - 1} u0"),
        (Entry(type=2, term=2, index=14, data=v2(context=b"x").encode()), "2/14 EntryConfChangeV2"),
        (Entry(type=2, data=b"\x12"), "0/0 EntryConfChangeV2 proto: cannot parse invalid wire-format data"),
        (Entry(type=1, data=b"\xff"), "0/0 EntryConfChange proto: cannot parse invalid wire-format data"),
        (Entry(type=3, term=1, index=2, data=b"x"), "1/2 3"),
        (Entry(type=-1, term=1, index=2, data=b"x"), "1/2 -1"),
    ],
)
def test_entry(e: Entry, text: str) -> None:
    assert describe_entry(e) == text


def test_formatter() -> None:
    """It formats the data of normal entries, wherever they stand; an empty text adds no blank."""
    entries = [Entry(data=b"a"), Entry(type=2, data=v2((ADD, 1)).encode()), Entry(type=5, data=b"b")]
    shown = "0/0 EntryNormal <1>\n0/0 EntryConfChangeV2 v1\n0/0 5\n"
    assert describe_entries(entries, lambda data: f"<{len(data)}>") == shown
    assert describe_entry(entries[0], lambda data: "") == "0/0 EntryNormal"
    inner = Message(entries=entries[:1])
    outer = Message(type=MessageType.MSG_STORAGE_APPLY, responses=[inner])
    assert "<1>" in describe_message(outer, lambda data: "<1>")
    assert "<1>" in describe_ready(Ready(messages=[outer]), lambda data: "<1>")
    assert "<1>" in describe_ready(Ready(committed_entries=entries), lambda data: "<1>")


def test_entries() -> None:
    assert describe_entries([]) == ""
    assert describe_entries([Entry(index=1), Entry(index=2)]) == '0/1 EntryNormal ""\n0/2 EntryNormal ""\n'


MESSAGES: list[tuple[Message, str]] = [
    (Message(), "None->None MsgHup Term:0 Log:0/0"),
    (Message(type=99, from_=2**64 - 1, to=2**64 - 2), "AppendThread->ApplyThread 99 Term:0 Log:0/0"),
    (Message(type=-1, from_=2**64 - 3, to=17), "fffffffffffffffd->11 -1 Term:0 Log:0/0"),
    (
        Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=3, reject=True, reject_hint=4, log_term=2, index=9),
        "2->1 MsgAppResp Term:3 Log:2/9 Rejected (Hint: 4)",
    ),
    (
        Message(type=MessageType.MSG_APP_RESP, reject=False, reject_hint=4, commit=0, vote=0, context=b"not shown"),
        "None->None MsgAppResp Term:0 Log:0/0",
    ),
    (
        Message(type=MessageType.MSG_STORAGE_APPEND, from_=3, to=2**64 - 1, term=1, commit=10, vote=17, reject=True),
        "3->AppendThread MsgStorageAppend Term:1 Log:0/0 Rejected (Hint: 0) Commit:10 Vote:17",
    ),
    (
        Message(type=MessageType.MSG_PROP, from_=1, to=1, entries=[Entry(data=b"one")]),
        '1->1 MsgProp Term:0 Log:0/0 Entries:[0/0 EntryNormal "one"]',
    ),
    (
        Message(type=MessageType.MSG_APP, entries=[Entry(term=1, index=12, data=b"a"), Entry(term=1, index=13)]),
        'None->None MsgApp Term:0 Log:0/0 Entries:[\n  1/12 EntryNormal "a"\n  1/13 EntryNormal ""\n]',
    ),
    (
        Message(type=MessageType.MSG_SNAP, from_=1, to=3, term=1, snapshot=SNAPSHOT),
        f"1->3 MsgSnap Term:1 Log:0/0\n  Snapshot: {SNAPSHOT_TEXT}",
    ),
    (
        Message(type=MessageType.MSG_SNAP, snapshot=Snapshot(metadata=SnapshotMetadata(term=4))),
        "None->None MsgSnap Term:0 Log:0/0",
    ),
]


@pytest.mark.parametrize(("m", "text"), MESSAGES)
def test_message(m: Message, text: str) -> None:
    assert describe_message(m) == text


def test_responses_are_indented_within_each_other() -> None:
    entries = [Entry(index=1), Entry(index=2)]
    inmost = Message(type=MessageType.MSG_APP_RESP, from_=3, to=1, entries=entries, snapshot=SNAPSHOT)
    middle = Message(type=MessageType.MSG_APP, from_=3, to=2, entries=entries, responses=[inmost, Message()])
    outer = Message(type=MessageType.MSG_STORAGE_APPEND, from_=3, to=2**64 - 1, snapshot=SNAPSHOT, responses=[middle])
    assert describe_message(outer) == (
        "3->AppendThread MsgStorageAppend Term:0 Log:0/0\n"
        f"  Snapshot: {SNAPSHOT_TEXT} Responses:[\n"
        "  3->2 MsgApp Term:0 Log:0/0 Entries:[\n"
        '    0/1 EntryNormal ""\n'
        '    0/2 EntryNormal ""\n'
        "  ] Responses:[\n"
        "    3->1 MsgAppResp Term:0 Log:0/0 Entries:[\n"
        '      0/1 EntryNormal ""\n'
        '      0/2 EntryNormal ""\n'
        "    ]\n"
        f"      Snapshot: {SNAPSHOT_TEXT}\n"
        "    None->None MsgHup Term:0 Log:0/0\n"
        "  ]\n"
        "]"
    )


def test_ready() -> None:
    whole = Ready(
        soft_state=SoftState(lead=1, raft_state=StateType.LEADER),
        hard_state=HardState(term=1, vote=1, commit=2),
        read_states=[ReadState(index=8, request_ctx=b"r1"), ReadState(index=9)],
        entries=[Entry(term=1, index=3, data=b"x")],
        snapshot=SNAPSHOT,
        committed_entries=[Entry(term=1, index=1), Entry(term=1, index=2)],
        messages=[Message(), Message(type=MessageType.MSG_BEAT)],
        must_sync=True,
    )
    assert describe_ready(whole) == (
        "Ready MustSync=true:\n"
        "Lead:1 State:StateLeader\n"
        "HardState Term:1 Vote:1 Commit:2\n"
        "ReadStates [{8 [114 49]} {9 []}]\n"
        "Entries:\n"
        '1/3 EntryNormal "x"\n'
        f"Snapshot {SNAPSHOT_TEXT}\n"
        "CommittedEntries:\n"
        '1/1 EntryNormal ""\n'
        '1/2 EntryNormal ""\n'
        "Messages:\n"
        "None->None MsgHup Term:0 Log:0/0\n"
        "None->None MsgBeat Term:0 Log:0/0\n"
    )


def test_an_empty_ready() -> None:
    assert describe_ready(Ready()) == "<empty Ready>"
    nothing = Ready(hard_state=HardState(), snapshot=Snapshot(data=b"x"), must_sync=True)
    assert describe_ready(nothing) == "<empty Ready>"
    assert describe_ready(Ready(messages=[Message()])).startswith("Ready MustSync=false:\nMessages:\n")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (v2(), "transition:ConfChangeTransitionAuto"),
        (ConfChange(), "transition:ConfChangeTransitionAuto changes:{type:ConfChangeAddNode node_id:0}"),
        (
            ConfChange(id=5, type=REMOVE, node_id=5, context=b"a\nb"),
            'transition:ConfChangeTransitionAuto changes:{type:ConfChangeRemoveNode node_id:5} context:"a\\nb"',
        ),
        (
            v2((LEARN, 1), (9, 3), transition=ConfChangeTransition.JOINT_EXPLICIT, context=b""),
            f"{EXPLICIT} changes:{{type:ConfChangeAddLearnerNode node_id:1}} changes:{{type:9 node_id:3}}",
        ),
        (v2((UPDATE, 2)), "transition:ConfChangeTransitionAuto changes:{type:ConfChangeUpdateNode node_id:2}"),
        (v2(transition=ConfChangeTransition.JOINT_IMPLICIT), "transition:ConfChangeTransitionJointImplicit"),
        (v2(transition=-4, context=b"x"), 'transition:-4 context:"x"'),
    ],
)
def test_conf_change(change: Any, text: str) -> None:
    assert describe_conf_change(change) == text


def test_names() -> None:
    """etcd's spellings, which every text above takes from the enums."""
    assert [str(t) for t in EntryType] == ["EntryNormal", "EntryConfChange", "EntryConfChangeV2"]
    names = " ".join(str(t) for t in MessageType)
    assert names == (
        "MsgHup MsgBeat MsgProp MsgApp MsgAppResp MsgVote MsgVoteResp MsgSnap MsgHeartbeat MsgHeartbeatResp "
        "MsgUnreachable MsgSnapStatus MsgCheckQuorum MsgTransferLeader MsgTimeoutNow MsgReadIndex MsgReadIndexResp "
        "MsgPreVote MsgPreVoteResp MsgStorageAppend MsgStorageAppendResp MsgStorageApply MsgStorageApplyResp "
        "MsgForgetLeader"
    )
