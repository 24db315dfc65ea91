"""What clients were answered and watches have seen, and whether the two fit: the judge of ``kills``.

Rules:

- Each written value is unique, so each write that was applied is one event, and no write is two events.
- What was acknowledged with a revision is an event of that revision. What was refused for certain is none.
- A watch of everything sees each revision once, whole and in order; all watches see the same.
- No key of a lease is deleted before the time that the last answer to its client has promised, unless the client has
  asked for it.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from raftcy.etcd import schema


@dataclass
class Promise:
    """A lease, as its client knows it; times are in seconds of the monotonic clock."""

    key: bytes
    until_s: float
    may_end: bool = False
    """Whether the client has asked for its end."""
    deleted_s: float | None = None
    """When a watch has first seen its key deleted."""


@dataclass
class Ledger:
    """See the module. ``wrong`` has what must not be."""

    watches: int
    clock: Callable[[], float] = time.monotonic
    wrong: list[str] = field(default_factory=list)
    tried: int = 0
    applied: int = 0
    refused: int = 0
    early: int = 0
    promises: dict[int, Promise] = field(default_factory=dict)
    compacted: int = 0
    _next: list[int] = field(default_factory=list)
    _open: set[bytes] = field(default_factory=set)
    _seen: dict[bytes, int] = field(default_factory=dict)
    _acknowledged: dict[bytes, int] = field(default_factory=dict)
    _refused: set[bytes] = field(default_factory=set)
    _deleted: dict[int, int] = field(default_factory=dict)
    _events: dict[int, list[tuple[bytes, bytes | None]]] = field(default_factory=dict)
    _keys: dict[bytes, list[tuple[int, bytes | None]]] = field(default_factory=dict)
    _leases: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._next = [2] * self.watches

    def _say(self, text: str) -> None:
        if len(self.wrong) < 50:
            self.wrong.append(text)

    # -- clients -----------------------------------------------------------------------------------------------------

    def tries(self, value: bytes) -> None:
        """A client is about to write a value."""
        self.tried += 1
        self._open.add(value)

    def acknowledges(self, value: bytes, revision: int) -> None:
        """A write was acknowledged."""
        self.applied += 1
        self._acknowledged[value] = revision

    def refuses(self, value: bytes) -> None:
        """A write was refused for certain."""
        self.refused += 1
        self._refused.add(value)

    def deletes(self, revision: int, count: int) -> None:
        """A delete of so many keys was acknowledged."""
        self.applied += 1
        if count:
            self._deleted[revision] = count

    def promises_lease(self, id: int, key: bytes, until_s: float) -> None:
        """A grant or a renewal was answered: the lease lives at least until then."""
        found = self.promises.setdefault(id, Promise(key, until_s))
        self._leases[key] = id
        found.until_s = max(found.until_s, until_s)
        self._look_at_lease(id)

    def lease_is_gone(self, id: int) -> None:
        """A renewal has found no lease."""
        found = self.promises[id]
        found.deleted_s = found.deleted_s or self.clock()
        self._look_at_lease(id)

    def _look_at_lease(self, id: int) -> None:
        found = self.promises[id]
        if found.deleted_s is not None and not found.may_end and found.deleted_s < found.until_s:
            self.early += 1
            self._say(f"lease {id:x} ended {found.until_s - found.deleted_s:.3f} s early")

    # -- watches -----------------------------------------------------------------------------------------------------

    def next_of(self, watch: int) -> int:
        """The revision from which a watch reads on."""
        return self._next[watch]

    def watched(self, watch: int, events: Iterable[Any]) -> None:
        """A watch has got the events of one answer."""
        by_revision: dict[int, list[tuple[bytes, bytes | None]]] = {}
        for event in events:
            kv = event.kv
            value = None if event.type == schema.Event.DELETE else kv.value
            by_revision.setdefault(kv.mod_revision, []).append((kv.key, value))
        for revision, found in by_revision.items():
            if revision != self._next[watch]:
                self._say(f"watch {watch} got revision {revision} in place of {self._next[watch]}")
            self._next[watch] = revision + 1
            if revision not in self._events:
                self._first(revision, found)
            elif self._events[revision] != found:
                self._say(f"watch {watch} got {found} for revision {revision}: {self._events[revision]}")

    def _first(self, revision: int, events: list[tuple[bytes, bytes | None]]) -> None:
        """The events of a revision that no other watch has seen before."""
        self._events[revision] = events
        for key, value in events:
            self._keys.setdefault(key, []).append((revision, value))
            if value is None:
                id = self._leases.get(key)
                if id is not None and self.promises[id].deleted_s is None:
                    self.promises[id].deleted_s = self.clock()
                    self._look_at_lease(id)
            elif value in self._seen:
                self._say(f"{value!r} is written at {self._seen[value]} and again at {revision}")
            elif value not in self._open:
                self._say(f"{value!r} is written, and nobody has tried it")
            else:
                self._seen[value] = revision
            if value is not None and key == b"counter":
                self._count(value, revision)

    def _count(self, value: bytes, revision: int) -> None:
        """Each increment adds one to what was there before."""
        history = self._keys[b"counter"]
        before = int(history[-2][1].split(b":")[0]) if len(history) > 1 and history[-2][1] else 0
        if int(value.split(b":")[0]) != before + 1:
            self._say(f"the counter goes from {before} to {value!r} at {revision}")

    # -- judging -----------------------------------------------------------------------------------------------------

    def settled(self) -> int:
        """The revision that all watches have seen."""
        return min(self._next) - 1

    def judge(self, revision: int) -> None:
        """All watches have come to a revision: compare what was answered up to it, and forget it."""
        for value, at in list(self._acknowledged.items()):
            if at <= revision:
                if self._seen.get(value) != at:
                    self._say(f"{value!r} was acknowledged at {at}, and is seen at {self._seen.get(value)}")
                del self._acknowledged[value]
        for value in self._refused & self._seen.keys():
            self._say(f"{value!r} was refused, and is written at {self._seen[value]}")
        for at in [each for each in self._deleted if each <= revision]:
            count = self._deleted.pop(at)
            if len(self._events.get(at, ())) != count:
                self._say(f"{count} keys were deleted at {at}, and the events are {self._events.get(at)}")

    def compare(self, member: int, revision: int, kvs: Iterable[Any]) -> None:
        """Compare all keys that a member shows at a revision with what the watches have seen."""
        shown = {kv.key: (kv.mod_revision, kv.value) for kv in kvs}
        wanted: dict[bytes, tuple[int, bytes]] = {}
        for key, history in self._keys.items():
            at = bisect_right(history, revision, key=lambda each: each[0])
            if at and (last := history[at - 1])[1] is not None:
                wanted[key] = (last[0], last[1])  # type: ignore[assignment]
        if shown != wanted:
            differing = sorted(key for key in shown.keys() | wanted.keys() if shown.get(key) != wanted.get(key))[:5]
            found = [(key, shown.get(key), wanted.get(key)) for key in differing]
            self._say(f"member {member} at {revision} shows, and should show: {found}")

    def check_promises(self, asked_s: float, answered_s: float, revision: int, live: set[bytes]) -> None:
        """A read that was answered by now has shown these keys: those of leases that are promised are among them."""
        for id, promise in self.promises.items():
            history = self._keys.get(promise.key)
            if promise.may_end or not history or history[0][0] > revision or promise.until_s < answered_s:
                continue
            if promise.key not in live:
                self._say(f"lease {id:x} is gone {promise.until_s - answered_s:.3f} s early (asked at {asked_s:.3f})")

    def forget(self, revision: int) -> None:
        """Forget what is older than a compacted revision."""
        self.compacted = revision
        for at in [each for each in self._events if each < revision]:
            del self._events[at]
        for key, history in list(self._keys.items()):
            at = bisect_right(history, revision, key=lambda each: each[0])
            if at > 1:
                del history[: at - 1]
            if len(history) == 1 and history[0][1] is None and history[0][0] <= revision:
                del self._keys[key]
        now_s = self.clock()
        for id, promise in list(self.promises.items()):
            if promise.deleted_s is not None and promise.until_s < now_s - 30:
                del self.promises[id]
                self._leases.pop(promise.key, None)
