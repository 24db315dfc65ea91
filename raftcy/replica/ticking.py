"""Ticks and heartbeats of many drivers in one call: what an idle group costs at each tick.

A tick of an idle leader makes heartbeats and nothing else, and a heartbeat makes an idle follower answer and do nothing
else. For such groups the calls here take the messages out of the core at once, and they travel as three numbers each.
On the other side they become the same messages again, and the core steps them. So each core gets exactly what it would
get from the group's own messages; what is saved is a round of the driver, a frame, and their code in Python. Whoever
has anything else to do keeps all its messages, and gets a round.

Rules:

- Only heartbeats without a context and their answers travel this way. A context belongs to a read, which waits.
- A heartbeat promises nothing that has to be stored first, nor does its answer: a driver with asynchronous writes sends
  both at once too.
- A driver that dies does not keep the others from their tick.
- A member whose tick would begin an election takes it only while ``Found.room`` allows (``candidacies``).
- Where a message would change nothing but the time since the last one, no message is made at all. ``_tick_shortly``,
  ``_is_heard`` and ``_is_answered`` have the cases, each with what the core would do. They need a ``plain`` seat:
  nobody watches its messages.
"""

from typing import Any

from ..core.log import RaftLog
from ..core.outbox import Outbox
from ..core.raft import Raft
from ..core.rawnode import RawNode
from ..wire import blank, immutable
from ..wire import consts as k
from ..wire.messages import Message
from ..wire.whole import has_one_owner, keep_whole
from .driver import Driver


class Seat:
    """The place of a group's member on a host: its driver, and the ``owner`` that gives it rounds.

    ``mute`` holds its heartbeats back: they get a round. ``plain`` says that nothing but the core depends on
    heartbeats: no lease is made of them, and no observer watches them. ``place`` is the seat's index in the list of
    those that are ticked, -1 for one that is not. ``idle_term`` and ``idle_last`` are term and end of the log when the
    member was last found idle.
    """

    __slots__ = ("driver", "group", "idle_last", "idle_term", "log", "mute", "node", "owner", "place", "plain", "raft")
    group: int
    driver: Driver
    # Of the driver, so that a tick touches less memory.
    node: RawNode
    raft: Raft
    log: RaftLog
    owner: Any
    mute: bool
    plain: bool
    place: int
    idle_term: int
    idle_last: int

    def __init__(self, group: int, driver: Driver, owner: Any, plain: bool) -> None:
        self.group = group
        self.driver = driver
        self.node = driver.node
        self.raft = driver.node.raft
        self.log = driver.node.raft.log
        self.owner = owner
        self.mute = False
        self.plain = plain and driver.node.observer is None and driver.node.raft.trace_logger is None
        self.place = -1
        self.idle_term = 0
        self.idle_last = 0


class Column:
    """Heartbeats to one host: the seats that they come from, and group, term and commit of each, one after another."""

    __slots__ = ("numbers", "seats")
    seats: list[Seat]
    numbers: list[int]

    def __init__(self) -> None:
        self.seats = []
        self.numbers = []


class Found:
    """What a call has found.

    ``due`` are the seats whose driver has work, ``ripe`` leaders that may have been idle, ``campaigning`` those that
    began an election, and ``failed`` those that died. ``alone`` are members with a lease: their owners tick them, and
    step what is in ``messages``, since a lease needs the time of each.

    ``room`` is how many members may take a tick that begins an election: they are in ``begun``, and those that may not
    are in ``held``, without a tick.
    """

    __slots__ = ("alone", "begun", "campaigning", "due", "failed", "held", "messages", "ripe", "room")
    due: list[Seat]
    ripe: list[Seat]
    campaigning: list[Seat]
    failed: list[tuple[Seat, BaseException]]
    alone: list[Seat]
    messages: list[tuple[Seat, Message]]
    begun: list[Seat]
    held: list[Seat]
    room: int

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.begun = []
        self.held = []
        self.due = []
        self.ripe = []
        self.campaigning = []
        self.failed = []
        self.alone = []
        self.messages = []


def tick_seats(seats: list[Seat], columns: dict[int, Column], found: Found) -> None:
    """Tick all seats. Heartbeats go into the columns, by receiver.

    ``found.ripe`` are leaders that will check their quorum at the next tick: whoever has answered since the last check
    is recently active now.
    """
    place = 0
    while place < len(seats):
        # One ``try`` covers all seats up to the next that fails, because entering it costs as much as an idle seat.
        try:
            while place < len(seats):
                seat = seats[place]
                place += 1
                _tick(seat, columns, found)
        except Exception as error:
            found.failed.append((seats[place - 1], error))


def is_due(seat: Seat) -> bool:
    """Whether the member's next tick would begin an election (``Raft.tick``)."""
    raft = seat.raft
    if raft.state == k.LEADER or raft.election_elapsed + 1 < raft.randomized_election_timeout:
        return False
    return raft.promotable()


def begin_elections(seats: list[Seat], columns: dict[int, Column], found: Found) -> None:
    """Tick members that were held back."""
    for seat in seats:
        try:
            _tick_any(seat, columns, found)
        except Exception as error:
            found.failed.append((seat, error))


def _tick(seat: Seat, columns: dict[int, Column], found: Found) -> None:
    raft = seat.raft
    if raft.election_elapsed + 1 < raft.randomized_election_timeout or not is_due(seat):
        _tick_any(seat, columns, found)
    elif found.room > 0:
        found.room -= 1
        found.begun.append(seat)
        _tick_any(seat, columns, found)
    else:
        found.held.append(seat)


def _tick_any(seat: Seat, columns: dict[int, Column], found: Found) -> None:
    if seat.driver._lease is not None:
        found.alone.append(seat)
    elif not seat.plain or seat.mute or not _tick_shortly(seat, columns, found):
        _tick_fully(seat, columns, found)


def _tick_fully(seat: Seat, columns: dict[int, Column], found: Found) -> None:
    driver = seat.driver
    node = driver.node
    raft = node.raft
    state = raft.state
    term = raft.term
    driver.tick()
    if raft.term > term or (raft.state != state and (raft.state == k.PRE_CANDIDATE or raft.state == k.CANDIDATE)):
        found.campaigning.append(seat)
    if not seat.mute and raft.state == k.LEADER:
        _take_heartbeats(seat, raft.outbox, columns)
        if raft.election_elapsed + 1 == raft.election_timeout:
            found.ripe.append(seat)
    if node.pending_work() != k.NOTHING:
        found.due.append(seat)


def _tick_shortly(seat: Seat, columns: dict[int, Column], found: Found) -> bool:
    """Do what a tick does if it is not the one that begins an election or checks a quorum. Otherwise return False.

    The clocks go on, and a leader whose heartbeats are due, without a context, makes one for each peer (``Raft.tick``).
    """
    node = seat.node
    raft = seat.raft
    if node._watched:
        return False
    if raft.state != k.LEADER:
        if raft.election_elapsed + 1 >= raft.randomized_election_timeout:
            return False
        node._ticks += 1
        raft.election_elapsed += 1
        return True
    due = raft.heartbeat_elapsed + 1 >= raft.heartbeat_timeout
    if not due or raft.election_elapsed + 1 >= raft.election_timeout or raft.read_only.count != 0:
        return False
    node._ticks += 1
    raft.election_elapsed += 1
    raft.heartbeat_elapsed = 0
    committed = seat.log.committed
    for pr in raft.tracker.peers():
        if pr.id != raft.id:
            pr.sent_commit = pr.match if pr.match < committed else committed
            _put(seat, pr.id, raft.term, pr.sent_commit, columns)
    if raft.election_elapsed + 1 == raft.election_timeout:
        found.ripe.append(seat)
    return True


def _take_heartbeats(seat: Seat, box: Outbox, columns: dict[int, Column]) -> None:
    """Move a leader's messages into the columns, if all of them are heartbeats without a context."""
    messages = box._msgs
    if messages is not None and _are_plain(messages):
        for m in messages:
            _put(seat, m.to, m.term, m.commit, columns)
        messages.clear()


def _are_plain(messages: list[Message]) -> bool:
    for m in messages:  # noqa: SIM110 - compiled, this is twice as fast as all()
        if m._type != k.HEARTBEAT or m._present & k.P_CONTEXT:
            return False
    return True


def _put(seat: Seat, to: int, term: int, commit: int, columns: dict[int, Column]) -> None:
    column = columns.get(to)
    if column is None:
        column = columns[to] = Column()
    column.seats.append(seat)
    column.numbers.append(seat.group)
    column.numbers.append(term)
    column.numbers.append(commit)


def step_heartbeats(table: dict[int, Seat], sender: int, numbers: Any, found: Found) -> list[int]:
    """Step the heartbeats of a host. Returns the places of those that were not answered by this call."""
    unanswered: list[int] = []
    seat: Seat | None = None
    place = 0
    count = len(numbers) // 3
    while place < count:
        try:
            while place < count:
                seat = table.get(numbers[3 * place])
                place += 1
                if seat is None:
                    unanswered.append(place - 1)
                    continue
                term = numbers[3 * place - 2]
                commit = numbers[3 * place - 1]
                if seat.driver._lease is not None:
                    unanswered.append(place - 1)
                    found.messages.append((seat, _heartbeat(seat, sender, term, commit)))
                    continue
                if seat.plain and _is_heard(seat, sender, term, commit):
                    continue
                if not _step_heartbeat(seat, sender, term, commit):
                    unanswered.append(place - 1)
                if seat.driver.node.pending_work() != k.NOTHING:
                    found.due.append(seat)
        except Exception as error:
            unanswered.append(place - 1)
            if seat is not None:
                found.failed.append((seat, error))
    return unanswered


def _is_heard(seat: Seat, sender: int, term: int, commit: int) -> bool:
    """Take a heartbeat of the leader that a follower knows, with a commit index that it knows, and return True.

    It changes only the time since the last one, and is answered in the same term (``Raft._handle_heartbeat``).
    """
    raft = seat.raft
    if raft.state != k.FOLLOWER or raft.lead != sender or raft.term != term or commit > seat.log.committed:
        return False
    raft.election_elapsed = 0
    return True


def _step_heartbeat(seat: Seat, sender: int, term: int, commit: int) -> bool:
    """Step a heartbeat, and return whether its whole effect is an answer in the same term, which was taken away."""
    driver = seat.driver
    if driver.step(_heartbeat(seat, sender, term, commit)) is not None:
        return False
    messages = driver.node.raft.outbox._msgs
    if messages is None or len(messages) != 1:
        return False
    m = messages[0]
    if m._type != k.HEARTBEAT_RESP or m.to != sender or m.term != term or m._present & k.P_CONTEXT:
        return False
    messages.clear()
    return True


def _heartbeat(seat: Seat, sender: int, term: int, commit: int) -> Message:
    m = blank.message()
    m._type = k.HEARTBEAT
    m.to = seat.raft.id
    m.from_ = sender
    m.term = term
    m.commit = commit
    m._present = k.P_ADDRESS | k.P_TERM | k.P_COMMIT
    immutable.freeze(m)
    return m


def step_answers(table: dict[int, Seat], column: Column, unanswered: Any, sender: int, found: Found) -> None:
    """Step the answers of a host to the heartbeats of a column. Seats that are not in ``table`` any more are left out.

    ``unanswered`` are the places without an answer, in ascending order.
    """
    seats = column.seats
    numbers = column.numbers
    place = 0
    skip = 0
    while place < len(seats):
        try:
            while place < len(seats):
                seat = seats[place]
                place += 1
                if skip < len(unanswered) and unanswered[skip] == place - 1:
                    skip += 1
                elif table.get(seat.group) is not seat:
                    continue
                elif seat.driver._lease is not None:
                    found.messages.append((seat, _answer(seat, sender, numbers[3 * place - 2])))
                elif not seat.plain or not _is_answered(seat, sender, numbers[3 * place - 2]):
                    _step_answer(seat, sender, numbers[3 * place - 2], found)
        except Exception as error:
            found.failed.append((seats[place - 1], error))


def _is_answered(seat: Seat, sender: int, term: int) -> bool:
    """Take an answer of a peer that has the leader's whole log, and return True.

    It shows that the peer is alive, and nothing has to be sent (``Raft._heartbeat_answered``).
    """
    raft = seat.raft
    if raft.state != k.LEADER or raft.term != term:
        return False
    pr = raft.tracker.find(sender)
    if pr is None or pr._state == k.PROBE or pr.match < seat.log._last:
        return False
    pr.recent_active = True
    pr.msg_app_flow_paused = False
    return True


def _step_answer(seat: Seat, sender: int, term: int, found: Found) -> None:
    driver = seat.driver
    driver.step(_answer(seat, sender, term))
    if driver.node.pending_work() != k.NOTHING:
        found.due.append(seat)


def _answer(seat: Seat, sender: int, term: int) -> Message:
    m = blank.message()
    m._type = k.HEARTBEAT_RESP
    m.to = seat.raft.id
    m.from_ = sender
    m.term = term
    m._present = k.P_ADDRESS | k.P_TERM
    immutable.freeze(m)
    return m


for _cls in (Seat, Column, Found):
    keep_whole(_cls)
has_one_owner(Seat)
