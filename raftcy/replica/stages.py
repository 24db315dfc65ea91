"""Stages: the rounds of one member that are done by steps, with writes and batches that may take long.

Rules:

- No message leaves before its promise is stored. Without asynchronous writes, all messages of a Ready wait for its
  write, and the next Ready waits until it is applied. With them, answers wait for the write that they acknowledge, and
  so do requests for votes: a candidate that crashed before its own vote was on disk could vote for another candidate in
  the same term.
- Writes are acknowledged in their order, and once.
- A snapshot is restored before any entry that waits to be applied, because it contains those. It takes the place of an
  older snapshot that waits: restored after it, the older one would take the machine back, without the entries between.
  Acknowledgements of later writes follow the snapshot's.
"""

from ..core.droplist import drop_oldest
from ..core.ready import Ready
from ..errors import InvariantError
from ..wire import consts as k
from ..wire.messages import Message
from ..wire.whole import has_one_owner, keep_whole
from .work import Batch, Work, Write


class Stages:
    """The writes and batches of one member that have not ended. Created at the first step.

    ``round`` is, without asynchronous writes, the batch of the one Ready that is not advanced yet. ``running`` is the
    batch that is being applied, ``kept`` a snapshot of a leader that waits, ``snapshot`` the batch of the newest stored
    snapshot that is not restored yet.
    """

    __slots__ = ("_batches", "_oldest", "_writes", "kept", "round", "running", "snapshot")
    round: Batch | None
    running: Batch | None
    snapshot: Batch | None
    kept: Message | None

    def __init__(self) -> None:
        # Lists, since they are short, and an empty deque takes 600 bytes in each of thousands of groups.
        self._writes: list[Write] = []
        # The place of the oldest write in _writes: moving the others at every acknowledgement would cost more the more
        # wait.
        self._oldest = 0
        self._batches: list[Batch] = []
        self.round = None
        self.running = None
        self.snapshot = None
        self.kept = None

    def begin(self, rd: Ready, messages: list[Message]) -> Work:
        """Start a round without asynchronous writes: messages and batch wait for the write."""
        self.round = Batch(rd.snapshot, rd.committed_entries, [])
        if rd._entries is None and rd.hard_state is None and rd.snapshot is None:
            self._batches.append(self.round)
            return Work(None, messages, rd.soft_state)
        # A snapshot must be synced, although ``must_sync`` only considers entries and hard state.
        write = Write(rd.hard_state, rd.entries, rd.snapshot, rd.must_sync or rd.snapshot is not None)
        write._messages = messages
        self._writes.append(write)
        return Work(write, [], rd.soft_state)

    def split(self, rd: Ready, messages: list[Message], hold_votes: bool) -> Work:
        """Start a round with asynchronous writes: tell apart messages to send now, the write, and the batch."""
        work = Work(None, [], rd.soft_state)
        held: list[Message] = []
        for m in messages:
            if m.to == k.LOCAL_APPEND_THREAD:
                # The responses promise that the write is durable.
                responses = m.responses
                write = Write(m.hard_state(), m.entries, m.snapshot, len(responses) > 0 or m.snapshot is not None)
                write._responses = responses
                work.write = write
            elif m.to == k.LOCAL_APPLY_THREAD:
                self._batches.append(Batch(None, m.entries, m.responses))
            elif hold_votes and (m._type == k.VOTE or m._type == k.PRE_VOTE):
                held.append(m)
            else:
                work.messages.append(m)
        if work.write is not None:
            work.write._messages = held
            self._writes.append(work.write)
        elif held:
            raise InvariantError(f"a vote is asked for without anything to store: {held!r}")
        return work

    def check_next(self, write: Write) -> None:
        """Raise InvariantError unless this is the oldest write that is not acknowledged."""
        if self._oldest >= len(self._writes) or self._writes[self._oldest] is not write:
            raise InvariantError("writes must be acknowledged in their order, and once")

    def end_round(self, write: Write) -> None:
        """Note that the write of a round is stored, without asynchronous writes: its batch may be applied."""
        self._oldest = drop_oldest(self._writes, self._oldest, 1)
        if self.round is None:
            raise InvariantError("a write ended that belongs to no round")
        self._batches.append(self.round)

    def end_write(self, write: Write, id: int) -> list[Message]:
        """Note that a write is stored, with asynchronous writes. Return the responses that member ``id`` steps now.

        The responses to others are added to the messages of the write.
        """
        self._oldest = drop_oldest(self._writes, self._oldest, 1)
        own: list[Message] = []
        for response in write._responses:
            (own if response.to == id else write._messages).append(response)
        waiting = self.snapshot
        if write.snapshot is not None:
            if waiting is not None and waiting is not self.running:
                del self._batches[0]
                own = waiting._responses + own
            self.snapshot = Batch(write.snapshot, [], own)
            self._batches.insert(0, self.snapshot)
            return []
        if waiting is not None:
            waiting._responses += own
            return []
        return own

    def next_batch(self, applied: int) -> Batch | None:
        """Take the next batch, None if there is none or one is running. The machine has applied up to ``applied``."""
        if self.running is not None or not self._batches:
            return None
        batch = self.running = self._batches.pop(0)
        if batch.entries and batch.snapshot is None and batch.entries[0].index <= applied:
            # A snapshot has replaced some of these entries.
            batch.entries = [e for e in batch.entries if e.index > applied]
        return batch

    def has_batch(self) -> bool:
        """Whether ``next_batch`` would return a batch."""
        return self.running is None and len(self._batches) > 0

    def end_batch(self, batch: Batch) -> list[Message]:
        """Note that the running batch is applied, with asynchronous writes. Return the responses to step now."""
        if self.snapshot is batch:
            self.snapshot = None
        return batch._responses

    def check_running(self, batch: Batch) -> None:
        """Raise InvariantError unless this batch is being applied."""
        if self.running is not batch:
            raise InvariantError("this batch is not the one that is being applied")


keep_whole(Stages)
has_one_owner(Stages)
