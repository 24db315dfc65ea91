"""The configuration in force and what is known of each of its members (etcd's ``tracker.ProgressTracker``).

Owns the members, their Progress and the votes of the present election. Changes of the configuration are computed by
``confchange`` and take effect here, all at once, by ``switch``.
"""

from typing import Any

from . import consts as k
from .messages import ConfState
from .progress import Progress
from .quorum import JointConfig, MajorityConfig

# Up to here, looking at each member in turn is faster than a dict.
_FEW = 8


class TrackerConfig:
    """Who the members are (etcd's ``tracker.Config``). Never changed once made.

    ``voters`` a JointConfig; ``learners`` and ``learners_next`` sets of ids, None when there are none; ``auto_leave``
    whether a joint configuration is left by itself. Invariants: learners and voters have no id in common;
    learners_next is a part of the outgoing voters; learners_next and auto_leave only in a joint configuration.
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
        self.voters = voters if voters is not None else JointConfig()
        self.auto_leave = auto_leave
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
    """The members of one node's configuration. ``progress`` maps ids to Progress, ``votes`` ids to granted or not."""

    __slots__ = (
        "_incoming",
        "_outgoing",
        "_peers",
        "config",
        "max_inflight",
        "max_inflight_bytes",
        "progress",
        "votes",
    )

    def __init__(self, max_inflight: int, max_inflight_bytes: int) -> None:
        self.max_inflight = max_inflight
        self.max_inflight_bytes = max_inflight_bytes
        self.votes: dict[int, bool] = {}
        self.switch(TrackerConfig(), {})

    def switch(self, config: TrackerConfig, progress: dict[int, Progress]) -> None:
        """Put a new configuration in force."""
        self.config = config
        self.progress = progress
        self._peers = [progress[id] for id in sorted(progress)]
        for id, pr in progress.items():
            pr.id = id
        self._incoming = [progress.get(id) for id in config.voters.incoming]
        self._outgoing = [progress.get(id) for id in config.voters.outgoing]

    def peers(self) -> list[Progress]:
        """The progress of all members by ascending id: the order in which peers are visited. Not to be changed."""
        return self._peers

    def ids(self) -> list[int]:
        """Ids of all members, ascending; a new list."""
        return [pr.id for pr in self._peers]

    def find(self, id: int) -> Progress | None:
        """The progress of a member, None for a stranger."""
        if len(self._peers) > _FEW:
            return self.progress.get(id)
        for pr in self._peers:
            if pr.id == id:
                return pr
        return None

    def conf_state(self) -> ConfState:
        """The members as they belong into a snapshot."""
        config = self.config
        return ConfState(
            voters=config.voters.incoming.ids(),
            voters_outgoing=config.voters.outgoing.ids(),
            learners=self.learner_nodes(),
            learners_next=sorted(config.learners_next or ()),
            auto_leave=config.auto_leave,
        )

    def is_singleton(self) -> bool:
        """Whether there is just one voter and the configuration is not joint."""
        return len(self._incoming) == 1 and len(self._outgoing) == 0

    def committed(self) -> int:
        """The highest index that the voters have stored, by majority of each half."""
        one = _majority_match(self._incoming)
        if len(self._outgoing) == 0:
            return one
        two = _majority_match(self._outgoing)
        return one if one < two else two

    def quorum_active(self) -> bool:
        """Whether a quorum of the voters was heard of since the last check."""
        votes = {}
        for id, pr in self.progress.items():
            if not pr.is_learner:
                votes[id] = pr.recent_active
        return self.config.voters.tally(votes) == k.VOTE_WON

    def voter_nodes(self) -> list[int]:
        """Ids of the voters of both halves, ascending."""
        return self.config.voters.ids()

    def learner_nodes(self) -> list[int]:
        """Ids of the learners, ascending."""
        return sorted(self.config.learners or ())

    def reset_votes(self) -> None:
        """Begin a new count of votes."""
        self.votes = {}

    def record_vote(self, id: int, granted: bool) -> None:
        """Count a vote; the first one of each id stands."""
        self.votes.setdefault(id, granted)

    def tally_votes(self) -> tuple[int, int, int]:
        """(granted, rejected, result): the counts leave out learners and strangers, the result is a VoteResult."""
        granted = 0
        rejected = 0
        for id, pr in self.progress.items():
            if pr.is_learner:
                continue
            vote = self.votes.get(id)
            if vote is None:
                continue
            if vote:
                granted += 1
            else:
                rejected += 1
        return granted, rejected, self.config.voters.tally(self.votes)


def progress_map_string(progress: dict[int, Progress]) -> str:
    """One line for each peer, by ascending id (etcd's ``ProgressMap.String``)."""
    return "".join(f"{id}: {progress[id]}\n" for id in sorted(progress))


def _majority_match(peers: Any) -> int:
    """The highest index that a majority of the peers has stored: one that enough of them reach."""
    n = len(peers)
    if n == 0:
        return k.NO_LIMIT
    needed = n // 2 + 1
    if n > 9:
        return _match_by_order(peers, n - needed)
    best = 0
    for p in peers:
        match = _match(p)
        if match > best:
            reached = 0
            for q in peers:
                if _match(q) >= match:
                    reached += 1
            if reached >= needed:
                best = match
    return best


def _match(peer: Progress | None) -> int:
    # A voter without a Progress occurs only in a tracker that was put together by hand: it has stored nothing.
    return 0 if peer is None else peer.match


def _match_by_order(peers: Any, place: int) -> int:
    return sorted([_match(p) for p in peers])[place]


def _config_fields(config: TrackerConfig) -> tuple[Any, ...]:
    return config.voters, config.auto_leave, config.learners, config.learners_next


def _tracker_config(voters: Any, auto_leave: bool, learners: Any, learners_next: Any) -> TrackerConfig:
    return TrackerConfig(voters, auto_leave, learners, learners_next)
