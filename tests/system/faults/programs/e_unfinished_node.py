"""Objects that are half made, storages and loggers that call back into the node, and storages that answer nonsense.

It prints what each does: the same on both builds, and none ends the process.
"""

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import raftcy

from .parts import Quiet, attempt, begun, config, show_each


def begun_log(storage: Any) -> Any:
    """A storage with four committed entries."""
    begun(storage, voters=(1,))
    storage.append([raftcy.Entry(term=1, index=index, data=b"x") for index in range(2, 6)])
    storage.set_hard_state(raftcy.HardState(term=1, commit=5))
    return storage


def subclass() -> Any:
    """A subclass whose clean-up asks the node, although ``__init__`` failed."""
    kind: Any = type("Mine", (raftcy.RawNode,), {"__del__": lambda self: self.has_ready()})
    try:
        return kind(config(1, begun(), election_tick=0))
    finally:
        gc.collect()


def failed_again() -> Any:
    """``__init__`` fails on a node that runs."""
    node = raftcy.RawNode(config(1, begun()))
    failed = attempt(lambda: node.__init__(config(1, begun(), election_tick=0)))  # type: ignore[misc]
    return failed, attempt(node.tick), attempt(node.has_ready)


def drive(node: raftcy.RawNode, storage: Any) -> Any:
    """Let a node work for some time."""
    for _ in range(40):
        node.tick()
    term = node.basic_status().term
    node.step(raftcy.Message(type=raftcy.MessageType.MSG_VOTE_RESP, from_=2, to=1, term=term))
    for _ in range(3):
        if node.has_ready():
            raftcy.save_ready(storage, node.ready())
            node.advance()
        node.tick()
    return "lives"


def calling_storage() -> Any:
    class Calling(raftcy.MemoryStorage):
        node: Any = None

        def term(self, index: int) -> int:
            if self.node is not None and index > 0:
                self.node.tick()
            return int(super().term(index))

    storage: Any = begun(Calling(), voters=(1, 2))
    storage.node = node = raftcy.RawNode(config(1, storage))
    return drive(node, storage)


def calling_logger() -> Any:
    class Calling(Quiet):
        node: Any = None
        depth = 0

        def isEnabledFor(self, level: int) -> bool:
            return True

        def debug(self, text: str) -> None:
            if self.node is not None and self.depth < 3:
                self.depth += 1
                attempt(self.node.tick)
                self.depth -= 1

        info = warning = error = critical = debug

    logger = Calling()
    storage = begun(voters=(1, 2))
    logger.node = node = raftcy.RawNode(config(1, storage, logger=logger))
    return drive(node, storage)


def kept_entries() -> Any:
    """A storage that empties the list that it has answered with."""
    kept: list[Any] = []

    class Keeping(raftcy.MemoryStorage):
        def entries(self, low: int, high: int, size: int) -> Any:
            found = super().entries(low, high, size)
            kept.append(found)
            return found

    node = raftcy.RawNode(config(1, begun_log(Keeping())))
    ready = node.ready()
    for each in kept:
        each.clear()
    return len(ready.committed_entries), attempt(node.advance)


ENTRIES: dict[str, Any] = {
    "None": None,
    "[None]": [None],
    "[1]": [1],
    "()": (),
    "[Message]": [raftcy.Message()],
    "a later entry": [raftcy.Entry(term=1, index=9)],
    "one entry three times": [raftcy.Entry(term=1, index=2)] * 3,
}


def wrong_entries(answer: Any) -> Any:
    kind: Any = type("Wrong", (raftcy.MemoryStorage,), {"entries": lambda *_: answer})
    node = raftcy.RawNode(config(1, begun_log(kind())))
    return node.ready().committed_entries


ANSWERS: list[tuple[str, Any]] = [
    ("term", None),
    ("term", "1"),
    ("term", -1),
    ("term", 2**64),
    ("first_index", None),
    ("first_index", 0),
    ("last_index", 2**64 - 1),
    ("last_index", -1),
    ("snapshot", None),
    ("snapshot", 1),
    ("initial_state", None),
    ("initial_state", (None, None)),
    ("initial_state", (1, 2)),
]


def wrong_answer(method: str, answer: Any) -> Any:
    kind: Any = type("Wrong", (raftcy.MemoryStorage,), {method: lambda *_: answer})
    storage = begun(kind(), voters=(1, 2))
    return drive(raftcy.RawNode(config(1, storage)), storage)


def main() -> None:
    cases: list[tuple[str, Callable[[], str]]] = [
        ("a group that is missing in a list", partial(attempt, lambda: raftcy.tick_groups([raftcy.Loopback(), None]))),
        ("a Ready that was lost", partial(attempt, lambda: raftcy.RawNode(config(1, begun())).accept_ready(None))),
    ]
    for act in (subclass, failed_again, calling_storage, calling_logger, kept_entries):
        cases.append((act.__name__, partial(attempt, act)))
    for shown, answer in ENTRIES.items():
        cases.append((f"entries answers {shown}", partial(attempt, partial(wrong_entries, answer))))
    for method, answer in ANSWERS:
        cases.append((f"{method} answers {answer!r}", partial(attempt, partial(wrong_answer, method, answer))))
    show_each(cases)


if __name__ == "__main__":
    main()
