"""Hosts and replicas for programs without asyncio: an event loop on a separate thread does the work.

Calls may come from any other thread, and wait for their result. An interrupted call, for example by ctrl-C, leaves
nothing half done: its work goes on, or is cancelled.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Self, TypeVar

from ..errors import ConfigError, InvariantError, Stopped
from ..machines import StateMachine
from . import host as hosts
from . import replica as replicas
from .hostrecords import HostRecord
from .metrics import HostMetrics
from .standing import HostStatus, ReplicaStatus
from .tokens import Fate, Token

_T = TypeVar("_T")


class _Loop:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="raftcy event loop", daemon=True)
        self._guard = threading.Lock()
        self._closed = False
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(_cancel_rest())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        # The loop's executor has looked up host names on its threads.
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the loop, and return its result or raise its error."""
        if threading.current_thread() is self._thread:
            work.close()
            raise InvariantError("a blocking call from the event loop's own thread would wait for itself")
        with self._guard:
            if self._closed:
                work.close()
                raise Stopped()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            # The loop has ended meanwhile.
            raise Stopped() from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and its thread."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def _cancel_rest() -> None:
    """Cancel all tasks that are left, and wait for their end: a closing that was interrupted is finished by it."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


class Host:
    """A blocking ``raftcy.Host``, with the same arguments: a context manager. It can be entered only once."""

    def __init__(self, directory: Any, **options: Any) -> None:
        self._host = hosts.Host(directory, **options)
        self._loop: _Loop | None = None

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise ConfigError("a host can be opened once")
        self._loop = _Loop()
        try:
            self._loop.wait(self._host.__aenter__())
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> _Loop:
        if self._loop is None:
            raise Stopped()
        return self._loop

    def close(self) -> None:
        """Hand over leaderships, and end everything. Every call waits for the end."""
        if self._loop is not None:
            try:
                self._loop.wait(self._host.close())
            except Stopped:
                return
            finally:
                self._loop.close()

    @property
    def failure(self) -> BaseException | None:
        """See ``raftcy.Host``."""
        return self._host.failure

    @property
    def cluster(self) -> int:
        """The id of the cluster."""
        return self._host.cluster

    def replica(self, name: str, machine: StateMachine) -> "Replica":
        """See ``raftcy.Host.replica``. Afterwards, only the event loop's thread may use the machine."""
        loop = self._opened()

        async def make() -> replicas.Replica:
            return self._host.replica(name, machine)

        return Replica(loop, loop.wait(make()))

    def request(self, member: int, kind: int, data: bytes, timeout_s: float | None = None) -> bytes:
        """See ``raftcy.Host.request``."""
        return self._opened().wait(self._host.request(member, kind, data, timeout_s))

    @classmethod
    def join(cls, directory: Any, address: Any, **options: Any) -> Self:
        """See ``raftcy.Host.join``."""
        return cls(directory, join=address, **options)

    @property
    def hosts(self) -> dict[int, HostRecord]:
        """The hosts of the cluster, with reserved places, by id, as of what this host has applied."""
        return self.status().hosts

    def status(self) -> HostStatus:
        """See ``raftcy.Host.status``."""

        async def act() -> HostStatus:
            return self._host.status()

        return self._opened().wait(act())

    def add(self, id: int, addresses: Any = (), **options: Any) -> HostRecord:
        """See ``raftcy.Host.add``."""
        return self._opened().wait(self._host.add(id, addresses, **options))

    def add_learner(self, id: int, addresses: Any = (), **options: Any) -> HostRecord:
        """See ``raftcy.Host.add_learner``."""
        return self._opened().wait(self._host.add_learner(id, addresses, **options))

    def promote(self, id: int, *, force: bool = False, timeout_s: float | None = 60.0) -> None:
        """See ``raftcy.Host.promote``."""
        self._opened().wait(self._host.promote(id, force=force, timeout_s=timeout_s))

    def remove(self, id: int, *, force: bool = False, timeout_s: float | None = 60.0) -> None:
        """See ``raftcy.Host.remove``."""
        self._opened().wait(self._host.remove(id, force=force, timeout_s=timeout_s))

    def replace(self, old: int, new: int, addresses: Any = (), **options: Any) -> HostRecord:
        """See ``raftcy.Host.replace``."""
        return self._opened().wait(self._host.replace(old, new, addresses, **options))

    def update(self, id: int, **changes: Any) -> HostRecord:
        """See ``raftcy.Host.update``."""
        return self._opened().wait(self._host.update(id, **changes))

    def delete(self, name: str, *, timeout_s: float | None = 60.0) -> None:
        """See ``raftcy.Host.delete``."""
        self._opened().wait(self._host.delete(name, timeout_s=timeout_s))

    def metrics(self) -> HostMetrics:
        """See ``raftcy.Host.metrics``."""

        async def act() -> HostMetrics:
            return self._host.metrics()

        return self._opened().wait(act())

    def wait_closed(self) -> None:
        """Wait until the host fails or is closed. Raises ``failure`` if it is not None."""
        self._opened().wait(self._host.wait_closed())


class Replica:
    """A blocking ``raftcy.Replica``, which ``Host.replica`` makes."""

    def __init__(self, loop: _Loop, replica: replicas.Replica) -> None:
        self._loop = loop
        self._replica = replica
        self.name = replica.name
        self.id = replica.id

    def propose(self, command: Any, *, only_in_term: int = 0, timeout_s: float | None = None) -> Any:
        """See ``raftcy.Replica.propose``."""

        async def act() -> Any:
            return await self._replica.propose(command, only_in_term=only_in_term, timeout_s=timeout_s)

        return self._loop.wait(act())

    def propose_many(
        self, commands: Sequence[Any], *, only_in_term: int = 0, timeout_s: float | None = None
    ) -> list[Any]:
        """See ``raftcy.Replica.propose_many``."""

        async def act() -> list[Any]:
            return await self._replica.propose_many(commands, only_in_term=only_in_term, timeout_s=timeout_s)

        return self._loop.wait(act())

    def outcome(self, token: Token, timeout_s: float | None = None) -> Fate:
        """See ``raftcy.Replica.outcome``."""
        return self._loop.wait(self._replica.outcome(token, timeout_s))

    def read(
        self,
        look: Callable[[Any], _T],
        *,
        at_least: int | None = None,
        stale: bool = False,
        timeout_s: float | None = None,
    ) -> _T:
        """Wait like ``raftcy.Replica.read``, then call ``look`` with the machine, and return its result.

        ``look`` runs on the event loop's thread, which applies nothing meanwhile. So it must be short, and must not
        return parts of the state that change later.
        """

        async def act() -> _T:
            await self._replica.read(at_least=at_least, stale=stale, timeout_s=timeout_s)
            return look(self._replica.machine)

        return self._loop.wait(act())

    def wait_for_leader(self, timeout_s: float | None = None) -> int:
        """See ``raftcy.Replica.wait_for_leader``."""
        return self._loop.wait(self._replica.wait_for_leader(timeout_s))

    def transfer(self, to: int | None = None, timeout_s: float | None = None) -> None:
        """See ``raftcy.Replica.transfer``."""
        self._loop.wait(self._replica.transfer(to, timeout_s))

    def status(self) -> ReplicaStatus:
        """See ``raftcy.Replica.status``."""

        async def act() -> ReplicaStatus:
            return self._replica.status()

        return self._loop.wait(act())

    @property
    def failure(self) -> BaseException | None:
        """See ``raftcy.Replica``."""
        return self._replica.failure

    def close(self) -> None:
        """See ``raftcy.Replica.close``."""
        self._loop.wait(self._replica.close())
