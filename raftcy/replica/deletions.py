"""What follows on a host from groups that were deleted.

Rules:

- The registry decides. A host ends its replica of a group when it applies the deletion, and drops the group's share of
  the log, with its snapshots. A host that was away does so when it has caught up, even if its program serves the group
  no more.
- The id of a deleted group is never used again, and neither is its name, from which the id comes. A host that was away
  could otherwise bring entries of the old group into a new one.
- A drop that a crash has lost is repeated at the next start, because the registry still has the deletion.
"""

import logging
from typing import Protocol

from ..errors import GroupDeleted
from .notices import Notices
from .registry import Registry


class Surroundings(Protocol):
    """The part of a host that deletions need."""

    def drop_group(self, group: int, error: GroupDeleted) -> bool:
        """End a group's replica here, and drop its share of the log. Return whether the host had anything of it."""


class NoWriter:
    """Stands for a dropped group when the log is synced: nobody waits for the drop to be durable."""

    def sync_begins(self) -> None:
        """Nobody wants to know."""

    def sync_ended(self) -> None:
        """Nobody wants to know."""


class Deletions:
    """What is still to be dropped on one host."""

    def __init__(self, host: Surroundings, notices: Notices) -> None:
        self._host = host
        self._notices = notices
        self._followed: set[int] = set()

    def follow(self, registry: Registry) -> None:
        """Drop the groups that the registry has deleted since the last call."""
        for group in registry.deleted.keys() - self._followed:
            self._followed.add(group)
            name = registry.deleted[group]
            if self._host.drop_group(group, GroupDeleted(name)):
                self._notices.say(logging.INFO, ("deleted", group), "the group %r was deleted, and its data here", name)

    def has_followed(self, group: int) -> bool:
        """Whether this host has dropped a group."""
        return group in self._followed
