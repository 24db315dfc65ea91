"""A few rounds of kills, and the judge by itself; the long form is ``python -m tests.system.etcd.kills``."""

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from raftcy.etcd import schema
from tests.support.needs import missing

from .killledger import Ledger
from .kills import kill_in_rounds

pytestmark = pytest.mark.once


def test_rounds_of_kills(tmp_path: Path) -> None:
    """One, two and all members are killed under load: nothing is lost or done twice, and no lease ends early."""
    if find_spec("grpc") is None:
        missing("grpcio")
    made = asyncio.run(kill_in_rounds(tmp_path, 6, seed=4))
    assert made.wrong == []
    assert made.killed.total() == 6
    assert set(made.killed) == {1, 2, 3}
    assert made.ledger.applied > 200
    assert made.traffic.renewals > 5
    assert made.traffic.abandoned


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def events(*changes: tuple[int, bytes, bytes | None]) -> list[Any]:
    return [
        schema.Event(
            type=schema.Event.DELETE if value is None else schema.Event.PUT,
            kv=schema.KeyValue(key=key, value=value or b"", mod_revision=revision),
        )
        for revision, key, value in changes
    ]


def kvs(*found: tuple[int, bytes, bytes]) -> list[Any]:
    return [schema.KeyValue(key=key, value=value, mod_revision=revision) for revision, key, value in found]


@pytest.fixture
def ledger() -> Ledger:
    """Two watches; a put at 2 and a lease's at 3, which is promised for 5 seconds."""
    made = Ledger(2, Clock())
    for value in (b"v", b"w", b"lease"):
        made.tries(value)
    made.promises_lease(7, b"l", 105.0)
    made.watched(0, events((2, b"a", b"v"), (3, b"l", b"lease")))
    made.watched(1, events((2, b"a", b"v")))
    made.watched(1, events((3, b"l", b"lease")))
    made.acknowledges(b"v", 2)
    made.judge(3)
    made.compare(1, 3, kvs((2, b"a", b"v"), (3, b"l", b"lease")))
    made.check_promises(100.0, 101.0, 3, {b"a", b"l"})
    assert made.wrong == []
    assert made.settled() == 3
    return made


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("lost", "was acknowledged at 4, and is seen at None"),
        ("moved", "was acknowledged at 3, and is seen at 4"),
        ("twice", "is written at 2 and again at 4"),
        ("nobody", "nobody has tried it"),
        ("refused", "was refused, and is written at 4"),
        ("gap", "got revision 5 in place of 4"),
        ("again", "got revision 3 in place of 4"),
        ("split", "got revision 4 in place of 5"),
        ("other", "for revision 4"),
        ("early", "lease 7 ended 4.000 s early"),
        ("early renewal", "lease 7 ended 2.000 s early"),
        ("gone", "lease 7 ended 1.000 s early"),
        ("not there", "lease 7 is gone 3.000 s early"),
        ("missing", "shows, and should show"),
        ("counter", "the counter goes from 1 to b'3:x'"),
        ("deleted", "2 keys were deleted at 4"),
    ],
)
def test_the_judge_sees(ledger: Ledger, what: str, text: str) -> None:
    clock: Any = ledger.clock
    if what == "lost":
        ledger.acknowledges(b"w", 4)
        ledger.judge(4)
    elif what in ("moved", "refused"):
        ledger.watched(0, events((4, b"a", b"w")))
        if what == "moved":
            ledger.acknowledges(b"w", 3)
        else:
            ledger.refuses(b"w")
        ledger.judge(4)
    elif what in ("twice", "nobody", "gap", "again"):
        revision = {"gap": 5, "again": 3}.get(what, 4)
        ledger.watched(0, events((revision, b"a", b"v" if what == "twice" else b"x" if what == "nobody" else b"w")))
    elif what == "split":
        ledger.watched(0, events((4, b"a", b"w")))
        ledger.watched(0, events((4, b"b", None)))
    elif what == "other":
        ledger.watched(0, events((4, b"a", b"w")))
        ledger.watched(1, events((4, b"b", b"w")))
    elif what == "early":
        clock.now_s = 101.0
        ledger.watched(0, events((4, b"l", None)))
    elif what == "early renewal":
        clock.now_s = 106.0
        ledger.watched(0, events((4, b"l", None)))
        assert ledger.wrong == []
        ledger.promises_lease(7, b"l", 108.0)
    elif what == "gone":
        clock.now_s = 104.0
        ledger.lease_is_gone(7)
    elif what == "not there":
        ledger.check_promises(101.0, 102.0, 3, {b"a"})
    elif what == "missing":
        ledger.compare(0, 3, kvs((2, b"a", b"v")))
    elif what == "counter":
        for value in (b"1:x", b"3:x"):
            ledger.tries(value)
        ledger.watched(0, events((4, b"counter", b"1:x"), (5, b"counter", b"3:x")))
    else:
        ledger.deletes(4, 2)
        ledger.watched(0, events((4, b"a", None)))
        ledger.judge(4)
    assert any(text in each for each in ledger.wrong), ledger.wrong


def test_the_judge_is_content_with_what_may_be(ledger: Ledger) -> None:
    clock: Any = ledger.clock
    ledger.tries(b"x")
    ledger.watched(0, events((4, b"a", b"x"), (4, b"b", b"w")))
    clock.now_s = 106.0
    ledger.watched(0, events((5, b"l", None)))
    ledger.watched(1, events((4, b"a", b"x"), (4, b"b", b"w"), (5, b"l", None)))
    ledger.judge(5)
    ledger.compare(0, 4, kvs((4, b"a", b"x"), (4, b"b", b"w"), (3, b"l", b"lease")))
    ledger.forget(5)
    ledger.compare(0, 5, kvs((4, b"a", b"x"), (4, b"b", b"w")))
    assert ledger.wrong == []
