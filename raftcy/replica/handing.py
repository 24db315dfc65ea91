"""Hands on the commands of one member: a leader appends them to its log, others send them to the leader.

Rules:

- The commands of one turn become one proposal of the core: all of them are appended, or none.
- A command is sent to the leader once, in the term in which this member knew that leader, and the leader refuses it in
  any other term. Nothing is passed on twice.
- Every command of a guest, another member that has sent its commands here, gets one answer: its place or a refusal. A
  guest without an answer cannot know what became of its commands.
"""

from typing import Any, Protocol

from ..errors import DecodeError, Overloaded, ProposalDropped, Rejected
from ..wire import consts as k
from ..wire.enums import MessageType
from ..wire.messages import Entry, Message
from .calls import Answer
from .driver import Driver
from .forwarding import Forwarded, Placed, Refused, decode_forwarded, decode_reply, encode_forwarded, encode_reply
from .proposals import Proposal, Proposals, entries_of, parts
from .standing import is_member
from .tokens import RejectReason, reason_of
from .tuning import Tuning
from .waits import NOBODY, Waits, wake

FORWARD = 1
"""The kind of request that forwards commands to the leader."""
PART_BYTES = 1 << 20
"""About how many bytes of commands go into one request."""


class Surroundings(Protocol):
    """The part of a host that handing on needs."""

    id: int
    tuning: Tuning

    def ask(self, peer: int, kind: int, group: int, data: bytes, end: Any) -> None:
        """Send a request to another host."""


class _Reply:
    """Takes the reply to a forwarded request."""

    __slots__ = ("_handing", "_sent")

    def __init__(self, handing: "Handing", sent: list[Proposal]) -> None:
        self._handing = handing
        self._sent = [(each.number, each.count) for each in sent]

    def done(self) -> bool:
        """Return False: it waits until the reply, or an error, comes."""
        return False

    def set_result(self, data: bytes) -> None:
        """Take the leader's reply."""
        proposals = self._handing.proposals
        try:
            reply = decode_reply(data)
        except DecodeError as error:
            self.set_exception(error)
            return
        index = reply.index if isinstance(reply, Placed) else 0
        for number, count in self._sent:
            proposals.reply(number, Placed(reply.term, index) if isinstance(reply, Placed) else reply)
            index += count
        wake(self._handing.waits)

    def set_exception(self, error: BaseException) -> None:
        """Note that no reply will come."""
        for number, _ in self._sent:
            self._handing.proposals.lose(number, str(error))
        wake(self._handing.waits)


# Shared by all groups without guests. It stays empty.
_NO_GUESTS: list[tuple[Forwarded, Answer]] = []


class Handing:
    """The commands of one member that wait to be handed on, its own and those of guests.

    ``start`` is what no other start of the member has. ``waits`` are woken when news of a command comes.
    """

    def __init__(self, host: Surroundings, group: int, start: bytes) -> None:
        tuning = host.tuning
        self._host = host
        self._group = group
        self.waits: Waits = NOBODY
        self.proposals = Proposals(start, tuning.waiting_commands, tuning.waiting_bytes, tuning.command_bytes)
        self._guests: list[tuple[Forwarded, Answer]] = _NO_GUESTS
        self._guest_bytes = 0
        # Guests that are being handed on: some may be in the log already.
        self._handed: list[tuple[Forwarded, Answer]] = _NO_GUESTS
        self.appended = 0
        """The index of the last command that this member has appended as leader."""

    @property
    def is_due(self) -> bool:
        """Whether commands wait to be handed on."""
        return self.proposals.is_waiting or len(self._guests) > 0

    def run(self, driver: Driver) -> None:
        """Append waiting commands as the leader, or forward them to the leader."""
        taken = self.proposals.take()
        guests, self._guests = self._guests, _NO_GUESTS
        self._handed = guests
        self._guest_bytes = 0
        raft = driver.node.raft
        term, leads = raft.term, raft.state == k.LEADER
        for _, answer in [guest for guest in guests if not leads or guest[0].term != term]:
            refused = Refused(RejectReason.NO_LEADER, f"{self._host.id} does not lead that term")
            answer(encode_reply(refused), "")
        guests = [guest for guest in guests if leads and guest[0].term == term]
        wrong = [each for each in taken if each.only_in_term and not (leads and each.only_in_term == term)]
        if wrong:
            for each in wrong:
                self.proposals.reject(each, RejectReason.OTHER_TERM, f"the present term is {term}")
            taken = [each for each in taken if not each.end.done()]
        if leads:
            self._append(driver, taken, guests)
        elif taken:
            self._forward(driver, taken, int(raft.lead), int(term))
        self.proposals.handed_on()
        self._handed = _NO_GUESTS

    def _append(self, driver: Driver, taken: list[Proposal], guests: list[tuple[Forwarded, Answer]]) -> None:
        """Append commands as the leader: all of them, or none."""
        entries = entries_of(taken)
        entries += [Entry(data=command) for forwarded, _ in guests for command in forwarded.commands]
        if not entries:
            return
        refused = driver.step(Message(type=MessageType.MSG_PROP, from_=self._host.id, entries=entries))
        if refused is not None:
            text = refused.reason if isinstance(refused, ProposalDropped) else str(refused)
            reason = reason_of(text)
            for each in taken:
                self.proposals.reject(each, reason, text)
            for _, answer in guests:
                answer(encode_reply(Refused(reason, text)), "")
            return
        raft = driver.node.raft
        term = int(raft.term)
        index = int(raft.log.last_index()) - len(entries) + 1
        index = self.proposals.place_all(taken, term, index)
        for forwarded, answer in guests:
            answer(encode_reply(Placed(term, index)), "")
            index += len(forwarded.commands)
        self.appended = index - 1

    def _forward(self, driver: Driver, taken: list[Proposal], leader: int, term: int) -> None:
        """Forward commands to the leader, once."""
        reason = None
        # A group that has not begun here has no voters.
        if driver.members.voters and not is_member(self._host.id, driver.members):
            reason = RejectReason.NOT_A_MEMBER
        elif leader == 0:
            reason = RejectReason.NO_LEADER
        if reason is not None:
            for each in taken:
                self.proposals.reject(each, reason)
            return
        for part in parts(taken, PART_BYTES):
            commands = [command for each in part for command in each.commands]
            for each in part:
                self.proposals.send(each, term)
            reply = _Reply(self, part)
            try:
                data = encode_forwarded(term, commands)
                self._host.ask(leader, FORWARD, self._group, data, reply)
            except (ValueError, Overloaded) as error:
                # It was not sent.
                for each in part:
                    self.proposals.reply(each.number, Refused(RejectReason.OVERLOADED, str(error)))

    def take_guest(self, data: bytes, answer: Answer) -> bool:
        """Take commands that another member forwards. Return whether they wait to be handed on now."""
        try:
            forwarded = decode_forwarded(data)
        except DecodeError as error:
            answer(None, str(error))
            return False
        tuning = self._host.tuning
        if self._guests and self._guest_bytes + len(data) > tuning.waiting_bytes:
            answer(encode_reply(Refused(RejectReason.OVERLOADED, "too much waits at the leader")), "")
            return False
        if max(map(len, forwarded.commands)) > tuning.command_bytes:
            answer(encode_reply(Refused(RejectReason.TOO_LARGE, "a command is too large here")), "")
            return False
        if self._guests is _NO_GUESTS:
            self._guests = []
        self._guests.append((forwarded, answer))
        self._guest_bytes += len(data)
        return True

    def stop(self, why: str, cause: BaseException | None) -> None:
        """End all commands, because the member ends."""
        for _, answer in self._guests:
            answer(encode_reply(Refused(RejectReason.STOPPED, why)), "")
        self._guests = _NO_GUESTS
        for _, answer in self._handed:
            # A second answer does nothing, so only the open requests fail: their outcome is unknown.
            answer(None, why)
        self._handed = _NO_GUESTS
        self.proposals.stop(why, cause)


def reject_all(proposal: Proposal, error: Rejected) -> None:
    """End a proposal that was not added."""
    if proposal.many:
        proposal.end.set_result([error] * proposal.count)
    else:
        proposal.end.set_exception(error)
