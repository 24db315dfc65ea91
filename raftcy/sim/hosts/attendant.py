"""The second phase of a run of hosts: no faults any more, and everything has to come to rest.

The attendant starts members that are down, with the newest program. Then all members that have kept their disk must be
open, every call must have its outcome, a write and a read must succeed through each of them, every roaming client must
get its answer, and all members must have applied the same.
"""

import asyncio

from ...errors import OutcomeUnknown, Rejected
from ..clock import MS
from . import journal
from .callers import Caller
from .drawn import TICK_MS
from .hostcluster import HostCluster
from .journal import NEWEST
from .process import Process

TRY_S = 1.0


class Attendant:
    """Attends to a cluster once per tick, until it is ``done``."""

    def __init__(self, cluster: HostCluster) -> None:
        self.cluster = cluster
        self.done = False
        self._began = cluster.clock.now
        # By life and group: the last caller that tries to prove that it works; and those who have.
        self._tries: dict[tuple[Process, str], Caller] = {}
        self._proofs: set[tuple[Process, str]] = set()

    def begin(self) -> None:
        """Start what is down."""
        self.cluster.clock.after(0, self.look)

    def look(self) -> None:
        """Look at the cluster, and do what is missing."""
        cluster = self.cluster
        for member in cluster.members.values():
            if member.process is None and not member.gone:
                member.knows = NEWEST
                cluster.start(member)
        reason = self._missing()
        if reason == "":
            self.done = True
            return
        if cluster.clock.now - self._began > cluster.limit():
            cluster.wrong("liveness", f"{cluster.limit() // MS} ms after the last fault {reason}")
            return
        cluster.clock.after(TICK_MS * MS, self.look)

    def _missing(self) -> str:
        cluster = self.cluster
        running = cluster.open()
        for member in cluster.members.values():
            if member.running is None and not member.gone:
                return f"{member.id} is not open"
        for id in sorted(cluster.have_left):
            if not cluster.members[id].gone:
                return f"{id} was removed, and has not ended"
        unproven = [each for process in running for each in process.calls if not self._proven(process, each)]
        if unproven:
            return f"no write and read have succeeded through every member of {unproven[0]}"
        pending = cluster.pending()
        if pending:
            return f"{pending[0]!r} waits, and {len(pending) - 1} others"
        for place, roamer in enumerate(cluster.roamers):
            if roamer.waits or roamer.is_trying:
                if not roamer.is_trying:
                    group = cluster.settings.groups[place % len(cluster.settings.groups)]
                    process = running[place % len(running)]
                    process.loop.do(roamer.attempt, process, process.calls[group].replica, 0, b"", TRY_S)
                return f"{roamer.name} has no answer"
        for group, truth in cluster.truths.items():
            for process in running:
                found = process.calls[group].replica
                if found.machine.last != truth.last:
                    return f"{process.id} is at {found.machine.last} of {group}, not {truth.last}"
            for process in running:
                if cluster.leaving and (why := self._stranger(process, group)):
                    return why
            terms = {process.calls[group].replica.term for process in running}
            if len(terms) > 1 or cluster.leader(group) is None:
                return f"the terms of {group} are {sorted(terms)}"
        return self._etcd_missing(running)

    def _etcd_missing(self, running: list[Process]) -> str:
        """Return what is not at rest in the etcd group. There, the states of all members are compared once more."""
        ledger = self.cluster.ledger
        if ledger is None:
            return ""
        for process in running:
            unsettled: str = process.clerk.unsettled()
            if unsettled:
                return unsettled
        for process in running:
            ledger.compare(process.id, ledger.last, process.clerk.machine)
        return ""

    def _stranger(self, process: Process, group: str) -> str:
        """Return why the members of a group are not those that are there, an empty text if they are."""
        there = sorted(id for id, each in self.cluster.members.items() if not each.gone)
        members = process.calls[group].replica.members
        found = sorted({*members.voters, *members.voters_outgoing, *members.learners, *members.learners_next})
        return "" if found == there else f"{process.id} has the members {found} in {group}, not {there}"

    def _proven(self, process: Process, group: str) -> bool:
        """Whether a write and a read have succeeded in this life of a member."""
        key = (process, group)
        if key in self._proofs:
            return True
        tried = self._tries.get(key)
        if tried is None or tried.ended:
            # A read may be refused while others wait.
            self._tries[key] = process.call("proof", True, self._prove(process, group))
        return False

    async def _prove(self, process: Process, group: str) -> None:
        calls = process.calls[group]
        while True:
            number = self.cluster.number()
            floor = calls.truth.floor
            try:
                answer = await calls.replica.propose(journal.command(number, False, 0), timeout_s=TRY_S)
            except Rejected as error:
                calls.truth.never(number, f"it was rejected: {error}")
            except OutcomeUnknown:
                pass
            else:
                calls.truth.answered(number, answer, floor)
                break
            await calls.replica.wait_for_leader()
            await asyncio.sleep(TICK_MS / 1000)
        await calls.read(None, False, TRY_S)
        self._proofs.add((process, group))
