"""The traced runs, each a story of a few nodes in one process, and traces that were tampered with.

docs/tla.md describes the traces that the specification covers.
"""

import copy
import io
from collections.abc import Callable
from typing import Any

from raftcy import (
    NO_LIMIT,
    ConfChange,
    ConfChangeType,
    Config,
    Driver,
    MemoryStorage,
    Message,
    MessageType,
    NdjsonTraceLogger,
    Peer,
    RawNode,
    SnapshotStatus,
    StateType,
    StepPeerNotFound,
)

from .check import events_of

Events = list[dict[str, Any]]


class Scripted:
    """A random source without randomness: elections happen only when a story says so."""

    def randrange(self, n: int) -> int:
        """The longest timeout."""
        return n - 1


class Group:
    """Nodes with a common trace, each with its driver.

    Messages wait in ``flight`` until a story delivers them. Messages to and from the ids in ``down`` are lost.
    """

    def __init__(self, *ids: int) -> None:
        self.trace = io.StringIO()
        self._logger = NdjsonTraceLogger(self.trace)
        self.nodes: dict[int, RawNode] = {}
        self.drivers: dict[int, Driver] = {}
        self.flight: list[Message] = []
        self.down: set[int] = set()
        for id in ids:
            self.start(id).bootstrap([Peer(each) for each in ids])
        for id in ids:
            self.handle(id)

    def events(self) -> Events:
        """The trace so far."""
        return events_of(self.trace.getvalue().splitlines())

    def start(self, id: int) -> RawNode:
        """A new node with an empty storage."""
        storage = MemoryStorage()
        node = self.nodes[id] = RawNode(
            Config(
                id=id,
                election_tick=10,
                heartbeat_tick=1,
                storage=storage,
                max_size_per_msg=NO_LIMIT,
                max_inflight_msgs=256,
                trace_logger=self._logger,
                random=Scripted(),
            )
        )
        self.drivers[id] = Driver(node, storage, None, self._send)
        return node

    def _send(self, messages: list[Message]) -> None:
        self.flight += messages

    def handle(self, id: int) -> bool:
        """Handle a node's Ready; False if there is none."""
        return self.drivers[id].run()

    def deliver(self, *, only: Callable[[Message], bool] = lambda m: True) -> None:
        """Handle Readys and deliver the messages that ``only`` accepts, until nothing is left to do."""
        while True:
            busy = sum(self.handle(id) for id in self.nodes) > 0
            waiting, self.flight = self.flight, []
            for m in waiting:
                if m.from_ in self.down or m.to in self.down:
                    continue
                if only(m):
                    refused = self.drivers[m.to].step(m)
                    # The answer of a node that was removed meanwhile counts as lost.
                    if refused is not None and not isinstance(refused, StepPeerNotFound):
                        raise refused
                    busy = True
                else:
                    self.flight.append(m)
            if not busy:
                return

    def elect(self, id: int) -> None:
        """Make a node win an election."""
        self.nodes[id].campaign()
        self.deliver()
        self.must(id, StateType.LEADER)

    def must(self, id: int, role: StateType) -> None:
        """Raise RuntimeError unless a node has this role: otherwise the trace would not show what the story says."""
        found = self.nodes[id].status().raft_state
        if found != role:
            raise RuntimeError(f"node {id} is {found}, not {role}")

    def propose(self, id: int, *data: bytes) -> None:
        """Propose to a node."""
        for each in data:
            self.nodes[id].propose(each)

    def change(self, leader: int, kind: ConfChangeType, id: int) -> None:
        """Propose a membership change and put it in force."""
        self.nodes[leader].propose_conf_change(ConfChange(type=kind, node_id=id))
        self.deliver()


def elections() -> Events:
    """A split vote, a candidate with a log that is too short, and a leader deposed by one of a higher term."""
    group = Group(1, 2, 3)
    for id in (1, 2):
        group.nodes[id].campaign()
        group.handle(id)
    # Both ask for term 2; node 3 hears from node 2 first, and the two refuse each other.
    group.deliver(only=lambda m: m.from_ == 2)
    group.deliver()
    group.must(2, StateType.LEADER)
    group.down = {3}
    group.propose(2, b"a")
    group.deliver()
    group.down = set()
    group.nodes[3].campaign()
    group.deliver()
    group.must(3, StateType.FOLLOWER)
    group.must(2, StateType.FOLLOWER)
    group.elect(1)
    return group.events()


def conflict() -> Events:
    """Successors overwrite the entries of a leader that was cut off."""
    group = Group(1, 2, 3)
    group.elect(1)
    group.propose(1, b"a")
    group.deliver()
    group.down = {1}
    group.propose(1, b"lost 1", b"lost 2")
    group.deliver()
    group.elect(2)
    group.elect(3)
    group.propose(3, b"b")
    group.down = set()
    # The old leader learns the new term, refuses entries that do not fit its log, and is led back to where both agree.
    group.nodes[3].tick()
    group.deliver()
    storages = [driver.storage for driver in group.drivers.values()]
    logs = [storage.entries(1, storage.last_index() + 1, NO_LIMIT) for storage in storages]
    if logs[0] != logs[1] or logs[1] != logs[2] or any(e.data.startswith(b"lost") for e in logs[0]):
        raise RuntimeError("the old leader did not take over the log of the new one")
    return group.events()


def membership() -> Events:
    """A voter is added, another removed, a learner added and promoted; the new members elect."""
    group = Group(1, 2, 3)
    group.elect(1)
    group.start(4)
    group.change(1, ConfChangeType.ADD_NODE, 4)
    group.change(1, ConfChangeType.REMOVE_NODE, 3)
    group.start(5)
    group.change(1, ConfChangeType.ADD_LEARNER_NODE, 5)
    group.change(1, ConfChangeType.ADD_NODE, 5)
    group.down = {1, 3}
    group.nodes[4].campaign()
    group.deliver()
    group.must(4, StateType.LEADER)
    return group.events()


def snapshot() -> Events:
    """A new voter needs compacted entries, so it gets a snapshot and continues from there.

    The specification covers a snapshot only for a node that has committed nothing, and does not cover the answer to it.
    That answer is lost here; the leader learns from the report, and from the answer to the next append.
    """
    group = Group(1, 2)
    group.elect(1)
    group.propose(1, b"a", b"b")
    group.deliver()
    group.start(3)
    group.down = {3}
    group.change(1, ConfChangeType.ADD_NODE, 3)
    applied = group.nodes[1].status().applied
    leader = group.drivers[1]
    leader.storage.create_snapshot(applied, leader.members, b"a, b")
    leader.storage.compact(applied)
    group.down = set()
    group.nodes[1].tick()
    group.deliver(only=lambda m: (m.from_, m.type) != (3, MessageType.MSG_APP_RESP))
    group.flight.clear()
    group.nodes[1].report_snapshot(3, SnapshotStatus.FINISH)
    group.propose(1, b"c")
    group.nodes[1].tick()
    group.deliver()
    if group.drivers[3].storage.first_index() != applied + 1 or group.nodes[3].status().applied != applied + 1:
        raise RuntimeError("no snapshot was installed")
    return group.events()


def handover() -> Events:
    """Leadership moves while proposals are under way: first by transfer, then to a rival that has the newest entry."""
    group = Group(1, 2, 3)
    group.elect(1)
    group.propose(1, b"a", b"b")
    for id in (1, 2, 3):
        group.handle(id)
    group.nodes[1].transfer_leader(2)
    group.deliver()
    group.must(2, StateType.LEADER)
    group.propose(2, b"c")
    # Node 1 gets the entry. Its answer and the append to node 3 arrive only after it has won.
    group.deliver(only=lambda m: (m.from_, m.to) == (2, 1) and group.nodes[1].status().term == m.term)
    group.nodes[1].campaign()
    group.deliver(only=lambda m: m.term > group.nodes[2].status().term or m.from_ != 2)
    group.propose(1, b"d")
    group.deliver()
    group.must(1, StateType.LEADER)
    if any(node.status().commit != group.nodes[1].status().commit for node in group.nodes.values()):
        raise RuntimeError("not everything was committed")
    return group.events()


STORIES: dict[str, Callable[[], Events]] = {
    "elections": elections,
    "replication with conflict": conflict,
    "membership change": membership,
    "snapshot": snapshot,
    "leader change under load": handover,
}


def commit_raised() -> Events:
    """A leader commits one entry more than a quorum has."""
    events = copy.deepcopy(conflict())
    at = [n for n, event in enumerate(events) if event["name"] == "Commit" and event["state"]["commit"] > 3]
    events[at[1]]["state"]["commit"] += 1
    return events


def vote_removed() -> Events:
    """A candidate wins without having received the deciding vote."""
    events = copy.deepcopy(conflict())
    won = next(n for n, event in enumerate(events) if event["name"] == "BecomeLeader")
    if events[won - 1]["name"] != "ReceiveRequestVoteResponse" or events[won - 1]["msg"]["reject"]:
        raise RuntimeError("the election was not won by the event before it")
    del events[won - 1]
    return events


TAMPERED: dict[str, Callable[[], Events]] = {
    "commit index raised by one": commit_raised,
    "vote response removed": vote_removed,
}
