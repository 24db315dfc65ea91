"""Groups and ready machines in their plainest form: everything is kept, and looked through each time.

They share no code with the package. A refusal is its reason, as `Refused`.
"""

from typing import Any, NamedTuple


class Refused(NamedTuple):
    """A refusal."""

    reason: str


class NaiveCounter:
    def __init__(self) -> None:
        self.history = [0]

    def do(self, what: str, index: int, now_ms: int, *args: Any) -> Any:
        total = self.history[-1]
        if what == "set" and args[1] is not None and args[1] != total:
            return Refused("changed")
        new = total + args[0] if what == "add" else args[0]
        if new not in range(-(2**63), 2**63):
            return Refused("range")
        self.history.append(new)
        return new


class NaiveDictionary:
    def __init__(self) -> None:
        # Every change that was ever made: key, data (None once deleted), revision.
        self.history: list[tuple[str, Any, int]] = []

    def now(self, key: str) -> tuple[Any, int]:
        found = [(data, at) for name, data, at in self.history if name == key]
        return found[-1] if found and found[-1][0] is not None else (None, 0)

    def do(self, what: str, index: int, now_ms: int, *args: Any) -> Any:
        key, revision = args[0], args[-1]
        data, present = self.now(key)
        if revision is not None and revision != present:
            return Refused("changed")
        if what == "put":
            self.history.append((key, args[1], index))
            return index
        self.history.append((key, None, index))
        return data is not None


class NaiveLock:
    def __init__(self, margin_ms: int) -> None:
        self.margin_ms = margin_ms
        self.history: list[tuple[str, str, int, int]] = []

    def now(self, name: str, now_ms: int) -> tuple[str, int]:
        """Who holds a lock, with which token; ("", 0) if nobody does."""
        for each, owner, token, until in reversed(self.history):
            if each == name:
                return (owner, token) if until > now_ms else ("", 0)
        return "", 0

    def do(self, what: str, index: int, now_ms: int, *args: Any) -> Any:
        name = args[0]
        owner, token = self.now(name, now_ms)
        if what == "acquire":
            if token:
                return Refused("held")
            self.history.append((name, args[1], index, now_ms + args[2] + self.margin_ms))
            return index
        if not token or token != args[1]:
            return Refused("lost")
        until = now_ms + args[2] + self.margin_ms if what == "renew" else -1
        self.history.append((name, owner, token, until))
        return token if what == "renew" else True


class NaiveQueue:
    def __init__(self, margin_ms: int) -> None:
        self.margin_ms = margin_ms
        self.items: dict[int, bytes] = {}
        # By item: token and end of each time that it was taken.
        self.takes: dict[int, list[tuple[int, int]]] = {}
        self.finished: set[int] = set()
        self.given_back: set[int] = set()

    def waits(self, id: int, now_ms: int) -> bool:
        takes = self.takes[id]
        return not takes or takes[-1][0] in self.given_back or takes[-1][1] <= now_ms

    def do(self, what: str, index: int, now_ms: int, *args: Any) -> Any:
        if what == "enqueue":
            self.items[index] = args[0]
            self.takes[index] = []
            return index
        if what == "take":
            free = [id for id in self.items if id not in self.finished and self.waits(id, now_ms)]
            if not free:
                return None
            id = min(free)
            self.takes[id].append((index, now_ms + args[1] + self.margin_ms))
            return id, index, len(self.takes[id]), self.items[id]
        id, token = args
        if id not in self.items or id in self.finished or self.waits(id, now_ms) or self.takes[id][-1][0] != token:
            return Refused("lost")
        (self.finished if what == "done" else self.given_back).add(id if what == "done" else token)
        return True


class NaiveGroup:
    """Sessions, time and versions: the whole history, from which each answer is worked out anew."""

    def __init__(self, machine: Any, margin_ms: int, window: int, members: tuple[int, ...]) -> None:
        self.machine = machine
        self.margin_ms = margin_ms
        self.window = window
        self.members = members
        self.index = 0
        self.now_ms = 0
        self.version = 1
        self.reports: list[tuple[int, int]] = []
        self.timeouts: dict[int, int] = {}
        self.signs: list[tuple[int, int, int]] = []
        self.ended: set[int] = set()
        self.answers: dict[tuple[int, int], Any] = {}
        self.applied: list[tuple[int, int]] = []

    def alive(self, session: int) -> bool:
        if session not in self.timeouts or session in self.ended:
            return False
        last = max(at for each, at, _ in self.signs if each == session)
        return self.now_ms < last + self.timeouts[session] + self.margin_ms

    def floor(self, session: int) -> int:
        return max(acknowledged for each, _, acknowledged in self.signs if each == session)

    def do(self, what: str, *args: Any) -> Any:
        """The answer to the next entry."""
        self.index += 1
        return getattr(self, what)(*args)

    def plain(self, what: str, *args: Any) -> Any:
        return self.machine.do(what, self.index, self.now_ms, *args)

    def open(self, timeout_ms: int) -> int:
        self.timeouts[self.index] = timeout_ms
        self.signs.append((self.index, self.now_ms, 0))
        return self.index

    def command(self, session: int, number: int, acknowledged: int, what: str, *args: Any) -> Any:
        if not self.alive(session):
            return Refused("expired")
        self.signs.append((session, self.now_ms, acknowledged))
        floor = self.floor(session)
        if number <= floor:
            return Refused("acknowledged")
        if number > floor + self.window:
            return Refused("window")
        if (session, number) not in self.answers:
            self.applied.append((session, number))
            self.answers[session, number] = self.plain(what, *args)
        return self.answers[session, number]

    def acknowledge(self, session: int, acknowledged: int) -> Any:
        if not self.alive(session):
            return Refused("expired")
        self.signs.append((session, self.now_ms, acknowledged))
        return None

    def close(self, session: int) -> Any:
        if not self.alive(session):
            return Refused("expired")
        self.ended.add(session)
        return None

    def time(self, elapsed_ms: int) -> None:
        self.now_ms += elapsed_ms
        # Who has been silent for too long stays gone, whatever comes later.
        self.ended |= {session for session in self.timeouts if not self.alive(session)}

    def report(self, member: int, version: int) -> Any:
        if member not in self.members:
            return Refused("not a member")
        if version < self.version:
            return Refused("version")
        self.reports.append((member, version))
        latest = dict(self.reports)
        if set(latest) == set(self.members):
            self.version = max(self.version, min(latest.values()))
        return None
