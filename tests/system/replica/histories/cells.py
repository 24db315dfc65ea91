"""The state machine of the histories: numbers by key, and which commands were applied, how often."""

import json
from dataclasses import dataclass
from typing import Any

from raftcy.machines import Command, StateMachine

from ..nursery import packed, unpacked


@dataclass(frozen=True, slots=True)
class Act:
    """A command: number ``number`` of a client. ``kind`` is w (set to x), a (add x) or c (set to y if it is x)."""

    client: str
    number: int
    kind: str
    key: str
    x: int
    y: int = 0

    def encode(self) -> bytes:
        """The bytes of the command."""
        return json.dumps([self.client, self.number, self.kind, self.key, self.x, self.y]).encode()


class Cells(StateMachine):
    """Numbers by key. ``marks`` has what was applied, and ``twice`` what was applied again."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.marks: dict[str, bytearray] = {}
        self.twice: list[str] = []

    def apply_one(self, command: Command) -> Any:
        act = Act(*json.loads(command.data))
        marks = self.marks.setdefault(act.client, bytearray())
        marks += bytes(max(0, act.number + 1 - len(marks)))
        if marks[act.number]:
            self.twice.append(f"{act.client}:{act.number}")
        marks[act.number] = 1
        present = self.numbers.get(act.key, 0)
        if act.kind == "w":
            self.numbers[act.key] = act.x
            return None
        if act.kind == "a":
            self.numbers[act.key] = present + act.x
            return present + act.x
        if present == act.x:
            self.numbers[act.key] = act.y
        return int(present == act.x)

    def told(self) -> dict[str, Any]:
        """The state as plain data."""
        marks = {client: packed(marks) for client, marks in self.marks.items()}
        return {"numbers": self.numbers, "marks": marks, "twice": self.twice}

    def capture(self) -> bytes:
        return json.dumps(self.told()).encode()

    def restore(self, file: Any) -> None:
        told = json.loads(file.read())
        self.numbers = told["numbers"]
        self.marks = {client: unpacked(text) for client, text in told["marks"].items()}
        self.twice = told["twice"]
