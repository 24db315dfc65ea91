"""The configuration in force, with the progress of each member (etcd's ``tracker.ProgressTracker``).

Owns the members, their Progress and the votes of the current election. ``confchange`` computes a new configuration, and
``switch`` puts it in force, all at once.
"""

from typing import Any

from ..wire import consts as k
from ..wire.checks import flag, instance
from ..wire.messages import ConfState
from ..wire.whole import has_one_owner, keep_whole
from .acks import majority_match
from .progress import Progress
from .quorum import JointConfig, MajorityConfig

# Up to this many members, a search is faster than a dict.
_FEW = 8
# Stands in for a voter without a Progress, which only a tracker built by hand can have, and counts as having no entry.
_NOTHING = Progress()
_NO_PEERS: tuple[Progress, ...] = ()
_NO_VOTES: dict[int, bool] = {}


class TrackerConfig:
    """The members of a configuration (etcd's ``tracker.Config``). Never changes once created.

    ``voters`` is a JointConfig. ``learners`` and ``learners_next`` are sets of ids, or None if empty. With
    ``auto_leave``, the leader leaves the joint configuration by itself.

    Invariants: no id is both voter and learner; ``learners_next`` is a subset of the outgoing voters; ``learners_next``
    and ``auto_leave`` are set only in a joint configuration.
    """

    __slots__ = ("auto_leave", "learners", "learners_next", "voters")
    __match_args__ = ("voters", "auto_leave", "learners", "learners_next")
    voters: JointConfig
    auto_leave: bool
    learners: frozenset[int] | None
    learners_next: frozenset[int] | None

    def __init__(
        self, voters: Any = None, auto_leave: bool = False, learners: Any = None, learners_next: Any = None
    ) -> None:
        self.voters = instance(voters, JointConfig, "voters") if voters is not None else JointConfig()
        self.auto_leave = flag(auto_leave, "auto_leave")
        self.learners = frozenset(learners) if learners else None
        self.learners_next = frozenset(learners_next) if learners_next else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrackerConfig) and _config_fields(self) == _config_fields(other)

    def __hash__(self) -> int:
        return hash(_config_fields(self))

    def __str__(self) -> str:
        text = f"voters={self.voters}"
        if self.learners is not None:
            text += f" learners={MajorityConfig(self.learners)}"
        if self.learners_next is not None:
            text += f" learners_next={MajorityConfig(self.learners_next)}"
        if self.auto_leave:
            text += " autoleave"
        return text

    def __repr__(self) -> str:
        return f"<TrackerConfig {self}>"

    def __reduce__(self) -> Any:
        return _tracker_config, _config_fields(self)


class ProgressTracker:
    """The members of one node's configuration. Kept small, because a process may have thousands of nodes."""

    __slots__ = (
        "_by_id",
        "_incoming",
        "_outgoing",
        "_peers",
        "_votes",
        "config",
        "max_inflight",
        "max_inflight_bytes",
    )

    def __init__(self, max_inflight: int, max_inflight_bytes: int) -> None:
        self.max_inflight = max_inflight
        self.max_inflight_bytes = max_inflight_bytes
        self._votes: dict[int, bool] | None = None
        self.switch(TrackerConfig(), {})

    @property
    def progress(self) -> dict[int, Progress]:
        """The Progress of each member by ascending id, as a new dict."""
        return {pr.id: pr for pr in self._peers}

    @property
    def votes(self) -> dict[int, bool]:
        """Whether each id that has voted granted its vote. Callers must not change the dict."""
        return _NO_VOTES if self._votes is None else self._votes

    @votes.setter
    def votes(self, votes: dict[int, bool]) -> None:
        self._votes = votes or None

    def switch(self, config: TrackerConfig, progress: dict[int, Progress]) -> None:
        """Put a new configuration in force. ``progress`` has a Progress for each member, by id."""
        for each in progress.values():
            instance(each, Progress, "an item of progress")
        self.config = config
        # Tuples need no lock when they are read on a free-threaded interpreter.
        self._peers = tuple([progress[id] for id in sorted(progress)])
        for id, pr in progress.items():
            pr.id = id
        self._by_id = dict(progress) if len(progress) > _FEW else None
        self._incoming = self._voters(config.voters.incoming, progress)
        self._outgoing = self._voters(config.voters.outgoing, progress)

    def _voters(self, ids: MajorityConfig, progress: dict[int, Progress]) -> tuple[Progress, ...]:
        if len(ids) == 0:
            return _NO_PEERS
        voters = tuple([progress.get(id, _NOTHING) for id in ids])
        return self._peers if [pr.id for pr in voters] == self.ids() else voters

    def peers(self) -> tuple[Progress, ...]:
        """The progress of all members by ascending id, the order in which peers are visited."""
        return self._peers

    def ids(self) -> list[int]:
        """Ids of all members, ascending, as a new list."""
        return [pr.id for pr in self._peers]

    def find(self, id: int) -> Progress | None:
        """Return the progress of a member, or None if ``id`` is not a member."""
        peers = self._peers
        if 0 < id and id <= len(peers):
            # In most groups the ids are 1 to n.
            pr = peers[id - 1]
            if pr.id == id:
                return pr
        if self._by_id is not None:
            return self._by_id.get(id)
        for pr in peers:
            if pr.id == id:
                return pr
        return None

    def conf_state(self) -> ConfState:
        """Return the members in the form that a snapshot stores."""
        config = self.config
        return ConfState(
            voters=config.voters.incoming.ids(),
            voters_outgoing=config.voters.outgoing.ids(),
            learners=self.learner_nodes(),
            learners_next=sorted(config.learners_next or ()),
            auto_leave=config.auto_leave,
        )

    def is_singleton(self) -> bool:
        """Whether the configuration has exactly one voter and is not joint."""
        return len(self._incoming) == 1 and len(self._outgoing) == 0

    def committed(self) -> int:
        """The highest index that a majority of the voters has stored; in a joint configuration, of each half."""
        one = majority_match(self._incoming)
        if len(self._outgoing) == 0:
            return one
        two = majority_match(self._outgoing)
        return one if one < two else two

    def quorum_active(self) -> bool:
        """Whether the leader has heard from a quorum of the voters since the last check."""
        votes = {}
        for pr in self._peers:
            if not pr.is_learner:
                votes[pr.id] = pr.recent_active
        return self.config.voters.tally(votes) == k.VOTE_WON

    def voter_nodes(self) -> list[int]:
        """Ids of the voters of both halves, ascending."""
        return self.config.voters.ids()

    def learner_nodes(self) -> list[int]:
        """Ids of the learners, ascending."""
        return sorted(self.config.learners or ())

    def reset_votes(self) -> None:
        """Forget all votes, before a new election."""
        self._votes = None

    def record_vote(self, id: int, granted: bool) -> None:
        """Record a vote. Only the first one of each id counts, so that a duplicate changes nothing."""
        if self._votes is None:
            self._votes = {}
        self._votes.setdefault(id, granted)

    def tally_votes(self) -> tuple[int, int, int]:
        """Return the number of votes granted and rejected, and the VoteResult. Counts members that are no learners."""
        granted = 0
        rejected = 0
        votes = _NO_VOTES if self._votes is None else self._votes
        for pr in self._peers:
            if pr.is_learner:
                continue
            vote = votes.get(pr.id)
            if vote is None:
                continue
            if vote:
                granted += 1
            else:
                rejected += 1
        return granted, rejected, self.vote_result()

    def vote_result(self) -> int:
        """Return the VoteResult so far, as a number."""
        return self.config.voters.tally(_NO_VOTES if self._votes is None else self._votes)


def progress_map_string(progress: dict[int, Progress]) -> str:
    """Format each member's progress as a line, by ascending id (etcd's ``ProgressMap.String``)."""
    return "".join(f"{id}: {progress[id]}\n" for id in sorted(progress))


def _config_fields(config: TrackerConfig) -> tuple[Any, ...]:
    return config.voters, config.auto_leave, config.learners, config.learners_next


def _tracker_config(voters: Any, auto_leave: bool, learners: Any, learners_next: Any) -> TrackerConfig:
    return TrackerConfig(voters, auto_leave, learners, learners_next)


keep_whole(TrackerConfig)
keep_whole(ProgressTracker)
has_one_owner(ProgressTracker)
