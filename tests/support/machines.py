"""Groups' machines without a driver: logs of entries, machines to apply them, and the same modules of either build."""

import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def module(build: ModuleType, name: str = "") -> ModuleType:
    """A module of the room `machines` of a build; the room itself without a name."""
    return importlib.import_module(f"{build.__name__}.machines" + (f".{name}" if name else ""))


def noted(build: ModuleType) -> type:
    """A machine that notes what it is given, and answers with the data and the count so far; it refuses b"no"."""
    room = module(build)

    class Noted(room.StateMachine):
        def __init__(self) -> None:
            self.given: list[Any] = []
            self.calls: list[int] = []

        def apply(self, commands: Any) -> list[Any]:
            self.calls.append(len(commands))
            return super().apply(commands)

        def apply_one(self, command: Any) -> Any:
            if command.data == b"fail":
                raise RuntimeError("a disk is full")
            if command.data == b"no":
                return room.CommandError("the answer is no", "no")
            self.given.append((command.index, command.data, command.time_ms, command.session))
            return [command.data, len(self.given)]

        def capture(self) -> bytes:
            return repr(self.given).encode()

        def restore(self, file: Any) -> None:
            # Written by itself, in this test.
            self.given = eval(file.read())

    return Noted


class Log:
    """A group's log: entries from index 1 on, in term 1 unless it says otherwise."""

    def __init__(self, build: ModuleType) -> None:
        self.build = build
        self.entries: list[Any] = []

    def add(self, data: bytes, term: int = 1) -> Any:
        """A new entry."""
        self.entries.append(self.build.Entry(term=term, index=len(self.entries) + 1, data=data))
        return self.entries[-1]


class Applied:
    """A GroupMachine that is given what a log gets."""

    def __init__(self, build: ModuleType, machine: Any, voters: Iterable[int] = (1, 2, 3)) -> None:
        self.log = Log(build)
        self.members = build.ConfState(voters=list(voters), auto_leave=False)
        self.group = module(build).GroupMachine(machine, lambda: self.members)

    def put(self, data: bytes, term: int = 1) -> Any:
        """Apply one more entry; its answer."""
        return self.group.apply([self.log.add(data, term)])[0]

    def pass_ms(self, count: int) -> None:
        """Let the group's time go on."""
        envelope = module(self.log.build, "envelope")
        while count > 0:
            self.put(envelope.time_passed(1, min(count, envelope.ADVANCE_MOST_MS)))
            count -= envelope.ADVANCE_MOST_MS
