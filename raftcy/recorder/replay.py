"""Replay: runs a recording again. The same calls with the same answers must have the same outcomes.

Rules:

- A replay compares everything with the recording: the questions that the node asks and their order, the result or error
  of each call, the contents of each Ready, and the whole state at each checkpoint.
- The first difference ends the replay, because it would cause all later ones.
- If a recording starts with a checkpoint, as one from a ring may, the replay starts from the state in it.
"""

from collections.abc import Callable
from typing import Any

from ..core.config import Peer
from ..core.dump import dump, load
from ..core.rawnode import RawNode
from ..core.ready import Ready
from ..errors import RaftError
from .feed import FedRandom, FedStorage, Feed
from .mismatch import DamagedRecording, ReplayDifference
from .outcome import NOTHING, error_outcome, members_outcome, outcome_text, ready_outcome, refused_outcome
from .pack import pack, unpack
from .recording import Record, Recording
from .records import Kind


class _Silent:
    """A logger that drops all lines."""

    def debug(self, text: str) -> None:
        pass

    info = warning = error = critical = debug

    def isEnabledFor(self, level: int) -> bool:
        return False


class Replay:
    """One run of a recording. ``node`` is the RawNode after the records so far, None before the first one.

    ``logger`` receives the node's log lines, as ``Config.logger`` does. Without a logger the node logs nothing.
    """

    def __init__(self, recording: Recording, *, logger: Any = None) -> None:
        self.recording = recording
        self.node: RawNode | None = None
        self.place = 0
        self._feed = Feed()
        self._logger = _Silent() if logger is None else logger
        self._made: Ready | None = None

    @property
    def next(self) -> Record | None:
        """The record that ``step`` would replay, or None at the end."""
        records = self.recording.records
        return records[self.place] if self.place < len(records) else None

    def run(self, until: int | None = None) -> int:
        """Replay the records before number ``until``, by default all of them. Return how many were replayed.

        Raises what ``step`` raises.
        """
        count = 0
        while (record := self.next) is not None and (until is None or record.number < until):
            self.step()
            count += 1
        return count

    def step(self) -> Record:
        """Replay the next record and return it.

        Raises ReplayDifference if it differs, DamagedRecording if the first record cannot start a replay, and EOFError
        at the end.
        """
        record = self.next
        if record is None:
            raise EOFError("the recording ends here")
        if record.kind == Kind.CHECKPOINT:
            self._checkpoint(record)
        else:
            self._replay(record)
        self.place += 1
        return record

    def _replay(self, record: Record) -> None:
        feed = self._feed
        feed.fill(list(record.answers))
        try:
            outcome = self._call(record)
        except Exception as error:
            outcome = error_outcome(error)
        except BaseException as error:
            # The recorded storage may have raised it. Any other one, such as KeyboardInterrupt, comes from outside.
            if not any(answer.error is error for answer in record.answers):
                raise
            outcome = error_outcome(error)
        if feed.mismatch is not None:
            raise ReplayDifference(record.number, "the questions", *feed.mismatch)
        if outcome != record.outcome:
            what = f"the outcome of {record.kind}"
            raise ReplayDifference(record.number, what, outcome_text(record.outcome), outcome_text(outcome))
        left = feed.left()
        if left is not None:
            raise ReplayDifference(record.number, "the questions", str(left), "no more questions")

    def _call(self, record: Record) -> bytes:
        """Make the call of a record and return its outcome."""
        node = self.node
        if record.kind == Kind.START:
            self.node = self._make()
            return NOTHING
        if node is None:
            raise DamagedRecording("the recording does not start a node", record.offset)
        if record.kind == Kind.READY:
            return ready_outcome(node.ready())
        if record.kind == Kind.READY_WITHOUT_ACCEPT:
            self._made = node.ready_without_accept()
            return ready_outcome(self._made)
        if record.kind == Kind.ACCEPT_READY:
            node.accept_ready(Ready() if self._made is None else self._made)
            return NOTHING
        if record.kind == Kind.APPLY_CONF_CHANGE:
            return members_outcome(node.apply_conf_change(*record.arguments))
        if record.kind == Kind.STEP_MANY:
            return refused_outcome(node.step_many(*record.arguments))
        if record.kind == Kind.BOOTSTRAP:
            node.bootstrap([Peer(id, context) for id, context in record.arguments[0]])
            return NOTHING
        act: Callable[..., None] = getattr(node, str(record.kind))
        act(*record.arguments)
        return NOTHING

    def _make(self) -> RawNode:
        storage, random = FedStorage(self._feed), FedRandom(self._feed)
        return RawNode(self.recording.make_config(storage=storage, random=random, logger=self._logger))

    def _checkpoint(self, record: Record) -> None:
        if self.node is None:
            self.node = self._load(record)
        state = pack(dump(self.node))
        if state != record.given:
            what, recorded, replayed = _parting(unpack(record.given), unpack(state))
            raise ReplayDifference(record.number, what, recorded, replayed)

    def _load(self, record: Record) -> RawNode:
        feed = self._feed
        storage, random = FedStorage(feed), FedRandom(feed)
        objects = {"storage": storage, "random": random, "logger": self._logger}
        config = self.recording.make_config(**objects)
        config.applied = 0  # ``load`` sets it.
        feed.blank = True
        try:
            node = RawNode(config)
            load(node, record.arguments[0])
        except (KeyError, TypeError, ValueError, OverflowError, RaftError) as error:
            raise DamagedRecording(f"record {record.number} is not a state: {error!r}", record.offset) from None
        finally:
            feed.blank = False
        return node


def _parting(recorded: Any, replayed: Any, name: str = "the state") -> tuple[str, str, str]:
    """Return the name of the first field in which two states differ, and both values of it."""
    if isinstance(recorded, dict) and isinstance(replayed, dict) and list(recorded) == list(replayed):
        for key in recorded:
            if recorded[key] != replayed[key]:
                return _parting(recorded[key], replayed[key], f"{name}, {key}")
    return name, repr(recorded), repr(replayed)
