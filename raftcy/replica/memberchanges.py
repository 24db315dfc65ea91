"""The calls that change a cluster's members. Any host of the cluster may be asked: it passes them to the leader.

Rules:

- A wish is in the log of the system group before anything is done, so it survives the asked host and every leader.
- A call returns when the applied configurations of this host's groups say so. It raises MemberRefused if the cluster
  refuses, and ChangePending if the wish stands and is not done within the time.
- A call raises Stopped if a replica of the asked host has died, since that host cannot say any more what its group
  has. Otherwise the last member that has the group's log could be removed without notice.
- A wish changes nothing if it comes twice, so it is sent again when its reply was lost.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import CallFailed, ChangePending, DecodeError, MemberRefused, MemberRemoved, Overloaded, Stopped
from ..machines.plaindata import unpack
from . import wishes
from .hostrecords import HostRecord, Wish, given_addresses, given_attributes, objection_to_id, objection_to_name
from .registrar import OK, REFUSED, WHY, WISH, Registrar
from .replica import Replica
from .tuning import Tuning

Addresses = str | Sequence[str]


class MemberChanges:
    """The part of a host that changes the members of its cluster.

    All calls raise Stopped if the host ends meanwhile. All but ``update`` also raise it while a replica of this host is
    dead: make it again, or ask another host. ``timeout_s`` is in seconds; None waits without an end.
    """

    id: int
    tuning: Tuning
    failure: BaseException | None
    _registrar: Registrar | None
    _dead: dict[int, BaseException]

    def _check(self) -> None:
        raise NotImplementedError

    def ask(self, peer: int, kind: int, group: int, data: bytes, end: Any) -> None:
        """Send a request to another host."""
        raise NotImplementedError

    @property
    def hosts(self) -> dict[int, HostRecord]:
        """The hosts of the cluster, with reserved places, by id, as of what this host has applied."""
        return {} if self._registrar is None else dict(self._registrar.registry.hosts)

    async def add(
        self,
        id: int,
        addresses: Addresses = (),
        *,
        name: str = "",
        attributes: Mapping[str, str] | None = None,
        timeout_s: float | None = 60.0,
    ) -> HostRecord:
        """Add a voter: keep a place for the host ``id``, and return once it is a voter.

        Start the host with ``Host.join``; it takes the place, gets the log as a learner, and becomes a voter once it
        has caught up. ``addresses`` is one or several texts such as "host:7000"; without them, the host itself says
        where it is. ``name`` and ``attributes`` are for people and programs.

        Raises MemberRefused if the id was removed or is taken, ChangePending if the host is no voter within the time,
        and ValueError or TypeError for wrong arguments. The place stays reserved; ``remove`` gives it up.
        """
        return await self._reserve(id, addresses, Wish.VOTER, name, attributes, 0, timeout_s)

    async def add_learner(
        self,
        id: int,
        addresses: Addresses = (),
        *,
        name: str = "",
        attributes: Mapping[str, str] | None = None,
        timeout_s: float | None = 60.0,
    ) -> HostRecord:
        """Add a learner, which gets the log and has no vote. ``promote`` makes it a voter. Otherwise like ``add``."""
        return await self._reserve(id, addresses, Wish.LEARNER, name, attributes, 0, timeout_s)

    async def replace(
        self,
        old: int,
        new: int,
        addresses: Addresses = (),
        *,
        name: str = "",
        attributes: Mapping[str, str] | None = None,
        timeout_s: float | None = 60.0,
    ) -> HostRecord:
        """Put the host ``new`` in the place of ``old``, for example of a member that has lost its data.

        In each group, the new host becomes a voter in the same change that removes the old one, once it has caught up.
        The old one need not be alive. Its id is never taken again. The new host may be a member already. Otherwise like
        ``add``.
        """
        wish = self._registry_host(old).wish
        return await self._reserve(new, addresses, wish, name, attributes, old, timeout_s)

    async def _reserve(
        self,
        id: int,
        addresses: Addresses,
        wish: Wish,
        name: str,
        attributes: Mapping[str, str] | None,
        replaces: int,
        timeout_s: float | None,
    ) -> HostRecord:
        _check_given(objection_to_id(id), objection_to_name(name))
        reserve = wishes.Reserve(
            id=id,
            addresses=given_addresses(addresses) if addresses else (),
            wish=wish,
            name=name,
            attributes=given_attributes(attributes or {}),
            replaces=replaces,
        )
        await self._change(reserve, id, lambda: self._is_in(id, replaces), timeout_s)
        return self._registry_host(id)

    async def promote(self, id: int, *, force: bool = False, timeout_s: float | None = 60.0) -> None:
        """Make a learner a voter, and return once it is one: it must be active, and catch up with the log.

        Raises MemberRefused if there is no such member, or if the new majority would not be active; ChangePending.
        ``force`` goes ahead without an active majority. Then the groups may stand still until enough voters are back,
        and cannot take the change back before.
        """
        _check_given(objection_to_id(id))
        await self._change(wishes.Want(id, Wish.VOTER, force), id, lambda: self._is_in(id, 0), timeout_s)

    async def remove(self, id: int, *, force: bool = False, timeout_s: float | None = 60.0) -> None:
        """Remove a member, and return once no group of this host has it. Its id is never taken again.

        The member is told so, and its host stops with MemberRemoved. A leader hands over first; a host may remove
        itself. A reserved place is given up.

        Raises MemberRefused if there is no such member, if it is the last voter, or if the rest would have no active
        majority; ChangePending. ``force`` goes ahead without an active majority, and without waiting for the groups of
        the asked leader to remove the member first. Then the groups may stand still until enough voters are back, and
        cannot take the change back before.
        """
        _check_given(objection_to_id(id))
        await self._change(wishes.Want(id, Wish.LEAVING, force), id, lambda: self._is_gone(id), timeout_s)

    async def update(
        self,
        id: int,
        *,
        addresses: Addresses | None = None,
        name: str | None = None,
        attributes: Mapping[str, str] | None = None,
        timeout_s: float | None = 60.0,
    ) -> HostRecord:
        """Change what the cluster knows of a host: its addresses, its name, its attributes. None leaves them.

        Returns once this host has applied it; the others follow. Raises MemberRefused if there is no such host, and
        ChangePending.
        """
        update = wishes.Update(
            id,
            None if addresses is None else given_addresses(addresses),
            name,
            None if attributes is None else given_attributes(attributes),
        )
        _check_given(objection_to_id(id), "" if name is None else objection_to_name(name))

        def is_done() -> bool:
            found = self.hosts.get(id)
            return found is not None and all(
                wanted is None or wanted == present
                for wanted, present in (
                    (update.addresses, found.addresses),
                    (update.name, found.name),
                    (update.attributes, found.attributes),
                )
            )

        await self._change(update, id, is_done, timeout_s)
        return self._registry_host(id)

    # -- how ---------------------------------------------------------------------------------------------------------

    def _members(self) -> Registrar:
        self._check()
        if self._registrar is None:
            raise Stopped(self.failure)
        return self._registrar

    def _registry_host(self, id: int) -> HostRecord:
        found = self._members().registry.hosts.get(id)
        if found is None:
            removed = id in self._members().registry.removed
            text = f"member {id} was removed" if removed else f"{id} is not a member"
            raise MemberRefused(text, "removed" if removed else "unknown")
        return found

    def _is_in(self, id: int, replaces: int) -> bool:
        found = self.hosts.get(id)
        if found is None or found.is_reserved or self._members().without(id):
            return False
        return not replaces or self._is_gone(replaces)

    def _is_gone(self, id: int) -> bool:
        registrar = self._members()
        return id not in registrar.registry.hosts and not registrar.without(id)

    async def _change(
        self, command: wishes.Command, id: int, is_done: Callable[[], bool], timeout_s: float | None
    ) -> None:
        """Put a wish into the log, and wait until it is done."""
        registrar = self._members()
        self._check_groups(command)
        try:
            async with asyncio.timeout(timeout_s):
                index = await self._ask_leader(command)
                await self._system(registrar).read(at_least=index)
                self._check_groups(command)
                while not is_done():
                    await registrar.next_change()
                    self._check()
                    self._check_groups(command)
        except TimeoutError:
            raise ChangePending(await self._what_it_waits_for(registrar, id)) from None
        except Stopped as error:
            if isinstance(command, wishes.Want) and command.id == self.id and isinstance(error.cause, MemberRemoved):
                # This host was asked to remove itself, and has learnt that it is removed.
                return
            raise

    def _check_groups(self, command: wishes.Command) -> None:
        """Raise Stopped if this host cannot say what becomes of a wish in all of its groups."""
        if not isinstance(command, wishes.Update):
            for error in self._dead.values():
                raise Stopped(error)

    @staticmethod
    def _system(registrar: Registrar) -> Replica:
        if registrar.system is None:
            raise Stopped()
        return registrar.system

    async def _ask_leader(self, command: wishes.Command) -> int:
        """Have the leader put a wish into the log. Return an index by which it is applied."""
        registrar = self._members()
        data = wishes.encode(command)
        pause_s = self.tuning.tick_ms / 1000
        while True:
            self._check()
            leader = self._system(registrar).leader
            if leader is not None:
                reply = await self._call(registrar, leader, WISH, 0, data)
                if reply[0] == OK and len(reply) == 2:
                    return int(reply[1])
                if reply[0] == REFUSED and len(reply) == 3:
                    raise MemberRefused(reply[2], reply[1])
            await asyncio.sleep(pause_s)

    async def _call(self, registrar: Registrar, peer: int, kind: int, group: int, data: bytes) -> tuple[Any, ...]:
        """Ask a host, this one or another. Returns an empty reply if none came."""
        end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        try:
            if peer == self.id:
                registrar.serve(self.id, kind, group, data, lambda found, why: _give(end, found, why, peer))
            else:
                self.ask(peer, kind, group, data, end)
            found = await end
            fields = unpack(found) if kind == WISH else (found.decode(errors="replace"),)
        except (CallFailed, Overloaded, DecodeError):
            return (0,)
        return fields if isinstance(fields, tuple) and fields else (0,)

    async def _what_it_waits_for(self, registrar: Registrar, id: int) -> str:
        """Say what a change waits for, as far as the member and the leaders know."""
        found = registrar.registry.hosts.get(id)
        if found is not None and found.is_reserved:
            return f"member {id} has not come yet: start it, and let it join"
        whys = []
        silent: set[int] = set()
        for replica in registrar.without(id)[:8]:
            why = await self._why(registrar, replica, id, silent)
            whys.append(f"{replica.name}: {why}")
        return "; ".join(whys) or f"the leader has not answered for member {id}"

    async def _why(self, registrar: Registrar, replica: Replica, id: int, silent: set[int]) -> str:
        """Say what a change waits for in one group. Who does not answer is added to ``silent``, and not asked again.

        Only a host itself knows that its replica has died. Without a leader, that of any voter may be the reason.
        """
        leader = replica.leader
        known = list(replica.members.voters) if leader is None else [leader]
        for asked in dict.fromkeys([id, *known]):
            if asked in silent:
                continue
            reply = await self._call(registrar, asked, WHY, replica.group, id.to_bytes(8, "big"))
            if reply[0]:
                return str(reply[0])
            if reply == (0,):
                silent.add(asked)
        if leader is None:
            return "the group has no leader"
        return f"member {id} does not serve the group, or waits for its turn"


def _check_given(*objections: str) -> None:
    for each in objections:
        if each:
            raise ValueError(each)


def _give(end: "asyncio.Future[bytes]", found: bytes | None, why: str, peer: int) -> None:
    if end.done():
        return
    if found is None:
        end.set_exception(CallFailed(peer, why))
    else:
        end.set_result(found)
