"""A ready machine: locks that end with a lease, and tokens that fence off earlier holders.

A lease runs by the group's time. It never ends before ``lease_ms`` of real time have passed since the command was
appended to the log. It may end a second or two later, and does not end while the group has no leader. A holder must
therefore measure the lease itself, from before it proposed `Acquire` or `Renew`, and stop when the time is over. Asking
whether it still holds the lock would be too late: the answer may be outdated when it arrives.

Even so, a holder that was paused may wake up late and write. The receiver of the write should therefore remember the
highest token that it has seen, and refuse lower ones: every holder has a higher token than all holders before it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from ..errors import CommandError
from .elapsed import deadline
from .statemachine import Command, Readable
from .typed import TypedMachine, applies, pack, unpack

LEASE_MOST_MS = 24 * 3600 * 1000


class Held(NamedTuple):
    """A held lock: its owner, its token, and the group's time at which its lease ends."""

    owner: str
    token: int
    deadline_ms: int


def _check(lease_ms: int) -> None:
    if not 1 <= lease_ms <= LEASE_MOST_MS:
        raise ValueError(f"lease_ms must be 1 to {LEASE_MOST_MS}, not {lease_ms}")


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take the lock ``name`` for ``owner``, if it is free. The answer is the token.

    ``lease_ms`` is 1 to `LEASE_MOST_MS`; ValueError for anything else. Refused with the reason "held" if the lock is
    held, even by the same owner. Propose it in a session, so that a second try of the command gets the first one's
    token.
    """

    name: str
    owner: str
    lease_ms: int

    def __post_init__(self) -> None:
        _check(self.lease_ms)


@dataclass(frozen=True, slots=True)
class Renew:
    """Begin anew the lease of the lock ``name``, held with ``token``. The answer is the token.

    Refused with the reason "lost" if the lock is not held with this token, or if its lease is over.
    """

    name: str
    token: int
    lease_ms: int

    def __post_init__(self) -> None:
        _check(self.lease_ms)


@dataclass(frozen=True, slots=True)
class Release:
    """Give back the lock ``name``, held with ``token``. The answer is True. Refused in the same cases as `Renew`."""

    name: str
    token: int


class Lock(TypedMachine):
    """Locks by their names. A lock that nobody holds takes no memory."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def holder(self, name: str) -> Held | None:
        """Return the holder of a lock, even if its lease is over; None if the lock was given back or never taken."""
        return self._held.get(name)

    def needs_time(self) -> bool:
        """Return True while any lock is held, because leases end by the group's time."""
        return len(self._held) > 0

    @applies(Acquire, name="acquire")
    def _acquire(self, command: Acquire, at: Command) -> int | CommandError:
        held = self._held.get(command.name)
        if held is not None and at.time_ms < held.deadline_ms:
            return CommandError(f"{command.name!r} is held by {held.owner!r}", "held")
        self._held[command.name] = Held(command.owner, at.index, deadline(at.time_ms, command.lease_ms))
        return at.index

    @applies(Renew, name="renew")
    def _renew(self, command: Renew, at: Command) -> int | CommandError:
        held = self._held_with(command.name, command.token, at.time_ms)
        if isinstance(held, CommandError):
            return held
        self._held[command.name] = held._replace(deadline_ms=deadline(at.time_ms, command.lease_ms))
        return held.token

    @applies(Release, name="release")
    def _release(self, command: Release, at: Command) -> bool | CommandError:
        held = self._held_with(command.name, command.token, at.time_ms)
        if isinstance(held, CommandError):
            return held
        del self._held[command.name]
        return True

    def _held_with(self, name: str, token: int, now_ms: int) -> Held | CommandError:
        held = self._held.get(name)
        if held is None or held.token != token or held.deadline_ms <= now_ms:
            return CommandError(f"{name!r} is not held with token {token}", "lost")
        return held

    def capture(self) -> bytes:
        """Return all held locks."""
        return pack([(name, *held) for name, held in sorted(self._held.items())])

    def restore(self, file: Readable) -> None:
        """Replace the locks by the locks of a capture."""
        found = unpack(file.read(), list[tuple[str, str, int, int]])
        self._held = {name: Held(owner, token, deadline_ms) for name, owner, token, deadline_ms in found}
