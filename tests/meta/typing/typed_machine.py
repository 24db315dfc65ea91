"""A state machine against the room of machines, for the type checkers alone: nothing runs it."""

from dataclasses import dataclass
from io import BytesIO
from typing import assert_type

from raftcy import ConfState, Driver, Entry
from raftcy.machines import (
    Command,
    CommandError,
    GroupMachine,
    OnDiskMachine,
    Pieces,
    Readable,
    SessionClient,
    StateMachine,
    Timekeeper,
    envelope,
)
from raftcy.machines.lock import Acquire, Held, Lock
from raftcy.machines.typed import TypedMachine, applies


class Echo(StateMachine):
    def apply_one(self, command: Command) -> bytes | CommandError:
        assert_type(command.index, int)
        assert_type(command.data, bytes)
        return command.data or CommandError("empty", "empty")

    def capture(self) -> Pieces:
        return Pieces([b"a", b"b"])

    def restore(self, file: Readable) -> None:
        assert_type(file.read(), bytes)


@dataclass(frozen=True)
class Add:
    amount: int


class Total(TypedMachine):
    total = 0

    @applies(Add, version=2)
    def add(self, command: Add, at: Command) -> int:
        self.total += command.amount
        return self.total


class Kept(OnDiskMachine):
    @property
    def applied(self) -> int:
        return 0


def driven(driver: Driver, now_ms: int) -> None:
    def members() -> ConfState:
        return driver.members

    group = GroupMachine(Echo(), members)
    group.apply([Entry(index=1, term=1, data=b"x")])
    file = BytesIO()
    for _ in group.capture_state().slices(file):
        pass
    group.restore_state(file, 1)
    assert_type(Timekeeper().due(now_ms, 1, group.needs_time()), bytes | None)
    assert_type(group.versions.report_due(driver.id), bytes | None)
    assert_type(group.refuses_member(2), CommandError | None)
    client = SessionClient(1)
    assert_type(client.begin(b"x"), tuple[int, bytes])
    assert_type(envelope.open_session(1000), bytes)
    lock = Lock()
    assert_type(lock.encode(Acquire("a", "me", 1000)), bytes)
    assert_type(lock.holder("a"), Held | None)
