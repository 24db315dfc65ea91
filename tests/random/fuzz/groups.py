"""A group's log and snapshots as nobody would write them: any bytes as entries, as a snapshot, or as its head.

The first byte says which. Entries are cut out by lengths, and half of them are put together from a kind and small
numbers. Each build applies all at once and one by one, and starts again from its own snapshots.
"""

import io
import struct
import zlib
from types import ModuleType
from typing import Any

from tests.support.values import load

from .choices import Choices
from .machine import Finding

MEMBERS = (1, 2, 3)
ENTRIES_MOST = 64


def entry(c: Choices, e: ModuleType) -> bytes:
    """The bytes of one entry, which a driver never gives to a machine without any."""
    if c.flag():
        return c.octets(1 + c.below(12)) or b"\0"
    kind = c.below(9)
    fields = {
        1: (100 + 37 * c.below(64),),
        5: (1 + c.below(3), 1 + 4 * c.below(250)),
        6: (1 + c.below(4), 1 + c.below(4)),
    }
    data = bytes((e.MARK, kind))
    for each in fields.get(kind, [c.below(8) for _ in range({0: 0, 2: 3, 3: 2, 4: 1}.get(kind, 1))]):
        while each >= 0x80:
            data += bytes((each & 0x7F | 0x80,))
            each >>= 7
        data += bytes((each,))
    return data + (c.octets(c.below(5)) if kind in (0, 2) else b"")


def machine(build: ModuleType) -> Any:
    """One that refuses some, and answers with what it has."""
    room = load(build, "machines")

    class Joined(room.StateMachine):
        knows = 3

        def __init__(self) -> None:
            self.data = b""

        def apply_one(self, command: Any) -> Any:
            if command.data[:1] == b"\0":
                return room.CommandError("a zero")
            self.data += command.data
            return command.time_ms, self.data[-4:]

        def capture(self) -> bytes:
            return self.data

        def restore(self, file: Any) -> None:
            self.data = file.read()

    return Joined()


def group(build: ModuleType) -> Any:
    members = build.ConfState(voters=list(MEMBERS), auto_leave=False)
    return load(build, "machines").GroupMachine(machine(build), lambda: members)


def outcome(call: Any, *arguments: Any) -> Any:
    """What a call gives, or its error's type and text."""
    try:
        return repr(call(*arguments))
    except Exception as error:
        return type(error).__name__, str(error)


def groups(builds: list[ModuleType], data: bytes) -> None:
    """Do the same in each build; both must see the same."""
    told = [play(build, Choices(data)) for build in builds]
    if any(each != told[0] for each in told):
        raise Finding(f"the builds differ: {told}")


def play(build: ModuleType, c: Choices) -> Any:
    """What a build sees."""
    how = c.below(4)
    if how == 0:
        return restored(build, c.octets(c.left()), False)
    if how == 1:
        return restored(build, headed(c), True)
    return applied(build, c)


def headed(c: Choices) -> bytes:
    """A snapshot with any head, its checksum right."""
    head = b"\1" + c.octets(min(c.left(), 60_000))
    told = zlib.crc32(head, 1)
    end = zlib.crc32(b"\0", told)
    pieces = struct.pack("<III", 1, len(head), told) + head + struct.pack("<II", 0, end)
    return b"raftcysm" + pieces + struct.pack("<II", 0, zlib.crc32(b"\0", end))


def restored(build: ModuleType, data: bytes, canonical: bool) -> Any:
    """A snapshot is refused by its own errors and nothing has changed, or it is what the group captures then."""
    its = group(build)
    before = its.capture()
    try:
        its.restore_state(io.BytesIO(data), 1)
    except (build.Corruption, build.UpgradeNeeded) as error:
        if its.capture() != before:
            raise Finding(f"a refused snapshot of {data.hex()} changed the group") from error
        return type(error).__name__, str(error)
    if canonical and its.capture() != data:
        raise Finding(f"{data.hex()} was restored, and captured again as {its.capture().hex()}")
    return its.capture()


def applied(build: ModuleType, c: Choices) -> Any:
    """Entries, at once and one by one, with a start from each snapshot between them."""
    e = load(build, "machines.envelope")
    entries = []
    while c.left() and len(entries) < ENTRIES_MOST:
        entries.append(build.Entry(term=1, index=len(entries) + 1, data=entry(c, e)))
    whole, step = group(build), group(build)
    told = []
    for each in entries:
        told.append(outcome(step.apply, [each]))
        try:
            data = step.capture()
            step = group(build)
            step.restore_state(io.BytesIO(data), each.index)
        except build.UpgradeNeeded:
            # The version went beyond this program; so it is known when the member starts again.
            break
        if step.capture() != data:
            raise Finding(f"another state after a restart at {each.index}")
        if told[-1][0] == "UpgradeNeeded":
            break
    _check(told)
    at_once = outcome(whole.apply, entries)
    if "UpgradeNeeded" not in str(told) and at_once != "[" + ", ".join(each[1:-1] for each in told) + "]":
        raise Finding(f"{at_once} at once, {told} one by one")
    if whole.capture() != step.capture() and "UpgradeNeeded" not in str(told):
        raise Finding("another state at once than one by one")
    return told, at_once, whole.capture()


def _check(told: list[Any]) -> None:
    for each in told:
        if not isinstance(each, str) and each[0] != "UpgradeNeeded":
            raise Finding(f"an entry of a log raises {each}")
