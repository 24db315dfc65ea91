"""The rule of reads by lease: while the lease of a leader runs, nobody is elected in a later term."""

from collections.abc import Mapping
from typing import Protocol

from ...core.raft import Raft
from ...wire import consts as k
from ..seen import Seen, View
from .base import Checker


class Leasing(Protocol):
    """A member that may have a lease."""

    @property
    def up(self) -> bool:
        """Whether it runs."""

    @property
    def raft(self) -> Raft:
        """The state machine of its node."""

    def lease_runs(self) -> bool:
        """Whether it would answer a read by its lease at this moment."""


class LeasesExclude(Checker):
    """When a member is elected, no leader of an earlier term would answer a read by its lease at that moment.

    Otherwise the new leader could commit a write, and the other one could answer a read without it. A member that is
    elected belatedly in a term before the lease's can commit nothing.
    """

    rule = "leases exclude other leaders"

    def __init__(self, members: Mapping[int, Leasing]) -> None:
        self.members = members

    def changed(self, member: Seen, before: View, after: View) -> None:
        if before.state == after.state or after.state != k.LEADER:
            return
        for id, other in self.members.items():
            if id != member.id and other.up and other.raft.term < after.term and other.lease_runs():
                self.fail(f"{member.id} is elected in term {after.term} while {id} reads by its lease")
