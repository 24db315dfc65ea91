"""A host's part in the membership of its cluster: the registry's group, and what follows from the registry here.

Rules:

- The transport knows the hosts of the registry, with their identities. A host that was removed is refused with the
  reason, also when it comes back after a long absence, so that it learns of it and stops.
- A group begins here once the registry has it, with the voters of its record. A host that is not among them waits until
  the leader adds it, and tells the other hosts that it serves the group.
- A leader adds only hosts that serve the group, since a member that does not could never catch up.
- A group that the registry has deleted ends here at once (``deleting``).
- The system group is the last that a host leaves. It could not learn of anything in the other groups otherwise.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Any, Protocol

from ..errors import CommandError, DecodeError, GroupDeleted, MemberRemoved, OutcomeUnknown, RaftError, Rejected
from ..machines.plaindata import pack, unpack
from ..transport.packets import Hello, Reason, Refusal
from . import wishes
from .bootstrap import split_address
from .calls import Answer, Told
from .deletions import Deletions
from .hostrecords import Arrival, Wish, decode_arrival
from .joining import No, Reply, Taken, Wait, encode_reply
from .notices import Notices
from .reconcile import HandOver, Reconciler, View, wish_of
from .registry import HOSTS_MAX, Registry, first_voters
from .replica import Replica
from .tuning import Tuning

SYSTEM_GROUP = 2**64 - 2
"""The group of the transport in which the hosts replicate the registry. In the log it is group 0."""
PLACE, SERVES, WISH, LOOK, WHY = range(2, 7)
"""The kinds of requests between hosts: a place for a host that asked another one; a host serves a group; a command for
the registry; a group without a leader here is to wake; what keeps a host from its wish."""
OK, AGAIN, REFUSED = range(1, 4)
"""The beginnings of a reply to WISH. After OK comes an index by which the command is applied."""


class Surroundings(Protocol):
    """The part of a host that its membership needs."""

    id: int
    cluster: int
    tuning: Tuning

    def spawn(self, work: Any) -> None:
        """Run a coroutine as a task that ends with the host."""

    def ask(self, peer: int, kind: int, group: int, data: bytes, end: Any) -> None:
        """Send a request to another host."""

    def replicas(self) -> list[Replica]:
        """Return all replicas."""

    def find(self, group: int) -> Replica | None:
        """Return the replica of a group."""

    def death(self, group: int) -> BaseException | None:
        """Return the error that ended the replica of a group."""

    def attach(self, replica: Replica) -> None:
        """Deliver the messages of a replica's group to it."""

    def wake(self, replica: Replica) -> None:
        """Give a replica a turn soon, which ends its sleep."""

    def fail(self, error: BaseException) -> None:
        """End the host."""

    def drop_group(self, group: int, error: GroupDeleted) -> bool:
        """End a group's replica, and drop its share of the log."""


class ForSystem:
    """A host as the replica of the system group sees it, with limits for the registry's commands."""

    def __init__(self, host: Any) -> None:
        self._host = host
        self.tuning: Tuning = replace(
            host.tuning,
            waiting_commands=1 << 16,
            waiting_bytes=64 << 20,
            command_bytes=1 << 20,
            snapshot_entries=1000,
            kept_entries=1000,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)


class Registrar:
    """The membership of one host. ``registry`` is the machine of the system group, and ``system`` its replica here."""

    def __init__(self, host: Surroundings, notices: Notices) -> None:
        self._host = host
        self._notices = notices
        self._loop = asyncio.get_running_loop()
        self.registry = Registry()
        self.registry.on_change = self._changed
        self.deletions = Deletions(host, notices)
        self.system: Replica | None = None
        self._transport: Any = None
        self._peers: dict[int, tuple[tuple[str, ...], int]] = {}
        self._due: asyncio.Handle | None = None
        self._ticks = 0
        self._looked = 0
        self._creating: set[str] = set()
        # Replicas that wait to begin or to be added, and leaders that may have something to change.
        self._outside: dict[Replica, None] = {}
        self._leading: dict[Replica, None] = {}
        self._reconcilers: dict[Replica, tuple[int, Reconciler]] = {}
        # By group and host: the context of the change that adds the host, and until which tick it counts.
        self._candidates: dict[int, dict[int, tuple[Arrival, int]]] = {}
        self._waits: dict[asyncio.Future[None], None] = {}

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self, system: Replica, transport: Any) -> None:
        """Take the system group's replica, whose machine is ``registry``, and give the transport its peers."""
        self._transport = transport
        self.system = system
        if not system.is_member:
            self._outside[system] = None
        self.members_due(system)
        for id, (addresses, identity) in self._wanted_peers().items():
            self._peers[id] = (addresses, identity)
            await self._set_peer(id)

    def stop(self) -> None:
        """End all waits."""
        if self._due is not None:
            self._due.cancel()
        self.wake()

    def policy(self, hello: Hello, known: bool) -> Refusal | None:
        """Judge a sender for the transport."""
        if hello.sender in self.registry.removed:
            return Refusal(Reason.REMOVED, f"member {hello.sender} was removed from the cluster")
        return None

    # -- what follows from the registry ----------------------------------------------------------------------------

    def _changed(self) -> None:
        if self._due is None:
            self._due = self._loop.call_soon(self._follow)

    def _follow(self) -> None:
        self._due = None
        if self.system is None:
            return
        if self._host.id in self.registry.removed:
            self._host.fail(MemberRemoved(f"member {self._host.id} was removed from its cluster", "removed"))
            return
        try:
            self.deletions.follow(self.registry)
        except Exception as error:
            self._host.fail(error)
            return
        wanted = self._wanted_peers()
        for id in [id for id in self._peers if id not in wanted]:
            del self._peers[id]
            self._host.spawn(self._transport.remove_peer(id))
        for id, peer in wanted.items():
            if self._peers.get(id) != peer:
                self._peers[id] = peer
                self._host.spawn(self._set_peer(id))
        for replica in list(self._outside):
            self._begin(replica)
        for replica in self._host.replicas():
            self.members_due(replica)
        self.wake()

    def _wanted_peers(self) -> dict[int, tuple[tuple[str, ...], int]]:
        return {
            id: (each.addresses, each.identity)
            for id, each in self.registry.hosts.items()
            if id != self._host.id and not each.is_reserved
        }

    async def _set_peer(self, id: int) -> None:
        peer = self._peers.get(id)
        if peer is not None:
            addresses, identity = peer
            await self._transport.set_peer(id, [split_address(each) for each in addresses], identity=identity)

    # -- groups ----------------------------------------------------------------------------------------------------

    def took(self, replica: Replica) -> None:
        """Begin a new replica's group, or wait for its record, or for the leader to add this host."""
        if replica.is_begun:
            self._host.attach(replica)
        if not replica.is_begun or not replica.is_member or replica.name not in self.registry.groups:
            self._outside[replica] = None
            self._begin(replica)
        self.members_due(replica)

    def _begin(self, replica: Replica) -> None:
        """Do what a replica waits for, as far as it can be done now."""
        if replica is self.system:
            if replica.is_member:
                del self._outside[replica]
            return
        members = first_voters(self.registry, replica.name, self._host.id)
        if members is None:
            # A group that an earlier version has begun is registered too: hosts that come later begin it from there.
            self._create(replica)
            return
        if not replica.is_begun:
            if members.voters:
                replica.begin(members)
                self._campaign_soon(replica, members.voters)
            self._host.attach(replica)
        if replica.is_member:
            del self._outside[replica]
            self.wake()

    def _campaign_soon(self, replica: Replica, voters: list[int]) -> None:
        """Let one of the first voters campaign at once: a new group need not wait for an election timeout."""
        if voters[replica.group % len(voters)] == self._host.id:
            self._loop.call_later(2 * self._host.tuning.tick_ms / 1000, replica.campaign)

    def _create(self, replica: Replica) -> None:
        name = replica.name
        if name in self._creating or self.system is None or self.system.leader is None:
            return
        self._creating.add(name)

        def ended(end: "asyncio.Future[Any]") -> None:
            self._creating.discard(name)
            error = None if end.cancelled() else end.exception()
            # A replica of a deleted group ends when this host follows the deletion.
            if isinstance(error, CommandError) and error.reason != "deleted" and not replica.is_begun:
                replica.die(error)

        data = wishes.encode(wishes.Create(name))
        self.system.propose_entry(data, timeout_s=self.system.election_s).add_done_callback(ended)

    def forget(self, replica: Replica) -> None:
        """Forget a replica that has ended."""
        self._outside.pop(replica, None)
        self._leading.pop(replica, None)
        self._reconcilers.pop(replica, None)
        self._candidates.pop(replica.group, None)
        self.wake()

    # -- time ------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let a tick pass: leaders change their members, and who waits says so."""
        self._ticks += 1
        for replica in list(self._leading):
            self._lead(replica)
        if self._ticks % self._host.tuning.election_ticks == 0:
            for replica in list(self._outside):
                self._begin(replica)
                if replica in self._outside and replica is not self.system:
                    self._announce(replica)
            if self.system is not None and self.system.leader is None:
                self.look(self.system)

    def _announce(self, replica: Replica) -> None:
        """Tell the other hosts that this one serves a group, so that the leader adds it."""
        data = pack((replica.name, replica.knows))
        for id in self._peers:
            self._ask(id, SERVES, replica.group, data, Told(lambda data: self._answered(replica, data)))

    def _answered(self, replica: Replica, data: bytes) -> None:
        if data and replica in self._outside and not replica.is_begun:
            text = data.decode(errors="replace")
            replica.refused(text)

    def look(self, replica: Replica) -> None:
        """Ask some host to wake a group that has no leader here: it may sleep without this member, which was away.

        A host that was removed meanwhile is told so by the refusal of its connection.
        """
        ids = sorted(self._peers)
        if ids:
            self._looked += 1
            self._ask(ids[self._looked % len(ids)], LOOK, replica.group, b"", Told(lambda data: None))

    def _ask(self, peer: int, kind: int, group: int, data: bytes, end: Any) -> None:
        try:
            self._host.ask(peer, kind, group, data, end)
        except RaftError as error:
            end.set_exception(error)

    # -- leading ---------------------------------------------------------------------------------------------------

    def members_due(self, replica: Replica) -> None:
        """Look at a replica's members at the next ticks, if it leads. One that was removed waits to be added again."""
        if replica.is_leader:
            self._leading[replica] = None
        if replica.is_begun and not replica.is_member and replica is not self.system:
            self._outside[replica] = None
        self.wake()

    def _lead(self, replica: Replica) -> None:
        if not replica.is_leader:
            replica.is_settled = True
            del self._leading[replica]
            self._reconcilers.pop(replica, None)
            return
        reconciler = self._reconciler(replica)
        view = replica.view()
        if replica.is_asleep:
            view.progress = {}
        view.candidates = self._candidates_of(replica, view)
        if replica is self.system:
            view.goes_last = self._going_last()
        reconciler.tick(view)
        replica.is_settled = reconciler.is_settled(self.registry, view.members, view.candidates)
        if replica.is_asleep and not replica.is_settled:
            # Asleep it hears from nobody, and could not tell who is active.
            self._host.wake(replica)
        if replica.is_settled:
            reconciler.why = {}
            if replica is not self.system:
                # The system group's reconciler goes on: it must know who is active when a wish comes.
                del self._leading[replica]
                del self._reconcilers[replica]
            return
        step = reconciler.next_step(self.registry, view)
        if isinstance(step, HandOver):
            reconciler.why[self._host.id] = replica.hand_over(step.not_to)
        elif step is not None:
            why = replica.change_members(step)
            if why:
                self._notices.say(
                    logging.INFO, ("change", replica.name), "%s: a change of members waits: %s", replica.name, why
                )

    def _reconciler(self, replica: Replica) -> Reconciler:
        term, found = self._reconcilers.get(replica, (0, None))
        if found is None or term != replica.term:
            found = Reconciler(self._host.id, self._host.tuning.election_ticks)
            self._reconcilers[replica] = (replica.term, found)
        return found

    def _candidates_of(self, replica: Replica, view: View) -> dict[int, bytes]:
        known = self._candidates.get(replica.group, {})
        present = {*view.members.voters, *view.members.learners, *view.members.learners_next}
        for id, (_, until) in list(known.items()):
            if self._ticks > until or id in present:
                del known[id]
        found = {}
        for id, (arrival, _) in known.items():
            welcome = self.registry.objection(arrival) is None
            if replica is not self.system:
                welcome = wish_of(self.registry, id) != Wish.LEAVING
            if welcome:
                found[id] = arrival.encode()
        return found

    def _going_last(self) -> dict[int, str]:
        """Say of each host that is to leave which group still has it, or may have it as its only voter."""
        found: dict[int, str] = {}
        for id, each in self.registry.hosts.items():
            newer = self.registry.replacement(id)
            if (each.wish != Wish.LEAVING and newer is None) or each.forced:
                continue
            for replica in self._host.replicas():
                if replica is self.system:
                    continue
                if not replica.is_member:
                    found[id] = f"the group {replica.name!r} has not taken member {self._host.id} in, and may need {id}"
                elif id in _present(replica):
                    found[id] = f"the group {replica.name!r} still has member {id}"
        return found

    # -- requests --------------------------------------------------------------------------------------------------

    def serve(self, sender: int, kind: int, group: int, data: bytes, answer: Answer) -> None:
        """Answer a request of another host."""
        if kind == LOOK:
            found = self._host.find(group)
            if found is not None and found.is_asleep:
                self._host.wake(found)
            answer(b"", "")
        elif kind == SERVES:
            answer(self._take_candidate(sender, group, data), "")
        elif kind == PLACE:
            answer(encode_reply(self._place(data)), "")
        elif kind == WISH:
            self._host.spawn(self._serve_wish(data, answer))
        else:
            answer(self._why(group, data).encode(), "")

    def _take_candidate(self, sender: int, group: int, data: bytes) -> bytes:
        """Note that a host serves a group that this one leads. Return why it cannot be a member, if so."""
        replica = self._host.find(group)
        record = self.registry.hosts.get(sender)
        if replica is None or replica is self.system or not replica.is_leader or record is None or record.is_reserved:
            return b""
        try:
            fields = unpack(data)
            name, knows = fields
        except (DecodeError, TypeError, ValueError):
            return b""
        if name != replica.name or type(knows) is not int or not 0 < knows < 2**31:
            return b""
        refused = replica.refuses_version(knows)
        if refused:
            return refused.encode()
        self._note_candidate(group, Arrival(id=sender, identity=record.identity, knows=knows))
        self.members_due(replica)
        return b""

    def _note_candidate(self, group: int, arrival: Arrival) -> None:
        known = self._candidates.setdefault(group, {})
        if arrival.id in known or len(known) < HOSTS_MAX:
            known[arrival.id] = (arrival, self._ticks + 3 * self._host.tuning.election_ticks)

    def serve_newcomer(self, sender: int, data: bytes, answer: Answer) -> None:
        """Answer a host without a cluster that asks for a place. Whoever is asked passes it on to the leader."""
        try:
            arrival = decode_arrival(data)
        except DecodeError as error:
            answer(encode_reply(No("malformed", str(error))), "")
            return
        if arrival.id != sender:
            answer(encode_reply(No("malformed", f"member {sender} asks in the name of {arrival.id}")), "")
            return
        leader = None if self.system is None else self.system.leader
        if leader is None:
            answer(encode_reply(Wait("the cluster has no leader at the moment")), "")
        elif leader == self._host.id:
            answer(encode_reply(self._place(data)), "")
        else:
            told = Told(lambda found: answer(found, ""), lambda error: answer(encode_reply(Wait(str(error))), ""))
            self._ask(leader, PLACE, 0, data, told)

    def _place(self, data: bytes) -> Reply:
        """Give a host its place, as the leader."""
        try:
            arrival = decode_arrival(data)
        except DecodeError as error:
            return No("malformed", str(error))
        if self.system is None or not self.system.is_leader:
            return Wait(f"member {self._host.id} does not lead")
        objection = self.registry.objection(arrival)
        if objection is not None:
            return No(objection.reason, objection.text)
        refused = self.system.refuses_version(arrival.knows)
        if refused:
            return No("version", refused)
        found = self.registry.hosts.get(arrival.id)
        if found is not None and found.identity == arrival.identity:
            return Taken(self._host.cluster, self.registry.table)
        self._note_candidate(SYSTEM_GROUP, arrival)
        self.members_due(self.system)
        return Wait("the place is being prepared")

    # -- wishes ----------------------------------------------------------------------------------------------------

    async def _serve_wish(self, data: bytes, answer: Answer) -> None:
        reply: tuple[Any, ...] = (AGAIN, "the host was closed")
        try:
            reply = await self._wish(data)
        finally:
            answer(pack(reply), "")

    async def _wish(self, data: bytes) -> tuple[Any, ...]:
        """Propose a command, as the leader, if nothing speaks against it now."""
        try:
            command = wishes.decode(data)
        except DecodeError as error:
            return (REFUSED, "malformed", str(error))
        system = self.system
        if system is None or not system.is_leader:
            return (AGAIN, f"member {self._host.id} does not lead")
        term = system.term
        obstacle = await self._obstacle(system, command)
        if obstacle:
            return (REFUSED, "inactive", obstacle)
        try:
            await system.propose_entry(data, only_in_term=term, timeout_s=self._host.tuning.call_ms / 1000)
        except CommandError as error:
            return (REFUSED, error.reason, error.text)
        except (Rejected, OutcomeUnknown) as error:
            return (AGAIN, str(error))
        return (OK, system.applied)

    async def _obstacle(self, system: Replica, command: wishes.Command) -> str:
        """Return why a wish would leave the cluster without an active majority, an empty text if it would not."""
        if not isinstance(command, wishes.Want) or command.forced:
            return ""
        obstacle = ""
        if system.is_asleep:
            self._host.wake(system)
        for _ in range(2 * self._host.tuning.election_ticks):
            voters = set(_voters(system))
            after = voters | {command.id} if command.wish == Wish.VOTER else voters - {command.id}
            if after == voters or not after or not system.is_leader:
                return ""
            obstacle = self._reconciler(system).without_majority(after)
            if not obstacle:
                return ""
            # A new leader, and one that slept, has not heard from everybody yet.
            await asyncio.sleep(self._host.tuning.tick_ms / 1000)
        return obstacle

    def _why(self, group: int, data: bytes) -> str:
        """Return what keeps a host from its wish in a group that this host leads, or whose replica has died here."""
        id = int.from_bytes(data[:8], "big")
        replica = self._host.find(group)
        error = self._host.death(group) if replica is None else None
        if error is not None:
            return f"the replica of member {self._host.id} has died: {error}"
        if replica is None or not replica.is_leader:
            return ""
        return self._reconciler(replica).why.get(id, "")

    # -- waits -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Wake everybody who waits for a change."""
        for wait in self._waits:
            if not wait.done():
                wait.set_result(None)

    async def next_change(self) -> None:
        """Wait until the registry, or a group's members here, may have changed."""
        wait: asyncio.Future[None] = self._loop.create_future()
        self._waits[wait] = None
        try:
            await wait
        finally:
            self._waits.pop(wait, None)

    def without(self, id: int) -> list[Replica]:
        """Return this host's replicas whose groups do not have a host as it is wanted to be."""
        wish = wish_of(self.registry, id)
        found = []
        for replica in self._host.replicas():
            if not replica.is_begun or not replica.is_member:
                continue
            present = _present(replica)
            if wish == Wish.LEAVING:
                missing = id in present
            elif wish == Wish.VOTER:
                missing = id not in _voters(replica) or bool(replica.members.voters_outgoing)
            else:
                missing = id not in present or id in _voters(replica)
            if missing:
                found.append(replica)
        return found


def _voters(replica: Replica) -> list[int]:
    return list(replica.members.voters)


def _present(replica: Replica) -> set[int]:
    members = replica.members
    return {*members.voters, *members.voters_outgoing, *members.learners, *members.learners_next}
