"""What a leader knows of one peer, itself included, and how it sends to it (etcd's ``tracker.Progress``).

Rules:

- ``match`` is the highest index known to be stored by the peer, ``next`` the index of the next entry to send to it.
  Invariant: match < next.
- PROBE: the peer's log is not known. One append, or one empty append after each answer to a heartbeat, then pause.
- REPLICATE: the peer follows. Appends stream, ``next`` runs ahead of ``match``, until ``inflights`` is full.
- SNAPSHOT: the peer needs what was compacted away. Nothing is sent until it is known to have a snapshot that connects
  to the log; ``pending_snapshot`` is the index of the one that was sent.
- ``sent_commit`` is the highest commit index that was sent to the peer in its present state. An append or heartbeat
  that carries a commit index raises it; a rejection lowers it. Invariant: outside SNAPSHOT, sent_commit is at most
  what the peer can have learned.
- ``msg_app_flow_paused`` stops appends until something is heard of the peer.
"""

from typing import Any

from ..errors import InvariantError
from ..wire import consts as k
from ..wire.enums import ProgressState
from ..wire.whole import keep_whole
from .inflights import Inflights

_STATES: dict[int, Any] = {int(s): s for s in ProgressState}


class Progress:
    """Made by the tracker, which sets ``id``. From ``status()`` or ``with_progress``, an independent copy.

    While ``_window_is_shared``, ``inflights`` is an empty window that other peers have as well: most nodes never send
    an append, so that a window of its own is made for a peer when something goes into it.
    """

    __slots__ = (
        "_state",
        "_window_is_shared",
        "id",
        "inflights",
        "is_learner",
        "match",
        "msg_app_flow_paused",
        "next",
        "pending_snapshot",
        "recent_active",
        "sent_commit",
    )
    id: int
    match: int
    next: int
    sent_commit: int
    pending_snapshot: int
    recent_active: bool
    msg_app_flow_paused: bool
    is_learner: bool
    inflights: Any

    def __init__(
        self,
        match: int = 0,
        next: int = 1,
        inflights: Any = None,
        is_learner: bool = False,
        recent_active: bool = False,
    ) -> None:
        self.id = 0
        self.match = match
        self.next = next
        self.sent_commit = 0
        self._state = k.PROBE
        self._window_is_shared = False
        self.pending_snapshot = 0
        self.recent_active = recent_active
        self.msg_app_flow_paused = False
        self.is_learner = is_learner
        self.inflights = inflights

    @property
    def state(self) -> Any:
        """A ProgressState."""
        return _STATES[self._state]

    def restart(self, match: int, next: int) -> None:
        """Begin anew with a role change: nothing is known but whether the peer is a learner."""
        self.match = match
        self.next = next
        self.sent_commit = 0
        self.recent_active = False
        self.reset_state(k.PROBE)

    def reset_state(self, state: int) -> None:
        """Enter a state with an empty window."""
        self.msg_app_flow_paused = False
        self.pending_snapshot = 0
        self._state = state
        self.inflights.reset()

    def become_probe(self) -> None:
        """Send from just after what is known to be stored; after a snapshot, from just after that."""
        after = self.match + 1
        if self._state == k.SNAPSHOT and self.pending_snapshot + 1 > after:
            after = self.pending_snapshot + 1
        self.reset_state(k.PROBE)
        self.next = after
        self._lower_sent_commit()

    def become_replicate(self) -> None:
        """Stream from just after ``match``."""
        self.reset_state(k.REPLICATE)
        self.next = self.match + 1

    def become_snapshot(self, index: int) -> None:
        """Wait for a snapshot of ``index``."""
        self.reset_state(k.SNAPSHOT)
        self.pending_snapshot = index
        self.next = index + 1
        self.sent_commit = index

    def sent_entries(self, entries: int, size_bytes: int) -> None:
        """Note an append of that many entries and payload bytes; never in SNAPSHOT."""
        if self._state == k.REPLICATE:
            if entries > 0:
                self.next += entries
                if self._window_is_shared:
                    self.inflights = self.inflights.clone()
                    self._window_is_shared = False
                self.inflights.add(self.next - 1, size_bytes)
            self.msg_app_flow_paused = self.inflights.full()
        elif self._state == k.PROBE:
            if entries > 0:
                self.msg_app_flow_paused = True
        else:
            raise InvariantError(f"sending append in unhandled state {self.state}")

    def can_bump_commit(self, index: int) -> bool:
        """Whether an append only to tell the commit index ``index`` would tell the peer anything that it can use."""
        return index > self.sent_commit and self.sent_commit + 1 < self.next

    def maybe_update(self, n: int) -> bool:
        """An acknowledgement up to ``n``; False if it is an old one."""
        if n <= self.match:
            return False
        self.match = n
        if self.next < n + 1:
            self.next = n + 1
        self.msg_app_flow_paused = False
        return True

    def maybe_decr_to(self, rejected: int, match_hint: int) -> bool:
        """A refused append after index ``rejected``; the logs may agree at ``match_hint``. False if it is old."""
        if self._state == k.REPLICATE:
            if rejected <= self.match:
                return False
            self.next = self.match + 1
            self._lower_sent_commit()
            return True
        # A probe was refused at next - 1; anything else is an answer to an older one.
        if rejected + 1 != self.next:
            return False
        back = rejected if match_hint >= rejected else match_hint + 1
        self.next = back if back > self.match else self.match + 1
        self._lower_sent_commit()
        self.msg_app_flow_paused = False
        return True

    def is_paused(self) -> bool:
        """Whether nothing may be sent now."""
        return self._state == k.SNAPSHOT or self.msg_app_flow_paused

    def _lower_sent_commit(self) -> None:
        if self.sent_commit + 1 > self.next:
            self.sent_commit = self.next - 1

    def copy(self, inflights: Any) -> "Progress":
        """A copy of the numbers, with the given window (or None)."""
        p = Progress(self.match, self.next, inflights, self.is_learner, self.recent_active)
        p.id = self.id
        p.sent_commit = self.sent_commit
        p._state = self._state
        p.pending_snapshot = self.pending_snapshot
        p.msg_app_flow_paused = self.msg_app_flow_paused
        return p

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Progress) and _fields(self) == _fields(other)

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'Progress'")

    def __repr__(self) -> str:
        return f"<Progress {self}>"

    def __str__(self) -> str:
        text = f"{self.state} match={self.match} next={self.next}"
        if self.is_learner:
            text += " learner"
        if self.is_paused():
            text += " paused"
        if self.pending_snapshot > 0:
            text += f" pendingSnap={self.pending_snapshot}"
        if not self.recent_active:
            text += " inactive"
        if self.inflights is not None and self.inflights.count() > 0:
            text += f" inflight={self.inflights.count()}"
            if self.inflights.full():
                text += "[full]"
        return text

    def __reduce__(self) -> Any:
        window = None
        if self.inflights is not None:
            window = (self.inflights.size, self.inflights.max_bytes, self.inflights.window())
        return _rebuilt, (_fields(self)[:-1], window)


def _fields(p: Progress) -> tuple[Any, ...]:
    return (
        p.match,
        p.next,
        p.sent_commit,
        int(p.state),
        p.pending_snapshot,
        p.recent_active,
        p.msg_app_flow_paused,
        p.is_learner,
        p.inflights,
    )


def _rebuilt(fields: tuple[Any, ...], window: Any) -> Progress:
    """What pickles of either build call."""
    inflights = None
    if window is not None:
        inflights = Inflights(window[0], window[1])
        for index, size_bytes in window[2]:
            inflights.add(index, size_bytes)
    p = Progress(fields[0], fields[1], inflights, fields[7], fields[5])
    p.sent_commit = fields[2]
    p._state = fields[3]
    p.pending_snapshot = fields[4]
    p.msg_app_flow_paused = fields[6]
    return p


keep_whole(Progress)
