"""Runs hostile input against one node, in both builds at once.

The first bytes choose the node and its role. The rest choose the events: nearly valid or damaged messages, random
bytes, ticks, calls of the application, storage work at odd moments, restarts.
"""

from types import ModuleType
from typing import Any

from raftcy import DecodeError, Message, MessageType
from tests.support.options import FLAGS

from . import shapes
from .choices import Choices
from .machine import TOUCHED_BY_DROPS, Finding, Machine, Plan

MAX_EVENTS = 60
LEADER = 2

MEMBERS: list[dict[str, Any]] = [
    {"voters": [1, 2, 3]},
    {"voters": [1, 2, 3]},
    {"voters": [1, 2], "learners": [3]},
    {"voters": [2, 3], "learners": [1]},
    {"voters": [2, 3]},
    {"voters": [1, 2], "voters_outgoing": [1, 3], "auto_leave": True},
    {"voters": [1, 2, 3], "voters_outgoing": [2, 3, 4], "learners_next": [4], "learners": [5]},
    {"voters": [1]},
    {"voters": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]},
]
LAST_PLACES = [10, 10, 10, 10, 2**63 - 3, 2**64 - 8]


def plan(c: Choices) -> Plan:
    """The node that the first bytes describe."""
    flags = dict(zip(FLAGS, c.flags(len(FLAGS)), strict=True))
    made = Plan(flags, lease=c.flag(), members=c.pick(MEMBERS), traced=c.below(4) == 3)
    made.index = c.pick(LAST_PLACES)
    made.max_size = c.pick([2**64 - 1, 0, 30])
    made.max_uncommitted = c.pick([0, 10])
    if c.below(16) == 15:
        made.terms = ()
    if c.below(4) == 3:
        made.fields = {"max_pending_reads": 2, "max_pending_msgs": 4}
    return made


class Lockstep:
    """The same node in two builds. Every action runs on both, and the outcomes must be equal."""

    def __init__(self, builds: list[ModuleType], made: Plan) -> None:
        self.machines = [Machine(build, made) for build in builds]
        self.one = self.machines[0]
        self.history: list[Any] = []
        self.before: Any = None
        self.agree("start")

    def each(self, what: str, *args: Any) -> Any:
        """Make the same call on both machines."""
        return self.settled(what, args, [getattr(machine, what)(*args) for machine in self.machines])

    def settled(self, what: str, args: Any, outcomes: list[Any]) -> Any:
        """Compare the outcomes and the states of both nodes."""
        self.history.append((what, args, outcomes[0]))
        if any(outcome != outcomes[0] for outcome in outcomes):
            raise Finding(f"outcomes of {what}{args} differ: {outcomes}\n{self.told()}")
        self.agree(what)
        return outcomes[0]

    def agree(self, what: str) -> None:
        """Check that both builds have the same, valid state."""
        pictures = [machine.picture() for machine in self.machines]
        for picture in pictures[1:]:
            if picture != pictures[0]:
                raise Finding(f"after {what} the states differ:\n{pictures[0]}\n{picture}\n{self.told()}")
        for machine in self.machines:
            try:
                machine.check()
            except Finding as finding:
                raise Finding(f"{finding}\n{self.told()}") from None
        self.picture = pictures[0]

    def hand(self, data: bytes) -> None:
        """Give both nodes bytes from the network. Refused bytes must not change the state."""
        before = self.picture
        term = self.one.node.raft.term
        outcome = self.each("take", data)[0]
        if outcome in ("taken", "LogLost"):
            return
        after = self.picture
        if outcome == "ProposalDropped":
            if self.one.node.raft.term > term:
                # A proposal has no term. If this one has a higher term, the node adopts it before it drops the
                # proposal, as with any message.
                return
            before, after = ([without_drops(each[0]), each[1]] for each in (before, after))
        if before != after:
            raise Finding(f"{outcome} changed the state:\n{before}\n{after}\n{self.told()}")

    def do(self, method: str, *args: Any) -> None:
        """Do a step of the application's work, and compare only the state."""
        self.each(method, *args)

    def work(self, queue: str) -> None:
        """Do a piece of work of a storage thread."""
        self.settled("work", (queue,), [machine.work(getattr(machine, queue)) for machine in self.machines])

    def told(self) -> str:
        """The last actions, for the error message."""
        lines = []
        for what, args, outcome in self.history[-12:]:
            shown = repr(Message.decode(args[0])) if what == "take" and outcome[0] != "DecodeError" else repr(args)
            lines.append(f"  {what} {shown} -> {outcome}")
        return "\n".join(lines)


def without_drops(picture: dict[str, Any]) -> dict[str, Any]:
    """The state without the fields that a refused proposal may change."""
    return {name: value for name, value in picture.items() if name not in TOUCHED_BY_DROPS}


# -- roles -------------------------------------------------------------------------------------------------------------


def say(run: Lockstep, kind: MessageType, from_: int, **fields: Any) -> None:
    """Send a valid message of the node's term."""
    fields.setdefault("term", run.one.node.raft.term)
    run.hand(Message(type=kind, from_=from_, to=1, **fields).encode())


def fresh(run: Lockstep) -> None:
    """A node that has just started."""


def follower(run: Lockstep) -> None:
    """A follower of node 2."""
    say(run, MessageType.MSG_HEARTBEAT, 2, commit=run.one.node.raft.log.committed)
    run.do("settle")


def candidate(run: Lockstep) -> None:
    """A candidate, or a pre-candidate, if the node may campaign."""
    run.each("call", "campaign")
    run.do("settle")


def leader(run: Lockstep) -> None:
    """A leader that has not committed anything yet."""
    candidate(run)
    for kind in (MessageType.MSG_PRE_VOTE_RESP, MessageType.MSG_VOTE_RESP):
        for peer in [pr.id for pr in run.one.node.raft.tracker.peers()]:
            term = run.one.node.raft.term + (kind == MessageType.MSG_PRE_VOTE_RESP)
            if peer != 1:
                say(run, kind, peer, term=term)
        run.do("settle")


def ruler(run: Lockstep) -> None:
    """A leader that has committed in its term, with an entry and reads pending."""
    leader(run)
    raft = run.one.node.raft
    for peer in [pr.id for pr in raft.tracker.peers()]:
        if peer != 1 and raft.state == LEADER:
            say(run, MessageType.MSG_APP_RESP, peer, index=raft.log.last_index())
    run.do("settle")
    run.each("call", "propose", b"x")
    run.each("call", "read_index", b"r1")
    run.each("call", "read_index", b"r2")


def leaving(run: Lockstep) -> None:
    """A leader in the middle of a transfer."""
    ruler(run)
    say(run, MessageType.MSG_TRANSFER_LEADER, 2)


def restoring(run: Lockstep) -> None:
    """A follower whose snapshot is not stored yet."""
    follower(run)
    raft = run.one.node.raft
    index = min(raft.log.last_index() + 5, shapes.MAX - 3)
    metadata = {"index": index, "term": raft.term, "conf_state": shapes.ConfState(voters=[1, 2, 3])}
    say(run, MessageType.MSG_SNAP, 2, snapshot=shapes.Snapshot(metadata=shapes.SnapshotMetadata(**metadata)))


def compacted(run: Lockstep) -> None:
    """A leader that has compacted its entries, so peers need snapshots."""
    ruler(run)
    run.do("settle")
    run.do("compact")


ROLES = [fresh, follower, candidate, leader, ruler, leaving, restoring, compacted]


# -- events ------------------------------------------------------------------------------------------------------------


def call(run: Lockstep, c: Choices) -> None:
    """Make a call as the application."""
    name = c.pick(["propose", "read_index", "campaign", "transfer_leader", "forget_leader", "report_unreachable"])
    if name in ("propose", "read_index"):
        run.each("call", name, bytes(c.below(6)))
    elif name in ("transfer_leader", "report_unreachable"):
        run.each("call", name, c.pick(shapes.IDS))
    else:
        run.each("call", name)


def event(run: Lockstep, c: Choices) -> None:
    """Do what the next bytes choose."""
    how = c.below(32)
    if how < 18:
        run.hand(shapes.message(c, run.one.node.raft))
    elif how < 20:
        run.hand(shapes.damaged(c, shapes.message(c, run.one.node.raft)))
    elif how == 20:
        run.hand(c.octets(c.below(64)))
    elif how < 24:
        run.do("settle")
    elif how < 26:
        run.do("finish")
        run.do("begin")
    elif how == 26:
        run.do("finish")
        run.work(c.pick(["append_work", "apply_work"]))
    elif how < 29:
        for _ in range(c.pick([1, 1, 5, 10])):
            run.each("call", "tick")
    elif how == 29:
        call(run, c)
    elif how == 30:
        run.each("call", "report_snapshot", c.pick(shapes.IDS), c.pick([1, 2]))
    else:
        run.do(c.pick(["compact", "restart"]))


def finish(run: Lockstep) -> Lockstep:
    """Finish all pending work, compare the storages, and restart from them."""
    if not run.one.dead:
        run.do("settle")
        run.do("check_log")
        run.each("stored")
        run.do("restart")
    return run


def steps(builds: list[ModuleType], data: bytes) -> Lockstep:
    """Any events in any role. Raises Finding, or any error that a build must not raise."""
    c = Choices(data)
    run = Lockstep(builds, plan(c))
    c.pick(ROLES)(run)
    for _ in range(MAX_EVENTS):
        if c.left() == 0 or run.one.dead:
            break
        event(run, c)
    return finish(run)


def changes(builds: list[ModuleType], data: bytes) -> Lockstep:
    """A peer proposes configuration changes at a leader whose entries all get committed."""
    c = Choices(data)
    made = plan(c)
    made.terms, made.members, made.index = (1, 1, 2), {"voters": [1]}, 10
    run = Lockstep(builds, made)
    leader(run)
    for _ in range(MAX_EVENTS // 3):
        if c.left() == 0:
            break
        payload = c.octets(c.below(24)) if c.below(4) == 3 else shapes.change(c)
        kind = shapes.EntryType(1 + c.below(2))
        say(run, MessageType.MSG_PROP, 2, term=0, entries=[shapes.Entry(type=kind, data=payload)])
        run.do("settle")
        raft = run.one.node.raft
        for peer in [pr.id for pr in raft.tracker.peers()]:
            if peer != 1 and raft.state == LEADER:
                say(run, MessageType.MSG_APP_RESP, peer, index=raft.log.last_index())
        run.do("settle")
    return finish(run)


def snapshots(builds: list[ModuleType], data: bytes) -> Lockstep:
    """Snapshots with any members go to a follower, which then restarts from them."""
    c = Choices(data)
    made = plan(c)
    made.members, made.index = {"voters": [1, 2, 3]}, 10
    run = Lockstep(builds, made)
    for _ in range(MAX_EVENTS):
        if c.left() == 0:
            break
        index = shapes.clamp(run.one.node.raft.log.last_index() + c.below(4))
        try:
            members = shapes.ConfState.decode(c.octets(c.below(24))) if c.flag() else shapes.members(c)
        except DecodeError:
            continue
        metadata = shapes.SnapshotMetadata(conf_state=members, index=index, term=shapes.near_term(c, run.one.node.raft))
        say(run, MessageType.MSG_SNAP, 2, snapshot=shapes.Snapshot(metadata=metadata))
        if c.flag():
            run.do("settle")
        if c.below(8) == 7:
            run.do("restart")
    return finish(run)
