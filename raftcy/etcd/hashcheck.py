"""The leader compares the members' hashes from time to time, and raises an alarm if they differ.

Rules:

- The hashes are of the whole history up to the same revision. A member that has not come so far, or has compacted more,
  is left out until the next time. So a difference is one of the states, and of nothing else.
- If the members differ, a majority of those that have answered is taken to be right. Without one, all are suspected.
- The alarm goes through the log. From then on no member writes anything, until the alarm is taken back: what would be
  built on a wrong state could not be taken apart again.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

from ..errors import CallFailed, DecodeError, Overloaded, Stopped
from ..machines.plaindata import pack, unpack
from . import schema
from .apicore import LOG, Core
from .kvcalls import entry_of
from .refusals import Refused

HASH_KIND = 301
"""The kind of request to another host that asks for a hash."""
_PATIENCE_S = 5.0
_ALARM = b"\x52"

Hashed = tuple[int, int]
"""A hash, and the revision up to which the member that gave it has compacted."""


def suspects(hashes: dict[int, Hashed]) -> list[int]:
    """Return the members whose hash differs from that of most; all of them if no hash has a majority.

    Only members that have compacted as much as the most of them are compared.
    """
    compacted = Counter(each[1] for each in hashes.values()).most_common(1)
    alike = {id: each[0] for id, each in hashes.items() if compacted and each[1] == compacted[0][0]}
    counts = Counter(alike.values())
    if len(counts) < 2:
        return []
    right, count = counts.most_common(1)[0]
    if 2 * count <= len(alike):
        return sorted(alike)
    return sorted(id for id, found in alike.items() if found != right)


class HashCheck:
    """See the module. ``checks`` counts the comparisons of two members or more."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._task: asyncio.Task[None] | None = None
        self.checks: int = 0
        core.host.serve(HASH_KIND, self._serve)

    def start(self) -> None:
        """Begin to check, if the options say so."""
        if self._core.options.corrupt_check_s > 0 and self._task is None:
            self._task = self._core.loop.create_task(self._run())

    def stop(self) -> None:
        """Check no more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._core.options.corrupt_check_s)
            try:
                await self.check()
            except Stopped:
                return
            except Exception:
                LOG.exception("the hashes of the members could not be compared")

    async def check(self) -> list[int]:
        """Compare the members' hashes now, if this member leads. Return the members that are suspected."""
        core = self._core
        if not core.replica.is_leader or core.machine.is_corrupt or not core.replica.is_ready:
            return []
        revision = core.machine.store.revision
        members = core.replica.members
        others = [id for id in (*members.voters, *members.learners) if id != core.host.id]
        own = await self._own(revision)
        found = await asyncio.gather(*[self._ask(id, revision) for id in others])
        hashes = {core.host.id: own} | {id: each for id, each in zip(others, found, strict=True) if each is not None}
        self.checks += len(hashes) > 1
        wrong = suspects(hashes)
        if wrong:
            LOG.critical("the members differ at revision %d: %s; suspected are %s", revision, hashes, wrong)
            await self._raise_alarms(wrong)
        return wrong

    async def _raise_alarms(self, ids: Iterable[int]) -> None:
        for id in ids:
            request = schema.AlarmRequest(action=schema.AlarmRequest.ACTIVATE, memberID=id, alarm=schema.CORRUPT)
            try:
                await self._core.propose(entry_of(_ALARM, request), self._core.with_header)
            except Refused as error:
                LOG.error("the alarm for member %d could not be raised: %s", id, error)

    async def _own(self, revision: int) -> Hashed:
        """Hash this member's store, with pauses."""
        steps = self._core.machine.store.hash_history(revision)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value[:2]  # type: ignore[no-any-return]
            await asyncio.sleep(0)

    async def _ask(self, member: int, revision: int) -> Hashed | None:
        try:
            data = await self._core.host.request(member, HASH_KIND, pack([revision]), 2 * _PATIENCE_S)
            found = unpack(data)
        except (CallFailed, Overloaded, TimeoutError, DecodeError) as error:
            LOG.debug("member %d gives no hash: %s", member, error)
            return None
        if not isinstance(found, list) or len(found) != 2 or not all(type(each) is int for each in found):
            return None
        return found[0], found[1]

    async def _serve(self, sender: int, data: bytes) -> bytes:
        """Hash the store at a revision, once this member has come so far."""
        (revision,) = unpack(data)
        core = self._core
        for _ in range(100):
            if core.replica.is_ready and core.machine.store.revision >= revision:
                return pack(list(await self._own(revision)))
            await asyncio.sleep(_PATIENCE_S / 100)
        raise ValueError(f"this member has not come to revision {revision}")
