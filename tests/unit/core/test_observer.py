"""An observer sees the beginning and the end of each call that can change a node, and changes nothing itself."""

from collections.abc import Callable
from typing import Any

import pytest

from raftcy import (
    BootstrapError,
    ConfChange,
    ConfChangeError,
    ConfChangeType,
    Driver,
    InvariantError,
    Message,
    MessageType,
    Peer,
    ProposalDropped,
    RawNode,
    SnapshotStatus,
    StepPeerNotFound,
    Stopped,
)
from raftcy.core.observer import Observer
from tests.support.recording import make_config, settle, storage_of


class Notes(Observer):
    """Writes down what it sees; raises ``error`` in ``where``, if one is given."""

    def __init__(self, where: str = "", error: BaseException | None = None) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.where, self.error = where, error

    def note(self, what: str, *more: Any) -> None:
        self.seen.append((what, *more))
        if what == self.where and self.error is not None:
            raise self.error

    def began(self, call: str, given: Any) -> None:
        self.note("began", call, given)

    def returned(self, node: Any, result: Any) -> None:
        self.note("returned", node, result)

    def raised(self, node: Any, error: BaseException, dead: bool) -> None:
        self.note("raised", node, error, dead)


def leader() -> tuple[RawNode, Notes]:
    """A single-voter leader, observed from now on."""
    storage = storage_of(1)
    node = RawNode(make_config(storage))
    node.campaign()
    settle(node, storage)
    node.observer = notes = Notes()
    return node, notes


ADD_2 = ConfChange(type=ConfChangeType.ADD_NODE, node_id=2)
CALLS: dict[str, tuple[Callable[[RawNode], Any], Any]] = {
    "tick": (lambda node: node.tick(), None),
    "tick_quiesced": (lambda node: node.tick_quiesced(), None),
    "campaign": (lambda node: node.campaign(), None),
    "propose": (lambda node: node.propose(bytearray(b"x")), b"x"),
    "propose_conf_change": (lambda node: node.propose_conf_change(ADD_2), ADD_2),
    "step_many": (lambda node: node.step_many([]), []),
    "read_index": (lambda node: node.read_index(bytearray(b"x")), b"x"),
    "transfer_leader": (lambda node: node.transfer_leader(1), 1),
    "forget_leader": (lambda node: node.forget_leader(), None),
    "report_unreachable": (lambda node: node.report_unreachable(1), 1),
    "report_snapshot": (lambda node: node.report_snapshot(1, 1), (1, SnapshotStatus.FINISH)),
    "ready": (lambda node: node.ready(), None),
    "ready_without_accept": (lambda node: node.ready_without_accept(), None),
    "advance": (lambda node: node.advance(), None),
    "apply_conf_change": (lambda node: node.apply_conf_change(ADD_2), ADD_2),
    "set_randomized_election_timeout": (lambda node: node.set_randomized_election_timeout(7), 7),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_shown_twice(name: str) -> None:
    call, given = CALLS[name]
    node, notes = leader()
    result = call(node)
    assert notes.seen == [("began", name, given), ("returned", node, result)]
    if result is not None and name != "step_many":
        assert notes.seen[1][2] is result


def test_looking_and_wrong_arguments_are_not_shown() -> None:
    node, notes = leader()
    node.has_ready()
    node.pending_work()
    node.status()
    node.basic_status()
    wrong: list[Callable[[Any], Any]] = [
        lambda node: node.propose("x"),
        lambda node: node.propose_conf_change(1),
        lambda node: node.apply_conf_change(None),
        lambda node: node.step(None),
        lambda node: node.step_many([None]),
        lambda node: node.transfer_leader(-1),
        lambda node: node.report_snapshot(1, 9),
        lambda node: node.bootstrap([None]),
        lambda node: node.set_randomized_election_timeout(0),
    ]
    for call in wrong:
        with pytest.raises((TypeError, ValueError, AttributeError)):
            call(node)
    assert notes.seen == []


REFUSED: list[tuple[Callable[[RawNode], Any], type[Exception]]] = [
    (lambda node: node.bootstrap([Peer(1)]), BootstrapError),
    (lambda node: node.bootstrap([]), BootstrapError),
    (lambda node: node.begin_empty(), BootstrapError),
    (lambda node: node.propose_conf_change(ConfChange(type=9, node_id=2)), ConfChangeError),
    (lambda node: node.apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=1)), ConfChangeError),
    (lambda node: node.step(Message(type=MessageType.MSG_APP_RESP, from_=9, to=1)), StepPeerNotFound),
]


@pytest.mark.parametrize(("call", "error"), REFUSED)
def test_a_refusal_is_shown(call: Callable[[RawNode], Any], error: type[Exception]) -> None:
    node, notes = leader()
    with pytest.raises(error) as caught:
        call(node)
    assert [each[0] for each in notes.seen] == ["began", "raised"]
    assert notes.seen[1] == ("raised", node, caught.value, False)
    node.tick()


def test_refusals_of_a_list_are_its_result() -> None:
    node, notes = leader()
    stranger = Message(type=MessageType.MSG_APP_RESP, from_=9, to=1)
    messages = [Message(type=MessageType.MSG_TIMEOUT_NOW, from_=1, to=1), stranger]
    refused = node.step_many(messages)
    assert [place for place, _ in refused] == [1]
    assert notes.seen == [("began", "step_many", messages), ("returned", node, refused)]


def test_a_death_is_shown_and_nothing_after_it() -> None:
    node, notes = leader()
    node.propose(b"x")
    node.ready()
    del notes.seen[:]
    with pytest.raises(InvariantError) as caught:
        node.ready()
    assert notes.seen == [("began", "ready", None), ("raised", node, caught.value, True)]
    for _ in range(2):
        with pytest.raises(Stopped):
            node.tick()
        node.observer = None
        node.observer = notes
    assert len(notes.seen) == 2


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()], ids=repr)
def test_what_an_observer_raises_kills_no_node(error: BaseException) -> None:
    node, _ = leader()
    elapsed = node.raft.election_elapsed
    node.observer = Notes("began", error)
    with pytest.raises(type(error)):
        node.tick()
    assert node.raft.election_elapsed == elapsed
    node.observer = Notes("returned", error)
    with pytest.raises(type(error)):
        node.tick()
    assert node.raft.election_elapsed == elapsed + 1
    node.observer = Notes("raised", error)
    with pytest.raises(type(error)):
        node.begin_empty()
    node.observer = None
    node.tick()


def test_an_observer_of_a_driver_sees_every_call() -> None:
    storage = storage_of(1, 2)
    node = RawNode(make_config(storage))
    node.observer = notes = Notes()
    sent: list[Message] = []
    driver = Driver(node, storage, send=sent.extend)
    for _ in range(2):
        driver.inbox.append(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=1))
        while driver.run():
            pass
    assert [m.type for m in sent] == [MessageType.MSG_HEARTBEAT_RESP] * 2
    assert [each[1] for each in notes.seen if each[0] == "began"] == ["step_many", "ready", "advance"] * 2
    assert [each[2] for each in notes.seen[1::6] if each[0] == "returned"] == [[], []]


@pytest.mark.parametrize("value", [1, "x", object(), Observer])
def test_only_an_observer_observes(value: Any) -> None:
    node, notes = leader()
    with pytest.raises(TypeError, match=r"^observer must be of Observer, not "):
        node.observer = value
    assert node.observer is notes
    node.observer = Observer()
    with pytest.raises(ProposalDropped):
        RawNode(make_config(storage_of(1, 2))).propose(b"x")
    node.propose(b"x")
