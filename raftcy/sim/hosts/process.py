"""One start of one member: a process with a Host in it, from its first line to its end."""

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Protocol

from ...machines import Command
from ...replica.host import Host
from ...replica.registry import group_of
from ..checkers import Violation
from ..clock import Clock
from .callers import Caller, Calls
from .drawn import HostSettings
from .journal import Journal
from .loops import ProcessLoop, close
from .medium import Medium
from .surroundings import Drive, Parts
from .truth import Truth
from .wires import Air

MEMBERS_MOST = 7
"""The most members that a run ever has, with those that were removed."""
ECHO = 1000
"""The kind of request that a process answers with the same bytes."""


class Killed(BaseException):
    """The process has ended within a call. Nothing may catch it."""


class Cluster(Air, Protocol):
    """What a process needs of the cluster."""

    settings: HostSettings
    clock: Clock
    truths: dict[str, Truth]

    def stream(self, *purpose: object) -> Random:
        """Return the random numbers for one purpose."""

    def turn(self, process: "Process") -> None:
        """Give a process its turn."""

    def disk_call(self, process: "Process", kind: str, name: str) -> int | None:
        """Decide whether a call of the disk fails, or ends the process."""

    def began(self, process: "Process") -> None:
        """The process's host is open."""

    def failed(self, process: "Process", error: BaseException) -> None:
        """The process has ended with an error."""

    def caller_ended(self, process: "Process", caller: Caller) -> None:
        """A caller has its outcome."""

    def number(self) -> int:
        """The number of the next command."""

    def told(self, what: str, *words: object) -> None:
        """Note what a caller was told."""

    def unsure(self, found: Any) -> None:
        """Keep a command to ask for it later."""

    def left(self, id: int) -> None:
        """A caller was told that a member is removed."""

    def wrong(self, rule: str, text: str) -> None:
        """Note a violation."""

    @property
    def ledger(self) -> Any:
        """The truth about the etcd group, None if the profile has none."""


class Process:
    """A process of the member ``id``. ``host`` is its Host, and ``calls`` has the calls of each group once it is open.

    ``knows`` is the newest version that its program knows. With ``joins`` it asks the cluster for a place, at all
    addresses; otherwise it founds the cluster with the others.
    """

    def __init__(self, cluster: Cluster, id: int, life: int, medium: Medium, knows: int, joins: bool = False) -> None:
        self.cluster = cluster
        self.id = id
        self.life = life
        self.knows = knows
        self.medium = medium
        self.loop = ProcessLoop(cluster.clock, self._turn, self._error)  # type: ignore[abstract]
        self.calls: dict[str, Calls] = {}
        self.callers: dict[Caller, None] = {}
        self.clerk: Any = None
        """The etcd side of the process, None if the profile has none."""
        self.is_closing = False
        random = cluster.stream("process", id, life)
        self.drive = Drive(self.loop, random, lambda kind, name: cluster.disk_call(self, kind, name))
        self.drive.latency_us = cluster.settings.latency_us
        medium.before = self.drive.before
        self.parts = Parts(cluster, id, self.loop, medium, self.drive, random, cluster.settings.segment_size)
        options: dict[str, Any] = {"members": {each: address(each) for each in range(1, cluster.settings.count + 1)}}
        if joins:
            seeds = [address(each) for each in range(1, MEMBERS_MOST + 1) if each != id]
            options = {"join": seeds, "listen": address(id)}
        self.host = Host(f"data/{id}", id=id, tuning=cluster.settings.tuning, seams=self.parts, **options)
        self.applied: dict[str, int] = {}
        # The last known view of each replica, and which of them sleep: see HostCluster.
        self.seen: dict[str, tuple[int, ...]] = {}
        self.asleep: set[str] = set()
        self.loop.do(self.loop.create_task, self._main())

    def _turn(self) -> None:
        self.cluster.turn(self)

    def _error(self, error: BaseException) -> None:
        if not isinstance(error, Killed):
            self.cluster.wrong("no error", f"{self}: {type(error).__name__}: {error}")

    async def _main(self) -> None:
        """What the program does."""
        try:
            await self.host.__aenter__()
            self.host.serve(ECHO, _echo)
            for name in self.cluster.settings.groups:
                self.applied[name] = 0
                replica = self.host.replica(name, Journal(_Watch(self, name), self.knows))
                self.calls[name] = Calls(self.cluster, replica, self.cluster.truths[name], name)
            if self.cluster.ledger is not None:
                self._begin_etcd()
        except Exception as error:
            self.cluster.failed(self, error)
        else:
            self.cluster.began(self)

    def _begin_etcd(self) -> None:
        # Only this profile needs what etcd needs.
        from ..etcd.clerks import Clerk

        cluster = self.cluster
        self.clerk = Clerk(cluster, self.host, cluster.ledger, lambda: cluster.clock.now, self._check)

    def _check(self, check: Callable[..., None], *arguments: Any) -> None:
        _guarded(self, check, *arguments)

    @property
    def is_open(self) -> bool:
        """Whether all its replicas have begun."""
        return len(self.calls) == len(self.cluster.settings.groups)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.loop.alive

    def failure(self) -> BaseException | None:
        """Return the error that has ended a replica or the host."""
        return self.host.failure

    def call(self, what: str, writes: bool, story: Coroutine[Any, Any, None]) -> Caller:
        """Let a program call in this process."""
        caller = Caller(self.cluster, self.id, what, writes, story)
        self.callers[caller] = None
        self.loop.do(self.loop.create_task, caller.run(self._ended))
        return caller

    def _ended(self, caller: Caller) -> None:
        self.callers.pop(caller, None)
        self.cluster.caller_ended(self, caller)

    def close(self) -> None:
        """Close the host in an orderly way."""
        if not self.is_closing:
            self.is_closing = True
            self.loop.do(self.loop.create_task, self._close())

    async def _close(self) -> None:
        try:
            await self.host.close()
        except Exception as error:
            self.cluster.failed(self, error)
        else:
            self.cluster.failed(self, Closed())

    def kill(self) -> None:
        """End at once."""
        self.loop.kill()
        for caller in self.callers:
            # One that has not begun is not closed with its task.
            close(caller.story)
        self.callers.clear()
        self.medium.before = None

    def status(self) -> str:
        """Describe the process for people, and for comparisons."""
        if not self.alive:
            return f"{self.id}: down"
        if not self.calls:
            return f"{self.id}: begins"
        parts = []
        for name, calls in self.calls.items():
            r, journal = calls.replica, calls.replica.machine
            parts.append(
                f"{name} {r.role.name.lower()} term {r.term} leader {r.leader} commit {r.commit} applied {r.applied} "
                f"count {journal.count} chain {journal.chain} version {journal.version}"
            )
        return f"{self.id}: {', '.join(parts)}" + (" paused" if self.loop.paused else "")

    def __repr__(self) -> str:
        return f"<process {self.life} of {self.id}>"


class Closed(Exception):
    """The host was closed in an orderly way."""


class _Watch:
    """Passes what the journal of one group does to the truth."""

    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name

    def applied(self, journal: Journal, command: Command, answer: Any) -> None:
        """See journal.Watch."""
        process, name = self._process, self._name
        before = process.applied[name]
        process.applied[name] = command.index
        truth = process.cluster.truths[name]
        if journal.version > process.knows:
            process.cluster.wrong("versions", f"{process.id} applies under version {journal.version}")
        state = (journal.count, journal.chain)
        _guarded(process, truth.applied, process.id, before, journal.version, state, command, answer)

    def restored(self, journal: Journal) -> None:
        """See journal.Watch."""
        process, name = self._process, self._name
        process.applied[name] = journal.last
        truth = process.cluster.truths[name]
        _guarded(process, truth.restored, process.id, journal.last, (journal.count, journal.chain))


def _guarded(process: Process, check: Callable[..., None], *arguments: Any) -> None:
    """Call a check. A violation must not end the machine only, so the cluster keeps it."""
    try:
        check(*arguments)
    except Violation as error:
        process.cluster.wrong(error.rule, error.text)


def address(id: int) -> str:
    """Return the address of a member."""
    return f"m{id}:7000"


async def _echo(sender: int, data: bytes) -> bytes:
    return data


def ids_of(groups: tuple[str, ...]) -> dict[int, str]:
    """Return the groups by their ids."""
    return {group_of(name): name for name in groups}
