"""Models of the ready machines: which commands the simulator proposes to each, and what their answers must be.

A model is told each command that was applied, and its answer. What it says of the machine is worked out from these
alone, so that a fault of the machine, of its snapshots or of the group around it shows. A command is drawn without
knowing the log: where it needs a token or an id, it says which one is meant, and `command` finds it in the model.
"""

from random import Random
from typing import Any, Protocol

from ..errors import CommandError
from ..machines import Command, StateMachine
from ..machines.counter import Add, Counter, SetTotal
from ..machines.dictionary import Delete, Dictionary, Put
from ..machines.lock import Acquire, Lock, Release, Renew
from ..machines.workqueue import Done, Enqueue, GiveBack, Take, WorkQueue
from .checkers import Violation

Drawn = tuple[Any, ...]
NAMES = ("a", "b", "c")
RULE = "ready machines"


class Model(Protocol):
    """A model. ``state`` is plain data, which travels in snapshots."""

    state: Any

    def machine(self) -> StateMachine:
        """A machine in its initial state."""

    def draw(self, random: Random) -> Drawn:
        """A command to propose, as plain data. Must not depend on the state."""

    def command(self, drawn: Drawn) -> Any:
        """The command that was drawn."""

    def answered(self, command: Any, at: Command, answer: Any) -> None:
        """The command was applied. Raises Violation if it must not have this answer."""


def _fail(command: Any, at: Command, answer: Any, why: str) -> None:
    raise Violation(RULE, f"{command!r} at index {at.index} and {at.time_ms} ms is answered with {answer!r}: {why}")


def _check(command: Any, at: Command, answer: Any, good: bool, why: str) -> None:
    if not good:
        _fail(command, at, answer, why)


class CounterModel:
    """The total is the sum of what was added since it was set."""

    def __init__(self) -> None:
        self.state: Any = 0

    def machine(self) -> StateMachine:
        """A counter."""
        return Counter()

    def draw(self, random: Random) -> Drawn:
        """Mostly additions."""
        amount = int(random.random() * 21) - 10
        return ("add", amount) if random.random() < 0.8 else ("set", amount, int(random.random() * 21) - 10)

    def command(self, drawn: Drawn) -> Any:
        """The command that was drawn."""
        return Add(drawn[1]) if drawn[0] == "add" else SetTotal(drawn[1], drawn[2])

    def answered(self, command: Any, at: Command, answer: Any) -> None:
        """Compare the total."""
        if isinstance(command, SetTotal):
            if command.expected != self.state:
                return _check(command, at, answer, isinstance(answer, CommandError), f"the total was {self.state}")
            self.state = command.total
        else:
            self.state += command.amount
        return _check(command, at, answer, answer == self.state, f"the total is {self.state}")


class DictionaryModel:
    """A key has the data and the revision of its last change."""

    def __init__(self) -> None:
        self.state: Any = {}

    def machine(self) -> StateMachine:
        """A dictionary."""
        return Dictionary()

    def draw(self, random: Random) -> Drawn:
        """Changes of few keys; half of them depend on a revision, the present one or another."""
        name = NAMES[int(random.random() * 3)]
        revision = ("any", "any", "present", "other")[int(random.random() * 4)]
        return ("put" if random.random() < 0.7 else "delete", name, b"%d" % int(random.random() * 100), revision)

    def command(self, drawn: Drawn) -> Any:
        """The command that was drawn."""
        what, name, data, meant = drawn
        present = self.state.get(name, 0)
        revision = {"any": None, "present": present, "other": present + 1}[meant]
        return Put(name, data, revision) if what == "put" else Delete(name, revision)

    def answered(self, command: Any, at: Command, answer: Any) -> None:
        """Compare the revision."""
        present = self.state.get(command.key, 0)
        if command.revision not in (None, present):
            return _check(command, at, answer, isinstance(answer, CommandError), f"the revision was {present}")
        if isinstance(command, Put):
            self.state[command.key] = at.index
            return _check(command, at, answer, answer == at.index, "it was put")
        return _check(
            command, at, answer, answer is (self.state.pop(command.key, None) is not None), f"it had {present}"
        )


class LockModel:
    """Nobody gets a lock whose last lease is not over, and every token is higher than all before it."""

    def __init__(self) -> None:
        # By name: token and end of the lease, without what the machine adds to it. Before them the highest token.
        self.state: Any = {"": (0, 0)}

    def machine(self) -> StateMachine:
        """A lock."""
        return Lock()

    def draw(self, random: Random) -> Drawn:
        """Locks are taken, held for longer, given back, and lost."""
        what = ("acquire", "acquire", "renew", "release")[int(random.random() * 4)]
        return what, NAMES[int(random.random() * 3)], 1 + int(random.random() * 4000), random.random() < 0.8

    def command(self, drawn: Drawn) -> Any:
        """The command that was drawn."""
        what, name, lease_ms, present = drawn
        if what == "acquire":
            return Acquire(name, f"owner of {name}", lease_ms)
        token = self.state.get(name, (0, 0))[0] - (0 if present else 1)
        return Renew(name, max(token, 0), lease_ms) if what == "renew" else Release(name, max(token, 0))

    def answered(self, command: Any, at: Command, answer: Any) -> None:
        """Check who may hold the lock now."""
        state = self.state
        token, end_ms = state.get(command.name, (0, 0))
        if isinstance(answer, CommandError):
            free = token == 0 and isinstance(command, Acquire)
            return _check(command, at, answer, not free, "it was free")
        if isinstance(command, Acquire):
            _check(command, at, answer, end_ms <= at.time_ms, f"it is held up to {end_ms} ms")
            _check(command, at, answer, answer > state[""][0], f"there was a token {state[''][0]}")
            state[""] = (answer, 0)
            state[command.name] = (answer, at.time_ms + command.lease_ms)
            return None
        _check(command, at, answer, command.token == token != 0, f"it is held with token {token}")
        state[command.name] = (token, at.time_ms + command.lease_ms) if isinstance(command, Renew) else (0, 0)
        return None


class QueueModel:
    """An item is done once, by the worker that took it last; nobody takes what is done, or on a lease."""

    def __init__(self) -> None:
        # By item: token and end of the lease; no token for one that waits. Of those that are done, the highest.
        self.state: Any = {"items": {}, "done": 0, "finished": []}

    def machine(self) -> StateMachine:
        """A queue."""
        return WorkQueue()

    def draw(self, random: Random) -> Drawn:
        """Items come, are taken, done, given back, and lost by slow workers."""
        what = ("enqueue", "enqueue", "take", "take", "take", "done", "done", "give back")[int(random.random() * 8)]
        return what, 1 + int(random.random() * 3000), random.random(), random.random() < 0.8

    def command(self, drawn: Drawn) -> Any:
        """The command that was drawn."""
        what, lease_ms, which, present = drawn
        if what == "enqueue":
            return Enqueue(b"%d" % lease_ms)
        if what == "take":
            return Take("worker", lease_ms)
        taken = [(id, token) for id, (token, _) in sorted(self.state["items"].items()) if token]
        taken = taken or [(last, last + 1) for last in self.state["finished"][-1:]] or [(1, 1)]
        id, token = taken[int(which * len(taken))]
        token -= 0 if present else 1
        return Done(id, token) if what == "done" else GiveBack(id, token)

    def answered(self, command: Any, at: Command, answer: Any) -> None:
        """Check whose item it is."""
        items = self.state["items"]
        if isinstance(command, Enqueue):
            _check(command, at, answer, answer == at.index, "its id is its index")
            items[answer] = (0, 0)
        elif isinstance(command, Take):
            if answer is None:
                waits = [id for id, (token, _) in items.items() if not token]
                return _check(command, at, answer, not waits, f"{waits} wait")
            id, token = answer[:2]
            _check(command, at, answer, id in items, "there is no such item, or it is done")
            _check(command, at, answer, items[id][1] <= at.time_ms, f"it is taken up to {items[id][1]} ms")
            _check(command, at, answer, token == at.index, "the token is the index")
            items[id] = (token, at.time_ms + command.lease_ms)
        elif not isinstance(answer, CommandError):
            _check(command, at, answer, items.get(command.id, (0, 0))[0] == command.token, "it is another's, or done")
            if isinstance(command, GiveBack):
                items[command.id] = (0, 0)
            else:
                del items[command.id]
                self.state["finished"].append(command.id)
        return None


MODELS: dict[str, type[Model]] = {
    "counter": CounterModel,
    "dictionary": DictionaryModel,
    "lock": LockModel,
    "queue": QueueModel,
}
