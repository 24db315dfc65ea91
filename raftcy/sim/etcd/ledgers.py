"""What really happened in an etcd group, and what its clients were told. The rules that tie the two:

- Equal entries have equal answers on all members, and those of the naive model.
- Members that have applied as much have equal states, after restarts and snapshots too: the bytes of a capture, and the
  hash that clients see.
- No put is applied twice: the API repeats only what is certainly not in the log.
- A write or a read shows all that had ended before it began; a read shows exactly what the model had at its revision.
- Whatever a watch sees are the model's events, in order, each once, and none is left out.
- No lease is revoked for its age before its time is over, counted from the moment when the last renewal that was
  answered was asked for: whoever led, or thought that it led.
- No member finds that the others differ.
"""

import zlib
from io import BytesIO
from typing import Any

from ...errors import CommandError
from ...etcd import schema
from ...etcd.etcdmachine import EtcdMachine
from ...machines import Command
from ..checkers import Violation
from ..clock import SECOND
from .naivekv import NaiveKv, Refusal

COMPARED_EVERY = 8
"""The states of members are compared after every so many entries: capturing takes time."""


def without_headers(message: Any) -> Any:
    """Remove the headers of an answer and of the answers in it."""
    message.ClearField("header")
    for response in getattr(message, "responses", ()):
        inner = getattr(response, response.WhichOneof("response"))
        without_headers(inner)
    return message


def digest(machine: EtcdMachine) -> int:
    """Return a checksum of a machine's whole state."""
    file = BytesIO()
    machine.capture().write(file)
    return zlib.crc32(file.getvalue())


class EtcdLedger:
    """The truth about an etcd group. ``now_us`` returns the true time. Every method raises Violation."""

    def __init__(self, now_us: Any) -> None:
        self.model = NaiveKv()
        self.last = 0
        self.floor = 1
        """The highest revision that an operation that has ended has shown."""
        self.count = 0
        self._now_us = now_us
        # By index: the entry and its answer; and the checksum of the state after it.
        self._entries: dict[int, tuple[int, bytes, Any]] = {}
        self._numbers: dict[int, int] = {}
        # By the bytes of an entry with a put, whose value no other put has: its index.
        self._puts: dict[bytes, int] = {}
        self._states: dict[int, int] = {}
        # By lease: up to when its clients may rely on it, and when it was revoked for its age.
        self._promised_us: dict[int, int] = {}
        self._revoked_us: dict[int, int] = {}

    # -- what members do -----------------------------------------------------------------------------------------

    def applied(self, id: int, machine: EtcdMachine, command: Command, answer: Any) -> None:
        """Note that a member has applied an entry."""
        told = (answer.text, answer.reason) if isinstance(answer, CommandError) else (answer.revision, answer.body)
        entry = (command.term, command.data, told)
        known = self._entries.get(command.index)
        if known is None:
            if command.index < self.last:
                raise Violation("state machine safety", f"{id} applies {command.index}, where others had nothing")
            self._settle(command, answer)
            self._entries[command.index] = entry
            self._numbers[command.index] = self.count = self.count + 1
            self.last = command.index
        elif known != entry:
            raise Violation("state machine safety", f"{id} applies {entry} at {command.index}, others {known}")
        if self._numbers[command.index] % COMPARED_EVERY == 0:
            self.compare(id, command.index, machine)

    def compare(self, id: int, index: int, machine: EtcdMachine) -> None:
        """Compare a member's state after an entry with that of the others."""
        found = digest(machine)
        other = self._states.setdefault(index, found)
        if found != other:
            raise Violation(
                "equal states", f"the state of {id} after {index} has the checksum {found:x}, not {other:x}"
            )

    def _settle(self, command: Command, answer: Any) -> None:
        """Work out what an entry does, and compare."""
        request = schema.InternalRaftRequest.FromString(command.data)
        if request.HasField("alarm"):
            raise Violation("equal states", f"a member finds that members differ: {request.alarm}")
        if request.revoked_in_term and request.lease_revoke.ID in self.model.leases:
            self._revoke_due(request, command.term)
        if request.HasField("put") or any(op.HasField("request_put") for op in request.txn.success):
            place = self._puts.setdefault(command.data, command.index)
            if place != command.index:
                raise Violation("at most once", f"the put at {place} is applied again at {command.index}")
        expected = self.model.apply(request, command.term)
        if isinstance(expected, Refusal):
            good = isinstance(answer, CommandError) and answer.text == f"etcdserver: {expected.text}"
        elif isinstance(answer, CommandError):
            good = False
        else:
            found = type(expected).FromString(answer.body)
            good = without_headers(found) == without_headers(expected) and answer.revision == self.model.revision
        if not good:
            raise Violation("naive model", f"{request} at {command.index} is answered with {answer}, not {expected}")

    def _revoke_due(self, request: Any, term: int) -> None:
        if request.revoked_in_term != term:
            return
        id, now_us = request.lease_revoke.ID, self._now_us()
        self._revoked_us[id] = now_us
        self._check_lease(id)

    def _check_lease(self, id: int) -> None:
        revoked_us, promised_us = self._revoked_us.get(id), self._promised_us.get(id, 0)
        if revoked_us is not None and revoked_us < promised_us:
            early_s = (promised_us - revoked_us) / SECOND
            raise Violation("leases are not early", f"lease {id} is revoked {early_s:.3f} s early")

    # -- what clients are told -----------------------------------------------------------------------------------

    def promised(self, id: int, asked_us: int, ttl_s: int) -> None:
        """A client was told that a lease, for which it had asked at a moment, goes on for so long."""
        self._promised_us[id] = max(self._promised_us.get(id, 0), asked_us + ttl_s * SECOND)
        self._check_lease(id)

    def shown(self, floor: int, revision: int, what: str) -> None:
        """An operation has ended that shows a revision; ``floor`` is the floor from before it began."""
        if revision < floor:
            raise Violation("linearizable", f"{what} shows revision {revision}, after one at {floor} had ended")
        if revision > self.model.revision:
            raise Violation("no invention", f"{what} shows revision {revision}, and there are {self.model.revision}")
        self.floor = max(self.floor, revision)

    def read(self, request: Any, found: Any, what: str) -> None:
        """A read has this answer."""
        revision = found.header.revision
        if not 0 < revision <= self.model.revision:
            raise Violation("no invention", f"{what} shows revision {revision}, which nobody has written")
        expected = without_headers(self.model.range(request, revision))
        if without_headers(found) != expected:
            raise Violation("naive model", f"{what} of {request} at {revision} is {found}, not {expected}")

    def watched(self, place: int, found: Any, start: int) -> int:
        """A watch from revision ``start`` on has an answer. ``place`` is what it returned for the last one."""
        changes = self.model.changes
        while place < len(changes) and changes[place].revision < start:
            place += 1
        for event in found.events:
            change = changes[place] if place < len(changes) else None
            after = None if change is None else change.after
            good = change is not None and change.key == event.kv.key and change.revision == event.kv.mod_revision
            if not good or (after is None) != (event.type == 1) or (after and after.value != event.kv.value):
                raise Violation("watches", f"a watch sees {event}, in place of {change}")
            place += 1
        return place
