"""The course of one run: a cluster under the actions of its schedule, and then under its operator."""

from collections.abc import Callable, Iterator
from typing import Any

from .actions import perform
from .cluster import guarded
from .operator import Operator
from .schedule import Action


class Run:
    """A cluster under ``actions``, until ``heal`` ends all faults and the operator takes over.

    ``performed`` lists the actions so far, each with a text about its effect. ``perform`` performs one, and
    ``operator`` makes the operator.
    """

    def __init__(
        self,
        cluster: Any,
        actions: Iterator[Action],
        perform: Callable[[Any, Action], str] = perform,
        operator: Callable[[Any], Any] = Operator,
    ) -> None:
        self.cluster = cluster
        self.performed: list[tuple[Action, str]] = []
        self._actions = actions
        self._perform = perform
        self._make_operator = operator
        self._operator: Any = None
        self._next_action()

    @property
    def done(self) -> bool:
        """Whether the operator has found the cluster settled."""
        return self._operator is not None and self._operator.done

    def step(self) -> str:
        """Run the next event and return its name. Raises Violation."""
        name: str = self.cluster.step()
        return name

    def heal(self) -> None:
        """End all faults, and let the operator settle the cluster. Raises Violation."""
        self._operator = self._make_operator(self.cluster)
        self.cluster.heal()
        guarded(self._operator.begin)

    def _next_action(self) -> None:
        action = next(self._actions, None)
        if action is not None:
            clock = self.cluster.clock
            clock.after(action.at - clock.now, self._act, action)

    def _act(self, action: Action) -> None:
        if self.cluster.healed:
            return
        self.performed.append((action, ""))
        self.performed[-1] = (action, self._perform(self.cluster, action))
        self._next_action()

    def end(self) -> None:
        """End the run, so that nothing of it is left to the garbage collector."""

    # -- what the tools show and compare -------------------------------------------------------------------------

    def status(self) -> str:
        """Describe the member that the last event concerned, for a comparison; "" if it is down."""
        member = self.cluster.touched
        return str(member.node.status()) if member is not None and member.up else ""

    def describe(self, name: str, arguments: tuple[Any, ...]) -> str:
        """Describe an event for people; "" for one that ``stepwise`` describes itself."""
        return ""

    def state(self, member: Any) -> str:
        """Describe a member on one line; "" to leave that to ``stepwise``."""
        return ""
