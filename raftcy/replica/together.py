"""The groups of one host together: their ticks, their heartbeats to each other host, and their sleep. No I/O.

Once a tick, every host that has heartbeats for another one, or knows it from the sleep of groups, sends it one beat
(``beat``). It has the heartbeats of all groups that are awake (``ticking``) and what the hosts say about those that
sleep (``sleeping``). A beat with heartbeats is answered at once, in one message for all of them.

Beats travel as heartbeats of a group of their own, and answers as the answers to heartbeats, because a transport
accepts these types only from the member that they name as their sender.
"""

from collections.abc import Callable
from typing import Any

from ..wire.enums import MessageType
from ..wire.messages import Message
from .beat import decode_answer, decode_beat, encode_answer, encode_beat
from .candidacies import Elections
from .driver import Driver
from .idleness import fits, members_to_ask, resume_follower, resume_leader, spread
from .sleeping import Changes, Sleeping
from .ticking import Column, Found, Seat, begin_elections, step_answers, step_heartbeats, tick_seats

BEAT_GROUP = 2**64 - 3
"""The group of these messages. No replica has it."""
OPEN_BEATS = 4
"""Answers are expected to so many of the last beats with heartbeats to a host. Older heartbeats count as lost."""


class Together:
    """The seats of the host ``id``. ``nonce`` is drawn at each start, above 0. ``send`` takes each message to send.

    An owner of a seat has ``is_idle()``, which says whether it has nothing to do. ``tick`` and ``receive`` return what
    they have found: call ``rouse`` for each seat that is due before its driver has a round.

    With ``sleeps`` False no group of this host sleeps. A follower then refuses, which keeps its group awake.
    """

    def __init__(
        self, id: int, nonce: int, election_ticks: int, send: Callable[[Message], object], sleeps: bool = True
    ) -> None:
        self.id = id
        self._send = send
        self._sleeps = sleeps
        # A silent host is lost after half an election timeout, so that its groups are awake when that is over.
        self._sleeping = Sleeping(nonce, max(1, election_ticks // 2))
        self._elections = Elections()
        self._seats: dict[int, Seat] = {}
        self._awake: list[Seat] = []
        # By host and number of the beat: the heartbeats that wait for an answer.
        self._open: dict[int, dict[int, Column]] = {}
        # Equal tuples of ids, once each: thousands of groups have the same members.
        self._ids: dict[tuple[int, ...], tuple[int, ...]] = {}

    # -- seats ---------------------------------------------------------------------------------------------------

    def add(self, group: int, driver: Driver, owner: Any, plain: bool = True) -> Seat:
        """Add the member of a group, awake. See Seat for ``plain``."""
        seat = self._seats[group] = Seat(group, driver, owner, plain)
        self._start(seat)
        spread(driver, group, 0)
        return seat

    def remove(self, seat: Seat) -> None:
        """Remove the member of a group. The other hosts hear with the next beat that it sleeps no more."""
        if self._seats.get(seat.group) is seat:
            del self._seats[seat.group]
            self._sleeping.rouse(seat.group)
            self._stop(seat)

    def is_asleep(self, seat: Seat) -> bool:
        """Whether a member sleeps."""
        return seat.place < 0

    def rouse(self, seat: Seat) -> None:
        """Wake a member because it has work, and end what it has offered."""
        if self._sleeping.is_settled(seat.group):
            self._sleeping.rouse(seat.group)
            self._wake(seat, 0)

    def _start(self, seat: Seat) -> None:
        if seat.place < 0:
            seat.place = len(self._awake)
            self._awake.append(seat)

    def _stop(self, seat: Seat) -> None:
        if seat.place >= 0:
            last = self._awake.pop()
            if last is not seat:
                self._awake[seat.place] = last
                last.place = seat.place
            seat.place = -1

    def _wake(self, seat: Seat, ticks: int) -> None:
        seat.idle_term = 0
        if seat.place < 0:
            self._start(seat)
            if seat.driver.failure is not None:
                return
            if seat.driver.node.raft.lead == seat.driver.id:
                resume_leader(seat)
            else:
                resume_follower(seat, ticks)

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self, late: bool = False) -> Found:
        """Tick all members that are awake, and send a beat to each host that should get one.

        ``late`` says that the host has too much to do, so that the tick came late.
        """
        found = Found(self._elections.tick(late))
        columns: dict[int, Column] = {}
        tick_seats(self._awake, columns, found)
        begin_elections(self._elections.admit(found.begun, found.held), columns, found)
        for seat in found.ripe:
            if seat.driver.failure is None:
                self._offer(seat)
        self._take(self._sleeping.tick())
        for peer in sorted({*self._sleeping.peers, *columns}):
            self._beat(peer, columns.get(peer))
        return found

    def _offer(self, seat: Seat) -> None:
        """Offer sleep for a leader that has been idle since the last check of its quorum."""
        raft = seat.driver.node.raft
        term, last = int(raft.term), int(raft.log.last_index())
        if (seat.idle_term, seat.idle_last) != (term, last):
            seat.idle_term, seat.idle_last = term, last
            return
        if not self._sleeps or self._sleeping.is_settled(seat.group) or not seat.owner.is_idle():
            return
        asked = members_to_ask(seat.driver)
        if asked is not None:
            members, voters = [self._ids.setdefault(ids, ids) for ids in asked]
            if self._sleeping.offer(seat.group, term, last, members, voters):
                self._stop(seat)

    def _beat(self, peer: int, column: Column | None) -> None:
        beat = self._sleeping.next_beat(peer)
        if column is not None:
            waiting = self._open.setdefault(peer, {})
            waiting[beat.number] = column
            while len(waiting) > OPEN_BEATS:
                del waiting[next(iter(waiting))]
        data = encode_beat(beat, () if column is None else column.numbers)
        self._send(Message(type=MessageType.MSG_HEARTBEAT, from_=self.id, to=peer, context=data))

    # -- messages ------------------------------------------------------------------------------------------------

    def receive(self, m: Message) -> Found:
        """Take a beat or an answer from the host in ``from_``; other messages are ignored. Raises DecodeError."""
        found = Found()
        if m.type == MessageType.MSG_HEARTBEAT:
            self._hear(m.from_, m.context, found)
        elif m.type == MessageType.MSG_HEARTBEAT_RESP:
            number, unanswered = decode_answer(m.context)
            column = self._open.get(m.from_, {}).pop(number, None)
            if column is not None:
                step_answers(self._seats, column, unanswered, m.from_, found)
        return found

    def _hear(self, sender: int, data: bytes, found: Found) -> None:
        beat, heartbeats = decode_beat(data)
        if heartbeats:
            unanswered = step_heartbeats(self._seats, sender, heartbeats, found)
            answer = encode_answer(beat.number, unanswered)
            self._send(Message(type=MessageType.MSG_HEARTBEAT_RESP, from_=self.id, to=sender, context=answer))
        self._take(self._sleeping.hear(sender, beat, self._agrees))

    def _agrees(self, group: int, leader: int, term: int, commit: int) -> bool:
        seat = self._seats.get(group)
        if seat is None or not self._sleeps or seat.driver.failure is not None or seat.driver._lease is not None:
            return False
        return fits(seat.driver, leader, term, commit) and bool(seat.owner.is_idle())

    def _take(self, changes: Changes) -> None:
        for group in changes.asleep:
            seat = self._seats.get(group)
            if seat is not None:
                self._stop(seat)
        for group, ticks in changes.awake:
            seat = self._seats.get(group)
            if seat is not None:
                self._wake(seat, ticks)

    def __repr__(self) -> str:
        return f"<Together {self.id}, {len(self._awake)} of {len(self._seats)} members awake>"
