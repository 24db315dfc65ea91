"""The call that deletes a group. ``deletions`` is what follows from it on each host."""

import asyncio

from ..errors import ChangePending, CommandError, MemberRefused
from . import wishes
from .memberchanges import MemberChanges
from .registry import group_of


class GroupChanges(MemberChanges):
    """The part of a host that changes the groups and the members of its cluster."""

    async def delete(self, name: str, *, timeout_s: float | None = 60.0) -> None:
        """Delete a group and all its data on all hosts, for good. Return once this host has dropped its part.

        Replicas of the group end with GroupDeleted, and ``host.replica`` raises it for this name from then on, because
        the name is never used again. Commands that are under way may still be applied before the group ends. Hosts that
        are away drop their part when they are back. Deleting a group again does nothing. It needs a majority of the
        cluster's hosts, but none of the group's members.

        Raises CommandError with the reason "unknown" if the cluster has no such group, ChangePending if the cluster has
        not answered within ``timeout_s`` seconds, ConfigError or TypeError for what cannot be a name, and Stopped if
        the host ends meanwhile.
        """
        group = group_of(name)
        registrar = self._members()
        try:
            async with asyncio.timeout(timeout_s):
                index = await self._ask_leader(wishes.Delete(name))
                await self._system(registrar).read(at_least=index)
                while not registrar.deletions.has_followed(group):
                    await registrar.next_change()
                    self._check()
        except MemberRefused as error:
            raise CommandError(error.text, error.reason) from None
        except TimeoutError:
            raise ChangePending(
                f"the leader has not answered, so the group {name!r} may or may not be deleted"
            ) from None
