"""What a leader knows about one member of the group, itself included (etcd's ``tracker.Progress``).

Rules:

- ``match`` is the highest index that the peer is known to have stored, ``next`` the index of the next entry to send it.
  Invariant: match < next.
- PROBE: the leader does not know how far the peer's log agrees with its own. It sends one append with entries, and then
  waits for an answer to it or to a heartbeat.
- REPLICATE: the logs agree. The leader streams appends, and ``next`` runs ahead of ``match``, until ``inflights`` is
  full.
- SNAPSHOT: the peer needs entries that are compacted. The leader sent a snapshot at index ``pending_snapshot``, and
  sends no appends until the peer acknowledges an index from which the log continues, or a report says how it went.
- ``sent_commit`` is the commit index that the peer was last sent. A rejected append lowers it below ``next``, since the
  peer cannot commit entries that it does not have.
- ``msg_app_flow_paused`` holds appends back until the peer answers.
"""

from typing import Any

from ..errors import InvariantError
from ..wire import consts as k
from ..wire.checks import flag, instance, u64
from ..wire.enums import ProgressState
from ..wire.whole import keep_whole
from .inflights import Inflights

_STATES: dict[int, Any] = {int(s): s for s in ProgressState}


class Progress:
    """The progress of one member. ``status()`` and ``with_progress`` return independent copies.

    ``recent_active`` says whether the leader has heard from the member since the last check of the quorum. ``id`` is
    set by the tracker.

    While ``_window_is_shared`` is set, ``inflights`` is an empty window that other members use too. Most nodes never
    send an append, so a member gets a window of its own with its first append.
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
        self.match = u64(match, "match")
        self.next = u64(next, "next")
        self.sent_commit = 0
        self._state = k.PROBE
        self._window_is_shared = False
        self.pending_snapshot = 0
        self.recent_active = flag(recent_active, "recent_active")
        self.msg_app_flow_paused = False
        self.is_learner = flag(is_learner, "is_learner")
        self.inflights = None if inflights is None else instance(inflights, Inflights, "inflights")

    @property
    def state(self) -> Any:
        """The state, as a ProgressState."""
        return _STATES[self._state]

    def restart(self, match: int, next: int) -> None:
        """Forget everything but whether the member is a learner, at a change of role, and probe from ``next``."""
        self.match = match
        self.next = next
        self.sent_commit = 0
        self.recent_active = False
        self.reset_state(k.PROBE)

    def reset_state(self, state: int) -> None:
        """Enter a state, unpaused and with an empty window."""
        self.msg_app_flow_paused = False
        self.pending_snapshot = 0
        self._state = state
        if self.inflights is None:
            raise _no_window()
        self.inflights.reset()

    def become_probe(self) -> None:
        """Probe from the entry after ``match``, or after the snapshot that was sent, if that is later."""
        after = self.match + 1
        if self._state == k.SNAPSHOT and self.pending_snapshot + 1 > after:
            after = self.pending_snapshot + 1
        self.reset_state(k.PROBE)
        self.next = after
        self._lower_sent_commit()

    def become_replicate(self) -> None:
        """Stream appends from the entry after ``match``."""
        self.reset_state(k.REPLICATE)
        self.next = self.match + 1

    def become_snapshot(self, index: int) -> None:
        """Record that a snapshot at ``index`` was sent, and wait for it."""
        self.reset_state(k.SNAPSHOT)
        self.pending_snapshot = index
        self.next = index + 1
        self.sent_commit = index

    def sent_entries(self, entries: int, size_bytes: int) -> None:
        """Record that an append with ``entries`` entries and ``size_bytes`` bytes of payload was sent.

        Raises InvariantError in SNAPSHOT, when nothing may be sent.
        """
        if self._state == k.REPLICATE:
            if self.inflights is None:
                raise _no_window()
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
        """Whether an empty append with commit index ``index`` would let the peer commit more than it can now.

        A peer can commit only entries that it has, so this is False once it was sent the commit index of next - 1.
        """
        return index > self.sent_commit and self.sent_commit + 1 < self.next

    def maybe_update(self, n: int) -> bool:
        """Record an acknowledgement up to index ``n``. Return False if an earlier one went as far."""
        if n <= self.match:
            return False
        self.match = n
        if self.next < n + 1:
            self.next = n + 1
        self.msg_app_flow_paused = False
        return True

    def maybe_decr_to(self, rejected: int, match_hint: int) -> bool:
        """Lower ``next`` because the peer rejected an append that follows index ``rejected``.

        ``match_hint`` is an index at which the logs may agree. Return False, and change nothing, if the rejection is
        old.
        """
        if self._state == k.REPLICATE:
            if rejected <= self.match:
                return False
            self.next = self.match + 1
            self._lower_sent_commit()
            return True
        # A probe follows index next - 1, so a rejection of any other index answers an older one.
        if rejected + 1 != self.next:
            return False
        back = rejected if match_hint >= rejected else match_hint + 1
        self.next = back if back > self.match else self.match + 1
        self._lower_sent_commit()
        self.msg_app_flow_paused = False
        return True

    def is_paused(self) -> bool:
        """Whether no appends may be sent to this member now."""
        return self._state == k.SNAPSHOT or self.msg_app_flow_paused

    def _lower_sent_commit(self) -> None:
        if self.sent_commit + 1 > self.next:
            self.sent_commit = self.next - 1

    def copy(self, inflights: Any) -> "Progress":
        """Return a copy of the fields, with ``inflights`` as its window, which may be None."""
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


def _no_window() -> TypeError:
    return TypeError("a Progress without a window is only to be read")


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
    """Unpickle a Progress. Pickles of both builds name this function."""
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
