"""Status and BasicStatus: copies of a node's state (etcd's ``Status`` and ``BasicStatus``).

Both are immutable and independent of the node once created.
"""

from typing import Any

from ..wire import immutable
from ..wire.checks import describe, digest, frozen, i32, instance, same, u64
from ..wire.enums import StateType
from ..wire.messages import HardState
from .progress import Progress
from .ready import SoftState
from .tracker import TrackerConfig

__all__ = ["BasicStatus", "Status"]

_STATES: dict[int, StateType] = {int(s): s for s in StateType}


class BasicStatus:
    """A node's state without configuration and progress (etcd's ``BasicStatus``).

    ``term``, ``vote`` and ``commit`` are the hard state, which may not be stored yet. ``lead`` is the
    leader that the node knows (0: none), ``raft_state`` its role, a StateType. ``applied`` is the last index that the
    application has applied. ``lead_transferee`` is the node to which leadership is being transferred (0: none).

    Raises TypeError or RangeError if a value is not a number in its range.
    """

    __slots__ = ("_raft_state", "applied", "commit", "id", "lead", "lead_transferee", "term", "vote")
    __match_args__: tuple[str, ...] = (
        "id",
        "term",
        "vote",
        "commit",
        "lead",
        "raft_state",
        "applied",
        "lead_transferee",
    )
    id: int
    term: int
    vote: int
    commit: int
    lead: int
    applied: int
    lead_transferee: int

    def __init__(
        self,
        *,
        id: int = 0,
        term: int = 0,
        vote: int = 0,
        commit: int = 0,
        lead: int = 0,
        raft_state: int = StateType.FOLLOWER,
        applied: int = 0,
        lead_transferee: int = 0,
    ) -> None:
        numbers = {
            "id": id,
            "term": term,
            "vote": vote,
            "commit": commit,
            "lead": lead,
            "applied": applied,
            "lead_transferee": lead_transferee,
        }
        checked = {name: u64(value, name) for name, value in numbers.items()}
        state = i32(raft_state, "raft_state")
        immutable.thaw(self)
        self.id = checked["id"]
        self.term = checked["term"]
        self.vote = checked["vote"]
        self.commit = checked["commit"]
        self.lead = checked["lead"]
        self._raft_state = state
        self.applied = checked["applied"]
        self.lead_transferee = checked["lead_transferee"]
        immutable.freeze(self)

    @staticmethod
    def of(raft: Any) -> "BasicStatus":
        """Copy the current state of a Raft."""
        return BasicStatus(**_numbers(raft))

    @property
    def raft_state(self) -> Any:
        """The role, a StateType, or a plain int if the number is unknown."""
        return _STATES.get(self._raft_state, self._raft_state)

    @property
    def hard_state(self) -> HardState:
        """``term``, ``vote`` and ``commit`` as a HardState."""
        return HardState(term=self.term, vote=self.vote, commit=self.commit)

    @property
    def soft_state(self) -> SoftState:
        """``lead`` and ``raft_state`` as a SoftState."""
        return SoftState(lead=self.lead, raft_state=self._raft_state)

    def has(self, name: str) -> bool:
        """Whether ``name`` is a field. Every field is always present."""
        return name in self.__match_args__

    def __eq__(self, other: object) -> bool:
        return same(self, other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _rebuilt, (type(self).__name__, {name: getattr(self, name) for name in self.__match_args__})

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class Status(BasicStatus):
    """A node's state with its configuration and, on a leader, the progress of all members (etcd's ``Status``).

    ``config`` is the TrackerConfig in force. ``progress`` maps ids to copies of Progress, and is empty unless the node
    leads. ``str()`` returns etcd's JSON.
    """

    __slots__ = ("_progress", "config")
    __match_args__ = (
        "id",
        "term",
        "vote",
        "commit",
        "lead",
        "raft_state",
        "applied",
        "lead_transferee",
        "config",
        "progress",
    )
    config: TrackerConfig

    def __init__(
        self, *, config: TrackerConfig | None = None, progress: dict[int, Progress] | None = None, **basic: Any
    ) -> None:
        members = TrackerConfig() if config is None else instance(config, TrackerConfig, "config")
        copies = {u64(id, "id"): _copy(instance(pr, Progress, "progress")) for id, pr in (progress or {}).items()}
        super().__init__(**basic)
        immutable.thaw(self)
        self.config = members
        self._progress = copies
        immutable.freeze(self)

    @staticmethod
    def of(raft: Any) -> "Status":
        """Copy the current state of a Raft."""
        leads = raft.state == StateType.LEADER
        tracker = raft.tracker
        return Status(**_numbers(raft), config=tracker.config, progress=tracker.progress if leads else None)

    @property
    def progress(self) -> dict[int, Progress]:
        """The progress of each member by ascending id, as a new dict. The copies in it belong to this Status."""
        return {id: self._progress[id] for id in sorted(self._progress)}

    def to_json(self) -> str:
        """Format as etcd's JSON: ids in hexadecimal, progress by ascending id (``Status.MarshalJSON``)."""
        progress = ",".join(
            f'"{id:x}":{{"match":{pr.match},"next":{pr.next},"state":"{pr.state}"}}' for id, pr in self.progress.items()
        )
        return (
            f'{{"id":"{self.id:x}","term":{self.term},"vote":"{self.vote:x}","commit":{self.commit},'
            f'"lead":"{self.lead:x}","raftState":"{self.raft_state}","applied":{self.applied},'
            f'"progress":{{{progress}}},"leadtransferee":"{self.lead_transferee:x}"}}'
        )

    def __str__(self) -> str:
        return self.to_json()

    __hash__ = None  # type: ignore[assignment]  # Progress can be changed


def _numbers(raft: Any) -> dict[str, int]:
    return {
        "id": raft.id,
        "term": raft.term,
        "vote": raft.vote,
        "commit": raft.log.committed,
        "lead": raft.lead,
        "raft_state": raft.state,
        "applied": raft.log.applied,
        "lead_transferee": raft.lead_transferee,
    }


def _copy(pr: Progress) -> Progress:
    return pr.copy(None if pr.inflights is None else pr.inflights.clone())


def _rebuilt(name: str, state: dict[str, Any]) -> BasicStatus:
    """Unpickle a status. Pickles of both builds name this function."""
    return {"BasicStatus": BasicStatus, "Status": Status}[name](**state)
