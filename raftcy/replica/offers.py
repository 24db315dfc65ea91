"""Which snapshots a leader offers to its peers: not one that the peer must refuse, nor the same one without a pause.

Rules:

- A snapshot that does not name its receiver is never sent. The receiver would refuse it, answer that it still has
  nothing, and be sent the same snapshot at once, as fast as the network goes.
- A snapshot that is too large for a message is never sent: no transport could carry it.
- A peer that has not taken what it was offered is offered nothing for a pause of some ticks. Whatever the reason is, a
  lost message or a receiver that refuses, sending the same bytes at once helps nobody.

Each reason is told once for each peer, until a snapshot that can be sent is there.
"""

from ..wire.messages import ConfState, Snapshot

MAX_MESSAGE_BYTES = 63 << 20
"""The most bytes that a proposal or a snapshot's data may have unless it is set otherwise: raftcy.transport sends
frames of 64 MiB at most, and the rest of the message needs room, too."""


class Offers:
    """What each peer was offered last. ``pause`` is in ticks, ``limit_bytes`` is None for no limit."""

    def __init__(self, pause: int, limit_bytes: int | None) -> None:
        self._pause = pause
        self._limit_bytes = limit_bytes
        # By peer: the index of the snapshot, and the tick at which it was offered.
        self._last: dict[int, tuple[int, int]] = {}
        self._told: set[tuple[int, str]] = set()

    def must_wait(self, peer: int, match: int, tick: int) -> bool:
        """Whether a peer, known to have the log up to ``match``, is to be offered nothing at this tick."""
        index, when = self._last.get(peer, (0, 0))
        return match < index and tick < when + self._pause

    def objection(self, snapshot: Snapshot, peer: int) -> str:
        """Why a snapshot cannot be sent to a peer; "" if it can."""
        index = snapshot.metadata.index
        if not _names(snapshot.metadata.conf_state, peer):
            return (
                f"the newest snapshot, at {index}, was made before {peer:x} became a member, which would refuse it. "
                "Make a new one: with a machine that has capture() the driver does so by itself"
            )
        if self.too_large(len(snapshot.data)):
            return (
                f"the snapshot at {index} has {len(snapshot.data)} bytes, and a message may have {self._limit_bytes}. "
                "Keep the state elsewhere, and give a snapshot a reference to it"
            )
        return ""

    def too_large(self, size_bytes: int) -> bool:
        """Whether no message can carry so much."""
        return self._limit_bytes is not None and size_bytes > self._limit_bytes

    def offered(self, peer: int, index: int, match: int, tick: int) -> str:
        """A snapshot is sent, or could not be made; what is to be told of the one before that was not taken."""
        before, _ = self._last.get(peer, (0, 0))
        self._last[peer] = (index, tick)
        if match < before:
            return (
                f"{peer:x} has not taken the snapshot at {before}: it was lost on the way, or {peer:x} refuses it. "
                f"It is sent a snapshot every {self._pause} ticks"
            )
        self._told = {told for told in self._told if told[0] != peer}
        return ""

    def is_news(self, peer: int, kind: str) -> bool:
        """Whether this was not told of a peer yet; from now on it was."""
        if (peer, kind) in self._told:
            return False
        self._told.add((peer, kind))
        return True


def _names(members: ConfState, peer: int) -> bool:
    """Whether a receiver finds itself in a configuration, as the core asks it before it restores a snapshot."""
    return peer in members.voters or peer in members.learners or peer in members.voters_outgoing
