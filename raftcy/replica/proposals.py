"""Commands on their way: from the call that proposes them to the machine's answer, or to the error in its place.

A ``Proposal`` is one call with one or more commands. It waits until it is handed on: appended by this member as leader,
or sent to the leader in a request. Then it gets a place, a term and the index of its first command, and the entry that
is applied there decides the outcome (see ``asked``). Every outcome is either certain or OutcomeUnknown:

- Rejected: it was never handed on, the leader refused it, or an entry of another term was committed in its place.
- OutcomeUnknown: a request had no reply, a snapshot skipped the place, or the member ended before the outcome was
  known. ``Proposals`` remembers later news about such a command, up to a bound.

A reply may come after this member has applied the entries that it places. So while requests are under way, the answers
to applied entries are kept, up to a bound. Otherwise the caller would never get its answer.
"""

from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any

from ..errors import CommandError, OutcomeUnknown, Rejected
from ..wire import blank, immutable
from ..wire import consts as k
from ..wire.messages import Entry
from ..wire.whole import has_one_owner, keep_whole
from .forwarding import COMMANDS_MAX, Placed, Refused
from .tokens import Fate, RejectReason, Token

REPLIES_MAX = 1024
"""Late replies are remembered for at most this many commands without a place."""
KEPT_MAX = 1 << 16
"""At most this many answers are kept for replies that are under way."""


# Shared by all members that have none, as most of thousands of groups on a host do. They stay empty.
_NO_PROPOSALS: list["Proposal"] = []
_NO_PLACES: dict[int, deque["Proposal"]] = {}
_NONE_SENT: dict[int, "Proposal"] = {}
_NO_REPLIES: OrderedDict[int, Placed | Refused | Fate] = OrderedDict()
_NONE_REJECTED: dict[RejectReason, int] = {}
_NONE_KEPT: deque[tuple[list[Entry], list[Any] | None]] = deque()


class Proposal:
    """One call: its commands, and the receiver of its answers.

    ``end`` has ``done``, ``set_result`` and ``set_exception``, like a future. It gets the machine's answer to the only
    command; with ``many``, it gets a list with an answer or an error for each. ``only_in_term`` is 0 for any term.
    """

    __slots__ = (
        "commands",
        "count",
        "done",
        "end",
        "index",
        "many",
        "number",
        "only_in_term",
        "results",
        "size",
        "term",
    )

    def __init__(self, commands: Sequence[bytes], end: Any, many: bool = False, only_in_term: int = 0) -> None:
        self.commands = commands
        self.count = len(commands)
        self.size = sum(map(len, commands)) if many else len(commands[0])
        self.end = end
        self.many = many
        self.only_in_term = only_in_term
        # How many commands have their result; and the place of the first one, once it is known.
        self.done = 0
        self.term = 0
        self.index = 0
        self.number = 0
        self.results: list[Any] = []


class Proposals:
    """The proposals of one start of one member. ``start`` names it, with bytes that no other start has.

    At most ``count_max`` commands with ``bytes_max`` bytes wait for an answer, and none has more than
    ``command_bytes_max``. A command that waits alone may exceed ``bytes_max``.
    """

    __slots__ = (
        "_applied_term",
        "_bytes_max",
        "_cause",
        "_command_bytes_max",
        "_count_max",
        "_forgotten",
        "_kept",
        "_kept_after",
        "_kept_count",
        "_late",
        "_number",
        "_placed",
        "_queue",
        "_sent",
        "_start",
        "_taken",
        "answered",
        "applied",
        "cancelled",
        "count",
        "rejected",
        "size",
        "unknown",
    )

    def __init__(self, start: bytes, count_max: int, bytes_max: int, command_bytes_max: int) -> None:
        self._start = start
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._command_bytes_max = command_bytes_max
        self._queue: list[Proposal] = _NO_PROPOSALS
        # The proposals that ``take`` returned last, until ``handed_on``.
        self._taken: list[Proposal] = _NO_PROPOSALS
        # For each term: the proposals with a place, by ascending index, since a leader appends in that order.
        self._placed: dict[int, deque[Proposal]] = _NO_PLACES
        # By number: the proposals that were sent to the leader and have no reply.
        self._sent: dict[int, Proposal] = _NONE_SENT
        self._number = 0
        # By number: the reply that came late, or LOST if none will come; and the highest number that was forgotten.
        self._late: OrderedDict[int, Placed | Refused | Fate] = _NO_REPLIES
        self._forgotten = 0
        self._kept = _NONE_KEPT
        self._kept_count = 0
        # Up to where entries were applied while ``_kept`` had them all.
        self._kept_after = 0
        self.applied = 0
        self._applied_term = 0
        self._cause: BaseException | None = None
        self.answered = 0
        """Commands that got the machine's answer."""
        self.rejected: dict[RejectReason, int] = _NONE_REJECTED
        """Commands that are certainly not in the log, by reason."""
        self.unknown = 0
        """Commands whose outcome was unknown at the end of the wait."""
        self.cancelled = 0
        """Commands whose caller gave up before they were handed on."""
        self.count = 0
        self.size = 0

    # -- on the way in

    def add(self, proposal: Proposal) -> None:
        """Let a proposal wait for ``take``. Raises Rejected if it is too large, or if too much waits already."""
        longest = proposal.size if not proposal.many else max(map(len, proposal.commands), default=0)
        if longest > self._command_bytes_max:
            raise Rejected(
                RejectReason.TOO_LARGE, f"a command of {longest} bytes, where {self._command_bytes_max} are allowed"
            )
        if self.count + proposal.count > self._count_max and (self.count > 0 or proposal.many):
            raise Rejected(RejectReason.OVERLOADED, f"{self.count} commands wait already")
        if self.size + proposal.size > self._bytes_max and self.count > 0:
            raise Rejected(RejectReason.OVERLOADED, f"{self.size} bytes of commands wait already")
        self.count += proposal.count
        self.size += proposal.size
        if self._queue is _NO_PROPOSALS:
            self._queue = []
        self._queue.append(proposal)

    @property
    def is_waiting(self) -> bool:
        """Whether ``take`` would return any proposal."""
        return len(self._queue) > 0

    def take(self) -> list[Proposal]:
        """Take all proposals that wait to be handed on, in the order of the calls, except those given up meanwhile.

        Call ``handed_on`` once each of them was placed, sent or rejected. If the member ends before, nothing is known
        of the others.
        """
        queue, self._queue = self._queue, _NO_PROPOSALS
        taken = [each for each in queue if not each.end.done()]
        if len(taken) < len(queue):
            for each in queue:
                if each.end.done():
                    self.cancelled += each.count
                    self._forget(each)
        self._taken = taken
        return taken

    def handed_on(self) -> None:
        """Note that every taken proposal was placed, sent or rejected."""
        self._taken = _NO_PROPOSALS

    def place(self, proposal: Proposal, term: int, index: int) -> None:
        """Note that a proposal was appended, with its first command at ``index``; no command is applied yet."""
        proposal.term = term
        proposal.index = index
        placed = self._placed.get(term)
        if placed is None:
            if self._placed is _NO_PLACES:
                self._placed = {}
            placed = self._placed[term] = deque()
        if placed and placed[-1].index > index:
            insort(placed, proposal, key=_index_of)
        else:
            placed.append(proposal)

    def place_all(self, proposals: list[Proposal], term: int, index: int) -> int:
        """Note that proposals were appended in this order, with the first command at ``index``.

        Return the index after the last command.
        """
        for each in proposals:
            self.place(each, term, index)
            index += each.count
        return index

    def reject(self, proposal: Proposal, reason: RejectReason, detail: str = "") -> None:
        """Reject a proposal: none of its commands is in the log, and none ever will be."""
        error = Rejected(reason, detail)
        error.__cause__ = self._cause
        left = proposal.count - proposal.done
        self.count_rejected(reason, left)
        self._some(proposal, [error] * left)

    # -- requests to the leader

    def send(self, proposal: Proposal, term: int) -> int:
        """Note that a proposal is sent to the leader of ``term``, and return its number for ``reply`` and ``lose``."""
        self._number += 1
        proposal.number = self._number
        proposal.term = term
        if not self._sent:
            self._kept_after = self.applied
        if self._sent is _NONE_SENT:
            self._sent = {}
        self._sent[self._number] = proposal
        return self._number

    def reply(self, number: int, reply: Placed | Refused) -> None:
        """Take the leader's reply to a request. A late reply is remembered for ``fate``."""
        proposal = self._sent.pop(number, None)
        if proposal is None or proposal.end.done():
            self._remember(number, reply)
            if proposal is not None:
                self._forget(proposal)
        elif isinstance(reply, Refused):
            self.reject(proposal, reply.reason, reply.detail)
        else:
            self._catch_up(proposal, reply)
        if not self._sent:
            self._kept.clear()
            self._kept_count = 0

    def _remember(self, number: int, reply: Placed | Refused | Fate) -> None:
        if self._late is _NO_REPLIES:
            self._late = OrderedDict()
        self._late[number] = reply
        while len(self._late) > REPLIES_MAX:
            forgotten, _ = self._late.popitem(last=False)
            self._forgotten = max(self._forgotten, forgotten)

    def lose(self, number: int, why: str) -> None:
        """End the caller's wait for a request that will have no reply. For ``fate`` its commands are LOST."""
        self._remember(number, Fate.LOST)
        proposal = self._sent.pop(number, None)
        if proposal is not None:
            self._give_up(proposal, why)
        if not self._sent:
            self._kept.clear()
            self._kept_count = 0

    def _catch_up(self, proposal: Proposal, reply: Placed) -> None:
        """Place a proposal whose entries this member may already have applied."""
        self.place(proposal, reply.term, reply.index)
        if reply.index > self.applied:
            self._supersede()
            return
        if reply.index <= self._kept_after:
            self._placed[reply.term].remove(proposal)
            self._give_up(proposal, "it was applied before the leader's reply came")
            return
        for entries, answers in self._kept:
            if entries[-1].index >= reply.index and proposal.done < proposal.count:
                self._settle(proposal.term, entries, answers)
        self._supersede()

    # -- what becomes of them

    def settle(self, entries: list[Entry], answers: list[Any] | None) -> None:
        """Note applied entries, with consecutive indexes, and their answers; None for no answers."""
        if self._sent:
            if self._kept is _NONE_KEPT:
                self._kept = deque()
            self._kept.append((entries, answers))
            self._kept_count += len(entries)
            while self._kept_count > KEPT_MAX and len(self._kept) > 1:
                dropped, _ = self._kept.popleft()
                self._kept_count -= len(dropped)
                self._kept_after = dropped[-1].index
        last = entries[-1]
        self.applied = last.index
        self._applied_term = last.term
        for term in list(self._placed):
            self._settle(term, entries, answers)
        self._supersede()

    def _supersede(self) -> None:
        """Reject proposals of a term below the last applied one, because terms never fall in a log."""
        for term in [term for term in self._placed if term < self._applied_term]:
            for proposal in self._placed.pop(term):
                self.reject(
                    proposal, RejectReason.SUPERSEDED, f"an entry of term {self._applied_term} was committed before it"
                )

    def _settle(self, term: int, entries: list[Entry], answers: list[Any] | None) -> None:
        first, last = entries[0].index, entries[-1].index
        placed = self._placed[term]
        while placed:
            proposal = placed[0]
            at = proposal.index + proposal.done
            if at > last:
                return
            start = at - first
            if not proposal.many:
                # Most calls have one command. This is ``_some`` written out, which saves a call.
                placed.popleft()
                self.count -= 1
                self.answered += 1
                self.size -= proposal.size
                end = proposal.end
                proposal.done = 1
                if not end.done():
                    e = entries[start]
                    found = _result(None if answers is None else answers[start], e, proposal)
                    if isinstance(found, _RAISED):
                        self._count_superseded([found])
                        end.set_exception(found)
                    else:
                        end.set_result(found)
                continue
            count = min(proposal.count - proposal.done, last - at + 1)
            if entries[start].term == term == entries[start + count - 1].term:
                # Terms never fall in a log, so all entries in between have this term too.
                results = [None] * count if answers is None else answers[start : start + count]
            else:
                results = [
                    _result(None if answers is None else answers[n], entries[n], proposal)
                    for n in range(start, start + count)
                ]
                self._count_superseded(results)
            self.answered += count
            self._some(proposal, results)
            if proposal.done == proposal.count:
                placed.popleft()
        del self._placed[term]

    def count_rejected(self, reason: RejectReason, count: int) -> None:
        """Count commands that are certainly not in the log."""
        if self.rejected is _NONE_REJECTED:
            self.rejected = {}
        self.rejected[reason] = self.rejected.get(reason, 0) + count

    def _count_superseded(self, results: list[Any]) -> None:
        """Count rejections among results that count as answers otherwise."""
        count = sum(isinstance(each, Rejected) for each in results)
        if count:
            self.count_rejected(RejectReason.SUPERSEDED, count)
            self.answered -= count

    def jump(self, index: int, term: int) -> None:
        """Note that a snapshot has replaced all entries up to ``index``, which leaves the outcomes there unknown."""
        self.applied = index
        self._applied_term = term
        self._kept.clear()
        self._kept_count = 0
        self._kept_after = self.applied
        for term, placed in list(self._placed.items()):
            while placed and placed[0].index + placed[0].done <= index:
                proposal = placed[0]
                count = min(proposal.count, index - proposal.index + 1) - proposal.done
                why = "a snapshot jumped over its place"
                first = proposal.done
                self._some(proposal, [self._unknown(proposal, first + n, why) for n in range(count)])
                if proposal.done < proposal.count:
                    break
                placed.popleft()
            if not placed:
                del self._placed[term]
        self._supersede()

    def give_up(self, proposal: Proposal, why: str) -> None:
        """End a caller's wait: reject commands that were not handed on. The outcomes of the others are unknown."""
        if proposal.end.done():
            return
        if proposal in self._queue:
            self._queue.remove(proposal)
            self.reject(proposal, RejectReason.STOPPED, why)
            return
        placed = self._placed.get(proposal.term)
        if placed is not None and proposal in placed:
            placed.remove(proposal)
            if not placed:
                del self._placed[proposal.term]
        if self._sent.get(proposal.number) is proposal:
            # ``reply`` will remember its reply for ``fate``.
            del self._sent[proposal.number]
        self._give_up(proposal, why)

    def stop(self, why: str, cause: BaseException | None = None) -> None:
        """End the member: reject the proposals that were not taken. The outcomes of the others are unknown.

        ``cause`` becomes the ``__cause__`` of the callers' errors.
        """
        self._cause = cause
        queue, self._queue = self._queue, _NO_PROPOSALS
        for proposal in queue:
            self.reject(proposal, RejectReason.STOPPED, why)
        sent, self._sent = list(self._sent.values()), _NONE_SENT
        placed = [each for some in self._placed.values() for each in some]
        self._placed = _NO_PLACES
        for proposal in placed + sent:
            self._give_up(proposal, why)
        taken, self._taken = self._taken, _NO_PROPOSALS
        for proposal in taken:
            if proposal.done < proposal.count:
                self._give_up(proposal, why)

    def fate(self, token: Token) -> Placed | Fate | None:
        """Return the place of a token's command, or that it was rejected or is lost; None while it has no reply.

        The log then tells whether the entry at that place is the command.
        """
        if token.index > 0:
            if token.index > self.applied and self._applied_term > token.term:
                # Terms never fall in a log, so an entry of a later term will stand there.
                return Fate.REJECTED
            return Placed(token.term, token.index)
        if token.start != self._start:
            return Fate.LOST
        reply = self._late.get(token.number)
        if reply is None:
            # A later term is applied, so all entries of that term are in the past; or the reply was perhaps forgotten.
            over = self._applied_term > token.term or token.number <= self._forgotten
            return Fate.LOST if over else None
        if isinstance(reply, Placed):
            return self.fate(Token(reply.term, reply.index, token.start, token.number))
        return Fate.REJECTED if isinstance(reply, Refused) else reply

    def _give_up(self, proposal: Proposal, why: str) -> None:
        first = proposal.done
        self._some(proposal, [self._unknown(proposal, n, why) for n in range(first, proposal.count)])

    def _unknown(self, proposal: Proposal, n: int, why: str) -> OutcomeUnknown:
        self.unknown += 1
        index = proposal.index + n if proposal.index else 0
        error = OutcomeUnknown(Token(proposal.term, index, self._start, proposal.number), why)
        error.__cause__ = self._cause
        return error

    def _some(self, proposal: Proposal, results: list[Any]) -> None:
        """Give the next commands of a proposal their results."""
        proposal.done += len(results)
        end = proposal.end
        if not proposal.many:
            self._forget(proposal)
            if not end.done():
                found = results[0]
                if isinstance(found, _RAISED):
                    end.set_exception(found)
                else:
                    end.set_result(found)
            return
        if proposal.results:
            proposal.results += results
        else:
            proposal.results = results
        if proposal.done == proposal.count:
            self._forget(proposal)
            if not end.done():
                end.set_result(proposal.results)

    def _forget(self, proposal: Proposal) -> None:
        self.count -= proposal.count
        self.size -= proposal.size


def _index_of(proposal: Proposal) -> int:
    return proposal.index


# The errors that a call of one command raises, and that a call of many returns in its list.
_RAISED = (CommandError, Rejected, OutcomeUnknown)


def _result(answer: Any, e: Entry, proposal: Proposal) -> Any:
    """Return the outcome of a command after an entry was applied in its place."""
    if e.term == proposal.term:
        return answer
    return Rejected(RejectReason.SUPERSEDED, f"an entry of term {e.term} was committed at {e.index}")


def entries_of(proposals: list[Proposal]) -> list[Entry]:
    """Return an entry for each command of the proposals, in order."""
    entries = []
    for proposal in proposals:
        for command in proposal.commands:
            e = blank.entry()
            e.data = command
            e._present = k.E_DATA
            immutable.freeze(e)
            entries.append(e)
    return entries


def parts(proposals: list[Proposal], bytes_max: int) -> list[list[Proposal]]:
    """Cut proposals, in order, into requests that a message can carry, each with at least one proposal."""
    cut: list[list[Proposal]] = []
    count = size = 0
    for each in proposals:
        if cut and count + each.count <= COMMANDS_MAX and size + each.size <= bytes_max:
            cut[-1].append(each)
            count += each.count
            size += each.size
        else:
            cut.append([each])
            count, size = each.count, each.size
    return cut


for _each in (Proposal, Proposals):
    keep_whole(_each)
    has_one_owner(_each)
