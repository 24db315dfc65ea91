"""The rule of reads by lease: while the lease of a leader runs, nobody else is elected."""

from collections.abc import Mapping
from typing import Protocol

from ...wire import consts as k
from ..seen import Seen, View
from .base import Checker


class Leasing(Protocol):
    """A member that may have a lease."""

    @property
    def up(self) -> bool:
        """Whether it runs."""

    def lease_runs(self) -> bool:
        """Whether it would answer a read by its lease at this moment."""


class LeasesExclude(Checker):
    """When a member is elected, no other member would answer a read by its lease at that moment.

    Otherwise the new leader could commit a write, and the other one could answer a read without it.
    """

    rule = "leases exclude other leaders"

    def __init__(self, members: Mapping[int, Leasing]) -> None:
        self.members = members

    def changed(self, member: Seen, before: View, after: View) -> None:
        if before.state == after.state or after.state != k.LEADER:
            return
        for id, other in self.members.items():
            if id != member.id and other.up and other.lease_runs():
                self.fail(f"{member.id} is elected in term {after.term} while {id} reads by its lease")
