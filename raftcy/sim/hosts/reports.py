"""What simulated hosts log, and what their runs are counted by."""

import logging
from itertools import combinations
from typing import Any

from ..coverage import LEADING, pair

FAULTS = (
    "loss", "doubling", "overtaking", "delay", "partition", "isolation", "one-way cut", "pause", "skewed clock",
    "kill", "power cut", "power cut of all", "power cut in a write", "failed disk", "slow disk", "lost disk",
    "closing", "upgrade", "downgrade",
)  # fmt: skip
ENDS = ("Closed", "StorageFailed", "MembersDiffer", "UpgradeNeeded", "MemberRemoved")
CALLERS = (
    "write: answered", "write: Rejected", "write: OutcomeUnknown", "write: CommandError",
    "outcome: applied", "outcome: rejected", "outcome: lost", "read: answered", "read: TimeoutError",
    "read: Overloaded", "session: answered", "roamer: answered", "roamer: Rejected", "roamer: OutcomeUnknown",
    "roamer: SessionExpired", "transfer: answered", "transfer: NotNow", "request: CallFailed",
    "add: answered", "remove: answered", "replace: answered", "promote: answered", "remove: MemberRefused",
    "replace: ChangePending",
)  # fmt: skip
MESSAGES = (
    "MsgApp", "MsgAppResp", "MsgVote", "MsgVoteResp", "MsgPreVote", "MsgPreVoteResp", "MsgSnap", "MsgHeartbeat",
    "MsgHeartbeatResp", "MsgTimeoutNow", "MsgReadIndex", "MsgReadIndexResp", "a request", "a reply",
)  # fmt: skip

GROUPS: dict[str, list[str]] = {
    "messages": list(MESSAGES),
    **LEADING,
    "faults": list(FAULTS),
    "pairs of faults": [pair(*each) for each in combinations(FAULTS, 2)],
    "ends": list(ENDS),
    "callers": list(CALLERS),
    "sleep": ["falls asleep", "wakes"],
}
"""What a run of hosts should reach, for ``Coverage``."""


class _Filter(logging.Filter):
    """Keeps what simulated hosts log away from the program's handlers, while ``on``; ``logger`` gets it, if any."""

    on = False
    logger: Any = None

    def filter(self, record: logging.LogRecord) -> bool:
        if not self.on:
            return True
        if self.logger is not None:
            self.logger.info(f"{record.name}: {record.getMessage()}")
        return False


_FILTER = _Filter()
for _name in ("raftcy", "raftcy.replica", "raftcy.storage"):
    logging.getLogger(_name).addFilter(_FILTER)


def hear(logger: Any) -> None:
    """Pass log lines of hosts to ``logger``, or to nobody if it is None, up to ``unhear``."""
    _FILTER.logger = logger
    _FILTER.on = True


def unhear() -> None:
    """End what ``hear`` has begun: log lines go where the program's handlers put them."""
    _FILTER.on = False
