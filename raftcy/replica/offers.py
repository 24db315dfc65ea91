"""Decides which snapshots a leader offers to its peers: none that the peer must refuse, and none again without a pause.

Rules:

- A snapshot that does not name its receiver is never sent. The receiver would refuse it and answer that it still has
  nothing, and the leader would send the same snapshot again at once, as fast as the network goes.
- A snapshot that is too large for a message is never sent, because no transport could carry it.
- A peer that has not taken an offered snapshot gets no offer for a pause of some ticks. Whether the message was lost or
  the receiver refuses it, sending the same bytes again at once would only load the network.

Each reason is reported once for each peer, until a snapshot can be sent.
"""

from collections.abc import Callable

from ..errors import SnapshotTemporarilyUnavailable, SnapshotTooLarge
from ..wire.messages import ConfState, Snapshot

MAX_MESSAGE_BYTES = 63 << 20
"""The default for the most bytes of a proposal or of a snapshot's data: raftcy.transport sends frames of at most
64 MiB, and the rest of the message needs room too."""


class Offers:
    """The last offer to each peer. ``pause`` is in ticks; ``limit_bytes`` is None for no limit."""

    def __init__(self, pause: int, limit_bytes: int | None) -> None:
        self._pause = pause
        self._limit_bytes = limit_bytes
        # For each peer: the index of the offered snapshot, and the tick of the offer.
        self._last: dict[int, tuple[int, int]] = {}
        self._told: set[tuple[int, str]] = set()

    def choose(
        self,
        peer: int,
        match: int,
        tick: int,
        applied: int,
        present: Callable[[], Snapshot],
        warn: Callable[[int, str, str], None],
    ) -> Snapshot:
        """Return the snapshot to send to a peer, known to have the log up to ``match``, at this tick.

        ``present`` returns a snapshot with the current members, and ``warn`` reports a text about a peer. Raises
        SnapshotTemporarilyUnavailable if a rule forbids an offer.
        """
        if self.must_wait(peer, match, tick):
            raise SnapshotTemporarilyUnavailable()
        try:
            snapshot = present()
        except SnapshotTooLarge as error:
            self.offered(peer, applied, match, tick)
            raise SnapshotTemporarilyUnavailable() from error
        objection = self.objection(snapshot, peer)
        if objection:
            warn(peer, "never", objection)
            raise SnapshotTemporarilyUnavailable()
        not_taken = self.offered(peer, snapshot.metadata.index, match, tick)
        if not_taken:
            warn(peer, "again", not_taken)
        return snapshot

    def must_wait(self, peer: int, match: int, tick: int) -> bool:
        """Whether a peer, known to have the log up to ``match``, must wait for an offer at this tick."""
        index, when = self._last.get(peer, (0, 0))
        return match < index and tick < when + self._pause

    def objection(self, snapshot: Snapshot, peer: int) -> str:
        """Return why a snapshot cannot be sent to a peer, "" if it can."""
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
        """Whether no message can carry this many bytes."""
        return self._limit_bytes is not None and size_bytes > self._limit_bytes

    def offered(self, peer: int, index: int, match: int, tick: int) -> str:
        """Note an offer, and return a text to report if the peer has not taken the offer before, "" if it has."""
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
        """Return whether this is the first report of its kind for a peer, and note the report."""
        if (peer, kind) in self._told:
            return False
        self._told.add((peer, kind))
        return True


def _names(members: ConfState, peer: int) -> bool:
    """Whether a configuration names a receiver; the core asks the same before it restores a snapshot."""
    return peer in members.voters or peer in members.learners or peer in members.voters_outgoing
