"""The pages that probes ask for: ``/version``, ``/health``, ``/livez`` and ``/readyz``, with etcd's answers.

Rules:

- ``/health`` is "true" if there is no alarm, a leader is known, and a linearizable read succeeds. With
  ``serializable=true`` it asks for this member alone: no leader, a local read. ``exclude=NOSPACE`` ignores an alarm.
- ``/livez`` says whether this member can read its own data, ``/readyz`` whether it can serve clients: it needs a
  linearizable read, no CORRUPT alarm, and a voter. Both list their checks with ``verbose``, take ``exclude=NAME``, and
  have a page for each check.
- Once the host has failed, all of them fail at once: a member whose log cannot be written must get no traffic.
"""

import asyncio
import json
from collections.abc import Awaitable, Iterable, Mapping
from functools import partial
from typing import Protocol

from .replies import TEXT, Page, Query, Reply

CORRUPT = "CORRUPT"


class Facts(Protocol):
    """What the probes ask a member."""

    @property
    def failure(self) -> BaseException | None:
        """The error that ended the host or the replica, None while they run."""

    @property
    def has_leader(self) -> bool:
        """Whether a leader is known."""

    @property
    def is_learner(self) -> bool:
        """Whether this member has no vote."""

    def alarms(self) -> Iterable[str]:
        """Return the names of the alarms that are raised."""

    def read(self, is_serializable: bool) -> Awaitable[None]:
        """Read as a client would. Raises what a client would get."""


class Probes:
    """Makes the pages. ``versions`` is the answer of ``/version``; ``read_s_max`` is how long a read may take."""

    def __init__(self, facts: Facts, versions: Mapping[str, str], read_s_max: float) -> None:
        self._facts = facts
        self._versions = json.dumps(versions, separators=(",", ":")).encode()
        self._read_s_max = read_s_max
        self.health_true = 0
        self.health_false = 0
        self.checked: dict[tuple[str, str, str], int] = {}
        """How often each check of ``/livez`` and ``/readyz`` has ended how: by page, check and "success" or "error"."""

    def pages(self) -> dict[str, Page]:
        """Return the pages by path."""
        found: dict[str, Page] = {"/version": self.version, "/health": self.health}
        for page, names in CHECKS.items():
            found[f"/{page}"] = partial(self._several, page, names)
            for name in names:
                found[f"/{page}/{name}"] = partial(self._several, page, (name,))
        return found

    def version(self, query: Query) -> Reply:
        """Answer ``/version``. It has numbers from the start, since Patroni cannot read etcd's "not_decided"."""
        return Reply(self._versions)

    async def health(self, query: Query) -> Reply:
        """Answer ``/health``."""
        reason = await self._ill(query)
        good = not reason
        self.health_true += good
        self.health_false += not good
        fields = {"health": "true" if good else "false", "reason": reason}
        body = json.dumps(fields, separators=(",", ":")).encode()
        return Reply(body, 200, TEXT) if good else Reply(body + b"\n", 503, TEXT)

    async def _ill(self, query: Query) -> str:
        facts = self._facts
        if facts.failure is not None:
            return f"FAILED:{facts.failure}"
        excluded = query.get("exclude", ())
        for alarm in facts.alarms():
            if alarm not in excluded:
                return f"ALARM {alarm}"
        is_serializable = query.get("serializable", [""])[0] == "true"
        if not is_serializable and not facts.has_leader:
            return "RAFT NO LEADER"
        try:
            await self._read(is_serializable)
        except Exception as error:
            return f"RANGE ERROR:{error}"
        return ""

    async def _read(self, is_serializable: bool) -> None:
        async with asyncio.timeout(self._read_s_max):
            await self._facts.read(is_serializable)

    # -- checks ----------------------------------------------------------------------------------------------------

    async def _several(self, page: str, names: Iterable[str], query: Query) -> Reply:
        lines = []
        is_good = True
        for name in names:
            if name in query.get("exclude", ()):
                continue
            why = await self._fault(name)
            lines.append(f"[-]{name} failed: {why}\n" if why else f"[+]{name} ok\n")
            is_good = is_good and not why
            key = (page, name, "error" if why else "success")
            self.checked[key] = self.checked.get(key, 0) + 1
        text = "".join(lines)
        if not is_good:
            return Reply(f"{text}\n".encode(), 503, TEXT)
        return Reply(f"{text if 'verbose' in query else ''}ok\n".encode(), 200, TEXT)

    async def _fault(self, name: str) -> str:
        """Return why a check fails, an empty text if it does not."""
        facts = self._facts
        if facts.failure is not None:
            return f"the member has failed: {facts.failure}"
        if name == "data_corruption":
            return f"alarm activated: {CORRUPT}" if CORRUPT in facts.alarms() else ""
        if name == "non_learner":
            return "not supported for learner" if facts.is_learner else ""
        try:
            await self._read(name == "serializable_read")
        except Exception as error:
            return str(error) or type(error).__name__
        return ""


CHECKS = {
    "livez": ("serializable_read",),
    "readyz": ("data_corruption", "serializable_read", "linearizable_read", "non_learner"),
}
"""The checks of each page."""
