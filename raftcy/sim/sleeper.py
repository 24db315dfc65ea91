"""The sleep of one simulated member: what a host does for its groups, for a host with one group."""

from typing import Any, Protocol

from ..core.rawnode import RawNode
from ..replica.driver import Driver
from ..replica.ticking import Found
from ..replica.together import Together
from ..wire.messages import Message

GROUP = 7
"""The group's id, in beats."""


class Sleeping(Protocol):
    """A member, as its sleeper needs it."""

    id: int
    life: int
    driver: Driver
    node: RawNode
    host: Any

    def step(self, m: Message) -> bool:
        """Step a message."""

    def is_idle(self) -> bool:
        """Whether nothing is under way around the driver."""


class Sleeper:
    """Ticks a member, or lets it sleep. It lives as long as one start of the member."""

    def __init__(self, member: Sleeping) -> None:
        self._member = member
        host = member.host
        nonce = member.life << 16 | member.id
        ticks = host.settings.election_tick
        # A recorder sees the calls of a node, but not how it sleeps.
        sleeps = host.make_raw is RawNode
        self._together = Together(member.id, nonce, ticks, lambda m: host.send_beat(member, m), sleeps)
        # An observer sees every message of the others.
        plain = host.stream("plain", member.id).random() < 0.7
        self._seat = self._together.add(GROUP, member.driver, member, plain)

    @property
    def is_asleep(self) -> bool:
        """Whether the member sleeps."""
        return self._together.is_asleep(self._seat)

    def rouse(self) -> None:
        """Wake the member, because it has work."""
        self._together.rouse(self._seat)

    def tick(self) -> None:
        """Let a tick pass."""
        self._handle(self._together.tick())

    def hear(self, m: Message) -> None:
        """Take a beat, or an answer to one."""
        self._handle(self._together.receive(m))

    def _handle(self, found: Found) -> None:
        for _, error in found.failed:
            raise error
        if found.due:
            self.rouse()
        for _, m in found.messages:
            self._member.step(m)
